package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestDamagedRaftLog flips bits in the log of one of three nodes: it does not start, says
// by name what is wrong, and the others go on. Then what docs/nodes.md says is done, and
// it is one of three again.
func TestDamagedRaftLog(t *testing.T) {
	beside(t)
	n := startNodes(t)
	n.load(t)
	lead := n.leader(t)
	victim, living := (lead+1)%3, n.nodes[(lead+2)%3]
	s := living.startSteady(t, 4)
	n.procs[victim].stop(t)
	dir := filepath.Join(n.nodes[victim].cfg.Dir, "raft")
	flipBits(t, dir)

	name := string(n.nodes[victim].cfg.Node)
	n.procs[victim].saysDamaged(t, "sqlring raft remove "+name+" on another one, move "+dir+" away")
	n.lawIsRaised(t, living)
	if _, err := living.client.RemoveNode(t.Context(), name, "its log is damaged"); err != nil {
		t.Fatalf("raft remove %s: %v", name, err)
	}
	if err := os.Rename(dir, dir+".damaged"); err != nil {
		t.Fatal(err)
	}
	back := n.nodes[victim]
	back.cfg.Raft.BootstrapExpect = 0
	n.procs[victim] = back.startProcess(t, 0)
	eventually(t, 20*time.Second, "it is one of three again", func() error {
		r, err := living.client.Raft(t.Context())
		if err != nil {
			return err
		}
		voters := 0
		for _, p := range r.Peers {
			if p.Part == "voter" {
				voters++
			}
		}
		if voters != 3 {
			return fmt.Errorf("%d voters: %+v", voters, r.Peers)
		}
		return nil
	})
	back.untilHealthy(t, 10*time.Second)
	by := name + "@" + string(n.nodes[n.leader(t)].cfg.Node)
	living.audited(t, "order: take node "+name+" out", "dba@"+string(living.cfg.Node), "its log is damaged")
	living.audited(t, "order: let node "+name+" in", by, "it asks to be a voter, at "+back.cfg.Raft.Listen)
	living.audited(t, "order: let node "+name+" vote", by, "it asks to be a voter, at "+back.cfg.Raft.Listen)
	s.end()
	for _, err := range s.errors() {
		t.Error(err)
	}
	n.same(t)
	s.account(t, n.servers)
	t.Logf("FIGURE damaged raft log: named at the start; %d writes through the others meanwhile, longest pause %d ms", len(s.ends), s.pause(time.Time{}).Milliseconds())
}

// saysDamaged starts the node, which must end at once, with words about its damaged log.
func (p *nodeProcess) saysDamaged(t *testing.T, words string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), envNode+"="+p.file)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(text), "store is damaged") || !strings.Contains(string(text), words) {
		t.Fatalf("a node with a damaged log: %v: %s; no word of %q", err, text, words)
	}
	t.Logf("it says: %s", strings.TrimSpace(string(text)))
}

// damageOnly is a sole node before two servers whose log is damaged, with a state that was
// saved before; it says what to do, and its directory is moved away.
func damageOnly(t *testing.T) (r *rig, node *nodeProcess, dir string, saved api.SavedState) {
	t.Helper()
	r = &rig{servers: mysqltest.StartRing(t, 2), cfg: nodeConfig(t)}
	node = r.startProcess(t, 0)
	r.initRing(t)
	(&nodesRig{servers: r.servers, nodes: []*rig{r}}).load(t)
	r.writes(t, 1)
	saved = r.saved(t)
	node.killForGood(t) // and once more: members have seen later terms than a new node's
	node.again(t)
	r.untilHealthy(t, 20*time.Second)
	node.killForGood(t)
	node.ended.Wait()
	dir = filepath.Join(r.cfg.Dir, "raft")
	flipBits(t, dir)
	node.saysDamaged(t, "The only node: move "+dir+" away, then sqlring raft snapshot restore SAVED --config FILE")
	if err := os.Rename(dir, dir+".damaged"); err != nil {
		t.Fatal(err)
	}
	return r, node, dir, saved
}

func (r *rig) saved(t *testing.T) api.SavedState {
	t.Helper()
	saved, err := r.client.SavedState(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return saved
}

// begins has the node, which is stopped and has no state, begin with a saved one.
func (r *rig) begins(t *testing.T, saved api.SavedState) {
	t.Helper()
	text, err := json.Marshal(saved)
	file := filepath.Join(t.TempDir(), "saved")
	if err := errors.Join(err, os.WriteFile(file, text, 0o600)); err != nil {
		t.Fatal(err)
	}
	_, state, err := app.ReadState(file)
	if err != nil {
		t.Fatal(err)
	}
	by := topology.Beginning{At: time.Now(), By: "dba@n1", Why: "its log is damaged", Evidence: []string{"file " + file}}
	if err := app.RestoreState(r.cfg, state, by, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

// writes writes a row, and waits until each server has it and those before it.
func (r *rig) writes(t *testing.T, seq int) {
	t.Helper()
	if _, err := r.pool(t, asApp).ExecContext(t.Context(), "INSERT INTO steady.w (node, client, seq) VALUES ('n1', 1, ?)", seq); err != nil {
		t.Fatalf("write %d: %v", seq, err)
	}
	for _, s := range r.servers {
		eventually(t, 10*time.Second, "all is there", func() error {
			if got := s.Query(t, "SELECT COUNT(*) FROM steady.w"); got != strconv.Itoa(seq) {
				return fmt.Errorf("%s has %s rows of %d", s.Name, got, seq)
			}
			return nil
		})
	}
}

// TestDamagedRaftLogOfTheOnlyNode does what a sole node says when its log is damaged: it
// begins with a saved state, and goes on.
func TestDamagedRaftLogOfTheOnlyNode(t *testing.T) {
	beside(t)
	r, node, _, saved := damageOnly(t)
	r.begins(t, saved)
	node.again(t)
	r.untilHealthy(t, 20*time.Second)
	r.writes(t, 2)
}

// TestDamagedRaftLogAndNoSavedState does what docs/nodes.md says where no state was saved:
// the members are adopted anew, and nothing is lost.
func TestDamagedRaftLogAndNoSavedState(t *testing.T) {
	beside(t)
	r, node, dir, _ := damageOnly(t)
	knowsNoRing := func() {
		t.Helper()
		eventually(t, 20*time.Second, "it knows of no ring", func() error {
			st, err := r.client.Status(t.Context())
			if err == nil && st.Ring != "" {
				err = fmt.Errorf("ring %s", st.Ring)
			}
			return err
		})
	}
	node.again(t)
	knowsNoRing()
	empty := r.saved(t)
	node.killForGood(t)
	node.ended.Wait()
	if err := os.Rename(dir, dir+".empty"); err != nil {
		t.Fatal(err)
	}
	r.begins(t, empty)
	node.again(t)
	knowsNoRing()
	for _, s := range r.servers {
		s.Exec(t, "SET SESSION sql_log_bin=0; DROP DATABASE sqlring")
	}
	r.adoptRing(t)
	r.writes(t, 2)
}

// flipBits changes a byte of every page of the log but the first ones.
func flipBits(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil || len(files) == 0 {
		all, _ := filepath.Glob(filepath.Join(dir, "*"))
		t.Fatalf("no log in %s: %v %v", dir, all, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for at := 2*os.Getpagesize() + 100; at < len(text); at += os.Getpagesize() {
			text[at] ^= 0xff
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
