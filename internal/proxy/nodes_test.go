package proxy

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// fakeLease is a lease that the test gives and takes.
type fakeLease struct {
	mu      sync.Mutex
	epoch   uint64
	left    time.Duration
	granted chan struct{}
}

func (l *fakeLease) set(epoch uint64, left time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch, l.left = epoch, left
	close(l.granted)
	l.granted = make(chan struct{})
}

// Left implements Lease.
func (l *fakeLease) Left(unit topology.UnitID, epoch uint64) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if unit != topology.UnitRest || epoch != l.epoch {
		return 0
	}
	return l.left
}

// Granted implements Lease.
func (l *fakeLease) Granted() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.granted
}

// With several nodes a write is begun on a lease that lasts, and its answer passed on
// while it does; reads need none.
func TestLeaseOfSeveralNodes(t *testing.T) {
	lease := &fakeLease{granted: make(chan struct{})}
	f := startFaked(t, Config{Node: "n1", Lease: lease, QueueTimeout: 300 * time.Millisecond}, func(c *fakeConn, command []byte) {
		text := string(command[1:])
		if strings.Contains(text, "late") {
			lease.set(1, 0) // it ends while the member is at work
		}
		if strings.HasPrefix(text, "INSERT") || text == "COMMIT" {
			c.committed("101-101-7")
			return
		}
		c.ok()
	})
	c := f.client(t)
	for _, tt := range []struct {
		name, text string
		epoch      uint64
		left       time.Duration
		number     int
		state      string
	}{
		{"a read without a lease", "SELECT 1", 0, 0, 0, ""},
		{"a setting", "SET @a = 1", 0, 0, 0, ""},
		{"a write without a lease", "INSERT 1", 0, 0, 1105, "HY000"},
		{"a transaction without a lease", "BEGIN", 0, 0, 1105, "HY000"},
		{"what is not known, without a lease", "OPTIMIZE TABLE t", 0, 0, 1105, "HY000"},
		{"a lease of another epoch", "INSERT 1", 2, time.Second, 1105, "HY000"},
		{"a lease that ends too soon", "INSERT 1", 1, leaseMargin, 1105, "HY000"},
		{"a lease", "INSERT 1", 1, time.Second, 0, ""},
		{"it ends meanwhile", "INSERT late", 1, time.Second, 1105, "08007"},
	} {
		lease.set(tt.epoch, tt.left)
		number, state := c.query(tt.text)
		if (number == 0) != (tt.number == 0) || tt.state == "08007" && state != tt.state || tt.state != "08007" && state == "08007" {
			t.Errorf("%s: %s is answered %d %s, want %d %s", tt.name, tt.text, number, state, tt.number, tt.state)
		}
	}
	lease.set(0, 0)
	go func() { time.Sleep(100 * time.Millisecond); lease.set(1, time.Second) }()
	start := time.Now()
	if number, state := c.query("INSERT 2"); number != 0 || time.Since(start) < 80*time.Millisecond {
		t.Errorf("a lease that comes is waited for: %d %s after %v", number, state, time.Since(start))
	}
}
