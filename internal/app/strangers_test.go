package app_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestStrangersHoldTheLocksOfNodes: an account of an application holds each lock of the nodes at
// every member, and would go on doing so while the owner is killed. Who it is is told; he is ended where he
// is in the way, writes are taken over within a bound, and nothing is lost.
func TestStrangersHoldTheLocksOfNodes(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "a MySQL has no lock of a position")
	beside(t)
	r := openRig(t, &rig{servers: mysqltest.StartRing(t, 3)})
	w := r.startWorkload(t)
	time.Sleep(time.Second)
	var ends []func() error
	for _, s := range r.servers {
		s.Exec(t, "SET sql_log_bin=0; CREATE USER stranger@'%' IDENTIFIED BY 'stranger'; SET sql_log_bin=1")
		db, err := sql.Open("mysql", "stranger:stranger@tcp("+s.Addr+")/")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		ctx := context.WithoutCancel(t.Context())
		c, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		locks := []string{topology.PositionLock}
		for n := range uint64(topology.WaitLocks) {
			locks = append(locks, topology.WaitLock(n))
		}
		for _, lock := range locks {
			var got int
			if err := c.QueryRowContext(ctx, "SELECT GET_LOCK(?, 5)", lock).Scan(&got); err != nil || got != 1 {
				t.Fatalf("%s at %s: %d, %v", lock, s.Name, got, err)
			}
		}
		ends = append(ends, func() error { _, err := c.ExecContext(ctx, "DO RELEASE_ALL_LOCKS()"); return err })
	}
	eventually(t, 10*time.Second, "it is told of each", func() error {
		reasons := strings.Join(r.status(t).Reasons, "\n")
		if n := strings.Count(reasons, "(stranger@"); n != len(r.servers) {
			return fmt.Errorf("of %d: %s", n, reasons)
		}
		return nil
	})
	lost := r.owner(t)
	at := time.Now()
	r.servers[lost].Kill()
	eventually(t, 20*time.Second, "writes are taken over", func() error {
		if w.outage(at.Add(50*time.Millisecond)) < 0 {
			return errors.New("not every client has been served: " + r.why(t))
		}
		return nil
	})
	took := w.longest(at)
	if took > 8*time.Second {
		t.Errorf("the longest pause of a write is %s", took)
	}
	time.Sleep(2 * time.Second)
	said := r.why(t)
	for _, end := range ends {
		_ = end() // who was in the way was ended
	}
	r.servers[lost].RestartNow(t)
	quarantined := r.untilWhole(t, time.Minute)
	w.end()
	r.untilEqual(t, "faults.w", "faults.account", "faults.move")
	for _, s := range r.servers {
		w.account(t, s)
	}
	t.Logf("FIGURE locks held by strangers: longest pause of a write %d ms; the controller said: %s; %d quarantines", took.Milliseconds(), said, quarantined)
}
