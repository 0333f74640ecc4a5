package app_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestIDs inserts into one table through the proxy while its unit moves back and forth
// between the masters, the stride is resized, a third master is added and takes writes
// too, and a session of the old layout, connected directly, inserts until it is caught. No
// id is given out twice: no client and no applier sees 1062. `make ids` does it with 10^6
// rows by SQLRING_IDS.
func TestIDs(t *testing.T) {
	if n, err := strconv.Atoi(os.Getenv("SQLRING_IDS")); err == nil {
		idsThrough(t, ids{from: 16, to: 32, rows: n, batch: 250, grace: 10 * time.Second})
		return
	}
	t.Run("16 to 32", func(t *testing.T) {
		idsThrough(t, ids{from: 16, to: 32, rows: 20_000, batch: 50, grace: 2 * time.Second})
	})
	// Here the third master gets a slot that the resize has opened, and that shares its
	// values with what the first one gave out before.
	t.Run("2 to 4", func(t *testing.T) {
		idsThrough(t, ids{from: 2, to: 4, rows: 10_000, batch: 50, grace: 2 * time.Second})
	})
}

type ids struct {
	from, to int
	rows     int // that have to be acknowledged at least
	batch    int // rows of a transaction, an INSERT each; every fifth transaction has one
	grace    time.Duration
}

const (
	idsClients = 6
	idsPace    = 20 * time.Millisecond // of one client: appliers, one transaction at a time, keep up
	idsDirect  = 900                   // the client number of the direct session
)

// idsLoad is what clients were told.
type idsLoad struct {
	done    atomic.Int64 // rows that were acknowledged
	again   atomic.Int64 // transactions that were undone, and run again
	unknown atomic.Int64 // COMMITs whose outcome was not told
	twice   atomic.Int64 // 1062

	mu    sync.Mutex // guards what follows
	told  map[[2]int]int64
	first map[string]int // errors, by text
}

func (l *idsLoad) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.first[err.Error()]++
}

// sure reports what an error says of the transaction: that it is undone for sure.
func (l *idsLoad) sure(err error) bool {
	l.failed(err)
	var told *mysql.MySQLError
	if !errors.As(err, &told) {
		return false
	}
	if told.Number == 1062 {
		l.twice.Add(1)
	}
	return string(told.SQLState[:]) != "08007"
}

func idsThrough(t *testing.T, x ids) {
	servers := mysqltest.StartRing(t, 3)
	r := openRig(t, &rig{servers: servers[:2], stride: x.from})
	setup := r.pool(t, nil)
	for _, statement := range []string{
		"CREATE DATABASE shop", "CREATE TABLE shop.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, c INT, s INT, UNIQUE KEY (c, s))",
		"CREATE USER app@'%' IDENTIFIED BY 'apple'", "GRANT ALL ON shop.* TO app@'%'",
	} {
		if _, err := setup.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	db := r.pool(t, func(cfg *mysql.Config) { cfg.User, cfg.Passwd = "app", "apple" })
	db.SetMaxIdleConns(idsClients)
	load := &idsLoad{told: map[[2]int]int64{}, first: map[string]int{}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	began := time.Now()
	for c := range idsClients {
		all.Go(func() { load.insert(ctx, db, c, x.batch) })
	}
	direct := r.directly(t, servers[0], x)
	all.Go(func() { direct.insert(ctx, load) })
	var third atomic.Bool
	var moves atomic.Int64
	all.Go(func() { r.backAndForth(ctx, &third, &moves) })

	load.until(t, x.rows/5)
	resized := time.Now()
	eventually(t, 10*time.Second, "the resize begins, between two moves", func() error {
		_, err := r.client.Resize(t.Context(), api.ResizeRequest{Stride: x.to, GraceMS: x.grace.Milliseconds(), Why: "test"})
		return err
	})
	eventually(t, 2*time.Minute, "the ring is resized", func() error {
		a, err := r.client.Autoinc(t.Context())
		if err == nil && a.Stride != x.to {
			err = fmt.Errorf("%+v", a.Resize)
		}
		return err
	})
	took := time.Since(resized)
	if caught := direct.caught.Load(); caught == nil || caught.Sub(resized) < x.grace {
		t.Errorf("the direct session of stride %d was caught at %v, the resize began at %s and its grace is %s", x.from, caught, resized.Format(time.StampMilli), x.grace)
	}
	load.until(t, x.rows/2)
	eventually(t, 10*time.Second, "a third master is added, between two moves", func() error {
		_, err := r.client.AddMember(t.Context(), api.AddRequest{InitMember: api.InitMember{ID: servers[2].Name, Addr: servers[2].Addr}, Why: "test"}, false)
		return err
	})
	r.untilIn(t, servers[2].Name, 2*time.Minute+time.Duration(x.rows)*time.Millisecond/2) // its data is copied beside all that
	r.servers = servers
	third.Store(true)
	load.until(t, x.rows)
	eventually(t, 3*time.Minute, "the third master has given out ids", func() error {
		var n int
		slot := r.slot(t, servers[2].Name)
		err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM shop.t WHERE id % ? = ?", x.to, slot%x.to).Scan(&n)
		if err == nil && n < 100 {
			err = fmt.Errorf("%d of slot %d", n, slot)
		}
		return err
	})
	stop()
	all.Wait()
	r.untilHealthy(t, time.Minute)
	r.idsAreRight(t, load)
	t.Logf("FIGURE ids: %d rows acknowledged in %d s, %d moves of the unit, stride %d to %d in %.1f s (grace %s), a third master added; a direct session inserted %d rows before it was caught, %d after; %d transactions run again, %d of unknown outcome; 1062: %d",
		load.done.Load(), int(time.Since(began).Seconds()), moves.Load(), x.from, x.to, took.Seconds(), x.grace, direct.before.Load(), direct.after.Load(), load.again.Load(), load.unknown.Load(), load.twice.Load())
}

func (l *idsLoad) until(t *testing.T, rows int) {
	t.Helper()
	last, since := int64(0), time.Now()
	for int(l.done.Load()) < rows {
		if now := l.done.Load(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > 30*time.Second {
			t.Fatalf("%d of %d rows, and none for 30 s; errors %v", last, rows, l.first)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// insert is one client: a transaction of several rows, then a single row, and so on. What
// was undone for sure is run again; nothing else is.
func (l *idsLoad) insert(ctx context.Context, db *sql.DB, c, batch int) {
	seq := 0
	for turn := 0; ctx.Err() == nil; turn++ {
		time.Sleep(idsPace)
		n := batch
		if turn%5 == 0 {
			n = 1
		}
		got, sure, err := l.transaction(ctx, db, c, seq, n)
		switch {
		case err == nil:
			l.mu.Lock()
			for i, id := range got {
				l.told[[2]int{c, seq + i}] = id
			}
			l.mu.Unlock()
			l.done.Add(int64(n))
			seq += n
		case ctx.Err() != nil:
			return
		case sure:
			l.again.Add(1)
		default:
			l.unknown.Add(1)
			seq += n
		}
	}
}

// transaction inserts n rows in one. sure is true if an error left nothing behind.
func (l *idsLoad) transaction(ctx context.Context, db *sql.DB, c, seq, n int) (got []int64, sure bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		l.failed(err)
		return nil, true, err
	}
	for i := range n {
		result, err := tx.ExecContext(ctx, "INSERT INTO shop.t (c, s) VALUES (?, ?)", c, seq+i)
		if err != nil {
			l.sure(err)
			_ = tx.Rollback()
			return nil, true, err // it was not committed
		}
		id, _ := result.LastInsertId()
		got = append(got, id)
	}
	if err := tx.Commit(); err != nil {
		return nil, l.sure(err), err
	}
	return got, false, nil
}

// directSession inserts at one master, past the proxy, on one connection as long as that
// lasts.
type directSession struct {
	db            *sql.DB
	x             ids
	caught        atomic.Pointer[time.Time]
	before, after atomic.Int64
}

func (r *rig) directly(t *testing.T, s *mysqltest.Server, x ids) *directSession {
	t.Helper()
	db := r.pool(t, func(cfg *mysql.Config) { cfg.Addr, cfg.User, cfg.Passwd = s.Addr, "app", "apple" })
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	return &directSession{db: db, x: x}
}

func (d *directSession) insert(ctx context.Context, l *idsLoad) {
	for seq := 0; ctx.Err() == nil; {
		c, err := d.db.Conn(ctx)
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		stride := 0
		err = c.QueryRowContext(ctx, "SELECT @@auto_increment_increment").Scan(&stride)
		for err == nil {
			_, err = c.ExecContext(ctx, "INSERT INTO shop.t (c, s) VALUES (?, ?)", idsDirect, seq)
			var told *mysql.MySQLError
			switch {
			case err == nil:
				seq++
				if stride == d.x.from {
					d.before.Add(1)
				} else {
					d.after.Add(1)
				}
			case errors.As(err, &told) && told.Number == 1290: // its master does not own the unit now
				err = nil
			case errors.As(err, &told) && told.Number == 1062:
				l.twice.Add(1)
				l.failed(err)
			}
			time.Sleep(idsPace)
		}
		if now := time.Now(); ctx.Err() == nil && stride == d.x.from {
			d.caught.Store(&now) // the last time counts: a move may have ended one before
		}
		seq++ // it may be there
		_ = c.Close()
	}
}

// backAndForth moves the unit between the masters, all the time.
func (r *rig) backAndForth(ctx context.Context, third *atomic.Bool, moves *atomic.Int64) {
	for turn := 1; ctx.Err() == nil; turn++ {
		to := []string{"m1", "m2"}
		if third.Load() {
			to = append(to, "m3")
		}
		started, err := r.client.Move(ctx, "*", api.MoveRequest{To: to[turn%len(to)], Why: "test"})
		if err == nil && started.Operation != nil {
			for ctx.Err() == nil {
				op, err := r.client.Operation(ctx, started.Operation.ID)
				if err == nil && op.State == "done" {
					moves.Add(1)
				}
				if err == nil && op.State != "running" {
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
		time.Sleep(700 * time.Millisecond)
	}
}

func (r *rig) slot(t *testing.T, name string) int {
	t.Helper()
	a, err := r.client.Autoinc(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range a.Members {
		if m.Name == name {
			return m.Slot
		}
	}
	t.Fatalf("%s has no slot", name)
	return 0
}

// idsAreRight compares what clients were told with what is on every server.
func (r *rig) idsAreRight(t *testing.T, l *idsLoad) {
	t.Helper()
	if n := l.twice.Load(); n > 0 {
		t.Errorf("%d times 1062: %v", n, l.first)
	}
	r.untilEqual(t, "shop.t")
	rows, err := r.servers[0].DB().QueryContext(t.Context(), "SELECT id, c, s FROM shop.t")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	found, wrong := 0, 0
	for rows.Next() {
		var id int64
		var c, s int
		if err := rows.Scan(&id, &c, &s); err != nil {
			t.Fatal(err)
		}
		if told, ok := l.told[[2]int{c, s}]; ok {
			if found++; told != id {
				wrong++
			}
		}
	}
	if rows.Err() != nil || found != len(l.told) || wrong > 0 {
		t.Errorf("%d of %d acknowledged rows are there, %d under another id than was told (%v)", found, len(l.told), wrong, rows.Err())
	}
	t.Logf("errors that clients saw: %v", l.first)
}
