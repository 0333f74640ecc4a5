package apitest

import (
	"time"

	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Picture implements api.Node: every pair has the lag of Lags, each member the level
// of Levels, and what it lags behind is in its queue.
func (n *Node) Picture() *lagguard.Picture {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.State.Ring == nil {
		return nil
	}
	now := time.Now()
	p := &lagguard.Picture{At: now, Ring: n.State.Ring.Name, Thresholds: n.State.LagThresholds()}
	for _, m := range n.State.Members {
		if m.State != topology.MemberActive {
			continue
		}
		level, ok := n.Levels[m.ID]
		lag := lagguard.MemberLag{Member: m.ID, Level: lagguard.LevelFresh, Since: now.Add(-90*time.Minute - 30*time.Second), Why: "its lag is known", Seen: now}
		if !n.Lag.Known {
			lag.Level, lag.Why = lagguard.LevelUnknown, "no heartbeat of this node has arrived yet"
		}
		if ok {
			lag.Level, lag.Why, lag.Behind = level, "its lag has been at least 3s for 1s: it is 4000 ms (+100)", n.State.Members[0].ID
		}
		p.Members = append(p.Members, lag)
		for _, origin := range n.State.Members {
			if origin.ID == m.ID || origin.State != topology.MemberActive {
				continue
			}
			pair := lagguard.PairLag{Origin: origin.ID, Member: m.ID, Lag: n.lagAt(now), State: lagguard.State{Level: lag.Level}}
			pair.Flow = lagguard.Flow{Known: true, Arrival: 100, Apply: 100}
			if ok {
				pair.Flow = lagguard.Flow{Known: true, Behind: 400, Queued: 390, Arrival: 100, Apply: 200, ETA: 4 * time.Second}
				p.Hop = lagguard.Hop{From: origin.ID, To: m.ID, Origin: origin.ID, Adds: 4 * time.Second, Flow: pair.Flow}
			}
			p.Pairs = append(p.Pairs, pair)
		}
	}
	p.Admissions = lagguard.Admit(p, nil, now.Add(-time.Second))
	p.Admissions = lagguard.Admit(p, p.Admissions, now)
	return p
}

// lagAt is the lag of every pair, as it is at now unless the test has said when it was.
func (n *Node) lagAt(now time.Time) lagguard.Lag {
	lag := n.Lag
	if lag.Known && lag.At.IsZero() {
		lag.At = now
	}
	return lag
}

// Transitions implements api.Node.
func (n *Node) Transitions() []lagguard.Transition {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.Moved
}
