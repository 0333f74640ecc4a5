package app_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestDiskFullOfANode fills the disk of the raft log of the node that leads three, while
// changes are ordered. Another one leads, and changes go on; the node says by name what it
// lacks; once there is room it is one of three again, with a log that is whole.
func TestDiskFullOfANode(t *testing.T) {
	mysqltest.NeedRoot(t, "mounting a file system")
	disks := map[string]*mysqltest.Disk{}
	n := startNodesWith(t, func(cfg *app.Config) {
		disks[string(cfg.Node)] = mysqltest.MountDisk(t, filepath.Join(cfg.Dir, "raft"))
	}, "voter", "voter", "voter")
	n.load(t)
	victim := n.leader(t)
	name, living := string(n.nodes[victim].cfg.Node), n.nodes[(victim+1)%3]
	s := living.startSteady(t, 4)
	t.Cleanup(func() { disks[name].Free(t) })
	disks[name].Fill(t)
	at := time.Now()
	orders := n.order(t, living, 100)
	lead := n.leader(t)
	took := time.Since(at)
	told := n.says(t, victim)
	disks[name].Free(t)
	if !strings.Contains(told, "no space left") || !strings.Contains(told, "its raft log can not be written") {
		t.Errorf("it does not say what it lacks: %s", told)
	}
	if lead == victim {
		t.Logf("it still leads: %s", told)
	}
	eventually(t, 20*time.Second, "it knows all that was ordered", func() error {
		theirs, err := living.client.Raft(t.Context())
		if err != nil {
			return err
		}
		ours, err := n.nodes[victim].client.Raft(t.Context())
		if err == nil && ours.Applied+5 < theirs.Applied {
			err = fmt.Errorf("it is at %d, the others at %d", ours.Applied, theirs.Applied)
		}
		return err
	})
	for _, r := range n.nodes {
		r.untilHealthy(t, 20*time.Second)
	}
	s.end()
	for _, err := range s.errors() {
		t.Error(err)
	}
	n.same(t)
	s.account(t, n.servers)
	t.Logf("FIGURE disk full of the leading node: %d changes in %d ms meanwhile, %d writes through another node, longest pause %d ms; %s then led; the node says: %s",
		orders, took.Milliseconds(), len(s.ends), s.pause(time.Time{}).Milliseconds(), n.nodes[lead].cfg.Node, told)
}

// order has so many changes made by word, each by whoever leads.
func (n *nodesRig) order(t *testing.T, r *rig, count int) int {
	t.Helper()
	for i := range count {
		eventually(t, 20*time.Second, fmt.Sprintf("change %d", i), func() error {
			_, err := r.client.SetThrottle(t.Context(), api.ThrottleRequest{App: fmt.Sprintf("app%d", i%8), Ratio: 0.5, ForMS: 60_000, Why: strings.Repeat("a reason ", 20)}, false)
			return err
		})
	}
	return count
}

// says is what a node says of itself and of its store.
func (n *nodesRig) says(t *testing.T, i int) string {
	t.Helper()
	status, err := n.nodes[i].client.Status(t.Context())
	raft, rerr := n.nodes[i].client.Raft(t.Context())
	return fmt.Sprintf("%v (%v); raft %+v (%v)", status.Reasons, err, raft, rerr)
}
