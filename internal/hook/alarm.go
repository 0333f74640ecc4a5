package hook

import (
	"context"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Nobody tells the hooks of this node, by itself, that no node leads, or, if over, that
// one does again: raft can not take that down, and no leader delivers it. Each node that
// sees it tells it; they have the same key. since is when this node knew of a leader
// last. It returns at once.
func (d *Dispatcher) Nobody(since time.Time, over bool) {
	node := d.cfg.Node
	n := topology.Notice{
		At: time.Now().UTC(), By: "herald@" + string(node), Topic: topology.TopicRaft, Subject: "quorum", From: "led", To: "nobody leads",
		Phase: topology.PhaseFiring, Severity: topology.UrgencyCritical, Since: since.UTC(),
		What:     fmt.Sprintf("node %s knows of no leader: nothing is mended or changed, and under isolation fence nothing is written", node),
		Why:      "no majority of the voters is within reach of each other",
		Remedy:   "start the voters that are down, or mend the network between them: sqlring raft peers",
		Evidence: []string{fmt.Sprintf("%s knew of a leader last at %s", node, since.UTC().Format(time.RFC3339))},
	}
	m := topology.Message{ID: fmt.Sprintf("noleader-%s-%d", node, since.UnixMilli()), Phase: n.Phase, Began: n.Since}
	if over {
		n.Phase, n.From, n.To, n.Was, n.Severity = topology.PhaseResolved, n.To, n.From, n.Severity, topology.UrgencyInfo
		n.What, n.Why, n.Remedy = fmt.Sprintf("node %s knows of a leader again", node), "a majority of the voters is within reach of each other again", ""
		m.ID, m.Phase = m.ID+"-over", n.Phase
	}
	m.Notice = n
	for _, w := range d.workers {
		if !w.spec.Route.Wants(topology.Pending{Notice: n}) {
			continue
		}
		select {
		case <-w.alarm: // an older one that was not begun: this one says more
		default:
		}
		select {
		case w.alarm <- m:
		default: // another one came in between
		}
	}
}

// alarms sends what this node tells by itself, until ctx ends.
func (w *worker) alarms(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-w.alarm:
			w.insist(ctx, messageOf(w.d.ring(), w.d.cfg.Node, m), func() bool { return false })
		}
	}
}
