package proxy

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// fronted is a proxy in front of a real server of either flavour, whose accounts it
// reads as a node does: from the server itself.
type fronted struct {
	*Proxy
	world  *world
	addr   string // of the server
	socket string // of the proxy
	exec   func(t testing.TB, statement string, args ...any)
	query  func(t testing.TB, statement string, args ...any) string
	mysql  *mysqltest.MySQL // nil: it is a MariaDB
}

// inFrontOf starts a server of the flavour, and a proxy.
func inFrontOf(t testing.TB, flavour topology.Flavour, cfg Config, options ...string) *fronted {
	t.Helper()
	f := &fronted{world: newWorld()}
	slot := autoinc.Layout{Offset: 3, Stride: 16}
	if flavour == topology.FlavourMySQL {
		s := mysqltest.StartMySQL(t, append(options, "auto_increment_offset=3", "auto_increment_increment=16")...)
		f.addr, f.exec, f.query, f.mysql = s.Addr, s.Exec, s.Query, s
	} else {
		s := mysqltest.Start(t, options...)
		f.addr, f.exec, f.query = s.Addr, s.Exec, s.Query
		f.exec(t, "SET GLOBAL read_only=0, auto_increment_offset=3, auto_increment_increment=16")
	}
	f.exec(t, "CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON shop.* TO app@'%'")
	reader := mysqld.New(mysqld.Config{ManagerUser: mysqltest.Manager, ManagerPassword: mysqltest.ManagerPassword, Probe: 5 * time.Second}, "m1", f.addr)
	t.Cleanup(reader.Close)
	f.world.onRefresh = func() []topology.Account {
		list, err := reader.Accounts(context.Background())
		if err != nil {
			t.Error(err)
		}
		return list
	}
	f.world.setAccounts(f.world.onRefresh()...)
	version := f.query(t, "SELECT @@version")
	f.world.setView(owned("m1", 1, balancer.Member{ID: "m1", Network: "tcp", Addr: f.addr, Version: version, Layout: slot}))
	dir, err := os.MkdirTemp("", "proxy-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg.Socket = filepath.Join(dir, "s")
	f.socket = cfg.Socket
	f.Proxy = serve(t, f.world, cfg)
	return f
}

// person is how a test logs in.
type person struct {
	user, password, schema string
	change                 func(*mysql.Config)
}

func (f *fronted) through(t testing.TB, c person) *sql.DB { return c.open(t, f.Addr()) }

func (c person) open(t testing.TB, addr string) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.DBName = c.user, c.password, "tcp", addr, c.schema
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = 10*time.Second, 20*time.Second, 20*time.Second
	cfg.Logger = &mysql.NopLogger{}
	if c.change != nil {
		c.change(cfg)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// outcome is what a login comes to, as text: "in", or the error.
func (c person) outcome(t testing.TB, addr string) string {
	t.Helper()
	db := c.open(t, addr)
	defer func() { _ = db.Close() }()
	err := db.PingContext(t.Context())
	var e *mysql.MySQLError
	switch {
	case err == nil:
		return "in"
	case errors.As(err, &e):
		return fmt.Sprintf("%d (%s): %s", e.Number, e.SQLState[:], e.Message)
	}
	return err.Error()
}

func flavours(t *testing.T, test func(t *testing.T, flavour topology.Flavour)) {
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) { test(t, flavour) })
	}
}

// The same login comes to the same, directly and through the proxy: number, state
// and text.
func TestRealLoginsAreJudgedAsByTheServer(t *testing.T) {
	flavours(t, func(t *testing.T, flavour topology.Flavour) {
		f := inFrontOf(t, flavour, Config{RefreshTimeout: 2 * time.Second, Limits: Limits{FailuresPerAddress: -1}})
		f.exec(t, `CREATE USER locked@'%' IDENTIFIED BY 'pw' ACCOUNT LOCK; CREATE USER open@'%'; CREATE USER tls@'%' IDENTIFIED BY 'pw' REQUIRE SSL;
			CREATE USER card@'%' IDENTIFIED BY 'pw' REQUIRE X509; CREATE USER one@'%' IDENTIFIED BY 'pw' WITH MAX_USER_CONNECTIONS 1;
			CREATE USER old@'%' IDENTIFIED BY 'pw' PASSWORD EXPIRE; CREATE USER far@'10.9.%' IDENTIFIED BY 'pw';
			CREATE USER near@'127.0.0.1' IDENTIFIED BY 'near'; CREATE USER near@'%' IDENTIFIED BY 'far';
			CREATE USER net@'127.0.0.0/255.0.0.0' IDENTIFIED BY 'pw'; CREATE USER vague@'127.0._.%' IDENTIFIED BY 'pw';
			CREATE USER here@localhost IDENTIFIED BY 'pw'`)
		if flavour == topology.FlavourMariaDB { // else it lets such a session in, to change its password and nothing else
			f.exec(t, "SET GLOBAL disconnect_on_expired_password=1")
		}
		first := f.through(t, person{user: "one", password: "pw"})
		tests := []struct {
			name   string
			client person
			want   string // beginning
		}{
			{"right", person{user: "app", password: appPassword, schema: "shop"}, "in"},
			{"wrong", person{user: "app", password: "wrong"}, "1045 (28000)"},
			{"none", person{user: "app"}, "1045 (28000)"},
			{"unknown", person{user: "nobody", password: "pw"}, "1045 (28000)"},
			{"unknown, none", person{user: "nobody"}, "1045 (28000)"},
			{"open", person{user: "open"}, "in"},
			{"open, but one given", person{user: "open", password: "pw"}, "1045 (28000)"},
			{"locked", person{user: "locked", password: "pw"}, ""},
			{"locked, wrong", person{user: "locked", password: "wrong"}, "1045 (28000)"},
			{"TLS required", person{user: "tls", password: "pw"}, "1045 (28000)"},
			{"certificate required", person{user: "card", password: "pw"}, "1045 (28000)"},
			{"one too many", person{user: "one", password: "pw"}, "1226 (42000)"},
			{"expired", person{user: "old", password: "pw"}, "1862 (HY000)"},
			{"another host", person{user: "far", password: "pw"}, "1045 (28000)"},
			{"the nearer host's password", person{user: "near", password: "near"}, "in"},
			{"the other host's password", person{user: "near", password: "far"}, "1045 (28000)"},
			{"netmask", person{user: "net", password: "pw"}, "in"},
			{"pattern", person{user: "vague", password: "pw"}, "in"},
			{"localhost from a server that resolves no names", person{user: "here", password: "pw"}, ""},
			{"no such schema", person{user: "app", password: appPassword, schema: "nowhere"}, ""},
			{"a schema of others", person{user: "app", password: appPassword, schema: "mysql"}, "1044 (42000)"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				var holders []*sql.Conn
				if tt.client.user == "one" { // whoever is first holds the one connection
					c, err := first.Conn(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					holders = append(holders, c)
				}
				direct, through := tt.client.outcome(t, f.addr), tt.client.outcome(t, f.Addr())
				if tt.name == "localhost from a server that resolves no names" {
					// The proxy takes a loopback address for localhost: see docs/accounts.md.
					if !strings.HasPrefix(direct, "1045") {
						t.Errorf("direct: %s", direct)
					}
					return
				}
				if direct != through || !strings.HasPrefix(through, tt.want) {
					t.Errorf("\ndirect:  %s\nthrough: %s\nwant %s", direct, through, tt.want)
				}
				for _, c := range holders {
					_ = c.Close()
				}
			})
		}
	})
}

// Over all accounts there may be a bound of the server's own.
func TestRealMaxUserConnectionsOfTheServer(t *testing.T) {
	flavours(t, func(t *testing.T, flavour topology.Flavour) {
		f := inFrontOf(t, flavour, Config{}, "max_user_connections=2")
		app := person{user: "app", password: appPassword}
		for range 2 {
			c, err := f.through(t, app).Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
		}
		direct, through := app.outcome(t, f.addr), app.outcome(t, f.Addr())
		if direct != through || !strings.HasPrefix(through, "1203 (42000)") {
			t.Errorf("direct %s, through %s", direct, through)
		}
	})
}

// What GRANT, CREATE USER and their like change is known at once, if they go through
// the proxy; nobody has to fail first.
func TestRealAccountsAreRefreshedByWhatGoesThrough(t *testing.T) {
	flavours(t, func(t *testing.T, flavour topology.Flavour) {
		f := inFrontOf(t, flavour, Config{})
		f.exec(t, "CREATE USER boss@'%' IDENTIFIED BY 'pw'; GRANT ALL ON *.* TO boss@'%' WITH GRANT OPTION")
		boss := f.through(t, person{user: "boss", password: "pw"})
		refreshes := func() int {
			f.world.mu.Lock()
			defer f.world.mu.Unlock()
			return f.world.refreshes
		}
		run(t, boss, "SELECT 1") // it was not known, and had to be looked for
		for _, statement := range []string{
			"CREATE USER fresh@'%' IDENTIFIED BY 'one'", "GRANT SELECT ON shop.* TO fresh@'%'",
			"ALTER USER fresh@'%' IDENTIFIED BY 'two'", "DROP USER fresh@'%'", "FLUSH PRIVILEGES",
		} {
			before := refreshes()
			run(t, boss, statement)
			waitFor(t, "accounts are read anew behind "+statement, func() bool { return refreshes() == before+1 }) // its answer may come first
			for password, in := range map[string]bool{"one": strings.HasPrefix(statement, "CREATE") || strings.HasPrefix(statement, "GRANT"), "two": strings.HasPrefix(statement, "ALTER")} {
				if got := (person{user: "fresh", password: password}).outcome(t, f.Addr()); (got == "in") != in {
					t.Errorf("after %s, by %s: %s", statement, password, got)
				}
			}
		}
		before := refreshes()
		run(t, boss, "CREATE TABLE shop.user (id INT)")
		if refreshes() != before {
			t.Error("a table's creation refreshed the accounts")
		}
	})
}
