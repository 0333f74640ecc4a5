package balancer

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

// The servers that the tests speak of.
var (
	mysql97    = Dialect{Flavour: topology.FlavourMySQL, Version: 90704}
	mysql80    = Dialect{Flavour: topology.FlavourMySQL, Version: 80036}
	mariadb    = Dialect{Flavour: topology.FlavourMariaDB, Version: 101119}
	mariadb118 = Dialect{Flavour: topology.FlavourMariaDB, Version: 110801}
)

func with(d Dialect, edit func(*Dialect)) Dialect {
	edit(&d)
	return d
}

// spell writes the tokens of a text with their kinds: keywords in capitals, names in
// backticks, strings as s:…, numbers as n:…, introducers as c:….
func spell(text string, dialect Dialect) string {
	var out []string
	l := NewLexer([]byte(text), dialect)
	for t := l.Next(); t.Kind != TokenEnd; t = l.Next() {
		written := text[t.Start:t.End]
		switch {
		case t.Kind == TokenInvalid:
			out = append(out, "invalid:"+written)
		case t.Kind == TokenWord:
			out = append(out, "`"+written+"`")
		case t.Kind == TokenQuoted:
			out = append(out, "q:"+written)
		case t.Kind == TokenString:
			out = append(out, "s:"+written)
		case t.Kind == TokenNumber:
			out = append(out, "n:"+written)
		case t.Kind == TokenCharset:
			out = append(out, "c:"+written)
		case t.Kind == TokenHost:
			out = append(out, "h:"+written)
		case t.Kind == TokenDollar:
			out = append(out, "d:"+written)
		case t.Kind == TokenHintName:
			out = append(out, "@:"+written)
		case t.Kind.isKeyword():
			out = append(out, strings.ToUpper(written))
		default:
			out = append(out, written)
		}
	}
	return strings.Join(out, " ")
}

func TestTokens(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"point select", "SELECT c FROM sbtest1 WHERE id=4711", "SELECT `c` FROM `sbtest1` WHERE `id` = n:4711"},
		{"nothing", "", ""},
		{"white space", " \t\r\n\v\f", ""},
		{"a name behind a full stop is no keyword", "select t.select, a.b.from, x . `y`", "SELECT `t` . `select` , `a` . `b` . `from` , `x` . q:`y`"},
		{"a name in front of one is none either", "select from.t", "SELECT `from` . `t`"},
		{"a function only with its bracket", "count(*), count (*), count", "COUNT ( * ) , `count` ( * ) , `count`"},
		{"strings", `'a''b' "c\"d" n'e' N'f'`, `s:'a''b' s:"c\"d" s:n'e' s:N'f'`},
		{"an escaped quote does not end a string", `'a\'; drop table t; -- '`, `s:'a\'; drop table t; -- '`},
		{"numbers", "1 .5 1.5 1e5 1.5E-3 0x1F 0b101 x'1f' b'1' 1.", "n:1 n:.5 n:1.5 n:1e5 n:1.5E-3 n:0x1F n:0b101 n:x'1f' n:b'1' n:1."},
		{"names that begin with digits", "1a 0xg 1e 0b2 2_x", "`1a` `0xg` `1e` `0b2` `2_x`"},
		{"a number of half an exponent", "1.e(1)", "invalid:1.e(1)"},
		{"operators", "a<=>b <> != >= <= << >> && || := -> ->> ! ~ ^ % | &", "`a` <=> `b` <> != >= <= << >> && || := -> ->> ! ~ ^ % | &"},
		{"two negations are one", "!!1", "!! n:1"},
		{"operators that the server does not know", "a =! b", "`a` invalid:=! b"},
		{"user variables", "@a @`b` @'c' @\"d\" @a.b @", "@ h:a @ q:`b` @ s:'c' @ s:\"d\" @ h:a.b @ h:"},
		{"system variables", "@@sql_mode @@global.sql_mode @@session . x @@`y`", "@ @ `sql_mode` @ @ GLOBAL . `sql_mode` @ @ SESSION . `x` @ @ q:`y`"},
		{"accounts", "'u'@'h' u@localhost u@`%`", "s:'u' @ s:'h' `u` @ h:localhost `u` @ q:`%`"},
		{"introducers", "_utf8mb4'a' _latin1 x'41' _nothing'b'", "c:_utf8mb4 s:'a' c:_latin1 n:x'41' `_nothing` s:'b'"},
		{"comments", "a -- b\nc # d\ne /* f */ g --h", "`a` `c` `e` `g` - - `h`"},
		{"a comment at the end", "a --", "`a`"},
		{"a hint is tokens", "select /*+ NO_INDEX(t i) SET_VAR(x = 16M) */ 1", "SELECT /*+ NO_INDEX ( `t` `i` ) SET_VAR ( `x` = n:16M ) */ n:1"},
		{"a hint's query blocks", "select /*+ BKA(t1@qb, @`q` t2) */ 1", "SELECT /*+ BKA ( @:t1 @ `qb` , @ q:`q` `t2` ) */ n:1"},
		{"a hint elsewhere is a comment", "select 1 /*+ BKA(t) */, 2", "SELECT n:1 , n:2"},
		{"a parameter", "select ?, ?", "SELECT ? , ?"},
		{"statements", "select 1; select 2;", "SELECT n:1 ; SELECT n:2 ;"},
		{"names of other letters", "select größe, 表 from `😀`", "SELECT `größe` , `表` FROM q:`😀`"},
		{"a NUL byte", "select 1 \x00 union select 2", "SELECT n:1 invalid:\x00 union select 2"},
		{"a NUL byte ends a line comment", "select 1 -- x\x00 y\n, 2", "SELECT n:1 invalid:\x00 y\n, 2"},
		{"a NUL byte in a string is a character", "'a\x00b'", "s:'a\x00b'"},
		{"an open string", "select 'a", "SELECT invalid:'a"},
		{"an open name", "select `a", "SELECT invalid:`a"},
		{"an open comment", "select 1 /* a", "SELECT n:1 invalid:/* a"},
		{"an open hint", "select /*+ BKA(t)", "SELECT /*+ BKA ( `t` ) invalid:"},
		{"an open executable comment", "select /*! 1", "SELECT n:1 invalid:"},
		{"a string that ends in a backslash", `'a\`, `invalid:'a\`},
		{"text in dollars", "$$ it's $$ $x$ $$ $x$ $y", "d:$$ it's $$ d:$x$ $$ $x$ `$y`"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := spell(c.text, mysql97); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestExecutableComments(t *testing.T) {
	unknown := Dialect{}
	for _, c := range []struct {
		name    string
		dialect Dialect
		text    string
		want    string
	}{
		{"MySQL runs what is old enough", mysql97, "1 /*!50000 + 2 */ + 3", "n:1 + n:2 + n:3"},
		{"and what has no version", mysql97, "1 /*! + 2 */", "n:1 + n:2"},
		{"not what is newer", mysql97, "1 /*!90800 + 2 */", "n:1"},
		{"six digits need a space behind them", mysql97, "/*!080000 1 */ /*!080000+2*/ /*!100000 3*/", "n:1 n:0 + n:2"},
		{"four digits are no version", mysql97, "/*!8000 1*/", "n:8000 n:1"},
		{"MariaDB's comments are none for MySQL", mysql97, "1 /*M!100100 + 2 */", "n:1"},
		{"MySQL 8 keeps to its version", mysql80, "/*!80030 1*/ /*!80037 2*/", "n:1"},
		{"MariaDB runs what is for old servers", mariadb, "1 /*!50600 + 2 */", "n:1 + n:2"},
		{"and leaves out what is for MySQL 5.7 and 8", mariadb, "1 /*!50700 + 2 */ /*!80000 + 3 */ /*!99999 + 4*/", "n:1"},
		{"it runs its own versions", mariadb, "/*!100100 1*/ /*!101200 2*/ /*!110000 3*/", "n:1"},
		{"and its own comments", mariadb, "/*M!50700 1*/ /*M!100100 2*/ /*M!110000 3*/ /*M! 4*/", "n:1 n:2 n:4"},
		{"six digits need no space for it", mariadb, "/*!100100+1*/", "+ n:1"},
		{"11.8 runs more", mariadb118, "/*!110000 3*/", "n:3"},
		{"a plain comment within", mysql97, "/*!50000 1 /* 2 */ + 3 */ + 4", "n:1 + n:3 + n:4"},
		{"a comment within one that is left out", mysql97, "/*!99999 1 /* 2 */ 3 */ 4", "n:4"},
		{"its end hides nothing", mysql97, "/*!50000 select */ * /*!50000 from */ t", "SELECT * FROM `t`"},
		{"a string within keeps its end", mysql97, "/*!50000 '*/' */", "s:'*/'"},
		{"an unknown server's are not read", unknown, "1 /*!50000 + 2 */", "n:1 invalid:/*!50000 + 2 */"},
		{"its plain comments are", unknown, "1 /* 2 */ + 3", "n:1 + n:3"},
		{"MariaDB 10 takes hints for comments", mariadb, "select /*+ BKA(t) */ 1", "SELECT n:1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := spell(c.text, c.dialect); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestSQLModes(t *testing.T) {
	ansi := with(mysql97, func(d *Dialect) { d.AnsiQuotes = true })
	plain := with(mysql97, func(d *Dialect) { d.NoBackslashEscapes = true })
	ignore := with(mysql97, func(d *Dialect) { d.IgnoreSpace = true })
	for _, c := range []struct {
		name    string
		dialect Dialect
		text    string
		want    string
	}{
		{"quotes are a string's", mysql97, `"a" 'b'`, `s:"a" s:'b'`},
		{"ANSI_QUOTES makes them a name's", ansi, `"a" 'b' "c\"`, `q:"a" s:'b' q:"c\"`},
		{"a backslash escapes", mysql97, `'a\' or 1=1 -- '`, `s:'a\' or 1=1 -- '`},
		{"not under NO_BACKSLASH_ESCAPES", plain, `'a\' or 1=1 -- '`, "s:'a\\' OR n:1 = n:1"},
		{"IGNORE_SPACE lets a bracket stand apart", ignore, "count (*)", "COUNT ( * )"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := spell(c.text, c.dialect); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestCharsets: in some charsets the second byte of a character may be a backslash or a
// quote. Read as another charset the same bytes are another statement.
func TestCharsets(t *testing.T) {
	for _, c := range []struct {
		name    string
		charset Charset
		text    string
		want    string
	}{
		{"gbk: the backslash is half a character", CharsetGBK, "'\xbf\\' or 1 -- '", "s:'\xbf\\' OR n:1"},
		{"utf8: the same bytes escape the quote", CharsetUTF8, "'\xbf\\' or 1 -- '", "s:'\xbf\\' or 1 -- '"},
		{"gbk: a quote is never half a character", CharsetGBK, "'\xbf' or 1", "s:'\xbf' OR n:1"},
		{"sjis", CharsetSJIS, "'\x95\\' or 1 -- '", "s:'\x95\\' OR n:1"},
		{"sjis: halfwidth katakana are one byte", CharsetSJIS, "'\xb1\\' or 1 -- '", "s:'\xb1\\' or 1 -- '"},
		{"big5", CharsetBig5, "'\xa5\\' or 1 -- '", "s:'\xa5\\' OR n:1"},
		{"gb18030", CharsetGB18030, "'\x81\\' or 1 -- '", "s:'\x81\\' OR n:1"},
		{"gb18030: four bytes", CharsetGB18030, "'\x81\x30\x81\x30\\' or 1 -- '", "s:'\x81\x30\x81\x30\\' or 1 -- '"},
		{"gbk: a name goes on behind a backtick's byte", CharsetGBK, "select \x81`a from t", "SELECT `\x81`a` FROM `t`"},
		{"latin1: a space that does not break is a space", CharsetLatin1, "select 1 for\xa0update", "SELECT n:1 FOR UPDATE"},
		{"utf8: it is a letter", CharsetUTF8, "for\xa0update", "`for\xa0update`"},
		{"latin1: letters", CharsetLatin1, "gr\xf6\xdfe", "`gr\xf6\xdfe`"},
		{"another charset's letters are not read", CharsetOther, "select 'gr\xf6\xdfe', \xf6", "SELECT s:'gr\xf6\xdfe' , invalid:\xf6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := with(mysql97, func(d *Dialect) { d.Charset = c.charset })
			if got := spell(c.text, d); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestCharsetNamed(t *testing.T) {
	for name, want := range map[string]Charset{
		"utf8mb4": CharsetUTF8, "binary": CharsetUTF8, "latin1": CharsetLatin1, "gbk": CharsetGBK, "cp932": CharsetSJIS, "sjis": CharsetSJIS,
		"big5": CharsetBig5, "gb18030": CharsetGB18030, "ujis": CharsetEUC, "cp1251": CharsetOther, "klingon": CharsetOther,
	} {
		if got := CharsetNamed(name); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
}

func TestRemark(t *testing.T) {
	for text, want := range map[string]string{
		"select 1": "",
		"/* sqlring consistency=strong */ select 1":        "sqlring consistency=strong",
		"select /* x */ 1 /*sqlring owner*/ /*sqlring b*/": "sqlring owner",
		"select '/* sqlring no */'":                        "",
		"select 1 -- sqlring a":                            "sqlring a",
		"select 1 --sqlring a":                             "",
		"select 1 # SQLring a\n+ 1":                        "SQLring a",
		"select 1 #":                                       "",
		"select 1 --\t":                                    "",
		"/**/ select 1":                                    "",
		"/*\n\tsqlring\n*/ select 1":                       "sqlring",
		"/*sqlrings a*/ /*sqlring_a*/ /*sqlring-x*/ /*sqlring.net*/ /* a sqlring */ select 1": "",
		"/*! select /* sqlring a */ 1 */":          "sqlring a",
		"select 1 /*!99999 /* sqlring a */ + 1 */": "",
	} {
		l := NewLexer([]byte(text), mysql97)
		for l.Next().Kind != TokenEnd {
		}
		if got := string(l.Remark()); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestTokenNames(t *testing.T) {
	if got, want := len(symbolNames), int(lastSymbol-TokenInvalid); got != want {
		t.Fatalf("%d names of %d symbols", got, want)
	}
	for kind, want := range map[TokenKind]string{
		kwSelect: "SELECT", kwXor: "XOR", kwBinary: "BINARY", kwTransaction: "TRANSACTION", kwSnapshot: "SNAPSHOT", TokenAssign: ":=", tokenColumn: "(column)", '(': "(", 5000: "(unknown)",
	} {
		if got := kind.String(); got != want {
			t.Errorf("%d: got %q, want %q", kind, got, want)
		}
	}
}

// TestEachKeywordIsFound: in any case, and no word that is only like one.
func TestEachKeywordIsFound(t *testing.T) {
	for i, w := range keywords.words {
		for _, text := range []string{w.name, strings.ToLower(w.name), strings.ToLower(w.name[:1]) + w.name[1:]} {
			padded := []byte("  " + text + "(        ")
			got := keywords.find(padded, 2, 2+len(text), true)
			want := firstKeyword + TokenKind(i)
			if w.flags&onlyHintName != 0 {
				want = TokenWord
			}
			if got != want {
				t.Errorf("%s: got %v, want %v", text, got, want)
			}
			short := []byte(text)
			if got := keywords.find(short, 0, len(short), true); got != want {
				t.Errorf("%s at the end: got %v, want %v", text, got, want)
			}
		}
		for _, text := range []string{w.name + "x", "x" + w.name, w.name[:len(w.name)-1] + "\x7f"} {
			if slices.ContainsFunc(keywords.words, func(o keyword) bool { return strings.EqualFold(o.name, text) }) {
				continue
			}
			if got := keywords.find([]byte(text), 0, len(text), true); got != TokenWord {
				t.Errorf("%q is taken for %v", text, got)
			}
		}
	}
}

// FuzzLexer: it never panics, its tokens are in order and within the text, and what is
// between them is white space and comments, which are no tokens when read alone.
func FuzzLexer(f *testing.F) {
	for _, text := range []string{
		"SELECT c FROM sbtest1 WHERE id=4711", "select /*!50000 1 */ + 'a\\'b'", "/*+ x */ select /*+ BKA(t@q) */ 1", "@@global.a.b @'c'", "1.e1 .5 0x $a$b$a$ $", "a.b.`c",
		"'\xbf\\'", "--\x00", "/*M!100100 x*/",
		"@!@!@",
	} {
		f.Add([]byte(text), uint16(0))
		f.Add([]byte(text), uint16(0xFFFF))
	}
	f.Fuzz(func(t *testing.T, text []byte, bits uint16) {
		dialect := dialectOf(bits)
		l := NewLexer(text, dialect)
		end := 0
		for range 2*len(text) + 2 { // behind an @ may be an empty token
			token := l.Next()
			if token.Start < end || token.End < token.Start || token.End > len(text) {
				t.Fatalf("token %v after %d in %d bytes", token, end, len(text))
			}
			checkGap(t, text[end:token.Start], dialect)
			end = token.End
			if token.Kind == TokenEnd {
				if end != len(text) {
					t.Fatalf("it ends at %d of %d bytes", end, len(text))
				}
				if again := l.Next(); again != token {
					t.Fatalf("behind the end is %v", again)
				}
				return
			}
		}
		t.Fatal("it does not end")
	})
}

// dialectOf makes a dialect of any number.
func dialectOf(bits uint16) Dialect {
	d := []Dialect{mysql97, mariadb, mysql80, {}}[bits&3]
	d.Charset = Charset(bits >> 2 & 7)
	d.AnsiQuotes, d.NoBackslashEscapes, d.IgnoreSpace = bits&32 != 0, bits&64 != 0, bits&128 != 0
	return d
}

// checkGap fails if what no token covers is anything else than white space, comments
// and the marks of executable ones.
func checkGap(t *testing.T, gap []byte, dialect Dialect) {
	t.Helper()
	for len(gap) > 0 {
		switch {
		case isSpace(gap[0]), gap[0] == 0xA0 && dialect.Charset == CharsetLatin1:
			gap = gap[1:]
		case bytes.HasPrefix(gap, []byte("*/")):
			gap = gap[2:]
		case bytes.HasPrefix(gap, []byte("/*!")), bytes.HasPrefix(gap, []byte("/*M!")) && dialect.Flavour == topology.FlavourMariaDB:
			_, rest, _ := bytes.Cut(gap, []byte("!"))
			run, digits := dialect.runs(rest, gap[2] == 'M')
			if run {
				gap = rest[digits:]
				continue
			}
			gap = gap[commentEnd(gap, 2, 1):]
		case bytes.HasPrefix(gap, []byte("/*")):
			gap = gap[commentEnd(gap, 2, 0):]
		case gap[0] == '#', bytes.HasPrefix(gap, []byte("--")):
			_, gap, _ = bytes.Cut(gap, []byte("\n"))
		default:
			t.Fatalf("no token covers %q", gap)
		}
	}
}
