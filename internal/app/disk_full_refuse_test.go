package app_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestDiskFullOfTheOnlyAckerIsRefused fills the disk of the one acker of a ring of two that
// is not to go on without one (degraded refuse): writes wait, reads go on, status names the
// disk and that writes wait for an acker, and no write is acknowledged that one member alone
// has. By make disk it is freed then, and writes go on without a hand.
func TestDiskFullOfTheOnlyAckerIsRefused(t *testing.T) {
	servers, disks := mysqltest.StartOnSmallDisks(t, 2)
	r := openRig(t, &rig{servers: servers, degraded: "refuse"})
	w := r.startWorkload(t)
	readers := r.startProxyReaders(t)
	time.Sleep(time.Second)
	victim := (r.owner(t) + 1) % 2
	owner, name := servers[(victim+1)%2], servers[victim].Name
	t.Cleanup(func() { disks[victim].Free(t) }) // or who writes would wait for ever
	disks[victim].Fill(t)
	at := time.Now()
	eventually(t, 20*time.Second, "it is named, and that writes wait", func() error {
		told := strings.Join(r.status(t).Reasons, "; ") + "; " + r.why(t)
		if !strings.Contains(told, name) || !strings.Contains(told, "disk is full") || !strings.Contains(told, "degraded is refuse: writes wait until it has one") {
			return errors.New(told)
		}
		return nil
	})
	named := time.Since(at)
	time.Sleep(3 * time.Second)
	acked := w.acknowledgedAfter(at.Add(named))
	if acked > 0 {
		t.Errorf("%d writes were acknowledged by an owner without an acker", acked)
	}
	told := r.why(t)
	if os.Getenv(envDiskHeals) != "" {
		disks[victim].Free(t)
		freed := time.Now()
		eventually(t, 3*time.Minute, "writes go on", func() error {
			if w.acknowledgedAfter(freed) < 100 {
				return errors.New(r.why(t))
			}
			return nil
		})
		r.untilHealthy(t, time.Minute)
		t.Logf("FIGURE disk full: of the only acker, degraded refuse: writes went on, and all was well, %d ms after it was freed", time.Since(freed).Milliseconds())
		w.end()
		r.untilEqual(t, "faults.w", "faults.account", "faults.move")
		w.account(t, servers[victim])
	} else {
		servers[victim].Kill()
		r.stopNode(t) // clients that wait for an owner do so for 30 s
		w.end()
	}
	reads := readers.end(t)
	w.account(t, owner)
	okN, failedN, unknownN, broken := w.counts()
	t.Logf("FIGURE disk full: of the only acker, degraded refuse: named, and writes withheld, after %d ms; %d reads meanwhile, the slowest %d ms; %d acknowledged, %d failed (first: %s), %d unknown, %d connections broken; told: %s",
		named.Milliseconds(), reads, readers.slowest.Milliseconds(), okN, failedN, w.firstError(), unknownN, broken, told)
}

// acknowledgedAfter counts the writes that were acknowledged after at.
func (w *workload) acknowledgedAfter(at time.Time) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, done := range append(append([]write{}, w.writes...), w.moves...) {
		if done.outcome == ok && done.end.After(at) {
			n++
		}
	}
	return n
}
