package app_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
)

// TestMoveWhileStatementsWait moves a unit while statements wait at its owner's gate, behind a
// transaction that outlasts the grace, and by a rule: they are run at the new owner, once, and
// nobody gets an error but who had the transaction.
func TestMoveWhileStatementsWait(t *testing.T) {
	beside(t)
	r := startRig(t, 2)
	r.appAccount(t)
	db := r.app1(t)
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)"); err != nil {
		t.Fatal(err)
	}
	const rule = "account:app"
	one := 1
	for _, tt := range []struct {
		name, waits, to string
		set, unset      func() error
	}{
		{"at a gate", "a place at m1", "m2", func() error {
			_, err := r.client.SetGates(t.Context(), api.GateSetRequest{Floor: &one, Ceiling: &one}, false)
			return err
		}, func() error {
			_, err := r.client.SetGates(t.Context(), api.GateSetRequest{Default: true}, false)
			return err
		}},
		{"by a rule", "a rule of the DBA: " + rule, "m1", func() error {
			_, err := r.client.SetLimit(t.Context(), api.LimitRequest{Scope: rule, Concurrency: 1, ForMS: time.Hour.Milliseconds(), Why: "test"}, false)
			return err
		}, func() error {
			_, err := r.client.ClearLimit(t.Context(), api.LimitClearRequest{Scope: rule, Why: "test"}, false)
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.set(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(600 * time.Millisecond) // the proxy takes it up at its next tick
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(t.Context(), "INSERT INTO t (v) VALUES (0)"); err != nil {
				t.Fatal(err)
			}
			const waiters = 5
			done := make(chan error, waiters)
			for i := range waiters {
				go func() {
					_, err := db.ExecContext(t.Context(), "INSERT INTO t (v) VALUES (?)", i+1)
					done <- err
				}()
			}
			eventually(t, 10*time.Second, "they wait", func() error {
				list, err := r.client.Sessions(t.Context(), api.SessionFilter{State: "waits"})
				if err == nil && len(list.Sessions) != waiters {
					err = fmt.Errorf("%d wait: %+v", len(list.Sessions), list.Sessions)
				}
				for _, s := range list.Sessions {
					if !strings.HasPrefix(s.WaitsFor, tt.waits) {
						err = errors.New(s.WaitsFor)
					}
				}
				return err
			})
			if op := r.move(t, "*", tt.to); op.State != "done" {
				t.Fatalf("the move is %s at %s", op.State, op.Cursor)
			}
			if err := tx.Commit(); err == nil {
				t.Error("a transaction of the old owner was committed")
			}
			for range waiters {
				if err := <-done; err != nil {
					t.Errorf("one that waited: %v", err)
				}
			}
			if err := tt.unset(); err != nil {
				t.Fatal(err)
			}
			for _, s := range r.servers {
				eventually(t, 10*time.Second, "the rows of "+s.Name, func() error {
					if got := s.Query(t, "SELECT GROUP_CONCAT(v ORDER BY v) FROM shop.t"); got != "1,2,3,4,5" {
						return fmt.Errorf("%s has %s", s.Name, got)
					}
					return nil
				})
			}
			if _, err := db.ExecContext(t.Context(), "DELETE FROM t"); err != nil {
				t.Fatal(err)
			}
			r.untilHealthy(t, 20*time.Second)
		})
	}
}
