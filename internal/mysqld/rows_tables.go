package mysqld

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sqlring/sqlring/pkg/rowcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// keylessRows is how many rows a table without a key may have to be compared: it is read
// as one piece.
const keylessRows = 200_000

// Tables lists the tables of a schema, or of all; the system's and sqlring's own aside.
func (r *Comparer) Tables(ctx context.Context, schema string) ([]rowcheck.Table, error) {
	scope := " NOT IN " + system
	if schema != "" {
		scope += " AND table_schema=" + quote(schema)
	}
	list, err := r.conn.bounded(ctx, `SELECT table_schema, table_name, IFNULL(engine,''), IFNULL(table_rows,0), table_type FROM information_schema.tables
		WHERE table_type IN ('BASE TABLE','SYSTEM VERSIONED') AND table_schema`+scope+` ORDER BY table_schema, table_name`, maxObjects)
	if err != nil {
		return nil, fmt.Errorf("list tables of %s: %w", r.member.id, err)
	}
	tables := make([]rowcheck.Table, len(list.rows))
	index := map[string]*rowcheck.Table{}
	for i, row := range list.rows {
		rows, _ := strconv.ParseUint(row[3], 10, 64) // an estimate
		tables[i] = rowcheck.Table{Schema: row[0], Name: row[1], Rows: rows, SHA2: r.conn.version.Flavour == topology.FlavourMySQL}
		switch {
		case row[4] == "SYSTEM VERSIONED":
			tables[i].Unfit = "it is system-versioned: each member keeps times of its own in it"
		case !strings.EqualFold(row[2], "InnoDB"):
			tables[i].Unfit = "its engine is " + row[2] + ": to read it would lock it"
		}
		index[row[0]+"\x00"+row[1]] = &tables[i]
	}
	for _, read := range []func(context.Context, string, map[string]*rowcheck.Table) error{r.columns, r.keys, r.triggers} {
		if err := read(ctx, scope, index); err != nil {
			return nil, fmt.Errorf("list tables of %s: %w", r.member.id, err)
		}
	}
	for i := range tables {
		t := &tables[i]
		sum := sha256.Sum256([]byte(t.Definition))
		t.Definition = hex.EncodeToString(sum[:12])
		if len(t.Key) == 0 && t.Rows > keylessRows && t.Unfit == "" {
			t.Unfit = fmt.Sprintf("it has no primary key, and some %d rows", t.Rows)
		}
	}
	return tables, nil
}

func (r *Comparer) columns(ctx context.Context, scope string, index map[string]*rowcheck.Table) error {
	t, err := r.conn.bounded(ctx, `SELECT table_schema, table_name, column_name, data_type, column_type, IFNULL(character_set_name,''), IFNULL(collation_name,''),
		is_nullable, LOWER(extra) FROM information_schema.columns WHERE table_schema`+scope+` ORDER BY table_schema, table_name, ordinal_position`, maxTableColumns)
	if err != nil {
		return err
	}
	mysql := r.conn.version.Flavour == topology.FlavourMySQL
	for _, row := range t.rows {
		of := index[row[0]+"\x00"+row[1]]
		if of == nil {
			continue
		}
		c := rowcheck.Column{Name: row[2], Type: row[4], Charset: row[5], Collation: row[6], Nullable: row[7] == "YES"}
		c.Kind, c.ByNumber = rowcheck.KindOf(row[3], mysql)
		c.Virtual = strings.Contains(row[8], "virtual")
		c.Generated = c.Virtual || strings.Contains(row[8], "generated") && !strings.Contains(row[8], "default_generated") || strings.Contains(row[8], "persistent")
		of.Columns = append(of.Columns, c)
		of.Definition += fmt.Sprintf("%q", row[2:])
	}
	return nil
}

// keys finds the key of each table by which it is read: the primary one, or a unique one
// without NULL and without prefixes.
func (r *Comparer) keys(ctx context.Context, scope string, index map[string]*rowcheck.Table) error {
	t, err := r.conn.bounded(ctx, `SELECT table_schema, table_name, index_name, IFNULL(column_name,''), IFNULL(sub_part,''), IFNULL(nullable,'')
		FROM information_schema.statistics WHERE non_unique=0 AND table_schema`+scope+`
		ORDER BY table_schema, table_name, index_name<>'PRIMARY', index_name, seq_in_index`, maxTableColumns)
	if err != nil {
		return err
	}
	unfit := map[string]bool{} // table and key
	for _, pass := range []bool{true, false} {
		for _, row := range t.rows {
			of := index[row[0]+"\x00"+row[1]]
			if of == nil {
				continue
			}
			key := row[0] + "\x00" + row[1] + "\x00" + row[2]
			at := slices.IndexFunc(of.Columns, func(c rowcheck.Column) bool { return c.Name == row[3] })
			switch {
			case pass: // which keys can not be used at all
				unfit[key] = unfit[key] || at < 0 || row[4] != "" || row[5] == "YES" || of.Columns[at].Virtual || of.Columns[at].Kind == rowcheck.KindGeometry
			case !unfit[key] && (of.Index == "" || of.Index == row[2]):
				of.Index = row[2]
				of.Key = append(of.Key, at)
				of.Definition += fmt.Sprintf("%q", row[2:])
			}
		}
	}
	return nil
}

func (r *Comparer) triggers(ctx context.Context, scope string, index map[string]*rowcheck.Table) error {
	scope = strings.ReplaceAll(scope, "table_schema", "event_object_schema")
	t, err := r.conn.bounded(ctx, "SELECT event_object_schema, event_object_table FROM information_schema.triggers WHERE event_object_schema"+scope, maxObjects)
	if err != nil {
		return err
	}
	for _, row := range t.rows {
		if of := index[row[0]+"\x00"+row[1]]; of != nil {
			of.Triggers = true
		}
	}
	return nil
}
