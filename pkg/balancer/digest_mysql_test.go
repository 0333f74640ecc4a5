package balancer_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
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
// the table, for each keyword, and for random ones. What the mysqltest files add is in
// internal/oracle.
func TestDigestOfAServer(t *testing.T) {
	server := mysqltest.StartMySQL(t, "max_digest_length=65536", "performance_schema_max_digest_length=65536")
	version, err := topology.ParseVersion(server.Query(t, "SELECT VERSION()"))
	if err != nil {
		t.Fatal(err)
	}
	o := oracle{db: open(t, server), dialect: balancer.Dialect{Flavour: topology.FlavourMySQL, Version: balancer.VersionOf(version)}}
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
	t.Run("random", func(t *testing.T) {
		const count, seed = 3000, 1
		random := rand.New(rand.NewPCG(seed, seed))
		read := 0
		for range count {
			if o.agrees(t, statement(random)) {
				read++
			}
		}
		if read < count/2 {
			t.Errorf("the server can read %d of %d random statements only: the test tests little", read, count)
		}
	})
}

// oracle asks a server for digests.
type oracle struct {
	db      *sql.DB
	dialect balancer.Dialect
	d       balancer.Digester
}

func open(t *testing.T, server *mysqltest.MySQL) *sql.DB {
	t.Helper()
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName, config.InterpolateParams = "root", "unix", server.Socket, "mysql", true
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// agrees fails the test if the server's digest of text is another one. It reports
// whether the server can read the text at all.
func (o *oracle) agrees(t *testing.T, text string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var want string
	if err := o.db.QueryRowContext(ctx, "SELECT STATEMENT_DIGEST_TEXT(?)", text).Scan(&want); err != nil {
		return false
	}
	o.d.Digest([]byte(text), o.dialect)
	if got := string(o.d.AppendText(nil)); got != want {
		t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
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
