package mysqltest

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// SlowLink returns an address on loopback from which target is reached over a link
// that takes delay in each direction, as a member at a far site would be. It has the
// bandwidth of the machine, loses nothing, and ends with the test.
func SlowLink(t testing.TB, target string, delay time.Duration) string {
	t.Helper()
	return startLink(t, &slowLink{target: target, delay: delay})
}

// NarrowLink returns an address on loopback from which target is reached over a link that
// carries no more than rate bytes a second, on each connection, from target to who has
// connected: what follows a member behind it gets its binlog late, and who asks it little
// notices nothing. It ends with the test.
func NarrowLink(t testing.TB, target string, rate int) string {
	t.Helper()
	return startLink(t, &slowLink{target: target, rate: rate})
}

func startLink(t testing.TB, link *slowLink) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	link.open = map[net.Conn]bool{}
	link.running.Go(func() { link.accept(l) })
	t.Cleanup(func() {
		_ = l.Close()
		link.close()
		link.running.Wait()
	})
	return l.Addr().String()
}

type slowLink struct {
	target  string
	delay   time.Duration
	rate    int // bytes a second from the target; 0: as many as come
	running sync.WaitGroup

	mu     sync.Mutex // guards what follows
	open   map[net.Conn]bool
	closed bool
}

func (s *slowLink) accept(l net.Listener) {
	for {
		near, err := l.Accept()
		if err != nil {
			return // the test is over
		}
		s.running.Go(func() { s.carry(near) })
	}
}

// carry connects one client, which takes a delay too, and passes bytes both ways.
func (s *slowLink) carry(near net.Conn) {
	time.Sleep(s.delay)
	far, err := new(net.Dialer).Dial("tcp", s.target)
	if err != nil {
		_ = near.Close()
		return
	}
	if !s.keep(near, far) {
		return
	}
	defer s.drop(near, far)
	var both sync.WaitGroup
	both.Go(func() { s.pass(far, near, 0) })
	both.Go(func() { s.pass(near, far, s.rate) })
	both.Wait()
}

// chunk is bytes that are to arrive at a moment.
type chunk struct {
	data []byte
	at   time.Time
}

// pass copies bytes, each delay after it came, and rate a second if that is not 0; the end
// of the one side, or an error, closes the other after the delay.
func (s *slowLink) pass(to, from net.Conn, rate int) {
	const inFlight = 1024 // chunks: what a link of this length holds
	chunks := make(chan chunk, inFlight)
	go func() { // ends with from, which is closed at the latest when the test ends
		defer close(chunks)
		var last time.Time // when what came before has arrived
		for {
			buffer := make([]byte, 32<<10)
			n, err := from.Read(buffer)
			at := time.Now().Add(s.delay)
			if rate > 0 {
				if last.After(at) {
					at = last
				}
				at = at.Add(time.Duration(n) * time.Second / time.Duration(rate))
				last = at
			}
			chunks <- chunk{buffer[:n], at}
			if err != nil {
				return
			}
		}
	}()
	for c := range chunks {
		time.Sleep(time.Until(c.at))
		if _, err := to.Write(c.data); err != nil {
			_ = from.Close()
		}
	}
	_ = to.Close()
}

func (s *slowLink) keep(conns ...net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range conns {
		if s.closed {
			_ = c.Close()
		}
		s.open[c] = true
	}
	return !s.closed
}

func (s *slowLink) drop(conns ...io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(s.open, c.(net.Conn))
	}
}

func (s *slowLink) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.open {
		_ = c.Close()
	}
}
