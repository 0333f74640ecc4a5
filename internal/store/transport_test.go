package store

import (
	"net"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

// A peer that keeps its connection idle does not keep the store's goroutines.
// goleak fails the package if it does.
func TestStopClosesWhatPeersKeepOpen(t *testing.T) {
	s := mustOpen(t, soleConfig(t.TempDir()))
	conn, err := net.DialTimeout("tcp", s.Addr(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	awaitLeader(t, s)
	mustStop(t, s)
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d, %v from a stopped store", n, err)
	} else if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // comes bare from net
		t.Error("the connection is still open")
	}
}

// Nonsense on the raft port breaks its own connection only.
func TestGarbageOnTheRaftPort(t *testing.T) {
	s := mustOpen(t, soleConfig(t.TempDir()))
	awaitLeader(t, s)
	for _, garbage := range []string{"GET / HTTP/1.1\r\n\r\n", "\x00\xff\xff\xff\xff", "\x01", ""} {
		conn, err := net.DialTimeout("tcp", s.Addr(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(garbage)); err != nil {
			t.Fatal(err)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	mustPropose(t, s, initRing("cards"))
}

func TestAdvertisedAddress(t *testing.T) {
	cfg := soleConfig(t.TempDir())
	cfg.Advertise = "127.0.0.1:17406"
	s := mustOpen(t, cfg)
	if s.Addr() != cfg.Advertise {
		t.Errorf("address %s, want %s", s.Addr(), cfg.Advertise)
	}
	// Nobody listens there: the election waits for its timeout, and is won.
	awaitLeader(t, s)
}

// Three nodes over TCP.
func TestClusterOverTCP(t *testing.T) {
	first := mustOpen(t, soleConfig(t.TempDir()))
	awaitLeader(t, first)
	mustPropose(t, first, script(3)...)
	want := encoded(t, first.Snapshot())
	for _, id := range []topology.NodeID{"n2", "n3"} {
		cfg := soleConfig(t.TempDir())
		cfg.NodeID, cfg.Bootstrap = id, false
		n := mustOpen(t, cfg)
		if err := first.raft.AddVoter(raft.ServerID(id), n.trans.LocalAddr(), 0, patience).Error(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the new voter has the state", func() bool { return encoded(t, n.Snapshot()) == want })
	}
	mustPropose(t, first, script(4)[3])
}
