package mysqld_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// stranger has an application's account hold a lock of the nodes; what is returned ends it.
func stranger(t *testing.T, n *node, lock string) (id string, end func()) {
	t.Helper()
	n.Exec(t, "SET sql_log_bin=0; CREATE USER IF NOT EXISTS app@'%' IDENTIFIED BY 'app'; SET sql_log_bin=1")
	return holds(t, n, "app:app", lock)
}

func holds(t *testing.T, n *node, as, lock string) (id string, end func()) {
	t.Helper()
	db, err := sql.Open("mysql", as+"@tcp("+n.Addr+")/")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.WithoutCancel(t.Context())
	c, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got int
	if err := c.QueryRowContext(ctx, "SELECT GET_LOCK(?, 5), CONNECTION_ID()", lock).Scan(&got, &id); err != nil || got != 1 {
		t.Fatalf("the lock %s: %d, %v", lock, got, err)
	}
	return id, func() { _, _ = c.Close(), db.Close() }
}

// TestLocksThatStrangersHold: an account that is no node's holds each lock of the nodes, for
// longer than anything may wait. What is seen of the member is right meanwhile, and who is in the
// way is told, and ended when something has to be done.
func TestLocksThatStrangersHold(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "a MySQL has no such position")
	nodes := world(t, 2)
	n, up := nodes[0], nodes[1]
	n.do(t, n.prepare())
	up.do(t, up.prepare())
	n.Exec(t, "CREATE DATABASE shop; CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY)")
	n.do(t, follow(up))
	patient := config()
	patient.Probe = time.Second
	n.Member = handle(t, n.Server, patient)
	for _, lock := range []string{topology.PositionLock, topology.WaitLock(0), topology.WaitLock(31)} {
		t.Run(lock, func(t *testing.T) {
			want := n.see(t).Applied
			id, end := stranger(t, n, lock)
			defer end()
			says := fmt.Sprintf("connection %s (app@", id)
			time.Sleep(600 * time.Millisecond)
			for range 3 {
				began := time.Now()
				o := n.see(t)
				if took := time.Since(began); took > 900*time.Millisecond || !o.Applied.Covers(want) || len(o.Applied) != len(want) {
					t.Errorf("after %s it is seen to have %s, want %s", took, o.Applied, want)
				}
				if told := strings.Contains(o.Held, says) && strings.Contains(o.Held, lock); told != (lock == topology.PositionLock) {
					t.Errorf("it is told: %q", o.Held)
				}
			}
			// The position has to be set: its own transactions are to be noted.
			n.Exec(t, "STOP SLAVE; INSERT INTO shop.t VALUES ()")
			began := time.Now()
			n.do(t, follow(up))
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("it took %s", took)
			}
			if n.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE id="+id) != "0" {
				t.Error("who was in the way is still there")
			}
			n.eventually(t, "it follows, and has its own noted", func(o topology.Observation) bool {
				return o.Link.Receiver == topology.ThreadRunning && o.Applied.Seq(n.identity) > 0 && o.Held == ""
			})
		})
	}
	t.Run("another node, which is not ended", func(t *testing.T) {
		id, end := holds(t, n, mysqltest.Manager+":"+mysqltest.ManagerPassword, topology.WaitLock(7))
		defer end()
		says := fmt.Sprintf("connection %s (%s@", id, mysqltest.Manager)
		n.Exec(t, "STOP SLAVE; INSERT INTO shop.t VALUES ()")
		began := time.Now()
		err := n.Execute(t.Context(), follow(up))
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), topology.WaitLock(7)) || took > 4*time.Second {
			t.Errorf("it was done, or not told, after %s: %v", took, err)
		}
		if o := n.see(t); !strings.Contains(o.Held, says) || !strings.Contains(o.Held, "KILL") {
			t.Errorf("what is seen tells %q", o.Held)
		}
		end()
		n.do(t, follow(up))
	})
}

// TestHandsThatAStrangerHolds: whoever holds the lock of the hands is ended, as a frozen node that
// led is.
func TestHandsThatAStrangerHolds(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	n.Close()
	_, end := stranger(t, n, "sqlring_hands")
	defer end()
	next := handle(t, n.Server, config())
	next.Lead(2)
	began := time.Now()
	if err := next.Execute(t.Context(), kind(topology.ActClose)); err != nil || time.Since(began) > 3*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}

// TestAStrangerThatCanNotBeEnded is named: on a MySQL, who has SYSTEM_USER is ended by none but
// those who have it too, as the manager's account has in these rings.
func TestAStrangerThatCanNotBeEnded(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	if !isMySQL(t) {
		t.Skip("ONLY-MYSQL: a MariaDB has no SYSTEM_USER: whoever may end connections ends each")
	}
	n.Close()
	_, end := stranger(t, n, "sqlring_nobody") // makes the account
	end()
	n.Exec(t, "SET sql_log_bin=0; GRANT SYSTEM_USER ON *.* TO app@'%'; REVOKE SYSTEM_USER ON *.* FROM "+mysqltest.Manager+"@'127.0.0.1'; SET sql_log_bin=1") // counts for new connections
	id, end := stranger(t, n, "sqlring_hands")
	defer end()
	began := time.Now()
	err := n.Execute(t.Context(), kind(topology.ActClose))
	if err == nil || !strings.Contains(err.Error(), "connection "+id+" (app@") || time.Since(began) > 4*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
	if o := n.see(t); !strings.Contains(o.Held, "connection "+id+" (app@") {
		t.Errorf("it is told: %q", o.Held)
	}
}
