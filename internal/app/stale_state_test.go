package app_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestStaleStateIsRestored: a state is saved, the units move to another member and are written
// there, every node is gone with its disk, and one begins with the old file while the members
// run on. The member that owned by the file applies nothing at that moment: it takes no write
// before it has all that was acknowledged meanwhile. Nothing is lost, no change is made of a
// row as it was before, one member owns everything, and the ring is whole.
//
// The ring is async: a semi-sync one that was saved while it was armed is kept closed besides, by what its acker has.
func TestStaleStateIsRestored(t *testing.T) {
	beside(t)
	n := startNodesAt(t, &rig{servers: mysqltest.StartRing(t, 3), durability: "async"}, func(*app.Config) {}, "voter", "voter", "voter")
	n.load(t)
	via := n.nodes[0]
	via.exec(t, "CREATE TABLE steady.c (id INT PRIMARY KEY, n INT)", "INSERT INTO steady.c VALUES (1, 0)")
	old := n.owner(t, via)
	saved := via.saves(t)
	via.move(t, "*", n.servers[(slices.Index(n.servers, old)+2)%3].Name)
	n.same(t)
	held := heldTable(t, old, "steady.w")
	db := via.pool(t, asApp)
	for seq := range 20 {
		for _, statement := range []string{fmt.Sprintf("INSERT INTO steady.w (node, client, seq) VALUES ('n1', 1, %d)", seq), "UPDATE steady.c SET n=n+1"} {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	n.goneAndRestored(t, saved)
	counts := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		_, err := db.ExecContext(ctx, "UPDATE steady.c SET n=n+1")
		return err
	}
	began, taken := time.Now(), 0
	for time.Since(began) < 4*time.Second {
		if counts(time.Second) == nil {
			taken++
		}
		time.Sleep(50 * time.Millisecond)
	}
	if taken > 0 {
		t.Errorf("DATA: while %s lacks what was acknowledged, %d changes were taken; %s", old.Name, taken, via.why(t))
	}
	if told := fmt.Sprint(via.status(t).Reasons); !strings.Contains(told, "the state was restored: its writes wait until "+old.Name+" has all") {
		t.Errorf("status says %s", told)
	}
	if err := held.Rollback(); err != nil {
		t.Fatal(err)
	}
	via.untilHealthy(t, 40*time.Second)
	if err := counts(10 * time.Second); err != nil {
		t.Errorf("a change afterwards: %v", err)
	}
	n.same(t)
	for _, s := range n.servers {
		if got := s.Query(t, "SELECT CONCAT(COUNT(DISTINCT seq), '/', COUNT(*)) FROM steady.w"); got != "20/20" {
			t.Errorf("DATA: %s has %s of 20 acknowledged rows", s.Name, got)
		}
	}
	eventually(t, 20*time.Second, "DATA: each has each change", func() error {
		for _, s := range n.servers {
			if got := s.Query(t, "SELECT n FROM steady.c"); got != fmt.Sprint(20+taken+1) {
				return fmt.Errorf("%s has %s of %d acknowledged changes", s.Name, got, 20+taken+1)
			}
		}
		return nil
	})
	n.oneIsOpen(t)
}

// TestStateOfFewerMembersIsRestored: a member was added, and owned everything, since the state
// was saved that one begins with: the others have all that it acknowledged, the ring of the file
// is whole without it, and it comes back by being added again.
func TestStateOfFewerMembersIsRestored(t *testing.T) {
	beside(t)
	servers := mysqltest.StartRing(t, 3)
	n := startNodesBefore(t, servers[:2], func(*app.Config) {}, "voter", "voter", "voter")
	n.load(t)
	via := n.nodes[0]
	saved := via.saves(t)
	via.add(t, servers[2])
	via.untilHealthy(t, 30*time.Second)
	n.servers, via.servers = servers, servers
	via.move(t, "*", servers[2].Name)
	s := via.startSteady(t, 2)
	time.Sleep(500 * time.Millisecond)
	s.end()
	n.goneAndRestored(t, saved)
	eventually(t, 40*time.Second, "writes are taken", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := via.pool(t, asApp).ExecContext(ctx, "INSERT INTO steady.w (node, client, seq) VALUES ('n1', 99, 1)")
		if err != nil {
			err = fmt.Errorf("%w: %s", err, via.why(t))
		}
		return err
	})
	s.account(t, servers[:2])
	via.untilHealthy(t, 30*time.Second)
	if _, err := via.client.AddMember(t.Context(), api.AddRequest{InitMember: api.InitMember{ID: servers[2].Name, Addr: servers[2].Addr}, DiscardData: true, Why: "test"}, false); err != nil {
		t.Fatalf("it is added again: %v", err)
	}
	via.untilIn(t, servers[2].Name, time.Minute)
	via.untilHealthy(t, 30*time.Second)
	n.same(t)
	s.account(t, servers)
	n.oneIsOpen(t)
}

// TestLaterOwnerIsLostWithTheNodes: the member that the units moved to after the state was saved
// is gone with every node. Status names it, with the word that goes on without it, and that does.
func TestLaterOwnerIsLostWithTheNodes(t *testing.T) {
	beside(t)
	n := startNodesBefore(t, mysqltest.StartRing(t, 3), func(*app.Config) {}, "voter", "voter", "voter")
	n.load(t)
	via := n.nodes[0]
	saved := via.saves(t)
	later := n.servers[(slices.Index(n.servers, n.owner(t, via))+2)%3]
	via.move(t, "*", later.Name)
	s := via.startSteady(t, 2)
	time.Sleep(500 * time.Millisecond)
	s.end()
	later.Kill()
	n.goneAndRestored(t, saved)
	eventually(t, 30*time.Second, "the way out is named", func() error {
		if why := via.why(t); !strings.Contains(why, "bring "+later.Name+" back, or give up what only it has: sqlring ring heal --accept-loss") {
			return errors.New(why)
		}
		return nil
	})
	heal := via.status(t).Operation
	if heal == nil {
		t.Fatal("no heal is under way")
	}
	if _, err := via.client.AcceptLoss(t.Context(), heal.ID, api.AcceptLossRequest{Why: "test"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "writes are taken", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := via.pool(t, asApp).ExecContext(ctx, "INSERT INTO steady.w (node, client, seq) VALUES ('n1', 99, 1)")
		return err
	})
	eventually(t, 10*time.Second, "DATA: both have what was received", func() error {
		x, y := n.servers[0], n.servers[1]
		if later == x {
			x = n.servers[2]
		} else if later == y {
			y = n.servers[2]
		}
		if checksum(t, x, "steady.w") != checksum(t, y, "steady.w") {
			return errors.New("the checksums differ")
		}
		return nil
	})
	for _, left := range n.servers {
		if left != later {
			s.account(t, []*mysqltest.Server{left})
		}
	}
}

// saves returns the file of a state that is saved now.
func (r *rig) saves(t *testing.T) string {
	t.Helper()
	saved, err := r.client.SavedState(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(saved)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "saved")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// goneAndRestored kills every node for good, and has the first begin with a saved state.
func (n *nodesRig) goneAndRestored(t *testing.T, file string) {
	t.Helper()
	for _, p := range n.procs {
		p.killForGood(t)
		p.ended.Wait()
	}
	cfg := n.nodes[0].cfg
	if err := os.Rename(filepath.Join(cfg.Dir, "raft"), filepath.Join(cfg.Dir, "raft.lost")); err != nil {
		t.Fatal(err)
	}
	_, state, err := app.ReadState(file)
	if err != nil {
		t.Fatal(err)
	}
	by := topology.Beginning{At: time.Now(), By: "dba@n1", Why: "all disks burnt", Evidence: []string{"file " + file}}
	if err := app.RestoreState(cfg, state, by, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	n.procs[0].again(t)
	eventually(t, 20*time.Second, "it leads", func() error {
		st, err := n.nodes[0].client.Status(t.Context())
		if err == nil && st.Leader != string(cfg.Node) {
			err = errors.New("it does not")
		}
		return err
	})
}

// heldTable keeps a server from applying rows of a table, until it is rolled back.
func heldTable(t *testing.T, s *mysqltest.Server, table string) *sql.Tx {
	t.Helper()
	tx, err := s.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() })
	var rows int
	if err := tx.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM "+table+" FOR UPDATE").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return tx
}

// oneIsOpen wants one member that owns, and no other one open.
func (n *nodesRig) oneIsOpen(t *testing.T) {
	t.Helper()
	owner := n.owner(t, n.nodes[0])
	for _, s := range n.servers {
		if open := s.Query(t, "SELECT @@global.read_only") == "0"; open != (s == owner) {
			t.Errorf("%s is open: %t; %s owns", s.Name, open, owner.Name)
		}
	}
}
