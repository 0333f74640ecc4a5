package proxy

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sqlring/sqlring/pkg/balancer"
)

// cutter stands between the proxy and a member, and cuts connections before what the proxy sends.
type cutter struct {
	addr string
	at   atomic.Pointer[string] // what is in the text before which a connection is cut, once; nil: none is
	cuts atomic.Int32
}

func startCutter(t *testing.T, member string) *cutter {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{addr: listener.Addr().String()}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close() })
	all.Go(func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", member)
			if err != nil {
				_ = in.Close()
				continue
			}
			all.Go(func() { c.copies(out, in, true) })
			all.Go(func() { c.copies(in, out, false) })
		}
	})
	return c
}

func (c *cutter) copies(to, from net.Conn, watched bool) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if at := c.at.Load(); n > 0 && watched && at != nil && bytes.Contains(buf[:n], []byte(*at)) && c.at.CompareAndSwap(at, nil) {
			c.cuts.Add(1)
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cutOnBoth runs a test behind a cutter, with a client that is logged in.
func cutOnBoth(t *testing.T, test func(t *testing.T, f *fronted, cut *cutter, c *raw)) {
	onBoth(t, func(t *testing.T, f *fronted) {
		cut := startCutter(t, f.addr)
		m := f.world.View().Members[0]
		m.Addr = cut.addr
		view := owned("m1", 1, m)
		f.world.setView(view)
		waitFor(t, "the view is taken in", func() bool { return f.Proxy.view.Load() == view })
		c := dialRaw(t, f.Addr())
		if err := c.login("app", appPassword, rawCaps); err != nil {
			t.Fatal(err)
		}
		test(t, f, cut, c)
	})
}

func TestRealLinkLostBehindState(t *testing.T) {
	cutOnBoth(t, func(t *testing.T, f *fronted, cut *cutter, c *raw) {
		t.Run("of a SET", func(t *testing.T) { setsAgain(t, f, cut, c) })
		t.Run("of a function", func(t *testing.T) { endsByName(t, f, cut, c) })
	})
}

// A link that is lost while what a SET has set is read back, or while it runs, costs the session
// nothing: it is set on another one.
func setsAgain(t *testing.T, f *fronted, cut *cutter, c *raw) {
	maria := f.mysql == nil
	for _, tt := range []struct {
		set, at, probe, want string
		both                 bool
	}{
		{"SET @@group_concat_max_len=77", "SELECT @@session", "SELECT CONCAT('is ', @@group_concat_max_len)", "is 77", false},
		{"SET @@group_concat_max_len=78", "SET @@group", "SELECT CONCAT('is ', @@group_concat_max_len)", "is 78", true},
		{"SET time_zone='+03:00', @@sort_buffer_size=@@sort_buffer_size+32768", "SELECT @@session", "SELECT CONCAT('is ', @@time_zone, @@sort_buffer_size - @@global.sort_buffer_size)", "is +03:0032768", false},
		{"SET NAMES latin1 COLLATE latin1_german2_ci", "SELECT @@collation", "SELECT CONCAT('is ', @@collation_connection)", "is latin1_german2_ci", true},
	} {
		if !maria && !tt.both { // it tells of its own accord: nothing is read back
			continue
		}
		before := cut.cuts.Load()
		cut.at.Store(&tt.at)
		if n, state := c.query(tt.set); n != 0 {
			t.Errorf("%s: %d %s", tt.set, n, state)
		}
		if cut.cuts.Load() == before {
			cut.at.Store(nil)
			t.Errorf("%s: nothing was cut: the test tests nothing", tt.set)
		}
		if got := c.told(tt.probe); !strings.Contains(got, tt.want) {
			t.Errorf("%s: then %q", tt.set, got)
		}
	}
	if pins := f.Pins(); len(pins) > 0 {
		t.Errorf("pins %v", pins)
	}
}

// What a function has locked, or set where the member tells nobody, is lost with its link: the
// session ends, and its client is told why, instead of going on without.
func endsByName(t *testing.T, f *fronted, cut *cutter, c *raw) {
	f.exec(t, "SET GLOBAL log_bin_trust_function_creators=1; CREATE TABLE shop.t (v INT)")
	f.exec(t, "CREATE FUNCTION shop.locks() RETURNS INT NO SQL RETURN GET_LOCK('one', 0)")
	f.exec(t, "CREATE FUNCTION shop.sets() RETURNS INT NO SQL BEGIN SET @@time_zone='+05:00'; RETURN 1; END")
	for _, tt := range []struct{ call, next string }{
		{"SELECT shop.locks()", "INSERT INTO shop.t VALUES (1)"},
		{"INSERT INTO shop.t SELECT shop.locks()", "SELECT v FROM shop.t"},
		{"DO shop.sets()", "SELECT @@time_zone"},
	} {
		if got := c.told(tt.call); got[4] == 0xFF {
			t.Fatalf("%s: %q", tt.call, got)
		}
		cut.at.Store(&tt.next)
		told := c.refused(t, tt.next)
		for _, want := range []string{"member m1 was lost", "the session ends", balancer.EffectRoutine.String()} {
			if !strings.Contains(told, want) {
				t.Errorf("%s: told %q, and not %q", tt.call, told, want)
			}
		}
		if n, _ := c.query("SELECT 1"); n != -1 {
			t.Errorf("%s: then %d", tt.call, n)
		}
		c = dialRaw(t, f.Addr())
		if err := c.login("app", appPassword, rawCaps); err != nil {
			t.Fatal(err)
		}
	}
}

// Whose link is found to be gone when the next command comes is told, too.
func TestLinkGoneIsTold(t *testing.T) {
	f := startFaked(t, Config{WatchInterval: 1 << 40}, unitMember("1-1-7"))
	c := f.client(t)
	c.runs(t, "SELECT f()")
	f.fake.cut()
	s := f.all()[0]
	waitFor(t, "the link is seen to be closed", s.at().stale)
	waitFor(t, "the session waits", func() bool { return s.phase.Load()&1 == 0 })
	f.tick.Add(1)
	if told := c.refused(t, "SELECT 1"); !strings.Contains(told, "this was not run; the session ends, since it had there what no other connection can be given: a stored routine") {
		t.Errorf("told %q", told)
	}
}
