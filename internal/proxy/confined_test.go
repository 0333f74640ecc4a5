package proxy

import (
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Whose password has expired is let in by the server if its client can handle that,
// and can change the password and nothing else. It is the same through the proxy, and
// its session has its slot from then on.
func TestRealExpiredPasswords(t *testing.T) {
	flavours(t, func(t *testing.T, flavour topology.Flavour) {
		f := inFrontOf(t, flavour, Config{})
		change := "SET PASSWORD=PASSWORD('new')"
		if flavour == topology.FlavourMySQL {
			change = "ALTER USER old@'%' IDENTIFIED BY 'new'"
		} else {
			f.exec(t, "SET GLOBAL disconnect_on_expired_password=1")
		}
		f.exec(t, "CREATE TABLE shop.ids (id INT PRIMARY KEY AUTO_INCREMENT)")
		talk := func(addr string, caps wire.Capability) string {
			f.exec(t, "DROP USER IF EXISTS old@'%'; CREATE USER old@'%' IDENTIFIED BY 'old' PASSWORD EXPIRE; GRANT ALL ON shop.* TO old@'%'")
			c := dialRaw(t, addr)
			if err := c.login("old", "old", caps); err != nil {
				return err.Error()
			}
			said := []string{
				c.ask("SELECT 1"), c.ask("INSERT INTO shop.ids VALUES ()"), c.ask("USE shop"), c.ask("CALL shop.nothing()"),
				c.ask(change), c.ask("SELECT 2"), c.ask("SELECT @@auto_increment_increment"), c.ask("SELECT @@nonsense"),
			}
			_ = c.conn.Close()
			return strings.Join(said, "\n")
		}
		for _, caps := range []wire.Capability{rawCaps &^ wire.Expired, rawCaps | wire.Expired} {
			direct, through := talk(f.addr, caps), talk(f.Addr(), caps)
			if direct != through || strings.Contains(through, "1820") != caps.Has(wire.Expired) || strings.Contains(through, "1862") == caps.Has(wire.Expired) {
				t.Errorf("%v\ndirect:\n%s\nthrough:\n%s", caps.Has(wire.Expired), direct, through)
			}
		}
		if flavour == topology.FlavourMariaDB { // for every client
			f.exec(t, "SET GLOBAL disconnect_on_expired_password=0")
			if direct, through := talk(f.addr, rawCaps), talk(f.Addr(), rawCaps); direct != through || !strings.Contains(through, "1820") {
				t.Errorf("\ndirect:\n%s\nthrough:\n%s", direct, through)
			}
		}
	})
}

// Nothing is run behind the change of the password before the session has its slot.
func TestRealConfinedSessionsDoOneThingAtATime(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMariaDB, Config{})
	f.exec(t, "SET GLOBAL disconnect_on_expired_password=0, auto_increment_offset=7")
	f.exec(t, "CREATE TABLE shop.ids (id INT PRIMARY KEY AUTO_INCREMENT); CREATE USER old@'%' IDENTIFIED BY 'old' PASSWORD EXPIRE; GRANT ALL ON shop.* TO old@'%'")
	c := dialRaw(t, f.Addr())
	if err := c.login("old", "old", rawCaps); err != nil {
		t.Fatal(err)
	}
	if got := c.ask("SET PASSWORD=PASSWORD('new'); INSERT INTO shop.ids VALUES ()"); !strings.HasPrefix(got, "1820") {
		t.Errorf("two at a time: %s", got)
	}
	if payload, err := c.do(wire.ComResetConnection, ""); err != nil || payload[0] != 0xFF {
		t.Errorf("reset: %q, %v", payload, err)
	}
	if got := c.ask("SET PASSWORD=PASSWORD('new')"); got != "" {
		t.Error(got)
	}
	if got := c.ask("INSERT INTO shop.ids VALUES () RETURNING id"); got != "3" {
		t.Errorf("id %s", got)
	}
}
