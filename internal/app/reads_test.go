package app_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestReadsSeeWhatTheirAccountWrote: reads go to all members, and none misses what was
// written before it on a connection of the same account, while members lag by turns.
// SQLRING_READ_PAIRS is how many pairs of a write and a read there are; there are more while
// the members have not lagged often.
func TestReadsSeeWhatTheirAccountWrote(t *testing.T) {
	pairs := 3000
	if n, err := strconv.Atoi(os.Getenv("SQLRING_READ_PAIRS")); err == nil {
		pairs = n
	}
	const workers, often = 8, 12
	r := startRig(t, 3)
	db := r.takeoverPool(t)
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE seen (client INT PRIMARY KEY, n INT)"); err != nil {
		t.Fatal(err)
	}
	floor, ceiling := 1, 2 // statements wait at the owner: reads go elsewhere, and wait there for what was written
	if _, err := r.client.SetGates(t.Context(), api.GateSetRequest{Floor: &floor, Ceiling: &ceiling}, false); err != nil {
		t.Fatal(err)
	}
	owner := r.owner(t)
	before := selects(t, r)
	stop := make(chan struct{})
	var lagging sync.WaitGroup
	var lags atomic.Int64
	lagging.Go(func() {
		for {
			member := r.servers[(owner+1+rand.IntN(2))%3]
			member.Exec(t, mysqltest.Words(t, "STOP SLAVE SQL_THREAD"))
			select {
			case <-time.After(time.Duration(50+rand.IntN(450)) * time.Millisecond):
			case <-stop:
			}
			member.Exec(t, mysqltest.Words(t, "START SLAVE SQL_THREAD"))
			lags.Add(1)
			select {
			case <-time.After(time.Duration(100+rand.IntN(400)) * time.Millisecond):
			case <-stop:
				return
			}
		}
	})
	var done sync.WaitGroup
	var stale, other, read atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	for client := range workers {
		done.Go(func() {
			writer, reader := conn(t, db), conn(t, db)
			for n := 1; (n <= pairs/workers || lags.Load() < often) && t.Context().Err() == nil; n++ {
				if _, err := writer.ExecContext(t.Context(), "REPLACE INTO seen VALUES (?, ?)", client, n); err != nil {
					t.Errorf("write: %v", err)
					return
				}
				from := writer
				if n%2 == 0 {
					from = reader
					other.Add(1)
				}
				began, got := time.Now(), 0
				if err := from.QueryRowContext(t.Context(), "SELECT n FROM seen WHERE client="+strconv.Itoa(client)).Scan(&got); err != nil {
					t.Errorf("read: %v", err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
				if read.Add(1); got < n {
					stale.Add(1)
				}
				if n%4 == 0 { // and one more, when it may be known where it is
					_ = reader.QueryRowContext(t.Context(), "SELECT n FROM seen WHERE client="+strconv.Itoa(client)).Scan(&got)
				}
			}
		})
	}
	done.Wait()
	close(stop)
	lagging.Wait()
	after := selects(t, r)
	var shares []string
	for i := range r.servers {
		shares = append(shares, fmt.Sprintf("%s %d", r.servers[i].Name, after[i]-before[i]))
	}
	// By the proxy's own count: sqlring's SELECTs are among the servers'.
	elsewhere := r.status(t).Proxy.Reads.Spread
	slices.Sort(took)
	t.Logf("FIGURE reads    %d pairs of a write and a read, %d reads on another connection, members stopped %d times for 50-500 ms: %d stale, %d at other members; SELECTs of all at %v (owner %s); a read takes median %v, p99 %v",
		read.Load(), other.Load(), lags.Load(), stale.Load(), elsewhere, shares, r.servers[owner].Name, took[len(took)/2].Round(10*time.Microsecond), took[len(took)*99/100].Round(10*time.Microsecond))
	if stale.Load() > 0 {
		t.Errorf("DATA: %d stale reads", stale.Load())
	}
	if elsewhere < 10 {
		t.Errorf("only %d reads at other members than the owner: this proves nothing", elsewhere)
	}
}

// selects returns how many SELECTs each server has run, sqlring's own among them: some
// twenty a second.
func selects(t *testing.T, r *rig) []int {
	t.Helper()
	counts := make([]int, len(r.servers))
	question := "SELECT variable_value FROM information_schema.global_status WHERE variable_name='COM_SELECT'"
	if mysqltest.Flavour(t) == topology.FlavourMySQL {
		question = "SELECT count_star FROM performance_schema.events_statements_summary_global_by_event_name WHERE event_name='statement/sql/select'"
	}
	for i, s := range r.servers {
		counts[i], _ = strconv.Atoi(s.Query(t, question))
	}
	return counts
}

func conn(t *testing.T, db *sql.DB) *sql.Conn {
	c, err := db.Conn(context.WithoutCancel(t.Context()))
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
