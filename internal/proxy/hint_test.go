package proxy

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// waiting answers a wait for a position, and all else.
func waiting(c *fakeConn, command []byte) {
	if strings.Contains(string(command[1:]), "MASTER_GTID_WAIT") {
		c.rows(1, row("0"))
		return
	}
	c.ok()
}

// What a comment asks for holds for its own text, and for no other one, though both have
// one plan.
func TestHintsHoldForTheirText(t *testing.T) {
	const (
		plain    = "SELECT a FROM t WHERE id=1"
		strong   = "/* sqlring consistency=strong */ SELECT a FROM t WHERE id=2"
		eventual = "SELECT a FROM t WHERE id=3 -- sqlring Consistency = EVENTUAL"
		account  = "SELECT a FROM t /* sqlring consistency=account */ WHERE id=4"
		wait     = "SELECT MASTER_GTID_WAIT('1-1-7', 0.05)"
	)
	f, m2 := spreadOver(t, "1-1-6", writes, waiting)
	c := f.client(t)
	for _, tt := range []struct {
		text  string
		error int
		want  []string // what m2 gets
	}{
		{plain, 0, []string{plain}},
		{strong, 0, nil},
		{plain, 0, []string{plain}},
		{"INSERT INTO t VALUES (1)", 0, nil},
		{eventual, 0, []string{eventual}},
		{strong, 0, nil},
		{account, 0, []string{wait, account}},
		{plain, 0, []string{plain}}, // m2 is known to have it
		{"SELECT a FROM t WHERE id=5 /* sqlring consistency=some */", 1231, nil},
		{"SELECT a FROM t WHERE id=5 /* sqlring owner */", 1231, nil},
		{"/* sqlring consistency=strong */ SELECT a FROM t /* sqlring consistency=strong */", 1231, nil},
		{"SET sqlring_consistency='strong'", 0, nil},
		{plain, 0, nil},
		{eventual, 0, []string{eventual}},
		{plain, 0, nil},
		{"INSERT INTO t VALUES (2) /* sqlring consistency=eventual */", 0, nil},
	} {
		before := len(m2.commands())
		if n, _ := c.query(tt.text); n != tt.error {
			t.Errorf("%s: error %d", tt.text, n)
		}
		got := slices.DeleteFunc(m2.commands()[before:], func(text string) bool { return text == "SET SESSION TRANSACTION READ ONLY" })
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: m2 got %q, want %q", tt.text, got, tt.want)
		}
	}
	if got := strings.Join(f.fake.commands(), ";"); strings.Contains(got, "id=5") {
		t.Errorf("a text whose hint can not be followed was run: %q", got)
	}
}

// readable is a picture in which m2 is a second name of the one real server: reads go there
// on connections of their own, which the server can tell.
type readable struct{ members []balancer.Member }

func (r readable) Reads() *balancer.Reads {
	return (&picture{members: r.members, level: lagguard.LevelFresh}).Reads()
}

// withReads starts a real server, and a proxy to which it is two members.
func withReads(t testing.TB, flavour topology.Flavour) *fronted {
	picture := &readable{}
	f := inFrontOf(t, flavour, Config{Picture: picture})
	view := f.world.View()
	m1 := view.Members[0]
	m2 := m1
	m2.ID = "m2"
	picture.members = []balancer.Member{m1, m2}
	f.exec(t, "GRANT ALL ON *.* TO app@'%'; CREATE TABLE shop.t (a INT); INSERT INTO shop.t VALUES (1)")
	next := owned("m1", 1, m1, m2)
	f.world.setView(next)
	waitFor(t, "the view is taken in", func() bool { return f.view.Load() == next })
	if err := f.app(t, nil).PingContext(t.Context()); err != nil { // so that the password is known in memory
		t.Fatal(err)
	}
	return f
}

// spread returns how many reads f does at m2.
func (f *fronted) spread(t testing.TB, read func()) uint64 {
	t.Helper()
	before := f.Stats().Spread
	read()
	return f.Stats().Spread - before
}

// Statements that are prepared have the hint of the text that was prepared, each time that
// they are executed.
func TestRealHintsOfPreparedStatements(t *testing.T) {
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) {
			f := withReads(t, flavour)
			conn, err := f.app(t, nil).Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			prepare := func(text string) *sql.Stmt {
				stmt, err := conn.PrepareContext(t.Context(), text)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = stmt.Close() })
				return stmt
			}
			plain, strong := prepare("SELECT a FROM shop.t WHERE a > ?"), prepare("SELECT a FROM shop.t WHERE a > ? /* sqlring consistency=strong */")
			for range 3 {
				for stmt, want := range map[*sql.Stmt]uint64{plain: 1, strong: 0} {
					if n := f.spread(t, func() {
						var a int
						if err := stmt.QueryRowContext(t.Context(), 0).Scan(&a); err != nil || a != 1 {
							t.Error(a, err)
						}
					}); n != want {
						t.Errorf("%d reads went elsewhere, want %d", n, want)
					}
				}
			}
			if _, err := conn.PrepareContext(t.Context(), "SELECT a FROM shop.t /* sqlring soon */"); err == nil || !strings.Contains(err.Error(), "is no hint") {
				t.Errorf("a hint that can not be followed: %v", err)
			}
		})
	}
}

// The attribute of a statement counts more than its text and its session, for that
// statement alone, by MySQL's own client.
func TestRealQueryAttributesOfMySQLsClient(t *testing.T) {
	f := withReads(t, topology.FlavourMySQL)
	client := mysqlClient(t)
	host, port, _ := strings.Cut(f.Addr(), ":")
	for _, tt := range []struct {
		before, text string
		want         uint64
		error        string
	}{
		{"", "SELECT a FROM shop.t", 1, ""},
		{"query_attributes sqlring_consistency strong", "SELECT a FROM shop.t", 0, ""},
		{"query_attributes other 1 SQLRING_consistency Strong", "SELECT a FROM shop.t", 0, ""},
		{"query_attributes sqlring_consistency strong", "SELECT 1; SELECT a FROM shop.t", 1, ""}, // one statement's alone
		{"query_attributes sqlring_consistency eventual", "SELECT a FROM shop.t /* sqlring consistency=strong */", 1, ""},
		{"SET sqlring_consistency='strong';\nquery_attributes sqlring_consistency eventual", "SELECT a FROM shop.t", 1, ""},
		{"query_attributes sqlring_consistency soon", "SELECT a FROM shop.t", 0, `consistency "soon" is not one of`},
	} {
		var said bytes.Buffer
		n := f.spread(t, func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, client, "--no-defaults", "--comments", "--commands", "-h", host, "-P", port, "-u", "app", "-p"+appPassword, "--get-server-public-key")
			cmd.Stdin, cmd.Stderr, cmd.Stdout = strings.NewReader(tt.before+"\n"+tt.text+";\n"), &said, &said
			_ = cmd.Run()
		})
		if n != tt.want || tt.error != "" != strings.Contains(said.String(), "ERROR") || !strings.Contains(said.String(), tt.error) {
			t.Errorf("%s; %s: %d went elsewhere, want %d: %s", tt.before, tt.text, n, tt.want, said.String())
		}
	}
}

// Executions of prepared statements have attributes too.
func TestRealQueryAttributesOfExecutions(t *testing.T) {
	f := withReads(t, topology.FlavourMySQL)
	c, _ := f.raw(t, f.Addr(), rawCaps|wire.QueryAttributes)
	made := c.response(wire.ComStmtPrepare, "SELECT a FROM shop.t WHERE a > ?")
	if made[4] != 0 {
		t.Fatalf("%q", made)
	}
	id := string(made[5:9])
	const text, long = "\xfe\x00", "\x03\x00"
	execute := func(attributes ...string) string {
		payload := id + "\x08" + "\x01\x00\x00\x00" + string([]byte{byte(1 + len(attributes)/2), 0, 1}) + long + "\x00"
		values := "\x00\x00\x00\x00"
		for i := 0; i < len(attributes); i += 2 {
			payload += text + string([]byte{byte(len(attributes[i]))}) + attributes[i]
			values += string([]byte{byte(len(attributes[i+1]))}) + attributes[i+1]
		}
		return payload + values
	}
	for _, tt := range []struct {
		name, payload string
		want          uint64
		error         int
	}{
		{"none", execute(), 1, 0},
		{"strong", execute("sqlring_consistency", "strong"), 0, 0},
		{"none again", execute(), 1, 0},
		{"behind another", execute("x", "y", "sqlring_consistency", "eventual"), 1, 0},
		{"unknown", execute("sqlring_consistency", "soon"), 0, 1231},
		{"twice", execute("sqlring_consistency", "strong", "sqlring_consistency", "strong"), 0, 1231},
		{"another", execute("sqlring", "strong"), 1, 0},
	} {
		var got []byte
		n := f.spread(t, func() { got = c.response(wire.ComStmtExecute, tt.payload) })
		if n != tt.want || errorOf(got) != tt.error {
			t.Errorf("%s: %d went elsewhere, want %d; %q", tt.name, n, tt.want, got)
		}
	}
}

// Who becomes another account, or resets its session, reads as that is set to, and by what
// that has written; one that has failed to become another one stays what it was.
func TestRealConsistencyEndsWithItsSession(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMariaDB, Config{Consistency: map[string]balancer.Consistency{"ann": balancer.ConsistencyStrong}})
	f.exec(t, "CREATE USER ann@'%' IDENTIFIED BY 'ann''s'; GRANT ALL ON shop.* TO ann@'%'")
	<-f.world.Refresh()
	c, id := f.raw(t, f.Addr(), rawCaps)
	for _, tt := range []struct {
		name string
		end  func() string
		user string
		want balancer.Consistency
	}{
		{"reset", func() string { return string(c.response(wire.ComResetConnection, "")[4:5]) }, "app", balancer.ConsistencyAccount},
		{"another account", func() string { return c.become("ann", "ann's", "shop") }, "ann", balancer.ConsistencyStrong},
		{"reset of another account", func() string { return string(c.response(wire.ComResetConnection, "")[4:5]) }, "ann", balancer.ConsistencyStrong},
		{"a wrong password", func() string { return c.become("app", "wrong", "") }, "ann", balancer.ConsistencyStrong},
		{"back", func() string { return c.become("app", appPassword, "") }, "app", balancer.ConsistencyAccount},
		{"a schema that is not there", func() string { return c.become("ann", "ann's", "nowhere") }, "app", balancer.ConsistencyAccount},
	} {
		c.ask("SET sqlring_consistency='eventual'")
		waitFor(t, "it is eventual", func() bool { return said(t, f.Proxy, id).Consistency == balancer.ConsistencyEventual })
		outcome := tt.end()
		c.response(wire.ComPing, "")
		c.response(wire.ComPing, "") // what was before is published
		if got := said(t, f.Proxy, id); got.Consistency != tt.want || got.User != tt.user {
			t.Errorf("%s (%q): %+v", tt.name, outcome, got)
		}
	}
	was := f.session(id)
	_ = c.conn.Close()
	waitFor(t, "it has ended", func() bool { return f.session(id) == nil }) // its fields are nobody's now
	if was.account != f.tokens.of("app") {
		t.Error("after a change of user that failed it read by another account's writes")
	}
}

// mysqlClient returns MySQL's own client, of the server that tests start.
func mysqlClient(t testing.TB) string {
	t.Helper()
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := cmp.Or(os.Getenv("SQLRING_SERVERS_DIR"), filepath.Join(home, ".cache", "sqlring", "servers"))
	client := filepath.Join(dir, "mysql-9.7", "bin", "mysql")
	if _, err := os.Stat(client); err != nil {
		if os.Getenv("SQLRING_REQUIRE_SERVERS") == "1" {
			t.Fatalf("%v: scripts/get-mysql97.sh gets it", err)
		}
		t.Skipf("SKIPPED-NO-SERVER: %v: scripts/get-mysql97.sh gets it", err)
	}
	return client
}
