package oracle

import (
	"strings"
	"testing"

	"vitess.io/vitess/go/vt/sqlparser"
)

// newVitess returns a judge that asks vitess.
func newVitess(t *testing.T) func(string) (verdict, bool) {
	parser, err := sqlparser.New(sqlparser.Options{MySQLServerVersion: "9.7.4"})
	if err != nil {
		t.Fatal(err)
	}
	return func(statement string) (v verdict, ok bool) {
		defer func() {
			if recover() != nil { // some trees of its parser its own Walk can not walk
				v, ok = verdict{}, false
			}
		}()
		parsed, err := parser.ParseStrictDDL(statement)
		if err != nil || parsed == nil {
			return verdict{}, false
		}
		v.writes = vitessWrites(parsed)
		if !v.writes || sqlparser.IsDMLStatement(parsed) {
			vitessTables(parsed, &v)
		}
		return v, true
	}
}

func vitessWrites(parsed sqlparser.Statement) bool {
	switch sqlparser.ASTToStatementType(parsed) {
	case sqlparser.StmtSelect, sqlparser.StmtShow, sqlparser.StmtExplain:
	default:
		_, values := parsed.(*sqlparser.ValuesStatement)
		if !values {
			return true
		}
	}
	if x, ok := parsed.(*sqlparser.ExplainStmt); ok {
		return x.Type == sqlparser.AnalyzeType && vitessWrites(x.Statement)
	}
	writes := false
	_ = sqlparser.Walk(func(node sqlparser.SQLNode) (bool, error) {
		switch n := node.(type) {
		case *sqlparser.Select:
			writes = writes || n.Into != nil || n.Lock != sqlparser.NoLock || n.SQLCalcFoundRows
		case *sqlparser.Union:
			writes = writes || n.Into != nil || n.Lock != sqlparser.NoLock
		case *sqlparser.LockingFunc, *sqlparser.AssignmentExpr, *sqlparser.Nextval:
			writes = true
		case *sqlparser.FuncExpr: // what it does not know by name may be a stored one
			writes = writes || n.Qualifier.NotEmpty()
		}
		return true, nil
	}, parsed)
	return writes
}

// vitessTables notes the tables that are not names of WITH. A name of WITH hides a
// table wherever it stands: the parser does not say where it is known.
func vitessTables(parsed sqlparser.Statement, v *verdict) {
	with := make(map[string]bool)
	_ = sqlparser.Walk(func(node sqlparser.SQLNode) (bool, error) {
		if cte, ok := node.(*sqlparser.CommonTableExpr); ok {
			with[strings.ToLower(cte.ID.String())] = true
		}
		return true, nil
	}, parsed)
	note := func(name sqlparser.TableName) {
		schema, table := name.Qualifier.String(), name.Name.String()
		if table != "" && !strings.EqualFold(table, "dual") && (schema != "" || !with[strings.ToLower(table)]) {
			v.table(schema, table)
		}
	}
	_ = sqlparser.Walk(func(node sqlparser.SQLNode) (bool, error) {
		if x, ok := node.(*sqlparser.AliasedTableExpr); ok {
			if name, ok := x.Expr.(sqlparser.TableName); ok {
				note(name)
			}
		}
		return true, nil
	}, parsed)
}
