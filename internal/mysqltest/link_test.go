package mysqltest

import (
	"io"
	"net"
	"testing"
	"time"
)

// echo starts who sends back what comes in, and tells when the other side has ended.
func echo(t *testing.T) (addr string, ended chan error) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended = make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, err = io.Copy(conn, conn)
		}
		ended <- err
	}()
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String(), ended
}

// A narrow link takes its time for much and none for little.
func TestNarrowLink(t *testing.T) {
	addr, _ := echo(t)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", NarrowLink(t, addr, 1_000_000))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, tt := range []struct {
		size        int
		least, most time.Duration
	}{{100, 0, 200 * time.Millisecond}, {500_000, 500 * time.Millisecond, 3 * time.Second}} {
		began := time.Now()
		go func() { _, _ = conn.Write(make([]byte, tt.size)) }()
		if _, err := io.ReadFull(conn, make([]byte, tt.size)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < tt.least || took > tt.most {
			t.Errorf("%d bytes took %s", tt.size, took)
		}
	}
}

// What goes over the link and back takes two delays, whatever its size, and the end
// of the one side reaches the other.
func TestSlowLink(t *testing.T) {
	const delay = 60 * time.Millisecond
	addr, ended := echo(t)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", SlowLink(t, addr, delay))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	time.Sleep(2 * delay) // connecting takes its time too
	for _, size := range []int{1, 100_000} {
		began := time.Now()
		go func() { _, _ = conn.Write(make([]byte, size)) }()
		if _, err := io.ReadFull(conn, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 2*delay || took > 2*delay+2*time.Second {
			t.Errorf("%d bytes there and back took %s", size, took)
		}
	}
	_ = conn.Close()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("the far side was not told of the end")
	}
}
