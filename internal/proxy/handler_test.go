package proxy

import (
	"bytes"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// A HANDLER keeps its table while somebody waits to drop it, until the session does anything
// else that opens tables. A question of ours behind each of its reads would be that; it is a
// read, so that there is nothing to be asked.
func TestRealAHandlerKeepsItsTable(t *testing.T) {
	replicatedOnBoth(t, Config{}, func(t *testing.T, p *replicated) {
		if p.mysql != nil {
			return // it closes one itself then, at its next read
		}
		const waits = "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock' AND info = 'DROP TABLE shop.h'"
		for _, caps := range []wire.Capability{rawCaps, rawCaps &^ wire.DeprecateEOF} {
			p.exec(t, "CREATE TABLE shop.h (a INT, KEY a (a))")
			p.exec(t, "INSERT INTO shop.h VALUES (4711), (4712), (4713)")
			c := dialRaw(t, p.Addr())
			if err := c.login("app", appPassword, caps); err != nil {
				t.Fatal(err)
			}
			c.runs(t, "HANDLER shop.h OPEN")
			dropped := make(chan struct{})
			go func() {
				defer close(dropped)
				p.exec(t, "DROP TABLE shop.h")
			}()
			waitFor(t, "the table is to be dropped", func() bool { return p.query(t, waits) == "1" })
			for _, want := range []string{"4711", "4712", "4713"} {
				time.Sleep(50 * time.Millisecond) // for who waits
				if got := c.response(wire.ComQuery, "HANDLER h READ a NEXT"); !bytes.Contains(got, []byte(want)) {
					t.Errorf("capabilities %x: %q, wanted %s", uint64(caps), got, want)
				}
			}
			c.runs(t, "HANDLER h CLOSE")
			<-dropped
		}
	})
}

// A HANDLER is not asked for what it has written: there is nothing that it could write by.
func TestRealAHandlerCanNotWrite(t *testing.T) {
	replicatedOnBoth(t, Config{}, func(t *testing.T, p *replicated) {
		p.exec(t, "CREATE TABLE shop.h (a INT, KEY a (a))")
		p.exec(t, "INSERT INTO shop.h VALUES (4711)")
		p.exec(t, "CREATE FUNCTION shop.writes(x INT) RETURNS INT DETERMINISTIC BEGIN INSERT INTO shop.h VALUES (9); RETURN 1; END")
		c := dialRaw(t, p.Addr())
		if err := c.login("app", appPassword, rawCaps); err != nil {
			t.Fatal(err)
		}
		c.runs(t, "HANDLER shop.h OPEN")
		for _, where := range []string{"shop.writes(a) = 1", "a IN (SELECT shop.writes(1))"} {
			if got := c.response(wire.ComQuery, "HANDLER h READ a NEXT WHERE "+where); !bytes.Contains(got, []byte("42000")) {
				t.Errorf("%s: %q", where, got)
			}
		}
		if n := p.query(t, "SELECT COUNT(*) FROM shop.h"); n != "1" {
			t.Errorf("%s rows", n)
		}
	})
}
