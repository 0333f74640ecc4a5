package app_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/mysqltest"
)

// outcome is what a client was told of a write. A test that took an unknown
// outcome for a failure would itself be wrong.
type outcome uint8

const (
	ok outcome = iota
	failed
	unknown
)

// write is one write of a client: (client, seq) never occurs twice.
type write struct {
	client, seq int
	began       time.Time
	id          int64 // auto_increment value that an acknowledged insert was told
	end         time.Time
	outcome     outcome
	err         string
}

// workload is a steady load whose every write is accounted for: inserts, and
// transfers between bank accounts in transactions.
type workload struct {
	db      *sql.DB
	stop    context.CancelFunc
	wait    sync.WaitGroup
	mu      sync.Mutex // guards what follows
	writes  []write
	moves   []write
	clients int   // inserters
	slots   []int // that members had; empty: 1 to 4
	refused error // the last answer to a client that connects
	broken  int   // client connections that broke

	letGo [][2]time.Time // when a server answered commits that nobody else had, by an order of somebody
}

const (
	inserters, insertsPerSecond = 10, 20 // each
	tellers, movesPerSecond     = 2, 10  // each
	accounts, balance           = 10, 1000
	tellerBase                  = 100 // their client numbers
)

func (r *rig) startWorkload(t *testing.T) *workload {
	t.Helper()
	return r.startWorkloadOf(t, inserters)
}

// startWorkloadOf is startWorkload with so many inserting clients.
func (r *rig) startWorkloadOf(t *testing.T, clients int) *workload {
	t.Helper()
	root := &workload{db: r.pool(t, nil)}
	for _, statement := range []string{
		"CREATE DATABASE faults",
		"CREATE USER 'app'@'%' IDENTIFIED BY 'app secret'",
		"GRANT ALL ON faults.* TO 'app'@'%'",
	} {
		root.exec(t, statement)
	}
	w := &workload{clients: clients, db: r.pool(t, func(cfg *mysql.Config) { cfg.User, cfg.Passwd = "app", "app secret" })}
	for _, statement := range []string{
		"CREATE TABLE faults.w (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, client INT, seq INT)",
		"CREATE TABLE faults.account (id INT PRIMARY KEY, balance INT NOT NULL)",
		"CREATE TABLE faults.move (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, client INT, seq INT, amount INT)",
	} {
		w.exec(t, statement)
	}
	for i := range accounts {
		w.exec(t, fmt.Sprintf("INSERT INTO faults.account VALUES (%d, %d)", i, balance))
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	for client := range clients {
		w.wait.Go(func() { w.run(ctx, client, insertsPerSecond, w.insert) })
	}
	for client := range tellers {
		w.wait.Go(func() { w.run(ctx, tellerBase+client, movesPerSecond, w.move) })
	}
	t.Cleanup(w.end)
	return w
}

func (w *workload) exec(t *testing.T, statement string) {
	t.Helper()
	if _, err := w.db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func (w *workload) end() {
	w.stop()
	w.wait.Wait()
}

// run does one write after the other on one connection, at a steady rate. A
// write that waits makes the next one late: that is how clients behave.
func (w *workload) run(ctx context.Context, client, rate int, do func(context.Context, *sql.Conn, int, int) write) {
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	var conn *sql.Conn
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	for seq := 0; ; seq++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if conn == nil {
			fresh, err := w.db.Conn(ctx)
			if err != nil {
				w.mu.Lock()
				w.refused = err
				w.mu.Unlock()
				continue // nothing was written
			}
			conn = fresh
		}
		// The context ends the loop, not a write: its outcome must be known.
		began := time.Now()
		done := do(context.WithoutCancel(ctx), conn, client, seq)
		done.began = began
		w.mu.Lock()
		if client >= tellerBase {
			w.moves = append(w.moves, done)
		} else {
			w.writes = append(w.writes, done)
		}
		w.mu.Unlock()
		if done.outcome != ok && conn.PingContext(context.WithoutCancel(ctx)) != nil {
			_ = conn.Close()
			conn = nil
			w.mu.Lock()
			w.broken++
			w.mu.Unlock()
		}
	}
}

func (w *workload) insert(ctx context.Context, conn *sql.Conn, client, seq int) write {
	result, err := conn.ExecContext(ctx, fmt.Sprintf("INSERT INTO faults.w (client, seq) VALUES (%d, %d)", client, seq))
	done := write{client: client, seq: seq, end: time.Now(), outcome: judge(err, true)}
	if err != nil {
		done.err = err.Error()
		return done
	}
	done.id, _ = result.LastInsertId()
	return done
}

// move takes 1 from one account and gives it to another.
func (w *workload) move(ctx context.Context, conn *sql.Conn, client, seq int) write {
	from, to := (client+seq)%accounts, (client+3*seq+1)%accounts
	if from == to {
		to = (to + 1) % accounts
	}
	done := write{client: client, seq: seq}
	for i, statement := range []string{
		"BEGIN",
		fmt.Sprintf("UPDATE faults.account SET balance=balance-1 WHERE id=%d", min(from, to)),
		fmt.Sprintf("UPDATE faults.account SET balance=balance+1 WHERE id=%d", max(from, to)),
		fmt.Sprintf("INSERT INTO faults.move (client, seq, amount) VALUES (%d, %d, 1)", client, seq),
		"COMMIT",
	} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			done.end, done.outcome, done.err = time.Now(), judge(err, i == 4), err.Error()
			_, _ = conn.ExecContext(ctx, "ROLLBACK")
			return done
		}
	}
	done.end = time.Now()
	return done
}

// judge says what an error means for a write that commits: only an answer of the
// server, or a statement that was never sent, is a failure.
func judge(err error, commits bool) outcome {
	var answer *mysql.MySQLError
	switch {
	case err == nil:
		return ok
	case errors.As(err, &answer) && string(answer.SQLState[:]) == "08007":
		return unknown
	case errors.As(err, &answer), errors.Is(err, driver.ErrBadConn), !commits:
		return failed
	}
	return unknown // the connection broke
}

// outage is the longest time that one inserting client went without an
// acknowledged write around the moment at.
func (w *workload) outage(at time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	var worst time.Duration
	for client := range w.clients {
		before, after := time.Time{}, time.Time{}
		for _, done := range w.writes {
			switch {
			case done.client != client || done.outcome != ok:
			case done.end.Before(at):
				before = done.end
			case after.IsZero():
				after = done.end
			}
		}
		if before.IsZero() || after.IsZero() {
			return -1 // not over yet
		}
		worst = max(worst, after.Sub(before))
	}
	return worst
}

// account compares what clients were told with what is on a server.
func (w *workload) account(t *testing.T, s *mysqltest.Server) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	present := rows(t, s, "SELECT client, seq FROM faults.w")
	for _, done := range slices.Concat(w.writes) {
		w.compare(t, s, done, present[[2]int{done.client, done.seq}])
	}
	moved := rows(t, s, "SELECT client, seq FROM faults.move")
	for _, done := range w.moves {
		w.compare(t, s, done, moved[[2]int{done.client, done.seq}])
	}
	if sum := s.Query(t, "SELECT SUM(balance) FROM faults.account"); sum != fmt.Sprint(accounts*balance) {
		t.Errorf("DATA: %s: the bank holds %s, %d were put in", s.Name, sum, accounts*balance)
	}
	slots := "1,2,3,4"
	if len(w.slots) > 0 {
		slots = strings.Trim(strings.Join(strings.Fields(fmt.Sprint(w.slots)), ","), "[]")
	}
	if n := s.Query(t, "SELECT COUNT(*) FROM faults.w WHERE id%16 NOT IN ("+slots+")"); n != "0" {
		t.Errorf("DATA: %s: %s ids are in no member's slot", s.Name, n)
	}
	ids := map[int64]bool{}
	for _, done := range w.writes {
		if done.outcome == ok && ids[done.id] {
			t.Errorf("DATA: id %d was given out twice", done.id)
		}
		ids[done.id] = true
	}
}

func (w *workload) compare(t *testing.T, s *mysqltest.Server, done write, times int) {
	t.Helper()
	switch {
	case done.outcome == ok && times == 0 && w.wasLetGo(done):
		t.Logf("FIGURE let go by the server itself: client %d write %d", done.client, done.seq)
	case done.outcome == ok && times == 0:
		t.Errorf("DATA: %s: lost: client %d write %d was acknowledged at %s", s.Name, done.client, done.seq, done.end.Format("15:04:05.000"))
	case done.outcome == failed && times > 0:
		t.Errorf("DATA: %s: client %d write %d was answered with a failure (%s), and is there", s.Name, done.client, done.seq, done.err)
	case times > 1:
		t.Errorf("DATA: %s: client %d write %d is there %d times", s.Name, done.client, done.seq, times)
	}
}

func (w *workload) wasLetGo(done write) bool {
	return slices.ContainsFunc(w.letGo, func(between [2]time.Time) bool {
		return done.end.After(between[0]) && done.end.Before(between[1])
	})
}

func rows(t *testing.T, s *mysqltest.Server, query string) map[[2]int]int {
	t.Helper()
	found := map[[2]int]int{}
	result, err := s.DB().QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = result.Close() }()
	for result.Next() {
		var key [2]int
		if err := result.Scan(&key[0], &key[1]); err != nil {
			t.Fatal(err)
		}
		found[key]++
	}
	if err := result.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

func (w *workload) counts() (okN, failedN, unknownN, broken int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, done := range slices.Concat(w.writes, w.moves) {
		switch done.outcome {
		case ok:
			okN++
		case failed:
			failedN++
		case unknown:
			unknownN++
		}
	}
	return okN, failedN, unknownN, w.broken
}

// lastRefusal is what a client was told last that could not connect.
func (w *workload) lastRefusal() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused
}
