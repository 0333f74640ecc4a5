package oracle

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// verdict is what a parser finds in a statement.
type verdict struct {
	writes bool                   // it is no plain read: it changes, locks or assigns
	tables map[[2]string]struct{} // schema and name, in lower case
}

func (v *verdict) table(schema, name string) {
	if v.tables == nil {
		v.tables = make(map[[2]string]struct{})
	}
	v.tables[[2]string{strings.ToLower(schema), strings.ToLower(name)}] = struct{}{}
}

// corpus returns the statements to judge, or ends the test.
func corpus(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv(EnvCorpus)
	if dir == "" && os.Getenv(mysqltest.EnvRequire) == "1" {
		t.Fatalf("%s is not set, and %s=1 asks for it", EnvCorpus, mysqltest.EnvRequire)
	}
	if dir == "" {
		t.Skipf("SKIPPED-NO-CORPUS: %s is not set; scripts/get-corpus.sh prints a directory for it", EnvCorpus)
	}
	statements, err := Corpus(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(statements) < 1000 {
		t.Fatalf("%s has %d statements: is it a directory of mysqltest files?", dir, len(statements))
	}
	return slices.DeleteFunc(statements, func(s string) bool { return len(s) > 20_000 })
}

func TestNoWriteIsARead(t *testing.T) {
	statements := corpus(t)
	for _, parser := range []struct {
		name  string
		judge func(statement string) (verdict, bool)
	}{
		{"vitess", newVitess(t)},
		{"tidb", newTiDB()},
	} {
		t.Run(parser.name, func(t *testing.T) { judgeAll(t, parser.name, parser.judge, statements) })
	}
}

// judgeAll holds the balancer against one parser.
func judgeAll(t *testing.T, name string, judge func(string) (verdict, bool), statements []string) {
	explained := explanations(t, name)
	dialect := balancer.Dialect{Flavour: topology.FlavourMySQL, Version: 90704}
	mariadb := balancer.Dialect{Flavour: topology.FlavourMariaDB, Version: 101119}
	var d balancer.Digester
	parsed, reads, agreed, tables := 0, 0, 0, 0
	for _, statement := range statements {
		v, ok := judge(statement)
		if !ok {
			continue
		}
		parsed++
		d.Digest([]byte(statement), dialect)
		plan := balancer.MakePlan(&d, dialect)
		if v.writes && plan.IsRead() && !explained.covers("read", statement) {
			t.Errorf("a read for the balancer, a write for %s: %.300q", name, statement)
		}
		if v.writes && !strings.Contains(statement, "/*") { // the parsers read comments and hints as MySQL does
			d.Digest([]byte(statement), mariadb)
			if balancer.MakePlan(&d, mariadb).IsRead() && !explained.covers("read", statement) {
				t.Errorf("a read of MariaDB for the balancer, a write for %s: %.300q", name, statement)
			}
		}
		if !v.writes {
			reads++
			if plan.IsRead() {
				agreed++
			}
		}
		if missing := missingTables(plan, v); len(missing) > 0 && !explained.covers("table", statement) {
			t.Errorf("the balancer's list of tables is complete without %s's %v: %.300q", name, missing, statement)
		} else if len(v.tables) > 0 {
			tables++
		}
	}
	explained.unused(t)
	t.Logf("%s parsed %d of %d statements; of its %d reads %d (%.1f %%) are reads for the balancer; tables of %d statements agree",
		name, parsed, len(statements), reads, agreed, 100*float64(agreed)/float64(reads), tables)
}

// missingTables returns the tables of v that the plan should have and does not.
func missingTables(plan *balancer.Plan, v verdict) [][2]string {
	found := make(map[[2]string]bool)
	for _, f := range plan.Statements {
		if !f.Complete {
			return nil
		}
		for _, table := range f.Tables {
			found[[2]string{strings.ToLower(table.Schema), strings.ToLower(table.Name)}] = true
		}
	}
	var missing [][2]string
	for table := range v.tables {
		if !found[table] {
			missing = append(missing, table)
		}
	}
	return missing
}
