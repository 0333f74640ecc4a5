package proxy

import (
	"testing"

	"github.com/sqlring/sqlring/internal/wire"
)

// Rows are fetched from a cursor while the session goes on to write, as on one connection.
func TestRealCursorsBesideWrites(t *testing.T) {
	replicatedOnBoth(t, Config{}, func(t *testing.T, p *replicated) {
		p.exec(t, "CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1), (2), (3)")
		p.catchesUp(t)
		c := dialRaw(t, p.Addr())
		if err := c.login("app", appPassword, rawCaps); err != nil {
			t.Fatal(err)
		}
		const cursor, two = "\x01\x01\x00\x00\x00", "\x02\x00\x00\x00"
		id := c.prepare("SELECT id FROM shop.t ORDER BY id")
		on := func(code wire.Command, rest string) string {
			return string(c.response(code, string([]byte{byte(id), byte(id >> 8), 0, 0})+rest))
		}
		on(wire.ComStmtExecute, cursor)
		for i := range 2 {
			if got := on(wire.ComStmtFetch, two[:1]+"\x00\x00\x00"); errorOf([]byte(got)) != 0 {
				t.Fatalf("fetch: %q", got)
			}
			c.runs(t, "INSERT INTO shop.t VALUES ("+itoa(10+i)+")")
			c.result(t, "SELECT id FROM shop.t")
		}
		if n := p.query(t, "SELECT COUNT(*) FROM shop.t"); n != "5" {
			t.Errorf("%s rows", n)
		}
		on(wire.ComStmtReset, "")
		c.runs(t, "INSERT INTO shop.t VALUES (20)")
	})
}
