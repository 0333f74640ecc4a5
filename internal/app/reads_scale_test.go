package app_test

import (
	"context"
	"database/sql"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// scales is how many times as much as one member two are to read while nothing is written; beside
// writes it is printed alone (docs/performance.md).
const scales = 1.8

// TestReadsScale lets two members, each held to a share of a core, answer what one has
// to answer alone. It needs the kernel's cpu controller (cgroup v1), and runs under
// SQLRING_READS_SCALE only: a figure, judged under SQLRING_FIGURES.
func TestReadsScale(t *testing.T) {
	if os.Getenv("SQLRING_READS_SCALE") == "" {
		t.Skip("a figure: SQLRING_READS_SCALE=1 measures it")
	}
	r := startRig(t, 2)
	db := r.takeoverPool(t)
	for _, text := range []string{
		"CREATE TABLE big (id INT AUTO_INCREMENT PRIMARY KEY, v INT)",
		"INSERT INTO big (v) VALUES (1),(2),(3),(4),(5),(6),(7),(8)",
	} {
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	for range 8 {
		if _, err := db.ExecContext(t.Context(), "INSERT INTO big (v) SELECT v FROM big"); err != nil {
			t.Fatal(err)
		}
	}
	r.untilHealthy(t, 30*time.Second)
	for _, s := range r.servers {
		s.Hold(t, 15)
	}
	time.Sleep(2 * time.Second)
	for _, writes := range []bool{false, true} {
		beside := "nothing is written"
		if writes {
			beside = "the account writes 20 times a second"
			stop := writing(t, db)
			defer stop()
		}
		var times []float64
		for range 3 {
			one := reads(t, db, "strong", 5*time.Second)
			two := reads(t, db, "account", 5*time.Second)
			t.Logf("FIGURE scale    %s: the owner alone %d reads/s, both members %d reads/s: %.2f times", beside, one/5, two/5, float64(two)/float64(one))
			times = append(times, float64(two)/float64(one))
		}
		slices.Sort(times)
		if median := times[len(times)/2]; os.Getenv("SQLRING_FIGURES") != "" && !writes && median < scales {
			t.Errorf("%s: both members read %.2f times as much as one (the median of %d), not %.1f times", beside, median, len(times), scales)
		}
	}
}

// writing writes 20 times a second, as the account that reads, until stop is called: what it
// has written last, no other member is known to have.
func writing(t *testing.T, db *sql.DB) (stop func()) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE small (id INT AUTO_INCREMENT PRIMARY KEY, v INT)"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for tick := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			if _, err := db.ExecContext(t.Context(), "INSERT INTO small (v) VALUES (1)"); err != nil {
				t.Error(err)
				return
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// reads counts what eight clients read in d.
func reads(t *testing.T, db *sql.DB, consistency string, d time.Duration) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	var n atomic.Int64
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			c := conn(t, db)
			if _, err := c.ExecContext(t.Context(), "SET sqlring_consistency='"+consistency+"'"); err != nil {
				t.Error(err)
				return
			}
			for ctx.Err() == nil {
				var sum int
				if err := c.QueryRowContext(t.Context(), "SELECT SUM(v) FROM big").Scan(&sum); err != nil {
					t.Error(err)
					return
				}
				n.Add(1)
			}
			_ = c.Close()
		})
	}
	done.Wait()
	return n.Load()
}
