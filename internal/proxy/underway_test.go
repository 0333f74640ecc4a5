package proxy

import (
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// A client that has got its answer costs nothing of what its command was.
func TestIdleSessionKeepsNothingOfItsCommand(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	c := f.client(t)
	for range 3 {
		c.query("SELECT 1")
	}
	const answered = 8 // the login is phases 1 and 2, each query two more
	s := f.all()[0]
	for end := time.Now().Add(10 * time.Second); s.phase.Load() != answered; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("phase %d, wanted %d", s.phase.Load(), answered)
		}
	}
	if s.underway != nil { // it was written before the phase was
		t.Errorf("it keeps %+v", *s.underway)
	}
}

// Who takes up a command gets nothing of another session's.
func TestCommandsAreHandedOnEmpty(t *testing.T) {
	p := &Proxy{}
	server, client := net.Pipe()
	defer server.Close()
	defer client.Close()
	s := newSession(p, server)
	u := s.underway
	u.plan, u.hint, u.instead, u.held = &balancer.Plan{}, balancer.Hint{Priority: "high"}, []byte("SELECT 2"), 9
	u.response.Begin(wire.ComQuery, 0, s)
	u.out.append([]byte("secret"))
	s.layDown()
	s.layDown() // at the end of the session too
	if s.underway != nil || !reflect.DeepEqual(*u, underway{}) {
		t.Errorf("handed on: %+v", *u)
	}
	if s.takeUp(); s.underway == nil || s.out.pool != &p.buffers || s.out.len() != 0 {
		t.Errorf("taken up: %+v", s.underway)
	}
}
