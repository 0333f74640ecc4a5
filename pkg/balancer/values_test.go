package balancer

import (
	"strings"
	"testing"
)

func rowsOf(text string, d Dialect) *Rows {
	var digester Digester
	if i := strings.IndexAny(text, `'"`); i >= 0 {
		text = text[:i]
	}
	digester.Digest([]byte(text+RowsEnd), d)
	return NewRows(MakePlan(&digester, d), d)
}

func TestRows(t *testing.T) {
	plain, noEscapes, ansi, gbk := mariadb, mariadb, mariadb, mariadb
	noEscapes.NoBackslashEscapes, ansi.AnsiQuotes, gbk.Charset = true, true, CharsetGBK
	for _, tt := range []struct {
		text    string
		dialect Dialect
		want    string // rows, other: more than rows, none: it does not begin like that
	}{
		{`INSERT INTO t VALUES ('a')`, plain, "rows"},
		{`INSERT IGNORE INTO s.t (a, b) VALUES (1,'a;/*',-1.5e-3,.5,+2,NULL),(DEFAULT,_binary 'x\'y',0xABCDEF0123456789,x'00',true); `, plain, "rows"},
		{"REPLACE t VALUES ('it''s', \"a 'b\", null),\r\n(1, 'b')", plain, "rows"},
		{`INSERT INTO t VALUES ('\\'), ('b')`, plain, "rows"},
		{`INSERT INTO t VALUES ('\'), ('b')`, noEscapes, "rows"},
		{`INSERT INTO t VALUES ('\'), GET_LOCK(1)`, plain, "rows"}, // all in quotes that stay open: an error
		{`INSERT INTO t VALUES ('\'), (GET_LOCK(1, 'a'))`, noEscapes, "other"},
		{`INSERT INTO t VALUES ('a'); DELETE FROM x`, plain, "other"},
		{`INSERT INTO t VALUES ('a');;`, plain, "other"},
		{`INSERT INTO t VALUES ('a', f(1))`, plain, "other"},
		{`INSERT INTO t VALUES ('a', x (1))`, plain, "other"},
		{"INSERT INTO t VALUES ('a', s.x(1))", plain, "other"},
		{"INSERT INTO t VALUES ('a', `f`(1))", plain, "other"},
		{`INSERT INTO t VALUES ('a', @a)`, plain, "other"},
		{`INSERT INTO t VALUES ('a', (SELECT 1))`, plain, "other"},
		{`INSERT INTO t VALUES ('a') ON DUPLICATE KEY UPDATE a = 1`, plain, "other"},
		{`INSERT INTO t VALUES ('a') RETURNING f(1)`, plain, "other"},
		{`INSERT INTO t VALUES ('a') -- x`, plain, "other"},
		{`INSERT INTO t VALUES ('a') # x`, plain, "other"},
		{`INSERT INTO t VALUES ('a' /*! , f(1) */)`, plain, "other"},
		{`INSERT INTO t VALUES ('a', 1*2)`, plain, "other"},
		{`INSERT INTO t VALUES ("a", f)`, ansi, "none"},
		{`INSERT INTO t VALUES ('a')`, gbk, "none"},
		{`INSERT INTO t VALUES (GET_LOCK('a', 1))`, plain, "none"},
		{`INSERT INTO t VALUES (f('a'))`, plain, "none"},
		{`INSERT INTO t VALUES (@a := 'a')`, plain, "none"},
		{`INSERT INTO t SELECT 'a'`, plain, "none"},
		{`INSERT INTO t SET a = 'a'`, plain, "none"},
		{`SET @a = 1; INSERT INTO t VALUES ('a')`, plain, "none"},
		{`UPDATE t SET a = 'a'`, plain, "none"},
		{`DELETE FROM t WHERE a IN ('a')`, plain, "none"},
	} {
		for size := 1; size <= len(tt.text); size += 1 + size/4 {
			r, got := rowsOf(tt.text, tt.dialect), "none"
			for rest := tt.text[strings.IndexAny(tt.text, `'"`):]; r != nil && len(rest) > 0; rest = rest[min(size, len(rest)):] {
				if got = "rows"; !r.Feed([]byte(rest[:min(size, len(rest))])) {
					got = "other"
				}
			}
			if got != tt.want {
				t.Errorf("%s in pieces of %d: %s, want %s", tt.text, size, got, tt.want)
				break
			}
		}
	}
}

// What Rows takes for rows, the whole plan finds to be an INSERT without effects into that
// one table.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{`('a',1),(-1,NULL)`, `(1);`, `(x'00', _binary 'a')`, `('a') -- `, `(1e5, .5, DEFAULT)`, "('\\'', `a`)", `(b(1))`, `('' '' "")`, `(n.b, x)`} {
		f.Add("'" + seed)
		f.Add("'a'," + seed)
	}
	const head = "INSERT INTO t VALUES ("
	f.Fuzz(func(t *testing.T, rest string) {
		if rest == "" || rest[0] != '\'' {
			rest = "'" + rest
		}
		r := rowsOf(head+rest, mariadb)
		if !r.Feed([]byte(rest)) {
			return
		}
		var d Digester
		d.Digest([]byte(head+rest), mariadb)
		p := MakePlan(&d, mariadb)
		l := NewLexer([]byte(head+rest), mariadb)
		depth := 0
		for token := l.Next(); token.Kind != TokenEnd && depth >= 0; token = l.Next() {
			switch token.Kind {
			case TokenInvalid:
				return // the server does not run it
			case '(':
				depth++
			case ')':
				depth--
			}
		}
		if depth != 0 {
			return // nor this
		}
		if len(p.Statements) != 1 || p.Effects != 0 || len(p.Statements[0].Tables) != 1 {
			t.Errorf("%q: %s", rest, tell(p))
		}
	})
}
