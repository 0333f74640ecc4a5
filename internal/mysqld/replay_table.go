package mysqld

import (
	"context"
	"fmt"
	"slices"
	"strconv"
)

// replayColumn is a column, as information_schema has it.
type replayColumn struct {
	name, dataType, columnType string
	charset, collation         string
	width                      int  // bytes, of a binary string; else 0
	key                        bool // of the primary key
	generated                  bool
}

// replayTable is what decides whether, and how, rows of a table are replayed.
type replayTable struct {
	name    string // schema.table
	columns []replayColumn
	why     string // why it is not replayed in, empty: it is
}

// table reads a table at the owner, and on the member that is replayed, once; it returns
// a conflict if they differ, or if rows can not be judged there.
func (p *replayer) table(ctx context.Context, at *replayAt, schema, name string) (replayTable, error) {
	id := schema + "." + name
	there, known := at.there[id]
	if !known {
		var err error
		if there, err = readReplayTable(ctx, at.conn, schema, name); err != nil {
			return there, err
		}
		at.there[id] = there
	}
	here, known := p.here[id]
	if !known {
		var err error
		if here, err = readReplayTable(ctx, p.w.conn, schema, name); err != nil {
			return here, err
		}
		p.here[id] = here
	}
	switch {
	case there.why != "":
		return there, conflicts("%s", there.why)
	case !slices.Equal(here.columns, there.columns):
		return there, conflicts("table %s has other columns at %s than here", id, at.owner.Member)
	}
	return there, nil
}

func readReplayTable(ctx context.Context, c *conn, schema, name string) (replayTable, error) {
	t := replayTable{name: schema + "." + name}
	facts, err := c.query(ctx, `SELECT table_type, IFNULL(engine,''),
			(SELECT COUNT(*) FROM information_schema.triggers WHERE event_object_schema=t.table_schema AND event_object_table=t.table_name)
		FROM information_schema.tables t WHERE table_schema=? AND table_name=?`, schema, name)
	if err != nil {
		return t, fmt.Errorf("read table %s: %w", t.name, err)
	}
	columns, err := c.query(ctx, `SELECT column_name, data_type, column_type, IFNULL(character_set_name,''), IFNULL(collation_name,''),
			IFNULL(character_octet_length,0), column_key='PRI', IFNULL(generation_expression,'')<>''
		FROM information_schema.columns WHERE table_schema=? AND table_name=? ORDER BY ordinal_position`, schema, name)
	if err != nil {
		return t, fmt.Errorf("read columns of %s: %w", t.name, err)
	}
	keyed := false
	for _, row := range columns.rows {
		width, _ := strconv.Atoi(row[5]) // a length, or 0
		col := replayColumn{name: row[0], dataType: row[1], columnType: row[2], charset: row[3], collation: row[4], key: row[6] == "1", generated: row[7] == "1"}
		if col.dataType == "binary" {
			col.width = width
		}
		keyed = keyed || col.key
		t.columns = append(t.columns, col)
	}
	t.why = unfit(t, facts.rows, keyed)
	return t, nil
}

// unfit says why rows of a table are not replayed.
func unfit(t replayTable, facts [][]string, keyed bool) string {
	switch {
	case len(facts) == 0:
		return fmt.Sprintf("table %s is gone", t.name)
	case facts[0][0] != "BASE TABLE":
		return fmt.Sprintf("table %s is %s", t.name, facts[0][0])
	case facts[0][1] != "InnoDB":
		return fmt.Sprintf("table %s is of engine %s: what is written there can not be undone", t.name, facts[0][1])
	case facts[0][2] != "0":
		return fmt.Sprintf("table %s has triggers, which would do again what they did", t.name)
	case !keyed:
		return fmt.Sprintf("table %s has no primary key: it can not be told which row is meant", t.name)
	}
	for _, c := range t.columns {
		switch {
		case c.generated:
			return fmt.Sprintf("table %s has the generated column %s", t.name, c.name)
		case !slices.Contains(replayTypes(), c.dataType):
			return fmt.Sprintf("table %s has a column of type %s", t.name, c.dataType)
		}
	}
	return ""
}

// replayTypes are the types whose values can be written as they stand in a row event.
func replayTypes() []string {
	return []string{
		"tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit", "enum", "set", "decimal", "float", "double",
		"date", "time", "datetime", "timestamp", "char", "varchar", "tinytext", "text", "mediumtext", "longtext",
		"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob",
		"json", // of a MySQL: by its text, as a copy does
	}
}
