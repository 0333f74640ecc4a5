package app_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
)

// TestTwoOwners makes a schema a unit and gives it to another member than the rest:
// both owners are open and armed, both write, and each acknowledges the other. Then
// one of them dies, comes back, is drained.
func TestTwoOwners(t *testing.T) {
	beside(t)
	for _, members := range []int{2, 3} {
		t.Run(fmt.Sprint(members), func(t *testing.T) { playTwoOwners(t, members) })
	}
}

func playTwoOwners(t *testing.T, members int) {
	beside(t)
	r := startRig(t, members)
	root := r.pool(t, nil)
	for _, statement := range []string{
		"CREATE DATABASE shop", "CREATE TABLE shop.card (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, n INT)",
		"CREATE DATABASE stock", "CREATE TABLE stock.item (id INT PRIMARY KEY)", "CREATE VIEW stock.both AS SELECT i.id FROM stock.item i, shop.card",
		"CREATE USER 'shopper'@'%' IDENTIFIED BY 'shop secret'", "GRANT ALL ON shop.* TO 'shopper'@'%'",
	} {
		if _, err := root.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	r.refusesTied(t)
	if _, err := root.ExecContext(t.Context(), "DROP VIEW stock.both"); err != nil {
		t.Fatal(err)
	}
	started, err := r.client.CreateUnit(t.Context(), api.CreateUnitRequest{Name: "shop", GraceMS: 50, Why: "test"})
	if err != nil {
		t.Fatal(err)
	}
	r.awaitDone(t, started.Operation.ID)
	r.move(t, "shop", "m2")
	r.untilHealthy(t, 10*time.Second)

	w := r.startWorkload(t) // in the rest, through the proxy, at m1
	shop := r.startShop(t)
	time.Sleep(3 * time.Second)
	if n := shop.count.Load(); n < 50 {
		t.Errorf("%d rows were written in shop within 3 s: %v", n, shop.failed.Load())
	}
	for _, m := range r.status(t).Members[:2] {
		if m.SemiSync.Ordered != "armed" || m.SemiSync.On == nil || !*m.SemiSync.On || m.ReadOnly == nil || *m.ReadOnly {
			t.Errorf("%s owns %v, semi-sync %+v, read-only %v", m.Name, m.Owns, m.SemiSync, m.ReadOnly)
		}
	}
	shop.end()
	r.servers[1].Kill() // the owner of shop; that of the rest goes on
	eventually(t, 20*time.Second, "shop has an heir", func() error {
		if units := ownersOf(r.status(t)); units["shop"] == "m2" || units["shop"] == "" || units["*"] != "m1" {
			return fmt.Errorf("owners %v: %s", units, r.why(t))
		}
		return nil
	})
	r.servers[1].RestartNow(t)
	r.untilWhole(t, 60*time.Second)

	heir := ownersOf(r.status(t))["shop"]
	if _, err := r.client.ChangeUnit(t.Context(), "shop", "pin", false, "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.ChangeMember(t.Context(), heir, "drain", false, "test"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if now := ownersOf(r.status(t))["shop"]; now != heir {
		t.Errorf("shop is pinned to %s and has moved to %s", heir, now)
	}
	if _, err := r.client.ChangeUnit(t.Context(), "shop", "unpin", false, "test"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, heir+" owns nothing", func() error {
		for unit, owner := range ownersOf(r.status(t)) {
			if owner == heir || owner == "" {
				return fmt.Errorf("unit %s is %q's: %s", unit, owner, r.why(t))
			}
		}
		return nil
	})
	w.end()
	r.untilHealthy(t, 20*time.Second)
	r.untilEqual(t, "faults.w", "faults.account", "faults.move", "shop.card")
	for _, s := range r.servers {
		w.account(t, s)
		if n := s.Query(t, "SELECT COUNT(*) FROM shop.card"); n < fmt.Sprint(shop.count.Load()) && len(n) <= len(fmt.Sprint(shop.count.Load())) {
			t.Errorf("%s has %s rows of shop, %d were acknowledged", s.Name, n, shop.count.Load())
		}
	}
	t.Logf("%d rows written in shop, %d writes in the rest", shop.count.Load(), len(w.writes))
}

// refusesTied asks for a unit that a view ties to another schema.
func (r *rig) refusesTied(t *testing.T) {
	t.Helper()
	_, err := r.client.CreateUnit(t.Context(), api.CreateUnitRequest{Name: "shop", Why: "test"})
	var p *api.Problem
	if !errors.As(err, &p) || p.Check != "closed set" || !strings.Contains(p.Detail, "view stock.both names shop") {
		t.Fatalf("a unit whose schema a view of another one names: %v", err)
	}
}

func (r *rig) awaitDone(t *testing.T, id string) {
	t.Helper()
	eventually(t, 20*time.Second, id+" is done", func() error {
		op, err := r.client.Operation(t.Context(), id)
		if err == nil && op.State != "done" {
			err = fmt.Errorf("it is %s at %q: %s", op.State, op.Cursor, r.why(t))
		}
		return err
	})
}

func ownersOf(s api.Status) map[string]string {
	owners := map[string]string{}
	for _, u := range s.Units {
		owners[u.Name] = u.Owner
	}
	return owners
}

// shopLoad writes in the schema shop through the proxy, and counts what was acknowledged.
type shopLoad struct {
	count  atomic.Int64
	failed atomic.Value
	stop   context.CancelFunc
	wait   sync.WaitGroup
}

func (r *rig) startShop(t *testing.T) *shopLoad {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &shopLoad{stop: stop}
	db := r.pool(t, func(cfg *mysql.Config) { cfg.User, cfg.Passwd = "shopper", "shop secret" }) // root is m1's own
	for range 4 {
		l.wait.Go(func() {
			for ctx.Err() == nil {
				if _, err := db.ExecContext(ctx, "INSERT INTO shop.card (n) VALUES (1)"); err != nil {
					if ctx.Err() == nil {
						l.failed.Store(err.Error())
					}
					return
				}
				l.count.Add(1)
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	t.Cleanup(l.end)
	return l
}

func (l *shopLoad) end() {
	l.stop()
	l.wait.Wait()
}
