package app_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"regexp"
	"sync/atomic"
	"testing"
	"time"
)

// TestLaggingSurvivorDrainsFirst holds the applier of the survivor by a row lock,
// kills the owner, and lets the lock go later: writes wait for the drain, status
// says how much is to be done, and nothing is lost.
func TestLaggingSurvivorDrainsFirst(t *testing.T) {
	lag := 3 * time.Second
	if os.Getenv("SQLRING_FAULT_ROUNDS") != "" {
		lag = 20 * time.Second
	}
	r := startRig(t, 2)
	w := r.startWorkload(t)
	time.Sleep(500 * time.Millisecond)
	lock := r.holdApplier(t, 1)
	time.Sleep(lag)
	at := time.Now().Add(50 * time.Millisecond)
	r.servers[0].Kill()
	time.Sleep(1500 * time.Millisecond)
	why := r.why(t)
	if !regexp.MustCompile(`m2 applies what it received: [1-9][0-9]* transactions to go`).MatchString(why) {
		t.Errorf("while it drains, status says %q", why)
	}
	if w.outage(at) >= 0 {
		t.Error("a write was acknowledged before the heir had drained")
	}
	released := time.Now()
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	var eta atomic.Bool
	eventually(t, 60*time.Second, "writes go on", func() error {
		if regexp.MustCompile(`about .* at the present rate`).MatchString(r.why(t)) {
			eta.Store(true)
		}
		if w.outage(at) < 0 {
			return errors.New(r.why(t))
		}
		return nil
	})
	drained := time.Since(released)
	r.servers[0].RestartNow(t)
	quarantined := r.untilWhole(t, 60*time.Second)
	w.end()
	r.untilEqual(t, "faults.w", "faults.account", "faults.move")
	for _, s := range r.servers {
		w.account(t, s)
	}
	if drained > 3*time.Second && !eta.Load() { // a short one may end between two probes
		t.Errorf("it drained for %s, and status never said for how long it would", drained)
	}
	okN, failedN, unknownN, _ := w.counts()
	t.Logf("FIGURE survivor %s behind: writes went on %d ms after it could drain, outage %d ms (ETA seen: %v); %d acknowledged, %d failed, %d unknown, %d quarantines",
		lag, drained.Milliseconds(), w.outage(at).Milliseconds(), eta.Load(), okN, failedN, unknownN, quarantined)
}

// holdApplier stops a member's applier at the next row that the workload writes,
// by holding a gap lock in its table.
func (r *rig) holdApplier(t *testing.T, i int) *sql.Tx {
	t.Helper()
	tx, err := r.servers[i].DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM faults.account FOR UPDATE").Scan(&n); err != nil {
		t.Fatal(fmt.Errorf("hold the applier: %w", err))
	}
	return tx
}
