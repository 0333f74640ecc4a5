package app_test

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestReadsSeeWhatTheirAccountWrote: reads go to all members, and none misses what was
// written before it on a connection of the same account, while members lag by turns.
// SQLRING_READ_PAIRS is how many pairs of a write and a read there are; there are more, four times
// as many or for a minute at the most, while the members have not lagged often, or one has answered hardly a read.
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
	r.tellsWhere(t)
	servers := r.serverIDs(t)
	floor, ceiling := 1, 2 // statements wait at the owner: reads go elsewhere, and wait there for what was written
	if _, err := r.client.SetGates(t.Context(), api.GateSetRequest{Floor: &floor, Ceiling: &ceiling}, false); err != nil {
		t.Fatal(err)
	}
	owner := r.owner(t)
	stop := make(chan struct{})
	var lagging sync.WaitGroup
	var lags atomic.Int64
	lagging.Go(func() { r.lagByTurns(t, owner, &lags, stop) })
	var done sync.WaitGroup
	var stale, other, read atomic.Int64
	var mu sync.Mutex
	var took []time.Duration
	at := map[string]int{}      // reads that each member has answered
	least := max(5, pairs/2000) // nearly all reads lack what was just written at the others
	began := time.Now()
	goesOn := func(n int) bool {
		mu.Lock()
		defer mu.Unlock()
		enough := lags.Load() >= often
		for i, s := range r.servers {
			enough = enough && (i == owner || at[s.Name] >= least)
		}
		return n <= pairs/workers || !enough && (n <= 4*pairs/workers || time.Since(began) < time.Minute)
	}
	for client := range workers {
		done.Go(func() {
			writer, reader := conn(t, db), conn(t, db)
			for n := 1; goesOn(n) && t.Context().Err() == nil; n++ {
				if _, err := writer.ExecContext(t.Context(), "REPLACE INTO seen VALUES (?, ?)", client, n); err != nil {
					t.Errorf("write: %v", err)
					return
				}
				from := writer
				if n%2 == 0 {
					from = reader
					other.Add(1)
				}
				began := time.Now()
				got, where, err := readSeen(t.Context(), from, client)
				if err != nil {
					t.Errorf("read: %v", err)
					return
				}
				mu.Lock()
				took = append(took, time.Since(began))
				at[servers[where]]++
				mu.Unlock()
				if read.Add(1); got < n {
					stale.Add(1)
					t.Logf("client %d has written %d and read %d at %s", client, n, got, servers[where])
				}
				if n%4 == 0 { // and one more, when it may be known where it is
					_, where, err := readSeen(t.Context(), reader, client)
					if err != nil {
						t.Errorf("read once more: %v", err)
						return
					}
					mu.Lock()
					at[servers[where]]++
					mu.Unlock()
				}
			}
		})
	}
	done.Wait()
	close(stop)
	lagging.Wait()
	slices.Sort(took)
	t.Logf("FIGURE reads    %d pairs of a write and a read, %d reads on another connection, members stopped %d times for 50-500 ms: %d stale; answered by %s (owner %s); a read takes median %v, p99 %v",
		read.Load(), other.Load(), lags.Load(), stale.Load(), shares(at), r.servers[owner].Name, took[len(took)/2].Round(10*time.Microsecond), took[len(took)*99/100].Round(10*time.Microsecond))
	if stale.Load() > 0 {
		t.Errorf("DATA: %d stale reads", stale.Load())
	}
	for i, s := range r.servers {
		if i != owner && at[s.Name] < least {
			t.Errorf("only %d reads at %s, not %d: this proves nothing of it", at[s.Name], s.Name, least)
		}
	}
	if lags.Load() < often {
		t.Errorf("the members were stopped %d times only", lags.Load())
	}
}

// lagByTurns stops one of the others' appliers for a while, again and again, until stop is closed.
func (r *rig) lagByTurns(t *testing.T, owner int, lags *atomic.Int64, stop <-chan struct{}) {
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
}

// tellsWhere makes the view cards.seen_at, of cards.seen and the id of the server that answers. A
// @@server_id in the read itself would keep that at the owner.
func (r *rig) tellsWhere(t *testing.T) {
	t.Helper()
	root := r.pool(t, nil)
	for _, text := range []string{
		"CREATE FUNCTION cards.server() RETURNS BIGINT READS SQL DATA SQL SECURITY INVOKER RETURN @@server_id",
		"CREATE SQL SECURITY INVOKER VIEW cards.seen_at AS SELECT client, n, cards.server() AS server FROM cards.seen",
	} {
		if _, err := root.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

// serverIDs returns the members' names by their servers' ids.
func (r *rig) serverIDs(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	for _, s := range r.servers {
		names[s.Query(t, "SELECT @@server_id")] = s.Name
	}
	return names
}

// querier is a connection, or a pool.
type querier interface {
	QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row
}

// readSeen reads a client's row of cards.seen, and which server has answered.
func readSeen(ctx context.Context, from querier, client int) (n int, server string, err error) {
	err = from.QueryRowContext(ctx, "SELECT n, server FROM cards.seen_at WHERE client="+strconv.Itoa(client)).Scan(&n, &server)
	return n, server, err
}

// shares says how many reads each member has answered.
func shares(at map[string]int) string {
	sum, each := 0, []string{}
	for _, n := range at {
		sum += n
	}
	for _, name := range slices.Sorted(maps.Keys(at)) {
		each = append(each, fmt.Sprintf("%s %d (%.1f %%)", name, at[name], 100*float64(at[name])/float64(sum)))
	}
	return strings.Join(each, ", ")
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
