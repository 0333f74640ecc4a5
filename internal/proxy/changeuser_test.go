package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// become sends a COM_CHANGE_USER and answers what is asked, and returns the outcome:
// "in", "gone", or the error.
func (c *raw) become(user, password, schema string) string {
	c.t.Helper()
	change := append([]byte{byte(wire.ComChangeUser)}, user+"\x00\x00"+schema+"\x00\x2d\x00"+wire.PluginNative+"\x00"...)
	if err := c.own.Send(change); err != nil {
		return "gone"
	}
	c.own.Restart(1, 1<<20)
	err := c.own.Finish("", wire.Salt{}, wire.Credentials{Secret: wire.SecretOfPassword(password)})
	if e, ok := err.(*wire.Error); ok { //nolint:errorlint // as the server said it
		return e.Error()
	}
	if err != nil {
		return "gone"
	}
	return "in"
}

// ask returns the first value of a statement's result; "gone" if the connection is.
func (c *raw) ask(statement string) string {
	if err := c.own.Send(wire.Query(statement)); err != nil {
		return "gone"
	}
	row, _, err := c.own.Result(c.caps, 1<<20)
	switch e, ok := err.(*wire.Error); { //nolint:errorlint // as the server said it
	case ok:
		return e.Error()
	case err != nil:
		return "gone"
	}
	return strings.Join(row, " ")
}

// Clients that change their user come to the same, directly and through the proxy:
// what they are told, who they are afterwards, and with what.
func TestRealChangeOfUserIsAsAtTheServer(t *testing.T) {
	type attempt struct{ user, password, schema string }
	const state = "SELECT CONCAT_WS('|', CURRENT_USER(), IFNULL(DATABASE(), '-'), @@collation_connection, @@autocommit, IFNULL(@a, '-'))"
	tests := map[string][]attempt{
		"to others":     {{"eve", "eve's", "shop"}, {"open", "", ""}, {"ann", "ann's", "mysql"}},
		"wrong":         {{"eve", "wrong", ""}, {"eve", "eve's", "shop"}, {"nobody", "x", ""}},
		"three times":   {{"eve", "wrong", ""}, {"eve", "", ""}, {"ann", "ann's", ""}, {"eve", "x", ""}, {"eve", "x", ""}, {"ann", "ann's", ""}},
		"to no schema":  {{"ann", "ann's", "nowhere"}, {"eve", "eve's", "mysql"}},
		"locked":        {{"locked", "", ""}, {"eve", "eve's", ""}},
		"expired":       {{"old", "old's", ""}},
		"TLS is wanted": {{"tls", "tls's", ""}},
	}
	flavours(t, func(t *testing.T, flavour topology.Flavour) {
		f := inFrontOf(t, flavour, Config{Limits: Limits{FailuresPerAddress: -1}})
		f.exec(t, `CREATE USER ann@'%' IDENTIFIED BY 'ann\'s'; GRANT ALL ON *.* TO ann@'%'; CREATE USER eve@'%' IDENTIFIED BY 'eve\'s';
			GRANT ALL ON shop.* TO eve@'%'; CREATE USER open@'%'; CREATE USER locked@'%' ACCOUNT LOCK; CREATE USER old@'%' IDENTIFIED BY 'old\'s' PASSWORD EXPIRE;
			CREATE USER tls@'%' IDENTIFIED BY 'tls\'s' REQUIRE SSL`)
		if flavour == topology.FlavourMariaDB {
			f.exec(t, "SET GLOBAL disconnect_on_expired_password=1")
		}
		for name, attempts := range tests {
			t.Run(name, func(t *testing.T) {
				talk := func(addr string) string {
					c := dialRaw(t, addr)
					if err := c.login("ann", "ann's", rawCaps); err != nil {
						t.Fatal(err)
					}
					var said []string
					for _, a := range attempts {
						c.ask("USE shop")
						c.ask("SET @a=1, autocommit=0")
						got := c.become(a.user, a.password, a.schema)
						if got == "in" && strings.HasPrefix(a.schema, "my") {
							got = "in, at " + a.schema
						}
						said = append(said, fmt.Sprintf("%s: %s, then %s", a.user, got, c.ask(state)))
					}
					_ = c.conn.Close()
					return strings.Join(said, "\n")
				}
				direct, through := talk(f.addr), talk(f.Addr())
				if direct != through {
					t.Errorf("\ndirect:\n%s\nthrough:\n%s", direct, through)
				}
				if stays := !strings.Contains(through, "gone"); name != "to others" && name != "expired" && stays != (flavour == topology.FlavourMariaDB) {
					t.Errorf("after a failure:\n%s", through)
				}
			})
		}
	})
}

// What a session has at its member is undone when its user is to be changed, whether
// that succeeds or not, and it is counted as who it is.
func TestRealChangeOfUserThatFailsUndoes(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMariaDB, Config{Limits: Limits{FailuresPerAddress: -1, PerAccount: 1}})
	f.exec(t, "CREATE TABLE shop.t (id INT PRIMARY KEY); CREATE USER eve@'%' IDENTIFIED BY 'eve'")
	c := dialRaw(t, f.Addr())
	if err := c.login("app", appPassword, rawCaps); err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"wrong", "eve"} { // and the schema is not eve's
		c.ask("BEGIN")
		c.ask("INSERT INTO shop.t VALUES (1)")
		if got := c.become("eve", password, "shop"); !strings.HasPrefix(got, "1044") && !strings.HasPrefix(got, "1045") {
			t.Errorf("by %s: %s", password, got)
		}
		if got := c.ask("SELECT COUNT(*) FROM shop.t"); got != "0" {
			t.Errorf("by %s: %s rows", password, got)
		}
		if got := c.ask("SELECT CONCAT(@@auto_increment_offset, '/', @@auto_increment_increment)"); got != "3/16" {
			t.Errorf("by %s: slot %s", password, got)
		}
		f.mu.Lock()
		if n := f.census.accounts["'app'@'%'"]; n != 1 || len(f.census.accounts) != 1 {
			t.Errorf("by %s: counted as %v", password, f.census.accounts)
		}
		f.mu.Unlock()
	}
}

// MariaDB's C client answers the salt of its login, whatever it is asked.
func TestRealChangeOfUserByTheSaltOfTheLogin(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMariaDB, Config{})
	for name, addr := range map[string]string{"direct": f.addr, "through": f.Addr()} {
		c := dialRaw(t, addr)
		payload, err := c.own.Read()
		if err != nil {
			t.Fatal(err)
		}
		greeting, err := wire.ParseGreeting(payload)
		if err != nil {
			t.Fatal(err)
		}
		c.loginAfter(t, payload, "app", appPassword)
		for range 2 {
			answer, err := c.do(wire.ComChangeUser, "app\x00\x00\x00\x2d\x00"+wire.PluginNative+"\x00")
			if err != nil || answer[0] != 0xFE {
				t.Fatalf("%s: %q, %v", name, answer, err)
			}
			if err := c.own.Write(wire.NewDigest(appPassword).Token(greeting.Salt)); err != nil {
				t.Fatal(err)
			}
			if answer, err = c.own.Read(); err != nil || answer[0] != 0 {
				t.Errorf("%s: %q, %v", name, answer, err)
			}
		}
	}
}

// A session begins as the member says: committing by itself or not, backslashes meant
// or not.
func TestRealStatusOfTheLogin(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMariaDB, Config{})
	f.exec(t, "SET GLOBAL autocommit=0, sql_mode='NO_BACKSLASH_ESCAPES'")
	for name, addr := range map[string]string{"direct": f.addr, "through": f.Addr()} {
		c := dialRaw(t, addr)
		if err := c.login("app", appPassword, rawCaps); err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			if got := c.own.Status(); got.Has(wire.StatusAutocommit) || !got.Has(wire.StatusNoBackslashEscapes) {
				t.Errorf("%s, login %d: status %#x", name, i, got)
			}
			if got := c.become("app", appPassword, "shop"); got != "in" {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}
