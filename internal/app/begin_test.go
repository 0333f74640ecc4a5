package app_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestWhoHasANodeBegin: two of three nodes are gone for good, and the third is made to go on
// alone; then all disks are gone, and one begins with a saved state. Each time the audit says who
// did it, when, why, and from what, as soon as the node leads, and once, restarts included.
func TestWhoHasANodeBegin(t *testing.T) {
	beside(t)
	n := startNodes(t)
	n.load(t)
	left := n.nodes[0]
	n.lawIsRaised(t, left)
	for _, p := range n.procs {
		p.killForGood(t)
		p.ended.Wait()
	}
	by := topology.Beginning{At: time.Now(), By: "dba@n1", Why: "two hosts burnt", Evidence: []string{"typed by ann on n1.example"}}
	if lines, used, err := app.Remains(left.cfg, slog.New(slog.DiscardHandler)); err != nil || !used || !strings.Contains(lines[0], "n1 (voter") {
		t.Fatalf("it has %q: %v", lines, err)
	}
	if err := app.Recover(left.cfg, by, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	recovered := "raft recover: node n1 goes on alone, without n2, n3"
	for range 2 {
		n.procs[0].again(t)
		left.untilHealthy(t, 20*time.Second)
		left.begun(t, by, recovered, "raft's configuration was n1 (voter, ", "n3 (voter, ", "the log goes from ", "typed by ann on n1.example")
		n.procs[0].killForGood(t)
		n.procs[0].ended.Wait()
	}
	n.procs[0].again(t)
	left.untilHealthy(t, 20*time.Second)
	file := left.saves(t)
	n.procs[0].killForGood(t)
	n.procs[0].ended.Wait()
	if err := os.Rename(filepath.Join(left.cfg.Dir, "raft"), filepath.Join(left.cfg.Dir, "raft.lost")); err != nil {
		t.Fatal(err)
	}
	_, state, err := app.ReadState(file)
	if err != nil {
		t.Fatal(err)
	}
	again := topology.Beginning{At: time.Now(), By: "dba@n1", Why: "its disk too", Evidence: []string{"file " + file}}
	if err := app.RestoreState(left.cfg, state, again, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	n.procs[0].again(t)
	left.untilHealthy(t, 20*time.Second)
	left.begun(t, again, "raft snapshot restore: node n1 begins with the state of index ", "file "+file)
	left.begun(t, by, recovered, "raft's configuration was n1 (voter, ")
	db := left.pool(t, asApp)
	if _, err := db.ExecContext(t.Context(), "INSERT INTO steady.w (node, client, seq) VALUES ('n1', 99, 1)"); err != nil {
		t.Errorf("a write after it: %v", err)
	}
}

// begun wants one line of the audit, and the same among what `why` tells, about how the node
// began.
func (r *rig) begun(t *testing.T, by topology.Beginning, what string, evidence ...string) {
	t.Helper()
	is := func(e api.Event) bool { return strings.HasPrefix(e.What, what) }
	events, _, err := r.client.FindEvents(t.Context(), api.EventQuery{Limit: 1024})
	if err != nil {
		t.Fatal(err)
	}
	events = slices.DeleteFunc(events, func(e api.Event) bool { return !is(e) })
	if len(events) != 1 {
		t.Fatalf("%d lines say %q: %+v", len(events), what, events)
	}
	e, all := events[0], strings.Join(events[0].Evidence, "\n")
	if e.By != by.By || e.Why != by.Why || !e.At.Equal(by.At) || e.Index == 0 {
		t.Errorf("it was by %q at %s because %q: %+v", by.By, by.At, by.Why, e)
	}
	for _, line := range evidence {
		if !strings.Contains(all, line) {
			t.Errorf("its evidence has no %q: %q", line, e.Evidence)
		}
	}
	why, err := r.client.Why(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(why.Decisions, is) {
		t.Errorf("why does not tell %q: %+v", what, why.Decisions)
	}
}
