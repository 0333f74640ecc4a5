package mysqld

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// maxObjects bounds how many objects of each sort are read. A server with more is
// refused: what was not read may tie anything.
const maxObjects = 20_000

// readTies bounds the reading; the server opens every view and table for it.
const readTies = 30 * time.Second

var errTooManyObjects = errors.New("the server has more objects than are read, so nothing is known of them")

// system are the schemas whose objects belong to the server or to sqlring.
const system = "('mysql','information_schema','performance_schema','sys','sqlring')"

// The objects that can join schemas: what, schema, name, body, sql_mode. Both flavours
// have these columns. A body that is not shown is NULL there, and an empty text here.
const (
	viewsStatement = `SELECT 'view', table_schema, table_name, IFNULL(view_definition,''), ''
		FROM information_schema.views WHERE table_schema NOT IN ` + system
	triggersStatement = `SELECT 'trigger', event_object_schema, trigger_name, IFNULL(action_statement,''), sql_mode
		FROM information_schema.triggers WHERE event_object_schema NOT IN ` + system
	routinesStatement = `SELECT LOWER(routine_type), routine_schema, routine_name, IFNULL(routine_definition,''), sql_mode
		FROM information_schema.routines WHERE routine_schema NOT IN ` + system
	eventsStatement = `SELECT 'event', event_schema, event_name, IFNULL(event_definition,''), sql_mode
		FROM information_schema.events WHERE event_schema NOT IN ` + system
	keysStatement = `SELECT 'foreign key', constraint_schema, constraint_name, unique_constraint_schema, ''
		FROM information_schema.referential_constraints WHERE constraint_schema<>unique_constraint_schema`
	defaultsStatement = `SELECT 'default', table_schema, CONCAT(table_name, '.', column_name), IFNULL(column_default,''), ''
		FROM information_schema.columns WHERE table_schema NOT IN ` + system + ` AND column_default LIKE '%(%.%)%'`
	schemataStatement = `SELECT schema_name FROM information_schema.schemata`
)

// Ties reads the objects that join schemas: views, triggers, routines, events, foreign
// keys and defaults that name another schema than their own, and those that can not be
// read. It returns when ctx ends, or after 30 s.
//
// The server shows what the account may see and is silent of the rest: without the
// privileges for all of it the answer is ErrPrivilege. A body that is missing all the
// same is a tie to everything.
func (m *Member) Ties(ctx context.Context) ([]topology.Tie, error) {
	ctx, cancel := context.WithTimeout(ctx, readTies)
	defer cancel()
	c, err := m.connect(ctx, forTies)
	if err != nil {
		return nil, fmt.Errorf("read what ties schemas on %s: %w", m.id, err)
	}
	defer c.close()
	ties, err := c.ties(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what ties schemas on %s: %w", m.id, err)
	}
	return ties, nil
}

// needed are the privileges without which objects, or their bodies, are not shown.
func needed() []string { return []string{"SELECT", "SHOW VIEW", "TRIGGER", "EVENT"} }

func (c *conn) seesAll(ctx context.Context) error {
	t, err := c.query(ctx, "SELECT privilege_type FROM information_schema.user_privileges WHERE REPLACE(grantee, '\\'', '')=CURRENT_USER()")
	if err != nil {
		return err
	}
	var missing []string
	for _, privilege := range needed() {
		if !slices.ContainsFunc(t.rows, func(row []string) bool { return row[0] == privilege }) {
			missing = append(missing, privilege)
		}
	}
	if len(missing) > 0 {
		list := strings.Join(missing, ", ")
		return fmt.Errorf("%w: %s: GRANT %s ON *.* TO the manager's account, on every member", ErrPrivilege, list, list)
	}
	return nil
}

func (c *conn) ties(ctx context.Context) ([]topology.Tie, error) {
	if err := c.seesAll(ctx); err != nil {
		return nil, err
	}
	t, err := c.query(ctx, schemataStatement)
	if err != nil {
		return nil, err
	}
	schemas := map[string]string{} // by lower-case name: identifiers may be written either way
	for _, row := range t.rows {
		schemas[strings.ToLower(row[0])] = row[0]
	}
	var ties []topology.Tie
	for _, statement := range []string{viewsStatement, triggersStatement, routinesStatement, eventsStatement, keysStatement, defaultsStatement} {
		t, err := c.query(ctx, fmt.Sprintf("%s LIMIT %d", statement, maxObjects+1))
		switch {
		case err != nil:
			return nil, err
		case len(t.rows) > maxObjects:
			return nil, fmt.Errorf("%w: more than %d of one sort", errTooManyObjects, maxObjects)
		}
		for _, row := range t.rows {
			if tie, joins := c.tie(row, schemas); joins {
				ties = append(ties, tie)
			}
		}
	}
	return ties, nil
}

// tie reads one object, and reports whether it joins schemas.
func (c *conn) tie(row []string, schemas map[string]string) (topology.Tie, bool) {
	sort, home, name, body, mode := row[0], row[1], row[2], row[3], row[4]
	tie := topology.Tie{Object: fmt.Sprintf("%s %s.%s", sort, home, name), Home: home}
	if sort == "foreign key" {
		tie.Names = []string{body}
		return tie, true
	}
	if body == "" {
		tie.Unread = "its text is not shown to the manager's account"
		return tie, true
	}
	names, known := balancer.Named([]byte(body), c.bodyDialect(mode))
	if !known {
		tie.Unread = "it executes texts, or can not be read"
	}
	for _, written := range names {
		schema, exists := schemas[strings.ToLower(written)]
		if exists && !strings.EqualFold(schema, home) && !slices.Contains(tie.Names, schema) {
			tie.Names = append(tie.Names, schema)
		}
	}
	slices.Sort(tie.Names)
	return tie, len(tie.Names) > 0 || tie.Unread != ""
}

// bodyDialect is how the text of an object is read that was made under a sql_mode.
func (c *conn) bodyDialect(mode string) balancer.Dialect {
	return balancer.Dialect{
		Flavour: c.version.Flavour, Version: balancer.VersionOf(c.version),
		AnsiQuotes: strings.Contains(mode, "ANSI_QUOTES"), NoBackslashEscapes: strings.Contains(mode, "NO_BACKSLASH_ESCAPES"),
	}
}
