package app_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// More is written than a member can apply: UPDATEs of a table without a key, for whose
// rows the applier has to search. Each transaction carries the origin's time; what the
// member has of them, read all the time, is the truth about its lag.
func TestLagUnderLoadIsReadBackWithinItsBound(t *testing.T) {
	r := startRig(t, 2)
	r.untilLevel(t, 20*time.Second, "m2", "fresh")
	load := r.startHeavyLoad(t, heapLoad(t))
	load.heldAgainst(t, r, "under load")
	r.untilLevel(t, 120*time.Second, "m2", "fresh")
	if got := r.servers[1].Query(t, "SELECT MAX(seq) FROM load_test.mark"); got != fmt.Sprint(load.written()) {
		t.Errorf("m2 has %s of %d transactions", got, load.written())
	}
}

// More is written than the link to a member carries: its applier waits for nothing but what
// comes, and what comes is late.
func TestLagBehindANarrowLinkIsReadBackWithinItsBound(t *testing.T) {
	servers := mysqltest.StartRing(t, 2)
	servers[0].Addr = mysqltest.NarrowLink(t, servers[0].Addr, 256<<10)
	r := openRig(t, &rig{servers: servers, durability: "async"}) // or commits would wait for the link
	r.untilLevel(t, 20*time.Second, "m2", "fresh")
	load := r.startHeavyLoad(t, heavyWork{rows: 1, statement: "UPDATE load_test.heap SET v=v+1, wide=REPEAT(CHAR(97 + v % 20), 200000)"})
	load.heldAgainst(t, r, "behind a narrow link")
	r.untilLevel(t, 120*time.Second, "m2", "fresh")
	if got := r.servers[1].Query(t, "SELECT MAX(seq) FROM load_test.mark"); got != fmt.Sprint(load.written()) {
		t.Errorf("m2 has %s of %d transactions", got, load.written())
	}
}

// heldAgainst holds what the node says of the lag of m2 against the truth until that was a
// second and more, and ends the load.
func (l *heavyLoad) heldAgainst(t *testing.T, r *rig, what string) {
	t.Helper()
	worst, compared, widest := time.Duration(0), 0, time.Duration(0)
	for began := time.Now(); time.Since(began) < 60*time.Second && (compared < 25 || worst < time.Second); time.Sleep(150 * time.Millisecond) {
		asked := time.Now()
		c := cell(t, r.lags(t), "m1", "m2")
		answered := time.Now()
		if c.LowMS == nil || c.AgeMS == nil {
			continue // a probe was late, on a machine with other work
		}
		low, high := time.Duration(*c.LowMS)*time.Millisecond, time.Duration(*c.HighMS)*time.Millisecond
		age := time.Duration(*c.AgeMS) * time.Millisecond
		// The reading is of a moment between these two; a millisecond is rounding.
		from, to := asked.Add(-age-time.Millisecond), answered.Add(-age)
		least, most, ok := l.truth(from, to)
		if !ok {
			continue // nothing was read of the member at that time
		}
		compared++
		worst, widest = max(worst, least), max(widest, high-low)
		// The reading itself took as long as a probe takes.
		const probe = 250 * time.Millisecond
		if low > most+probe || high+probe < least {
			t.Errorf("the truth lies between %s and %s, read %s to %s", least, most, low, high)
		}
	}
	l.end()
	if l.err != nil {
		t.Fatal(l.err)
	}
	t.Logf("FIGURE lag %s: %d readings held against the truth, up to %s; bounds %s wide at most; %d transactions of %d rows",
		what, compared, worst.Round(time.Millisecond), widest.Round(time.Millisecond), l.written(), l.rows)
	if compared < 25 || worst < time.Second {
		t.Errorf("%d readings up to %s: the member hardly lagged, this proves nothing", compared, worst)
	}
}

// heavyWork is what is written again and again: a statement on load_test.heap, of so many
// rows.
type heavyWork struct {
	rows      int
	statement string
}

// heapLoad is quick to write and slow to apply.
func heapLoad(t *testing.T) heavyWork {
	w := heavyWork{2500, "UPDATE load_test.heap SET v=v+1"}
	if mysqltest.Flavour(t) == topology.FlavourMySQL {
		w.rows = 8000 // its applier searches for all rows of an event at a time
	}
	return w
}

// heavyLoad writes at the owner what is quick there and slow to apply, and reads on m2 how
// far that is.
type heavyLoad struct {
	heavyWork

	stop context.CancelFunc
	wait sync.WaitGroup

	mu     sync.Mutex  // guards what follows
	acked  []time.Time // of each transaction, by its number less 1
	looked []look
	err    error
}

// look is what m2 had at a moment between two: the newest transaction, and the time of its
// origin at which that was begun.
type look struct {
	from, to time.Time
	seq      int
	began    time.Time
}

func (r *rig) startHeavyLoad(t *testing.T, work heavyWork) *heavyLoad {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &heavyLoad{heavyWork: work, stop: stop}
	db := r.pool(t, nil)
	db.SetMaxOpenConns(1)
	for _, statement := range []string{
		"CREATE DATABASE load_test", "CREATE TABLE load_test.heap (v INT, pad VARCHAR(100), wide MEDIUMTEXT)",
		"CREATE TABLE load_test.mark (seq INT PRIMARY KEY, began DATETIME(6))",
		"INSERT INTO load_test.heap VALUES (0, REPEAT('x', 80), NULL)",
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	for n := 1; n < l.rows; n *= 2 {
		if _, err := db.ExecContext(ctx, fmt.Sprintf("INSERT INTO load_test.heap SELECT v, pad, wide FROM load_test.heap LIMIT %d", l.rows-n)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 20*time.Second, "m2 has the table", func() error {
		var n int
		err := r.servers[1].DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM load_test.heap").Scan(&n)
		if err == nil && n != l.rows {
			err = fmt.Errorf("%d rows", n)
		}
		return err
	})
	l.wait.Go(func() { l.write(ctx, db) })
	l.wait.Go(func() { l.look(ctx, r.servers[1].DB()) })
	t.Cleanup(l.end)
	return l
}

// write writes one transaction after the other, until m2 has to apply for seconds.
func (l *heavyLoad) write(ctx context.Context, db *sql.DB) {
	for seq := 1; ctx.Err() == nil; {
		if l.behind() >= 4 {
			time.Sleep(20 * time.Millisecond)
			continue
		}
		if err := l.transaction(ctx, db, seq); err != nil {
			if ctx.Err() == nil {
				l.fail(err)
			}
			return
		}
		l.mu.Lock()
		l.acked = append(l.acked, time.Now())
		l.mu.Unlock()
		seq++
	}
}

// transaction has ended, one way or the other, when it returns: its outcome is known.
func (l *heavyLoad) transaction(ctx context.Context, db *sql.DB, seq int) error {
	tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return err
	}
	for _, statement := range []string{
		l.statement, fmt.Sprintf("INSERT INTO load_test.mark VALUES (%d, UTC_TIMESTAMP(6))", seq),
	} {
		if _, err := tx.ExecContext(context.WithoutCancel(ctx), statement); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// look reads what m2 has, as often as that goes.
func (l *heavyLoad) look(ctx context.Context, db *sql.DB) {
	for ctx.Err() == nil {
		seen := look{from: time.Now()}
		var text string
		err := db.QueryRowContext(ctx, "SELECT seq, DATE_FORMAT(began, '%Y-%m-%dT%H:%i:%s.%f') FROM load_test.mark ORDER BY seq DESC LIMIT 1").Scan(&seen.seq, &text)
		seen.to = time.Now()
		if err == nil {
			seen.began, err = time.Parse("2006-01-02T15:04:05.999999", text)
		}
		switch {
		case err == nil:
			l.mu.Lock()
			l.looked = append(l.looked, seen)
			l.mu.Unlock()
		case ctx.Err() == nil && !errors.Is(err, sql.ErrNoRows):
			l.fail(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (l *heavyLoad) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = errors.Join(l.err, err)
}

func (l *heavyLoad) written() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// behind is how many transactions m2 has not applied.
func (l *heavyLoad) behind() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.looked) == 0 {
		return len(l.acked)
	}
	return len(l.acked) - l.looked[len(l.looked)-1].seq
}

// truth returns between what the lag of m2 was at a moment between from and to: the time
// since the commit of the oldest transaction that it had not applied, be it a heartbeat. ok
// is false if m2 was not looked at before and after that.
//
// It lacked the one after the newest that it was seen to have later, which was committed
// when it was acknowledged; and had what it was seen to have before, so that what it lacked
// was committed after the origin began that.
func (l *heavyLoad) truth(from, to time.Time) (least, most time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var before, after *look
	for i := range l.looked {
		seen := &l.looked[i]
		if !seen.to.After(from) {
			before = seen
		}
		if after == nil && !seen.from.Before(to) {
			after = seen
		}
	}
	if before == nil || after == nil {
		return 0, 0, false
	}
	if after.seq < len(l.acked) {
		least = max(0, from.Sub(l.acked[after.seq])) // of number after.seq+1
	}
	return least, to.Sub(before.began), true
}

// end stops the load and waits for it; it may be called again.
func (l *heavyLoad) end() {
	l.stop()
	l.wait.Wait()
}
