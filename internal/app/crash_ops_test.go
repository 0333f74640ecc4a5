package app_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// betweenSteps plays an operation again and again, with a node that is killed -9 after
// another one of its steps: some of them, or with SQLRING_FAULT_ROUNDS all, until it
// has none left. play returns how often the node died.
func betweenSteps(t *testing.T, some []int, play func(t *testing.T, step int) (deaths int)) {
	if os.Getenv("SQLRING_FAULT_ROUNDS") == "" {
		for _, n := range some {
			t.Run(fmt.Sprintf("after step %d", n), func(t *testing.T) {
				beside(t)
				if deaths := play(t, n); deaths != 1 {
					t.Errorf("the node died %d times", deaths)
				}
			})
		}
		return
	}
	const most = 60
	for n := 1; n <= most; n++ {
		deaths := -1
		t.Run(fmt.Sprintf("after step %d", n), func(t *testing.T) { deaths = play(t, n) })
		if deaths == 0 {
			t.Logf("FIGURE %s: a node killed after each of %d steps", t.Name(), n-1)
			return
		}
	}
	t.Errorf("it has more than %d steps", most)
}

// TestNodeDiesBetweenTwoStepsOfAMaintenance takes the owner out for a while, and lets it
// back in.
func TestNodeDiesBetweenTwoStepsOfAMaintenance(t *testing.T) {
	beside(t)
	betweenSteps(t, []int{4, 11}, func(t *testing.T, step int) int {
		r := &rig{servers: mysqltest.StartRing(t, 3), cfg: nodeConfig(t)}
		node := r.startProcess(t, step)
		r.initRing(t)
		w := r.startWorkload(t)
		time.Sleep(300 * time.Millisecond)
		_, _ = r.client.Leave(t.Context(), "m1", "maintenance", api.LeaveRequest{TTLMS: time.Hour.Milliseconds(), Why: "test"}, false)
		r.untilState(t, "m1", "maintenance")
		if step < 60 && node.deaths() == 0 { // else it dies on the way back
			t.Log("the maintenance was reached without a death")
		}
		eventually(t, 20*time.Second, "the maintenance is ended", func() error {
			_, err := r.client.Leave(t.Context(), "m1", "maintenance", api.LeaveRequest{End: true}, false)
			if m := memberOf(r.status(t), "m1"); m.State != "maintenance" {
				return nil
			}
			return err
		})
		r.untilState(t, "m1", "active")
		r.untilHealthy(t, 30*time.Second)
		w.end()
		r.untilEqual(t, "faults.w", "faults.account", "faults.move")
		for _, s := range r.servers {
			w.account(t, s)
		}
		return node.deaths()
	})
}

// untilState waits until a member is in a state.
func (r *rig) untilState(t *testing.T, name, state string) {
	t.Helper()
	eventually(t, 60*time.Second, name+" is "+state, func() error {
		st, err := r.client.Status(t.Context())
		if err != nil {
			return err
		}
		if m := memberOf(st, name); m.State != state {
			return fmt.Errorf("%s: %s", m.State, r.why(t))
		}
		return nil
	})
}

// TestNodeDiesBetweenTwoStepsOfADissolution ends a ring: it is ended, or it goes on.
func TestNodeDiesBetweenTwoStepsOfADissolution(t *testing.T) {
	beside(t)
	betweenSteps(t, []int{3, 9, 14}, func(t *testing.T, step int) int {
		r := &rig{servers: mysqltest.StartRing(t, 3), cfg: nodeConfig(t)}
		node := r.startProcess(t, step)
		r.initRing(t)
		w := r.startWorkload(t)
		time.Sleep(300 * time.Millisecond)
		_, _ = r.client.Dissolve(t.Context(), api.DissolveRequest{Why: "test"})
		goesOn := false
		eventually(t, 90*time.Second, "the ring is ended, or goes on", func() error {
			st, err := r.client.Status(t.Context())
			goesOn = err == nil && st.Ring != "" && st.Operation == nil && st.Health == "ok"
			if err == nil && st.Ring != "" && !goesOn {
				err = errors.New(r.why(t))
			}
			return err
		})
		deaths := node.deaths()
		node.stop(t) // clients that wait for a ring do so for 30 s
		w.end()
		r.untilEqual(t, "faults.w", "faults.account", "faults.move")
		open := 0
		for _, s := range r.servers {
			w.account(t, s)
			if s.Query(t, "SELECT @@global.read_only") == "0" {
				open++
			}
			follows := s.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Slave%'")
			if goesOn != (follows != "0") {
				t.Errorf("the ring goes on: %t, and on %s %s threads of replication run", goesOn, s.Name, follows)
			}
			if n := s.Query(t, "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name='sqlring'"); goesOn != (n == "1") {
				t.Errorf("the ring goes on: %t, and %s has %s schema sqlring", goesOn, s.Name, n)
			}
		}
		if open != 1 {
			t.Errorf("%d servers take writes", open)
		}
		return deaths
	})
}

// TestNodeDiesBetweenTwoStepsOfAnAdoption takes over a circle that is written to directly
// all the while.
func TestNodeDiesBetweenTwoStepsOfAnAdoption(t *testing.T) {
	beside(t)
	betweenSteps(t, []int{2, 6, 9}, func(t *testing.T, step int) int {
		r := &rig{servers: mysqltest.StartRing(t, 2), cfg: nodeConfig(t)}
		before := r.startCircle(t, 2)
		node := r.startProcess(t, step)
		eventually(t, 20*time.Second, "the adoption is ordered", func() error {
			_, err := r.client.Adopt(t.Context(), r.adoptRequest(), false)
			if st, seen := r.client.Status(t.Context()); seen == nil && st.Ring != "" {
				return nil // the answer was lost with the node
			}
			return err
		})
		r.untilHealthy(t, 60*time.Second)
		before.end()
		if len(before.failed) > 0 {
			t.Errorf("%d writes were refused", len(before.failed))
		}
		if _, err := r.client.CloseDirect(t.Context(), api.CloseDirectRequest{Why: "test"}, false); err != nil {
			t.Error(err)
		}
		r.untilHealthy(t, 30*time.Second)
		r.untilEqual(t, "faults.w")
		for _, s := range r.servers {
			before.account(t, s)
		}
		return node.deaths()
	})
}

// startCircle builds a circle by hand of the rig's servers, and writes to each directly.
func (r *rig) startCircle(t *testing.T, stride int) *directly {
	t.Helper()
	circle(t, r.servers, stride)
	tables(t, r.servers[0])
	for _, s := range r.servers[1:] {
		eventually(t, 10*time.Second, "the table is everywhere", func() error {
			_, err := s.DB().ExecContext(t.Context(), "SELECT COUNT(*) FROM faults.w")
			return err
		})
	}
	open := r.servers
	if stride == 1 {
		open = r.servers[:1]
	}
	return startDirectly(t, open)
}

// TestNodeDiesBetweenTwoStepsOfAReplay replays what was written on a member that was out;
// each transaction adds one, so one that is replayed twice, or half, is seen.
func TestNodeDiesBetweenTwoStepsOfAReplay(t *testing.T) {
	beside(t)
	betweenSteps(t, []int{1, 2, 3}, func(t *testing.T, step int) int {
		r := &rig{servers: mysqltest.StartRing(t, 2), cfg: nodeConfig(t), trap: filepath.Join(t.TempDir(), "trap")}
		node := r.startProcess(t, 0)
		r.initRing(t)
		r.counted(t)
		setTrap(t, r.trap, 1, step)
		eventually(t, 20*time.Second, "the replay is ordered", func() error {
			_, err := r.client.Rejoin(t.Context(), "m2", api.RejoinRequest{Replay: true, Why: "test"})
			if st, seen := r.client.Status(t.Context()); seen == nil && (st.Operation != nil || memberOf(st, "m2").State != "quarantined") {
				return nil // the answer was lost with the node
			}
			return err
		})
		r.untilReplayed(t)
		return node.deaths()
	})
}

// replayedTransactions is how many there are to be replayed in a test of it.
const replayedTransactions = 300

// counted puts a member into quarantine that alone has added to a count.
func (r *rig) counted(t *testing.T) {
	t.Helper()
	db := r.pool(t, nil)
	for _, statement := range []string{
		"CREATE DATABASE faults", "GRANT ALL ON faults.* TO " + mysqltest.Manager + "@'127.0.0.1'",
		"CREATE TABLE faults.counts (id INT PRIMARY KEY, n INT)", "CREATE TABLE faults.log (id INT PRIMARY KEY)", "INSERT INTO faults.counts VALUES (1, 0)",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	eventually(t, 10*time.Second, "the rows are there", func() error {
		var n int
		return r.servers[1].DB().QueryRowContext(t.Context(), "SELECT n FROM faults.counts").Scan(&n)
	})
	r.away(t, r.servers[1], func(write func(string)) {
		var all strings.Builder
		for i := range replayedTransactions {
			fmt.Fprintf(&all, "BEGIN; UPDATE faults.counts SET n=n+1 WHERE id=1; INSERT INTO faults.log VALUES (%d); COMMIT;", i)
		}
		write(all.String())
	})
}

// untilReplayed waits until all of it is in the ring, once, and the member too.
func (r *rig) untilReplayed(t *testing.T) {
	t.Helper()
	r.untilState(t, "m2", "active")
	r.untilHealthy(t, 30*time.Second)
	r.untilEqual(t, "faults.counts", "faults.log", "sqlring.replayed")
	for _, s := range r.servers {
		for _, query := range []string{"SELECT n FROM faults.counts", "SELECT COUNT(*) FROM faults.log", "SELECT COUNT(*) FROM sqlring.replayed"} {
			if got := s.Query(t, query); got != fmt.Sprint(replayedTransactions) {
				t.Errorf("%s: %s gives %s", s.Name, query, got)
			}
		}
	}
}

// TestNodeDiesInTheMidstOfAReplay kills it between two transactions.
func TestNodeDiesInTheMidstOfAReplay(t *testing.T) {
	beside(t)
	r := &rig{servers: mysqltest.StartRing(t, 2), cfg: nodeConfig(t)}
	node := r.startProcess(t, 0)
	r.initRing(t)
	r.counted(t)
	if _, err := r.client.Rejoin(t.Context(), "m2", api.RejoinRequest{Replay: true, Why: "test"}); err != nil {
		t.Fatal(err)
	}
	seen := 0
	eventually(t, 20*time.Second, "some are replayed", func() error {
		if _, err := fmt.Sscan(r.servers[0].Query(t, "SELECT COUNT(*) FROM sqlring.replayed"), &seen); err != nil || seen == 0 {
			return fmt.Errorf("%d are: %w", seen, err)
		}
		return nil
	})
	node.signal(t, syscall.SIGKILL)
	if seen >= replayedTransactions {
		t.Fatalf("%d of %d were replayed already: nothing is shown", seen, replayedTransactions)
	}
	r.untilReplayed(t)
	t.Logf("FIGURE replay   of %d transactions, node killed -9 after %d of them: each is there once", replayedTransactions, seen)
}
