package proxy

import (
	"bytes"
	"testing"

	"github.com/sqlring/sqlring/internal/wire"
)

// A client that gets EOF packets is not told by the answer what a sequence has written, so that
// the member is asked behind it: what the sequence gave last is still the session's.
func TestRealASequencesLastValueOutlivesOurQuestions(t *testing.T) {
	replicatedOnBoth(t, Config{}, func(t *testing.T, p *replicated) {
		if p.mysql != nil {
			return // it has no sequences
		}
		p.exec(t, "CREATE SEQUENCE shop.s START WITH 4711 INCREMENT BY 1")
		for _, caps := range []wire.Capability{rawCaps, rawCaps &^ wire.DeprecateEOF} {
			c := dialRaw(t, p.Addr())
			if err := c.login("app", appPassword, caps); err != nil {
				t.Fatal(err)
			}
			c.response(wire.ComQuery, "SELECT NEXT VALUE FOR shop.s")
			for range 2 {
				if got := c.response(wire.ComQuery, "SELECT PREVIOUS VALUE FOR shop.s"); !bytes.Contains(got, []byte("471")) {
					t.Errorf("capabilities %x: %q", uint64(caps), got)
				}
			}
		}
	})
}
