package balancer_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestCharactersAreThoseOfAServer: whether a backslash, a quote or a backtick behind a byte
// is half a character is what the server says, for each byte in front and each charset.
// What comes behind it is a string for one reader, and SQL for the other.
func TestCharactersAreThoseOfAServer(t *testing.T) {
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) {
			config := mysql.NewConfig()
			config.Net = "unix"
			var text string
			if flavour == topology.FlavourMySQL {
				s := mysqltest.StartMySQL(t)
				config.User, config.Addr, text = "root", s.Socket, s.Query(t, "SELECT VERSION()")
			} else {
				s := mysqltest.Start(t)
				config.User, config.Passwd, config.Addr, text = mysqltest.Manager, mysqltest.ManagerPassword, s.Socket, s.Query(t, "SELECT VERSION()")
			}
			version, err := topology.ParseVersion(text)
			if err != nil {
				t.Fatal(err)
			}
			for _, charset := range []string{"utf8mb4", "latin1", "gbk", "sjis", "cp932", "big5", "ujis", "euckr", "gb2312", "gb18030", "cp1251"} {
				if charset == "gb18030" && flavour == topology.FlavourMariaDB {
					continue // it has none
				}
				t.Run(charset, func(t *testing.T) {
					d := balancer.Dialect{Flavour: flavour, Version: balancer.VersionOf(version), Charset: balancer.CharsetNamed(charset)}
					charactersOf(t, connOf(t, config, charset), d)
				})
			}
		})
	}
}

func connOf(t *testing.T, config *mysql.Config, charset string) *sql.Conn {
	t.Helper()
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
	if _, err := conn.ExecContext(t.Context(), "SET NAMES "+charset); err != nil {
		t.Fatal(err)
	}
	return conn
}

// charactersOf holds the columns of statements against the server's: each byte in front of
// what matters, and random strings.
func charactersOf(t *testing.T, conn *sql.Conn, d balancer.Dialect) {
	t.Helper()
	var texts []string
	add := func(in string) { texts = append(texts, "SELECT '"+in+"', 1, 1 -- ', 2") }
	for lead := 0x80; lead <= 0xFF; lead++ {
		b := string([]byte{byte(lead)})
		add(b)
		add(b + `\`)
		add(b + b + `\`)
		add("a" + b + `\\`)
	}
	const seed, count = 1, 3000
	random := rand.New(rand.NewPCG(seed, seed))
	for range count {
		in := make([]byte, 1+random.IntN(6))
		for i := range in {
			if in[i] = byte(0x80 + random.IntN(0x80)); random.IntN(2) == 0 {
				in[i] = `\'\'0a@~`[random.IntN(8)]
			}
		}
		add(string(in))
	}
	read, differ := 0, 0
	for _, text := range texts {
		want, ok := columnsOf(t, conn, text)
		if !ok {
			continue
		}
		read++
		if got := columnsRead([]byte(text), d); got != want {
			if differ++; differ < 5 {
				t.Errorf("%q: %d columns, the server has %d", text, got, want)
			}
		}
	}
	if read < 300 {
		t.Errorf("the server reads %d of %d statements only: this shows little", read, len(texts))
	}
	t.Logf("the server reads %d of %d statements; %d are read otherwise here", read, len(texts), differ)
}

func columnsOf(t *testing.T, conn *sql.Conn, text string) (n int, ok bool) {
	t.Helper()
	rows, err := conn.QueryContext(context.Background(), text)
	if err != nil {
		return 0, false
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return 0, false
	}
	return len(names), true
}

// columnsRead counts the commas outside of strings.
func columnsRead(text []byte, d balancer.Dialect) int {
	l := balancer.NewLexer(text, d)
	n := 1
	for {
		token := l.Next()
		switch {
		case token.Kind == balancer.TokenEnd:
			return n
		case string(text[token.Start:token.End]) == ",":
			n++
		}
	}
}
