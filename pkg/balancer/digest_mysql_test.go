package balancer_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// TestDigestOfAServer holds the digest against the server's own, for the statements of
// the table, for each keyword, and for random ones, in sessions of several sql_modes and
// charsets. What the mysqltest files add is in internal/oracle. SQLRING_DIGESTS is how many random
// statements there are, SQLRING_DIGEST_SEED their seed; else it is another one each time.
func TestDigestOfAServer(t *testing.T) {
	server := mysqltest.StartMySQL(t, "max_digest_length=65536", "performance_schema_max_digest_length=65536")
	version, err := topology.ParseVersion(server.Query(t, "SELECT VERSION()"))
	if err != nil {
		t.Fatal(err)
	}
	o := oracle{conn: open(t, server), dialect: balancer.Dialect{Flavour: topology.FlavourMySQL, Version: balancer.VersionOf(version)}}
	t.Run("table", func(t *testing.T) {
		for _, text := range balancer.Digests() {
			if !o.agrees(t, text) {
				t.Errorf("the server can not read %s", text)
			}
		}
	})
	t.Run("keywords", func(t *testing.T) {
		words := server.Query(t, "SELECT /*+ SET_VAR(group_concat_max_len = 1000000) */ GROUP_CONCAT(WORD) FROM information_schema.KEYWORDS")
		ours := balancer.Keywords()
		for word := range strings.SplitSeq(words, ",") {
			if !ours[word] {
				t.Errorf("%s is a keyword of the server", word)
			}
			delete(ours, word)
			o.agrees(t, "SELECT "+word+" FROM t") // a name, if it is not reserved
		}
		for word := range ours {
			t.Errorf("%s is no keyword of the server", word)
		}
	})
	count, seed := numberOf(t, "SQLRING_DIGESTS", 16000), numberOf(t, "SQLRING_DIGEST_SEED", rand.Uint64())
	for i, in := range sessionsOfDigests {
		t.Run("random "+in.name, func(t *testing.T) {
			t.Logf("SQLRING_DIGEST_SEED=%d", seed)
			of := oracle{conn: open(t, server), charset: in.charset, dialect: in.dialect}
			of.dialect.Flavour, of.dialect.Version = o.dialect.Flavour, o.dialect.Version
			if _, err := of.conn.ExecContext(t.Context(), "SET SESSION sql_mode='"+in.mode+"'"); err != nil {
				t.Fatal(err)
			}
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			each, read := int(count)/len(sessionsOfDigests), 0
			for range each {
				if of.agrees(t, statement(random)) {
					read++
				}
			}
			if read < each/2 {
				t.Errorf("the server can read %d of %d random statements only: the test tests little", read, each)
			}
			t.Logf("FIGURE digests in %s: %d of %d random statements read, seed %d", in.name, read, each, seed)
		})
	}
}

// sessionsOfDigests are sessions in which a text means something else.
var sessionsOfDigests = []struct {
	name, mode, charset string
	dialect             balancer.Dialect
}{
	{name: "a usual session"},
	{"ANSI_QUOTES", "ANSI_QUOTES", "", balancer.Dialect{AnsiQuotes: true}},
	{"NO_BACKSLASH_ESCAPES", "NO_BACKSLASH_ESCAPES", "", balancer.Dialect{NoBackslashEscapes: true}},
	{"IGNORE_SPACE", "IGNORE_SPACE", "", balancer.Dialect{IgnoreSpace: true}},
	{"all three", "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,IGNORE_SPACE", "", balancer.Dialect{AnsiQuotes: true, NoBackslashEscapes: true, IgnoreSpace: true}},
	{"gbk", "", "gbk", balancer.Dialect{Charset: balancer.CharsetGBK}},
	{"sjis", "", "sjis", balancer.Dialect{Charset: balancer.CharsetSJIS}},
	{"gbk without escapes", "NO_BACKSLASH_ESCAPES", "gbk", balancer.Dialect{Charset: balancer.CharsetGBK, NoBackslashEscapes: true}},
}

func numberOf(t *testing.T, variable string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

// oracle asks a server for digests.
type oracle struct {
	conn    *sql.Conn
	charset string // of statements; "": utf8mb4
	dialect balancer.Dialect
	d       balancer.Digester
}

func open(t *testing.T, server *mysqltest.MySQL) *sql.Conn {
	t.Helper()
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName = "root", "unix", server.Socket, "mysql"
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// agrees fails the test if the server's digest of text is another one. It reports
// whether the server can read the text at all.
func (o *oracle) agrees(t *testing.T, text string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var want string
	// In hexadecimal: no mode reads that as anything else. The server reads it in the text's own charset.
	if err := o.conn.QueryRowContext(ctx, fmt.Sprintf("SELECT STATEMENT_DIGEST_TEXT(_%s x'%x')", cmp.Or(o.charset, "utf8mb4"), text)).Scan(&want); err != nil {
		if refused := (*mysql.MySQLError)(nil); !errors.As(err, &refused) {
			t.Fatalf("ask for the digest of %q: %v", text, err)
		}
		return false
	}
	o.d.Digest([]byte(text), o.dialect)
	if got := string(o.d.AppendText(nil)); got != want {
		t.Errorf("%q\ngot  %s\nwant %s", text, got, want)
	}
	return true
}

// statement returns a random one.
func statement(random *rand.Rand) string {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	list := func(of func() string, separator string) string {
		parts := make([]string, 1+random.IntN(4))
		for i := range parts {
			parts[i] = of()
		}
		return strings.Join(parts, separator)
	}
	value := func() string {
		if random.IntN(20) == 0 { // what a sql_mode or a charset reads as something else; 表 in gbk's and sjis's bytes ends by a backslash
			return pick(`"a"`, `"a""b"`, `'a\\'`, `'a\'`, `'it\'s'`, "'\x95\\'", "'\x95\\\\'", "'\x95'", "_gbk'x'", `'a' 'b'`, `'a' "b"`, `"it's"`, "/*!1 + */ 2", "/*!99999 x */ 3", "-- c\n 4", "# c'\n 5", `"a\"b"`, "count (*)", "COUNT(*)", "max (a)", "now ()", "Trim ('x')", "f (1)", `t."b"`, `"t".b`)
		}
		return pick("1", "'a'", "NULL", "-1", "+ 2", "- -3", "0x41", "N'x'", "TRUE", "1.5e3", "_utf8mb4'x'", "''''")
	}
	var expression func(depth int) string
	expression = func(depth int) string {
		if depth == 0 {
			return pick(value(), value(), "a", "t.b", "`c`", "@x", "@@sql_mode", "status", "date")
		}
		sub := func() string { return expression(depth - 1) }
		switch random.IntN(12) {
		case 0, 1:
			return sub() + pick(" + ", " - ", "*", " AND ", " OR ", " = ", " <> ", " <=> ", "-", "+", " || ", " & ", " XOR ", " LIKE ", " DIV ", " MOD ") + sub()
		case 2:
			return "(" + sub() + ")"
		case 3:
			return sub() + pick(" IN (", " NOT IN (") + list(value, ", ") + ")"
		case 4:
			return pick("f", "COALESCE", "CONCAT", "ABS", "GREATEST", "SUBSTR", "IF") + "(" + list(sub, pick(",", " , /* c */ ")) + ")"
		case 5:
			return sub() + pick(" IS NULL", " IS NOT NULL", " BETWEEN "+value()+" AND "+value())
		case 6:
			return "CASE WHEN " + sub() + " THEN " + sub() + " ELSE " + sub() + " END"
		case 7:
			return pick("NOT ", "!", "- ", "~", "BINARY ", "INTERVAL 1 DAY + ") + sub()
		case 8:
			return "(" + list(value, ",") + ") = (" + list(value, ",") + ")"
		case 9:
			return "(SELECT " + sub() + " FROM t)"
		default:
			return expression(0)
		}
	}
	some := func() string { return expression(random.IntN(4)) }
	switch random.IntN(5) {
	case 0:
		return "INSERT INTO t VALUES " + list(func() string { return "(" + list(some, ", ") + ")" }, ", ")
	case 1:
		return "UPDATE t SET a = " + some() + " WHERE " + some() + pick("", " ORDER BY 1, a LIMIT 5")
	case 2:
		return fmt.Sprintf("SELECT %s FROM t GROUP BY %s ORDER BY %s LIMIT %s", some(), list(func() string { return pick("1", "a", some()) }, ","), list(func() string { return pick("2", "a", some()) + pick("", " DESC") }, ", "), pick("1", "1, 2"))
	default:
		return "SELECT " + list(some, ", ") + pick("", " FROM t WHERE "+some())
	}
}
