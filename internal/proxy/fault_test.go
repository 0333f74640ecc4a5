package proxy

import (
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// faulty is a client's connection that panics when it is written to, once armed.
type faulty struct {
	net.Conn

	armed atomic.Bool
}

func (c *faulty) Write(p []byte) (int, error) {
	if c.armed.Load() {
		panic("the connection is armed")
	}
	return c.Conn.Write(p)
}

func (c *faulty) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// A fault of ours in the midst of an answer ends the session that it is in, and the link
// that it has, and nothing else: others are served, and the link's place is free again.
func TestAFaultEndsItsSessionAlone(t *testing.T) {
	f := startFaked(t, Config{MemberLinks: 2}, func(c *fakeConn, command []byte) {
		if string(command[1:]) == "SELECT 2" {
			c.ok()
			return
		}
		c.status(wire.StatusAutocommit|wire.StatusInTransaction, nil) // the link is kept
	})
	healthy := f.client(t)
	for range 3 { // as many as would use the places up
		here, there := net.Pipe()
		bad := &faulty{Conn: there}
		_ = here.SetDeadline(time.Now().Add(10 * time.Second))
		c := &raw{t: t, conn: here, own: wire.NewConn(here, 1<<24)}
		f.admit(bad)
		if err := c.login("app", appPassword, rawCaps); err != nil {
			t.Fatal(err)
		}
		if n, _ := c.query("BEGIN"); n != 0 {
			t.Fatalf("BEGIN: %d", n)
		}
		bad.armed.Store(true)
		if n, _ := c.query("SELECT 1"); n != -1 {
			t.Fatalf("the client got %d, wanted its connection closed", n)
		}
		waitFor(t, "its link is closed", func() bool { return f.Pools()[0].Links <= 1 })
		if n, _ := healthy.query("SELECT 2"); n != 0 {
			t.Fatalf("another client got %d", n)
		}
	}
	if n := f.Stats().Faults; n != 3 {
		t.Errorf("%d faults were counted, wanted 3", n)
	}
	waitFor(t, "only the healthy session is left", func() bool { return f.Stats().Sessions == 1 })
}
