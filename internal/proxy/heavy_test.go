package proxy

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
)

// A report that takes long is known for heavy soon, and takes a place of those then that are
// for what is heavy; others stay reads. Each is run by a client of its own, as scripts do.
func TestADigestBecomesHeavy(t *testing.T) {
	const report, page = "SELECT SUM(hold) FROM t", "SELECT a FROM t"
	b := newBusy()
	s := gate.Settings{HeavyAfter: 50 * time.Millisecond}
	f := startFaked(t, Config{WatchInterval: 5 * time.Millisecond, Gates: func() gate.Settings { return s }}, func(c *fakeConn, command []byte) {
		if strings.Contains(string(command), "SUM") {
			time.Sleep(70 * time.Millisecond)
		}
		b.answer(c, command)
	})
	t.Cleanup(b.release)
	granted := func(c gate.Class) uint64 { return f.Gates()[0].Counts.Granted[c] }
	run := func(text string) {
		c := f.client(t)
		go func() {
			if strings.Contains(text, "hold") {
				b.hold <- struct{}{}
			}
		}()
		if n, _ := c.query(text); n != 0 {
			t.Fatal(n)
		}
		_ = c.conn.Close()
	}
	for range 3 {
		run(report)
	}
	if n := granted(gate.Heavy); n != 0 {
		t.Errorf("%d of the first three were heavy", n)
	}
	reads := granted(gate.Read)
	run(report)
	if n := granted(gate.Heavy); n != 1 || granted(gate.Read) != reads {
		t.Errorf("%d are heavy after the fourth", n)
	}
	run(page)
	if n := granted(gate.Heavy); n != 1 || granted(gate.Read) != reads+1 {
		t.Errorf("%d are heavy after a short one", n)
	}
}
