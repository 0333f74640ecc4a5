package sim

import (
	"math/rand/v2"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Isolation continue: a person has nodes that hear of no leader write on, and says fence again.

// isolationFrom is the first seed that draws it.
const isolationFrom = 1_500_001

func (o *Options) drawIsolation() {
	if o.Seed >= isolationFrom && o.Nodes > 1 {
		o.Continues = rand.New(rand.NewPCG(o.Seed, 0x150a)).IntN(2) == 0
	}
}

// unfence orders continue, or fence again.
func (n *nemesis) unfence() {
	if ring := n.w.log.snap.Ring; ring != nil {
		_ = n.w.order(topology.SetIsolation{To: topology.IsolationContinue - ring.Isolation})
	}
}

// saysFence is a person's word on a loss that waits for it.
func (w *World) saysFence() bool {
	if !strings.Contains(w.lastWhy(), "sqlring raft isolation fence") {
		return false
	}
	w.say("person", "sets isolation to fence")
	_ = w.order(topology.SetIsolation{To: topology.IsolationFence})
	return true
}

// decidedWithin bounds how old a decision is that is committed.
const decidedWithin = 2 * time.Second

// isolated notes when isolation changes, and looks whether something is moved by itself.
func (l *laws) isolated(before *topology.Snapshot, c topology.Command) {
	switch change := c.Change.(type) {
	case topology.SetIsolation:
		l.isolatedAt = l.w.now
		if !change.Settled && change.To == topology.IsolationContinue {
			l.stats.Unfenced++
		}
	case topology.BeginHeal:
		if before.Ring.Isolation == topology.IsolationContinue && len(l.w.nodes) > 1 && l.w.now-l.isolatedAt > decidedWithin+l.w.leader().overslept() {
			l.w.breach("I11", "%s is taken out, and isolation is continue", change.Member)
		}
	}
}
