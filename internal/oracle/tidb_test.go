package oracle

import (
	"strings"
	"unicode/utf8"

	"github.com/pingcap/tidb/pkg/parser"
	"github.com/pingcap/tidb/pkg/parser/ast"
	_ "github.com/pingcap/tidb/pkg/parser/test_driver" // the values of literals
)

// newTiDB returns a judge that asks TiDB's parser.
func newTiDB() func(string) (verdict, bool) {
	p := parser.New()
	return func(statement string) (found verdict, ok bool) {
		defer func() {
			if recover() != nil { // the values of some literals are the database's alone
				found, ok = verdict{}, false
			}
		}()
		if !utf8.ValidString(statement) { // it would change the names
			return verdict{}, false
		}
		parsed, _, err := p.Parse(statement, "", "")
		if err != nil || len(parsed) == 0 {
			return verdict{}, false
		}
		v := tidbVisitor{with: make(map[string]bool), aliases: make(map[*ast.TableName]bool)}
		for _, s := range parsed {
			if !ast.IsReadOnly(s, true) {
				v.found.writes = true
			}
			if _, ok := s.(*ast.DoStmt); ok { // not sent to any member, whatever it holds
				v.found.writes = true
			}
			s.Accept(&v)
		}
		for _, t := range v.tables {
			if !v.aliases[t] && (t.Schema.L != "" || !v.with[t.Name.L]) && !strings.EqualFold(t.Name.L, "dual") {
				v.found.table(t.Schema.L, t.Name.L)
			}
		}
		return v.found, true
	}
}

// tidbVisitor notes what it meets in a tree.
type tidbVisitor struct {
	found   verdict
	with    map[string]bool
	aliases map[*ast.TableName]bool
	tables  []*ast.TableName
}

// Enter looks at a node on the way down.
func (v *tidbVisitor) Enter(n ast.Node) (ast.Node, bool) {
	switch x := n.(type) {
	case *ast.SelectStmt:
		if x.SelectIntoOpt != nil || x.LockInfo != nil || x.SelectStmtOpts != nil && x.SelectStmtOpts.CalcFoundRows {
			v.found.writes = true
		}
	case *ast.VariableExpr:
		if !x.IsSystem && x.Value != nil {
			v.found.writes = true
		}
	case *ast.FuncCallExpr:
		switch x.FnName.L {
		case "get_lock", "release_lock", "release_all_locks", "nextval", "setval":
			v.found.writes = true
		}
		if x.Schema.L != "" {
			v.found.writes = true
		}
	case *ast.DeleteStmt: // its list of what to delete has aliases
		if x.Tables != nil {
			for _, t := range x.Tables.Tables {
				v.aliases[t] = true
			}
		}
	case *ast.CommonTableExpression:
		v.with[x.Name.L] = true
	case *ast.TableName:
		v.tables = append(v.tables, x)
	}
	return n, false
}

// Leave looks at nothing on the way up.
func (v *tidbVisitor) Leave(n ast.Node) (ast.Node, bool) { return n, true }
