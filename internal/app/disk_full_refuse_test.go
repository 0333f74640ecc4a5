package app_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestDiskFullOfAnAckerIsRefused fills the disk of the acker in a ring that is not to go on
// without one (degraded refuse): writes wait, reads go on, the disk is named and what to do,
// and no write is acknowledged that one member alone has. In a ring of three the full server
// is stopped, and another member acknowledges; in a ring of two (make disk) there is room
// again, and writes go on without a hand.
func TestDiskFullOfAnAckerIsRefused(t *testing.T) {
	t.Run("of three", func(t *testing.T) { playRefused(t, 3) })
	if os.Getenv(envDiskHeals) != "" {
		t.Run("of two", func(t *testing.T) { playRefused(t, 2) })
	}
}

func playRefused(t *testing.T, members int) {
	servers, disks := mysqltest.StartOnSmallDisks(t, members)
	r := openRig(t, &rig{servers: servers, degraded: "refuse"})
	w := r.startWorkload(t)
	readers := r.startProxyReaders(t)
	time.Sleep(time.Second)
	victim := (r.owner(t) + 1) % members
	name := servers[victim].Name
	t.Cleanup(func() { disks[victim].Free(t) }) // or who writes would wait for ever
	disks[victim].Fill(t)
	at, told := time.Now(), ""
	eventually(t, 20*time.Second, "it is named, and that writes wait", func() error {
		told = strings.Join(r.status(t).Reasons, "; ") + "; " + r.why(t)
		if !strings.Contains(told, "disk of member "+name+" is full") || !strings.Contains(told, "writes wait until it has one; make room at "+name) {
			return errors.New(told)
		}
		return nil
	})
	named := time.Since(at)
	time.Sleep(2 * time.Second)
	if acked := w.acknowledgedAfter(at.Add(named)); acked > 0 {
		t.Errorf("%d writes were acknowledged by an owner without an acker", acked)
	}
	mended, limit := time.Now(), 20*time.Second
	if members == 2 {
		disks[victim].Free(t)
		limit = 3 * time.Minute // the server looks once a minute
	} else {
		servers[victim].Kill()
		servers = append(servers[:victim:victim], servers[victim+1:]...)
		r.servers = servers
	}
	eventually(t, limit, "writes go on", func() error {
		if w.acknowledgedAfter(mended) < 100 {
			return errors.New(r.why(t))
		}
		return nil
	})
	goneOn := time.Since(mended)
	if members == 2 {
		r.untilWhole(t, time.Minute)
	}
	reads := readers.end(t)
	w.end()
	r.untilEqual(t, "faults.w", "faults.account", "faults.move")
	for _, s := range servers {
		w.account(t, s)
	}
	okN, failedN, unknownN, broken := w.counts()
	t.Logf("FIGURE disk full: of the acker of %d, degraded refuse: writes withheld and why told after %d ms, again acknowledged %d ms after it was mended; %d reads all the while, the slowest %d ms; %d acknowledged, %d failed (first: %s), %d unknown, %d connections broken; told: %s",
		members, named.Milliseconds(), goneOn.Milliseconds(), reads, readers.slowest.Milliseconds(), okN, failedN, w.firstError(), unknownN, broken, told)
}

// acknowledgedAfter counts the writes that were acknowledged after at.
func (w *workload) acknowledgedAfter(at time.Time) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, all := range [][]write{w.writes, w.moves} {
		for _, done := range all {
			if done.outcome == ok && done.end.After(at) {
				n++
			}
		}
	}
	return n
}
