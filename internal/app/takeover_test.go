package app_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// session is one client that lives through a takeover: it writes by a prepared
// statement, under variables and a schema of its own, and notes what it was told.
type session struct {
	conn   *sql.Conn
	insert *sql.Stmt

	mu    sync.Mutex // guards what follows
	acked []int
	at    []time.Time // of each
	told  map[uint16]int
	broke error
}

const takeoverPassword = "through the ring"

// takeoverPool returns connections as an account that every member has: root's
// password differs from member to member.
func (r *rig) takeoverPool(t *testing.T) *sql.DB {
	t.Helper()
	root := r.pool(t, nil)
	for _, statement := range []string{
		"CREATE DATABASE cards",
		"CREATE TABLE cards.card (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, client INT, seq INT)",
		"CREATE USER writer@'%' IDENTIFIED BY '" + takeoverPassword + "'",
		"GRANT ALL ON cards.* TO writer@'%'",
	} {
		if _, err := root.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return r.writersPool(t)
}

// writersPool is takeoverPool once its account is there.
func (r *rig) writersPool(t *testing.T) *sql.DB {
	t.Helper()
	return r.pool(t, func(c *mysql.Config) {
		c.User, c.Passwd, c.DBName, c.ReadTimeout = "writer", takeoverPassword, "cards", 20*time.Second
	})
}

func openSession(t *testing.T, db *sql.DB) *session {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := conn.ExecContext(t.Context(), "SET NAMES latin1, time_zone='+05:00', SESSION sql_mode='ANSI_QUOTES,STRICT_ALL_TABLES'"); err != nil {
		t.Fatal(err)
	}
	insert, err := conn.PrepareContext(t.Context(), "INSERT INTO card (client, seq) VALUES (?, ?)")
	if err != nil {
		t.Fatal(err)
	}
	return &session{conn: conn, insert: insert, told: map[uint16]int{}}
}

// write writes until ctx ends. An error never ends it, but for a broken connection.
func (s *session) write(ctx context.Context, client int) {
	for seq := 0; ctx.Err() == nil; seq++ {
		_, err := s.insert.ExecContext(context.WithoutCancel(ctx), client, seq)
		var e *mysql.MySQLError
		s.mu.Lock()
		switch {
		case err == nil:
			s.acked, s.at = append(s.acked, seq), append(s.at, time.Now())
		case errors.As(err, &e):
			s.told[e.Number]++
		default:
			s.broke = err
		}
		broke := s.broke != nil
		s.mu.Unlock()
		if broke {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// outage returns the longest time without an acknowledged write.
func (s *session) outage() (longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 1; i < len(s.at); i++ {
		longest = max(longest, s.at[i].Sub(s.at[i-1]))
	}
	return longest
}

// TestTakeover kills the owner, or freezes it, under sessions that hold prepared
// statements and variables: none of their connections breaks, writes go on, nothing
// that was acknowledged is lost, and the ring becomes whole again.
func TestTakeover(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit time.Duration
	}{{"kill", 2 * time.Second}, {"freeze", 8 * time.Second}} {
		t.Run(tt.name, func(t *testing.T) {
			r := startRig(t, 2)
			db := r.takeoverPool(t)
			sessions := make([]*session, 8)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var writing sync.WaitGroup
			for i := range sessions {
				s := openSession(t, db)
				sessions[i] = s
				writing.Go(func() { s.write(ctx, i) })
			}
			time.Sleep(500 * time.Millisecond)
			if tt.name == "kill" {
				r.servers[0].Kill()
			} else {
				r.servers[0].Freeze()
			}
			struck := time.Now()
			eventually(t, 20*time.Second, "writes go on", func() error {
				for i, s := range sessions {
					s.mu.Lock()
					last, broke := s.at[len(s.at)-1], s.broke
					s.mu.Unlock()
					if broke != nil {
						t.Fatalf("the connection of session %d broke: %v", i, broke)
					}
					if last.Sub(struck) < 100*time.Millisecond { // what was under way then does not count
						return fmt.Errorf("session %d has written last %s after it", i, last.Sub(struck))
					}
				}
				return nil
			})
			stop()
			writing.Wait()
			worst, told := time.Duration(0), map[uint16]int{}
			for i, s := range sessions {
				worst = max(worst, s.outage())
				for number, n := range s.told {
					told[number] += n
				}
				checkSession(t, r, i, s)
			}
			stats := r.status(t).Proxy
			t.Logf("%s: worst outage of %d sessions %d ms; errors by number %v; proxy %+v", tt.name, len(sessions), worst.Milliseconds(), told, stats)
			if worst > tt.limit {
				t.Errorf("writes stood still for %v", worst)
			}
			if tt.name == "kill" {
				r.servers[0].RestartNow(t)
			} else {
				r.servers[0].Thaw()
			}
			r.untilHealthy(t, 60*time.Second)
			eventually(t, 10*time.Second, "the members are equal", func() error {
				return sameRows(t, r, "cards.card")
			})
		})
	}
}

// sameRows compares a table on the first two members.
func sameRows(t *testing.T, r *rig, table string) error {
	t.Helper()
	if a, b := checksum(t, r.servers[0], table), checksum(t, r.servers[1], table); a != b {
		return fmt.Errorf("checksums %s and %s", a, b)
	}
	return nil
}

// checkSession looks for what a session was told to be done, and for what it has
// set.
func checkSession(t *testing.T, r *rig, client int, s *session) {
	t.Helper()
	present := map[int]bool{}
	for key, times := range rows(t, r.servers[1], fmt.Sprintf("SELECT client, seq FROM cards.card WHERE client=%d", client)) {
		if present[key[1]] = true; times > 1 {
			t.Errorf("write %d of client %d was run %d times", key[1], client, times)
		}
	}
	for _, seq := range s.acked {
		if !present[seq] {
			t.Errorf("DATA: lost: write %d of client %d was acknowledged", seq, client)
		}
	}
	for number := range s.told {
		if number != 1105 {
			t.Errorf("client %d got error %d", client, number)
		}
	}
	var got string
	if err := s.conn.QueryRowContext(t.Context(), "SELECT CONCAT_WS(' ', DATABASE(), @@character_set_client, @@time_zone, @@sql_mode, @@auto_increment_offset)").Scan(&got); err != nil {
		t.Errorf("client %d: %v", client, err)
	}
	if want := "cards latin1 +05:00 ANSI_QUOTES,STRICT_ALL_TABLES 2"; got != want {
		t.Errorf("client %d has %q, want %q", client, got, want)
	}
}
