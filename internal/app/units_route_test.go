package app_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestUnitsAreWrittenAtTheirOwners moves a schema back and forth between two owners,
// while the clients that write in it write in the rest too: no client gets an error,
// nothing is lost, and no row was written at a member that did not own its unit.
func TestUnitsAreWrittenAtTheirOwners(t *testing.T) {
	beside(t)
	r := startRig(t, 2)
	root := r.pool(t, nil)
	const columns = " (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, client INT, seq INT, server INT UNSIGNED)"
	for _, statement := range []string{
		"CREATE DATABASE shop", "CREATE DATABASE stock", "CREATE TABLE shop.card" + columns, "CREATE TABLE stock.item" + columns,
		"CREATE USER 'app'@'%' IDENTIFIED BY 'app secret'", "GRANT ALL ON *.* TO 'app'@'%'",
	} {
		if _, err := root.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	load := startBothUnits(t, r.pool(t, func(cfg *mysql.Config) { cfg.User, cfg.Passwd = "app", "app secret" })) // root is m1's own
	time.Sleep(300 * time.Millisecond)
	started, err := r.client.CreateUnit(t.Context(), api.CreateUnitRequest{Name: "shop", Why: "test"})
	if err != nil {
		t.Fatal(err)
	}
	r.awaitDone(t, started.Operation.ID)
	var moved []span
	for _, to := range []string{"m2", "m1", "m2", "m1", "m2"} {
		time.Sleep(500 * time.Millisecond)
		began := time.Now()
		r.move(t, "shop", to)
		moved = append(moved, span{began, time.Now(), to})
		r.untilHealthy(t, 20*time.Second)
	}
	if _, err := r.client.JoinUnit(t.Context(), "shop", api.JoinUnitRequest{Why: "test"}); err == nil {
		t.Error("it was joined to the rest, which another member owns")
	}
	began := time.Now()
	r.move(t, "shop", "m1")
	moved = append(moved, span{began, time.Now(), "m1"})
	r.rejoins(t)
	began = time.Now()
	r.move(t, "shop", "m2")
	moved = append(moved, span{began, time.Now(), "m2"})
	time.Sleep(500 * time.Millisecond)
	load.end()
	if len(load.failed) > 0 {
		t.Errorf("%d statements failed, the first: %s", len(load.failed), load.failed[0])
	}
	r.untilEqual(t, "shop.card", "stock.item")
	ids := map[string]string{}
	for _, s := range r.servers {
		ids[s.Name] = s.Query(t, "SELECT @@server_id")
	}
	for _, s := range r.servers {
		at := load.written(t, s, "shop.card")
		rest := load.written(t, s, "stock.item")
		sure := 0
		for _, done := range load.writes {
			if got := rest[[2]int{done.client, done.seq}]; got != ids["m1"] {
				t.Fatalf("%s: write %d/%d of the rest was made at %q, its owner is m1 (%s)", s.Name, done.client, done.seq, got, ids["m1"])
			}
			got := at[[2]int{done.client, done.seq}]
			owner := ownerThen(moved, done)
			switch {
			case got == "":
				t.Fatalf("%s: write %d/%d of shop was acknowledged and is not there", s.Name, done.client, done.seq)
			case owner != "" && got != ids[owner]:
				t.Fatalf("%s: write %d/%d of shop was made at %s, when %s (%s) owned it", s.Name, done.client, done.seq, got, owner, ids[owner])
			case owner != "":
				sure++
			}
		}
		if len(load.writes) < 200 || sure < len(load.writes)/4 {
			t.Errorf("that is no load: %d writes in each unit, %d of them outside of moves", len(load.writes), sure)
		}
	}
	t.Logf("%d writes in each of two units, %d moves, %d errors", len(load.writes), len(moved), len(load.failed))
}

// rejoins has shop, which is m1's, joined to the rest and made a unit again.
func (r *rig) rejoins(t *testing.T) {
	t.Helper()
	joined, err := r.client.JoinUnit(t.Context(), "shop", api.JoinUnitRequest{Why: "test"})
	if err != nil {
		t.Fatal(err)
	}
	r.awaitDone(t, joined.Operation.ID)
	if units := ownersOf(r.status(t)); len(units) != 1 || units["*"] != "m1" {
		t.Errorf("joined: %v", units)
	}
	time.Sleep(500 * time.Millisecond)
	made, err := r.client.CreateUnit(t.Context(), api.CreateUnitRequest{Name: "shop", Why: "test"})
	if err != nil {
		t.Fatal(err)
	}
	r.awaitDone(t, made.Operation.ID)
}

// span is the time of a move, and where to.
type span struct {
	began, ended time.Time
	to           string
}

// ownerThen is who owned shop for all the time of a write; empty, if it moved meanwhile.
func ownerThen(moved []span, done write) string {
	owner := "m1"
	for _, m := range moved {
		if done.end.Before(m.began) {
			return owner
		}
		if done.began.Before(m.ended) {
			return ""
		}
		owner = m.to
	}
	return owner
}

// bothUnits are clients each of which writes in two units by turns, every third time in
// transactions of its own for each, and notes where that was done; then it reads both.
type bothUnits struct {
	stop   context.CancelFunc
	wait   sync.WaitGroup
	mu     sync.Mutex
	writes []write // of shop, and just before them of the rest
	failed []string
}

func startBothUnits(t *testing.T, db *sql.DB) *bothUnits {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	l := &bothUnits{stop: stop}
	t.Cleanup(l.end)
	for client := range 8 {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.wait.Go(func() {
			defer func() { _ = conn.Close() }()
			for seq := 0; ctx.Err() == nil; seq++ {
				l.both(context.WithoutCancel(ctx), conn, client, seq)
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	return l
}

func (l *bothUnits) both(ctx context.Context, conn *sql.Conn, client, seq int) {
	row := fmt.Sprintf(" (client, seq, server) VALUES (%d, %d, @@server_id)", client, seq)
	done := write{client: client, seq: seq}
	for _, unit := range []struct{ schema, table string }{{"stock", "item"}, {"shop", "card"}} {
		done.began = time.Now()
		statements := []string{"INSERT INTO " + unit.schema + "." + unit.table + row}
		if seq%3 == 0 {
			statements = []string{"USE " + unit.schema, "BEGIN", "INSERT INTO " + unit.table + row, "COMMIT"}
		}
		for _, statement := range statements {
			if _, err := conn.ExecContext(ctx, statement); err != nil {
				l.mu.Lock()
				l.failed = append(l.failed, statement+": "+err.Error())
				l.mu.Unlock()
				_, _ = conn.ExecContext(ctx, "ROLLBACK")
				return
			}
		}
	}
	done.end = time.Now()
	var seen int // by a prepared statement, of both units
	const read = "SELECT COUNT(*) FROM shop.card c JOIN stock.item i ON i.client = c.client AND i.seq = c.seq WHERE c.client = ? AND c.seq = ?"
	if err := conn.QueryRowContext(ctx, read, client, seq).Scan(&seen); err != nil || seen != 1 {
		l.mu.Lock()
		l.failed = append(l.failed, fmt.Sprintf("a client sees %d of its row in both units: %v", seen, err))
		l.mu.Unlock()
	}
	l.mu.Lock()
	l.writes = append(l.writes, done)
	l.mu.Unlock()
}

func (l *bothUnits) end() {
	l.stop()
	l.wait.Wait()
}

// written says at which server each row of a table was written.
func (l *bothUnits) written(t *testing.T, s *mysqltest.Server, table string) map[[2]int]string {
	t.Helper()
	found, err := s.DB().QueryContext(t.Context(), "SELECT client, seq, server FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = found.Close() }()
	at := map[[2]int]string{}
	for found.Next() {
		var key [2]int
		var server string
		if err := found.Scan(&key[0], &key[1], &server); err != nil {
			t.Fatal(err)
		}
		if at[key] != "" {
			t.Errorf("DATA: %s has row %v of %s twice", s.Name, key, table)
		}
		at[key] = server
	}
	if err := found.Err(); err != nil {
		t.Fatal(err)
	}
	return at
}
