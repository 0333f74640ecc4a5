package mysqld

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/ringcheck"
)

// Bounds of what is read of a server's tables: more are refused, since what was not read
// may be wrong in any way.
const (
	maxTableColumns = 400_000
	maxSequences    = 200
)

func (c *conn) tableFacts(ctx context.Context) ([]ringcheck.Table, error) {
	t, err := c.bounded(ctx, `SELECT table_schema, table_name, IFNULL(engine,''), IFNULL(table_collation,''), table_type FROM information_schema.tables
		WHERE table_schema NOT IN `+system+` AND table_type IN ('BASE TABLE','SEQUENCE','SYSTEM VERSIONED') ORDER BY table_schema, table_name`, maxObjects)
	if err != nil {
		return nil, err
	}
	found := make([]ringcheck.Table, len(t.rows))
	index := map[string]int{}
	for i, row := range t.rows {
		found[i] = ringcheck.Table{Schema: row[0], Name: row[1], Engine: row[2], Collation: row[3], Sequence: row[4] == "SEQUENCE"}
		index[row[0]+"\x00"+row[1]] = i
	}
	definitions := make([]hash.Hash, len(found))
	for i := range definitions {
		definitions[i] = sha256.New()
	}
	if err := c.columnFacts(ctx, index, definitions); err != nil {
		return nil, err
	}
	if err := c.keyFacts(ctx, index, definitions, found); err != nil {
		return nil, err
	}
	for i := range found {
		fmt.Fprintf(definitions[i], "%q", found[i].Collation)
		found[i].Definition = hex.EncodeToString(definitions[i].Sum(nil)[:12])
	}
	return found, c.sequenceFacts(ctx, found)
}

// bounded is query for a list that has at most limit rows; more is an error.
func (c *conn) bounded(ctx context.Context, statement string, limit int) (table, error) {
	t, err := c.query(ctx, fmt.Sprintf("%s LIMIT %d", statement, limit+1))
	if err == nil && len(t.rows) > limit {
		err = fmt.Errorf("%w: more than %d of one sort", errTooManyObjects, limit)
	}
	return t, err
}

// columnFacts adds the columns to the tables' definitions.
func (c *conn) columnFacts(ctx context.Context, index map[string]int, definitions []hash.Hash) error {
	t, err := c.bounded(ctx, `SELECT table_schema, table_name, column_name, column_type, is_nullable, IFNULL(collation_name,''), IFNULL(column_default,''), LOWER(extra)
		FROM information_schema.columns WHERE table_schema NOT IN `+system+` ORDER BY table_schema, table_name, ordinal_position`, maxTableColumns)
	if err != nil {
		return err
	}
	for _, row := range t.rows {
		if i, ok := index[row[0]+"\x00"+row[1]]; ok {
			fmt.Fprintf(definitions[i], "%q", row[2:])
		}
	}
	return nil
}

// keyFacts adds the keys: to the definitions, and what is unique to the tables.
func (c *conn) keyFacts(ctx context.Context, index map[string]int, definitions []hash.Hash, found []ringcheck.Table) error {
	t, err := c.bounded(ctx, `SELECT table_schema, table_name, index_name, non_unique, column_name, IFNULL(nullable,''), IFNULL(sub_part,'')
		FROM information_schema.statistics WHERE table_schema NOT IN `+system+` ORDER BY table_schema, table_name, index_name, seq_in_index`, maxTableColumns)
	if err != nil {
		return err
	}
	columns := map[string][]string{}
	for _, row := range t.rows {
		i, ok := index[row[0]+"\x00"+row[1]]
		if !ok {
			continue
		}
		fmt.Fprintf(definitions[i], "%q", row[2:])
		unique := row[3] == "0"
		switch {
		case row[2] == "PRIMARY":
			found[i].Primary = true
		case unique:
			key := fmt.Sprintf("%d\x00%s", i, row[2])
			if columns[key] == nil {
				found[i].Uniques = append(found[i].Uniques, row[2])
			}
			columns[key] = append(columns[key], row[4])
			if row[5] == "YES" {
				found[i].Nullable = append(found[i].Nullable, row[2])
			}
		}
	}
	for i := range found {
		for j, name := range found[i].Uniques {
			found[i].Uniques[j] = fmt.Sprintf("%s (%s)", name, strings.Join(columns[fmt.Sprintf("%d\x00%s", i, name)], ", "))
		}
	}
	return nil
}

// sequenceFacts asks each sequence for its increment; beyond maxSequences it is not known.
func (c *conn) sequenceFacts(ctx context.Context, found []ringcheck.Table) error {
	asked := 0
	for i := range found {
		if !found[i].Sequence {
			continue
		}
		if asked++; asked > maxSequences {
			return fmt.Errorf("%w: more than %d sequences", errTooManyObjects, maxSequences)
		}
		t, err := c.query(ctx, fmt.Sprintf("SELECT increment FROM %s.%s", identifier(found[i].Schema), identifier(found[i].Name)))
		if err != nil {
			return err
		}
		found[i].Increment = t.value()
	}
	return nil
}

// identifier quotes a name for a statement.
func identifier(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

func (c *conn) objectFacts(ctx context.Context) ([]ringcheck.Object, error) {
	if err := c.seesAll(ctx); err != nil {
		return nil, err
	}
	var found []ringcheck.Object
	for _, statement := range []string{
		"SELECT 'view', table_schema, table_name, definer, '', '', '' FROM information_schema.views WHERE table_schema NOT IN " + system,
		"SELECT 'trigger', trigger_schema, trigger_name, definer, '', IFNULL(action_statement,''), sql_mode FROM information_schema.triggers WHERE trigger_schema NOT IN " + system,
		"SELECT LOWER(routine_type), routine_schema, routine_name, definer, '', IFNULL(routine_definition,''), sql_mode FROM information_schema.routines WHERE routine_schema NOT IN " + system,
		"SELECT 'event', event_schema, event_name, definer, status, '', '' FROM information_schema.events WHERE event_schema NOT IN " + system,
	} {
		t, err := c.bounded(ctx, statement+" ORDER BY 2, 3", maxObjects)
		if err != nil {
			return nil, err
		}
		for _, row := range t.rows {
			found = append(found, ringcheck.Object{Sort: row[0], Schema: row[1], Name: row[2], Definer: row[3], Status: row[4], Untold: strings.Join(balancer.Untold([]byte(row[5]), c.bodyDialect(row[6])), ", ")})
		}
	}
	return found, nil
}
