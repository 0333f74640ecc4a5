package app_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), envNode+"="+n.procs[victim].file)
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(text), "store is damaged") {
		t.Fatalf("a node with a damaged log: %v: %s", err, text)
	}
	t.Logf("it says: %s", strings.TrimSpace(string(text)))

	name := string(n.nodes[victim].cfg.Node)
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
