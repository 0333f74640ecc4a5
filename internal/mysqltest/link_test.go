package mysqltest

import (
	"io"
	"net"
	"testing"
	"time"
)

// What goes over the link and back takes two delays, whatever its size, and the end
// of the one side reaches the other.
func TestSlowLink(t *testing.T) {
	const delay = 60 * time.Millisecond
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, err = io.Copy(conn, conn) // an echo
		}
		ended <- err
	}()
	t.Cleanup(func() { _ = l.Close() })
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", SlowLink(t, l.Addr().String(), delay))
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
