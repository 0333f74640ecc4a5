package mysqld

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// objectKind is what is defined. The order is the one in which they are made.
type objectKind uint8

const (
	kindSchema objectKind = iota
	kindSequence
	kindTable
	kindPackage
	kindPackageBody
	kindFunction
	kindProcedure
	kindView
	kindTrigger
	kindEvent
)

var kindNames = [...]string{"DATABASE", "SEQUENCE", "TABLE", "PACKAGE", "PACKAGE BODY", "FUNCTION", "PROCEDURE", "VIEW", "TRIGGER", "EVENT"}

func (k objectKind) String() string { return kindNames[k] }

// object is one definition of the source.
type object struct {
	kind         objectKind
	schema, name string
	engine       string // of a table
	bytes        uint64 // of a table, as the server guesses
	rowBytes     uint64 // of a table's row on average, as the server guesses
	sql          string
	// What the statement is to be run under, as SHOW CREATE says it; empty: as the
	// session is.
	mode, client, connection, zone string
	enabled                        bool // of an event
}

func (o object) full() string {
	if o.kind == kindSchema {
		return name(o.schema)
	}
	return name(o.schema, o.name)
}

// autoIncrement is the part of a table's definition that moves with its rows.
func autoIncrement() *regexp.Regexp { return regexp.MustCompile(` AUTO_INCREMENT=[0-9]+`) }

// same reports whether nothing was changed between two looks but by rows.
func (o object) same(other object) bool {
	o.bytes, other.bytes, o.rowBytes, other.rowBytes = 0, 0, 0, 0
	if o.kind == kindTable {
		o.sql, other.sql = autoIncrement().ReplaceAllString(o.sql, ""), autoIncrement().ReplaceAllString(other.sql, "")
	}
	return o == other
}

// objectLists says how each kind is listed: schema, name, engine, bytes, bytes a row,
// enabled. Its own schemas and the server's are left out.
const ours = "('mysql','information_schema','performance_schema','sys','sqlring')"

func objectLists() map[objectKind]string {
	return map[objectKind]string{
		kindSchema: "SELECT schema_name, '', '', 0, 0, 0 FROM information_schema.schemata WHERE schema_name NOT IN " + ours,
		kindSequence: `SELECT table_schema, table_name, IFNULL(engine,''), 0, 0, 0 FROM information_schema.tables
			WHERE table_type='SEQUENCE' AND table_schema NOT IN ` + ours,
		kindTable: `SELECT table_schema, table_name, IF(table_type='BASE TABLE',IFNULL(engine,''),table_type), IFNULL(data_length,0), IFNULL(avg_row_length,0), 0
			FROM information_schema.tables WHERE table_type NOT IN ('VIEW','SEQUENCE') AND table_schema NOT IN ` + ours,
		kindPackage:     "SELECT routine_schema, routine_name, '', 0, 0, 0 FROM information_schema.routines WHERE routine_type='PACKAGE' AND routine_schema NOT IN " + ours,
		kindPackageBody: "SELECT routine_schema, routine_name, '', 0, 0, 0 FROM information_schema.routines WHERE routine_type='PACKAGE BODY' AND routine_schema NOT IN " + ours,
		kindFunction:    "SELECT routine_schema, routine_name, '', 0, 0, 0 FROM information_schema.routines WHERE routine_type='FUNCTION' AND routine_schema NOT IN " + ours,
		kindProcedure:   "SELECT routine_schema, routine_name, '', 0, 0, 0 FROM information_schema.routines WHERE routine_type='PROCEDURE' AND routine_schema NOT IN " + ours,
		kindView:        "SELECT table_schema, table_name, '', 0, 0, 0 FROM information_schema.tables WHERE table_type='VIEW' AND table_schema NOT IN " + ours,
		kindTrigger: `SELECT trigger_schema, trigger_name, '', 0, 0, 0 FROM information_schema.triggers WHERE trigger_schema NOT IN ` + ours + `
			ORDER BY event_object_schema, event_object_table, event_manipulation, action_timing, action_order`,
		kindEvent: "SELECT event_schema, event_name, '', 0, 0, status='ENABLED' FROM information_schema.events WHERE event_schema NOT IN " + ours,
	}
}

// readObjects reads every definition, in the order in which they are made.
func readObjects(ctx context.Context, c *conn) ([]object, error) {
	var all []object
	lists := c.copying().lists
	for kind := kindSchema; kind <= kindEvent; kind++ {
		if lists[kind] == "" {
			continue // the flavour has none
		}
		listed, err := c.query(ctx, lists[kind])
		if err != nil {
			return nil, fmt.Errorf("list every %s: %w", kind, err)
		}
		found := make([]object, 0, len(listed.rows))
		for _, row := range listed.rows {
			o := object{kind: kind, schema: row[0], name: row[1], engine: row[2], enabled: row[5] == "1"}
			o.bytes, _ = strconv.ParseUint(row[3], 10, 64) // guesses
			o.rowBytes, _ = strconv.ParseUint(row[4], 10, 64)
			if err := o.define(ctx, c); err != nil {
				return nil, fmt.Errorf("definition of %s %s: %w", kind, o.full(), err)
			}
			found = append(found, o)
		}
		if kind != kindTrigger { // those stand in the order in which they fire
			slices.SortFunc(found, func(a, b object) int { return strings.Compare(a.full(), b.full()) })
		}
		all = append(all, found...)
	}
	return all, nil
}

// define asks for the statement that makes the object.
func (o *object) define(ctx context.Context, c *conn) error {
	t, err := c.query(ctx, "SHOW CREATE "+o.kind.String()+" "+o.full())
	if isNumber(err, errNoSuchTable, errUnknownSchema, errInvalidView) {
		return fmt.Errorf("%w: %w", errDefinitionsMoved, err) // gone since it was listed, or a view of what is gone
	}
	if err != nil {
		return err
	}
	field := func(names ...string) string {
		for _, name := range names {
			for i, column := range t.columns {
				if strings.EqualFold(column, name) && len(t.rows) > 0 {
					return t.rows[0][i]
				}
			}
		}
		return ""
	}
	o.sql = field("Create Database", "Create Table", "Create Package", "Create Package Body", "Create Function", "Create Procedure", "Create View", "SQL Original Statement", "Create Event")
	o.mode, o.client, o.connection, o.zone = field("sql_mode"), field("character_set_client"), field("collation_connection"), field("time_zone")
	if o.sql == "" {
		return person("the manager's account may not see it: it lacks a privilege (docs/accounts.md)")
	}
	return nil
}

// makeTables makes schemas, sequences and tables, empty.
func (w *copyWork) makeTables(ctx context.Context) error {
	if err := w.target.execute(ctx, textSession); err != nil {
		return err
	}
	for _, o := range w.source.objects {
		if o.kind > kindTable {
			break
		}
		if err := w.make(ctx, o); err != nil {
			return fmt.Errorf("%s %s: %w", o.kind, o.full(), err)
		}
	}
	return w.target.execute(ctx, binarySession)
}

// Definitions of tables are text in the server's own charset; rows are bytes.
const (
	textSession   = "SET SESSION character_set_client=utf8mb4, character_set_connection=utf8mb4"
	binarySession = "SET SESSION character_set_client=binary, character_set_connection=binary"
)

// makeObjects makes what may refer to tables and to each other. What fails since
// something is not there yet is tried again, as long as anything is made.
func (w *copyWork) makeObjects(ctx context.Context) (err error) {
	if trust := w.target.copying().trust; trust != nil {
		restore, err2 := trust(ctx, w.target)
		if err2 != nil {
			return err2
		}
		defer func() { err = errors.Join(err, w.target.execute(ctx, restore)) }()
	}
	first := slices.IndexFunc(w.source.objects, func(o object) bool { return o.kind > kindTable })
	if first < 0 {
		return nil
	}
	left := w.source.objects[first:]
	for len(left) > 0 {
		var again []object
		var last error
		for _, o := range left {
			err := w.make(ctx, o)
			switch {
			case err == nil:
			case w.target.broken:
				return err
			default:
				again, last = append(again, o), errors.Join(fmt.Errorf("%s %s: %w", o.kind, o.full(), err))
			}
		}
		if len(again) == len(left) {
			return person("%d of them can not be made, as they may refer to what is not there: mend or drop them on %s; the last: %v", len(again), w.job.order.Name, last)
		}
		left = again
	}
	return nil
}

// make runs one definition on the member, under what it was defined under.
func (w *copyWork) make(ctx context.Context, o object) error {
	c := w.target
	if o.kind == kindSchema {
		return c.execute(ctx, o.sql)
	}
	if err := c.execute(ctx, "USE "+name(o.schema)); err != nil {
		return err
	}
	if o.mode == "" && o.client == "" && o.kind != kindView {
		if err := c.execute(ctx, o.sql); err != nil || o.kind != kindSequence {
			return err
		}
		return w.setSequence(ctx, o)
	}
	set := "SET SESSION sql_mode=" + quote(o.mode)
	if o.client != "" {
		set += ", character_set_client=" + o.client + ", collation_connection=" + o.connection
	}
	if o.zone != "" {
		set += ", time_zone=" + quote(o.zone)
	}
	if err := c.execute(ctx, set); err != nil {
		return err
	}
	err := c.execute(ctx, o.sql)
	if err == nil && o.kind == kindEvent && o.enabled {
		// The owner's scheduler alone may run it: as replication has it.
		err = alterEvent(ctx, c, topology.EventState{Schema: o.schema, Name: o.name, Status: topology.EventReplica})
	}
	back := c.execute(ctx, "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', time_zone='+00:00';"+binarySession)
	return errors.Join(err, back)
}

// setSequence lets a sequence go on where the source's stands.
func (w *copyWork) setSequence(ctx context.Context, o object) error {
	t, err := w.source.look.query(ctx, "SELECT next_not_cached_value, cycle_count FROM "+o.full())
	if err != nil {
		return err
	}
	return w.target.execute(ctx, fmt.Sprintf("DO SETVAL(%s, %s, 0, %s)", o.full(), t.rows[0][0], t.rows[0][1]))
}
