package balancer

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func digestOf(text string, dialect Dialect) string {
	var d Digester
	d.Digest([]byte(text), dialect)
	return string(d.AppendText(nil))
}

// digests are statements with their digests, as MySQL 9.7 gives them: the test on a
// real server asks it for each.
var digests = []struct{ name, text, want string }{
	{"point select", "SELECT c FROM sbtest1 WHERE id=4711", "SELECT `c` FROM `sbtest1` WHERE `id` = ?"},
	{"letter case and spaces", "select  C\nfrom `t` -- x\nwhere a='b'", "SELECT `C` FROM `t` WHERE `a` = ?"},
	{"values", "SELECT 1, 'a', x'41', 0x41, b'1', N'n', .5, 1e3, NULL, TRUE", "SELECT ?, ... , TRUE"},
	{"strings side by side", "SELECT 'a' 'b' FROM t", "SELECT ? ? FROM `t`"},
	{"a list of one is like longer ones in IN only", "SELECT a FROM t WHERE a IN (1) AND b IN (1, 2) AND (c, d) = (1, 2) AND f(1)", "SELECT `a` FROM `t` WHERE `a` IN (...) AND `b` IN (...) AND ( `c` , `d` ) = (...) AND `f` (?)"},
	{"rows", "INSERT INTO t VALUES (1, 2), (3, 4), (5, NULL)", "INSERT INTO `t` VALUES (...) /* , ... */"},
	{"rows of one", "INSERT INTO t VALUES (1), (NULL), (3)", "INSERT INTO `t` VALUES (?) /* , ... */"},
	{"rows with expressions", "INSERT INTO t VALUES (1, NOW()), (2, 3)", "INSERT INTO `t` VALUES ( ? , NOW ( ) ) , (...)"},
	{"signs of numbers", "SELECT -1, - -1, +1 FROM t WHERE a = -1 AND b > - 5", "SELECT ?, ... FROM `t` WHERE `a` = ? AND `b` > ?"},
	{"operators are no signs", "SELECT a - 1, 1 - 1, (a) - 1", "SELECT `a` - ?, ... - ? , ( `a` ) - ?"},
	{"signs that the server takes for operators", "SELECT ALL -1 FROM t WHERE -1 ORDER BY -1", "SELECT ALL - ? FROM `t` WHERE - ? ORDER BY - ?"},
	{"NULL that is a value", "SELECT NULL, COALESCE(NULL, 1) FROM t WHERE a = NULL OR a <=> NULL", "SELECT ? , COALESCE (...) FROM `t` WHERE `a` = ? OR `a` <=> ?"},
	{"NULL that is none", "SELECT a IS NULL, a IS NOT NULL, CASE WHEN NULL THEN NULL ELSE NULL END", "SELECT `a` IS NULL , `a` IS NOT NULL , CASE WHEN ? THEN ? ELSE ? END"},
	{"NULL that is a value behind NOT and BINARY", "SELECT ~BINARY NULL, BINARY BINARY NULL, a IS NOT NULL FROM t WHERE NOT NOT NULL", "SELECT ~ BINARY ? , BINARY BINARY ? , `a` IS NOT NULL FROM `t` WHERE NOT NOT ?"},
	{"NULL of columns", "CREATE TABLE t (a INT NULL DEFAULT NULL, b CHAR(3) BINARY NOT NULL)", "CREATE TABLE `t` ( `a` INTEGER NULL DEFAULT ? , `b` CHARACTER (?) BINARY NOT NULL )"},
	{"numbers of columns", "SELECT a FROM t GROUP BY 1, b, 2 WITH ROLLUP ORDER BY 1 DESC, 2, c + 1 LIMIT 1, 2", "SELECT `a` FROM `t` GROUP BY 1 , `b` , 2 WITH ROLLUP ORDER BY 1 DESC , 2 , `c` + ? LIMIT ?, ..."},
	{"synonyms", "SELECT SUBSTR(a, 1), MID(a, 1), CURRENT_TIMESTAMP, USER(), a = ANY (SELECT 1) FROM t", "SELECT SUBSTRING ( `a` , ? ) , SUBSTRING ( `a` , ? ) , NOW , SYSTEM_USER ( ) , `a` = SOME ( SELECT ? ) FROM `t`"},
	{"variables", "SELECT @a, @`b`, @'c', @@sql_mode, @@session.sql_mode", "SELECT @? , @`b` , @? , @@`sql_mode` , @@SESSION . `sql_mode`"},
	{"assignments", "SET @a = 1, @b := NULL, sql_mode = ''", "SET @? = ? , @? := ? , `sql_mode` = ?"},
	{"introducers", "SELECT _utf8mb4'a', _latin1 x'41' COLLATE latin1_bin", "SELECT (_charset) ? , (_charset) ? COLLATE `latin1_bin`"},
	{"hints", "SELECT /*+ BKA(t1@qb) SET_VAR(sort_buffer_size = 16M) MAX_EXECUTION_TIME(10) */ 1", "SELECT /*+ BKA ( `t1`@`qb` ) SET_VAR ( `sort_buffer_size` = ? ) MAX_EXECUTION_TIME (?) */ ?"},
	{"an empty hint", "SELECT /*+ */ 1", "SELECT ?"},
	{"executable comments", "SELECT 1 /*!50000 + 2 */ /*!99999 + 3 */", "SELECT ? + ?"},
	{"quotes in names", "SELECT `a``b`, \"c\" FROM t", "SELECT `a`b` , ? FROM `t`"},
	{"operators", "SELECT a || b && c, !d, a <> b, a -> '$.x', a ->> '$.y', a << 1 FROM t", "SELECT `a` || `b` && `c` , ! `d` , `a` != `b` , `a` -> ? , `a` ->> ? , `a` << ? FROM `t`"},
	{"a semicolon at the end", "SELECT 1;", "SELECT ?"},
	{"an empty name", "SELECT 1 AS ``", "SELECT ? AS"},
	{"keywords as names", "SELECT name, status FROM t WHERE t.count = COUNT(*)", "SELECT NAME , STATUS FROM `t` WHERE `t` . `count` = COUNT ( * )"},
}

func TestDigest(t *testing.T) {
	for _, c := range digests {
		t.Run(c.name, func(t *testing.T) {
			if got := digestOf(c.text, mysql97); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestDigestOfSeveral(t *testing.T) {
	if got, want := digestOf("select 1; select ?;", mysql97), "SELECT ? ; SELECT ?"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDigestHidesValues(t *testing.T) {
	for _, text := range []string{
		"select 'secret'", "insert into t values ('secret', 1), ('secret', 2)", "select * from t where a in ('secret', 'secret')", "set password = 'secret'",
		"create user u identified by 'secret'", "select @'secret'", "select $$secret$$", "select 'secret", "select /* secret */ 1 -- secret",
	} {
		if got := digestOf(text, mysql97); strings.Contains(got, "secret") {
			t.Errorf("%s: %s", text, got)
		}
	}
}

func TestValues(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       string // text, count and parameter of each
	}{
		{"one", "select * from t where id = 4711", "4711/1/-1"},
		{"a sign is not part of it", "select * from t where id = -1", "1/1/-1"},
		{"parameters", "update t set a = ? where id = ? and b = 'x'", "?/1/0 ?/1/1 'x'/1/-1"},
		{"a list is one", "select * from t where id in (5, 6, 7) and a = 8", "5/3/-1 8/1/-1"},
		{"parameters in a list are counted", "select * from t where id in (?, ?) and a = ?", "?/2/0 ?/1/2"},
		{"rows are one", "insert into t values (1, 2), (3, 4)", "1/4/-1"},
		{"rows of one", "insert into t values (1), (2), (3)", "1/3/-1"},
		{"a column's number is none", "select * from t order by 1 limit 5", "5/1/-1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var d Digester
			d.Digest([]byte(c.text), mysql97)
			var got []string
			for _, v := range d.Values() {
				got = append(got, fmt.Sprintf("%s/%d/%d", c.text[v.Start:v.End], v.Count, v.Param))
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Of rows that the digest can not reduce, one of each form is kept; what follows them is
// read.
func TestFoldedRows(t *testing.T) {
	row := func(i int) string {
		return []string{"(1, _binary 'a', NULL)", "(2, NULL, 'x')", "(3, now(), uuid())", "(4, 5, 6)", "(7, DEFAULT, -1)"}[i%5]
	}
	var rows strings.Builder
	for i := range 20_000 {
		rows.WriteString(", " + row(i*i+i/5))
	}
	var d Digester
	digest := func(text string) string {
		if d.Digest([]byte(text), mariadb); d.Whole() {
			t.Errorf("%.60s: nothing is to be folded", text)
		}
		d.Fold([]byte(text), mariadb)
		return string(d.AppendText(nil))
	}
	text := "INSERT INTO t VALUES (0, _binary '', NULL)" + rows.String()
	got := digest(text)
	if !d.Whole() || len(d.Key()) > 1000 || strings.Count(got, "(_charset)") != 1 {
		t.Errorf("whole %v, %d bytes: %.300s", d.Whole(), len(d.Key()), got)
	}
	if got := MakePlan(&d, mariadb); len(got.Statements) != 1 || got.Statements[0].Verb != VerbChange || !got.Statements[0].Complete {
		t.Errorf("plan %s", tell(got))
	}
	for behind, want := range map[string]Effect{
		", (GET_LOCK('a', 1), 2, 3)": EffectUserLock, " ON DUPLICATE KEY UPDATE a = GET_LOCK('a', 1)": EffectUserLock, "; LOCK TABLES t WRITE": EffectTableLocks,
		" ON DUPLICATE KEY UPDATE a = (@a := 1)": EffectUserVariable,
	} {
		digest(text + behind)
		if p := MakePlan(&d, mariadb); !d.Whole() || !p.Effects.Has(want) {
			t.Errorf("%s: whole %v, effects %v", behind, d.Whole(), p.Effects)
		}
	}
	// Elsewhere a list of brackets is no list of rows.
	derived := "SELECT 1 FROM " + strings.Repeat("(SELECT now()) a, ", 20_000) + "b"
	if digest(derived); d.Whole() {
		t.Error("tables were folded")
	}
}

func TestLongTextIsCut(t *testing.T) {
	var d Digester
	text := []byte("insert into t values (f(1))" + strings.Repeat(", (f(1))", 20_000))
	d.Digest(text, mysql97)
	if d.Whole() || len(d.Key()) > maxDigestKey+100 {
		t.Errorf("whole %v, %d bytes", d.Whole(), len(d.Key()))
	}
	d.Digest([]byte("insert into t values (1, 2)"+strings.Repeat(", (3, 4)", 200_000)), mysql97)
	if !d.Whole() || d.Values()[0].Count != 400_002 {
		t.Errorf("values do not count: whole %v, %v", d.Whole(), d.Values())
	}
}

// TestDigestAllocatesNothing: not even where it is long, once it has been so long.
func TestDigestAllocatesNothing(t *testing.T) {
	var d Digester
	for _, c := range digests {
		text := []byte(c.text)
		d.Digest(text, mysql97)
		if n := testing.AllocsPerRun(10, func() {
			d.Digest(text, mysql97)
			d.Hash()
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

func TestHashesDiffer(t *testing.T) {
	seen := make(map[uint64]string)
	var d Digester
	for i := range 20_000 {
		text := fmt.Sprintf("select c%d from t%d where a = 1", i%100, i/100)
		d.Digest([]byte(text), mysql97)
		if other, ok := seen[d.Hash()]; ok {
			t.Fatalf("%s and %s have the hash %x", text, other, d.Hash())
		}
		seen[d.Hash()] = text
	}
}

// FuzzDigest: neither a digest nor a plan ever panics, a digest has no value in it, and
// white space and comments do not change it.
func FuzzDigest(f *testing.F) {
	for _, c := range digests {
		f.Add([]byte(c.text), uint16(0))
	}
	for _, c := range extracts {
		f.Add([]byte(c.text), uint16(1))
	}
	f.Fuzz(func(t *testing.T, text []byte, bits uint16) {
		dialect := dialectOf(bits)
		var d, other Digester
		d.Digest(text, dialect)
		plan := MakePlan(&d, dialect)
		if !plan.Matches(d.Hash(), d.Key()) {
			t.Fatal("the plan is not its own")
		}
		for _, v := range d.Values() {
			if v.Start < 0 || v.End < v.Start || v.End > len(text) || v.Count < 1 {
				t.Fatalf("value %+v of %d bytes", v, len(text))
			}
		}
		for _, s := range plan.Statements {
			for _, k := range s.Keys {
				if k.Value < 0 || k.Value >= len(d.Values()) || k.Column == "" {
					t.Fatalf("key %+v of %d values", k, len(d.Values()))
				}
			}
		}
		spaced := respace(text, dialect)
		other.Digest(spaced, dialect)
		if !bytes.Equal(d.Key(), other.Key()) {
			t.Fatalf("%q and %q\n%s\n%s", text, spaced, d.AppendText(nil), other.AppendText(nil))
		}
	})
}

// respace returns text with other white space, and comments, where there was white
// space before.
func respace(text []byte, dialect Dialect) []byte {
	fillers := []string{"\n", "\t ", " /* it's */ ", " -- `x`\n", "\r\n# \"\n"}
	if dialect.IgnoreSpace { // it ignores no comments
		fillers = fillers[:2]
	}
	var out []byte
	l := NewLexer(text, dialect)
	end, inHint := 0, false
	for i := 0; ; i++ {
		token := l.Next()
		gap := text[end:token.Start]
		if token.Kind == TokenHintOpen {
			inHint = true
		}
		if len(gap) > 0 && !inHint && token.Kind != TokenInvalid && len(bytes.TrimFunc(gap, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })) == 0 {
			gap = []byte(fillers[i%len(fillers)])
		}
		if token.Kind == TokenHintClose {
			inHint = false
		}
		out = append(append(out, gap...), text[token.Start:token.End]...)
		end = token.End
		if token.Kind == TokenEnd || token.Kind == TokenInvalid {
			return append(out, text[end:]...)
		}
	}
}
