package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

var (
	errNotLeader = errors.New("leadership lost, nothing was committed")
	errUnknown   = errors.New("outcome unknown")
)

// maxCommands is more than any run needs: beyond it two rules undo each other.
const maxCommands = 1000

// raftLog is raft's contract: a command is committed, refused, or nobody can say.
// What is committed is applied on two replicas that must stay equal.
type raftLog struct {
	w       *World
	snap    *topology.Snapshot
	replica *topology.Snapshot
	index   uint64
	term    uint64
}

func newRaftLog(w *World) *raftLog {
	return &raftLog{w: w, snap: topology.NewSnapshot(), replica: topology.NewSnapshot()}
}

// leaderLog is the log as one leadership sees it.
type leaderLog struct {
	*raftLog

	n *node
	f *fleet
}

// Snapshot implements controller.Log. A leader that was deposed and does not know
// it sees an old state.
func (l leaderLog) Snapshot() *topology.Snapshot { return l.n.applied }

// deposed reports whether nothing that this leadership proposes is committed.
func (l leaderLog) deposed() bool { return l.f.term != l.term || !l.n.fit() }

// Propose implements controller.Log. Virtual time passes inside.
func (l leaderLog) Propose(_ context.Context, c topology.Command) error {
	fate := l.w.nemesis.proposing()
	done, result := false, error(nil)
	end := func(err error) { done, result = true, err }
	l.n.seam(func() {})
	l.n.after(l.w.between(time.Millisecond, 6*time.Millisecond), func() {
		switch {
		case l.deposed() && l.w.chance(0.5):
			end(errUnknown) // it is not committed, and nobody knows
		case l.deposed(), fate == fateRefused, l.f.over && l.w.chance(0.5):
			end(errNotLeader)
		case fate == fateLate:
			end(errUnknown)
			l.w.after(l.w.between(0, 300*time.Millisecond), func() { _ = l.commit(c) })
		case fate == fateUnknown:
			_ = l.commit(c)
			end(errUnknown)
		default:
			end(l.commit(c))
		}
	})
	l.w.runWhile(func() bool { return !done && !l.f.over })
	if !done {
		return errGone
	}
	return result
}

// commit applies the command everywhere.
func (l *raftLog) commit(c topology.Command) error {
	encoded, err := topology.EncodeCommand(c)
	if err != nil {
		return err
	}
	decoded, err := topology.DecodeCommand(encoded)
	if err != nil {
		l.w.breach("I12", "command %s does not survive the log: %s", c.Change, err)
		return err
	}
	if l.index++; l.index > maxCommands {
		l.w.breach("I10", "%d commands, and no end: %s", l.index, c.Change)
	}
	c.Index, decoded.Index = l.index, l.index
	next, err := topology.Apply(l.snap, c)
	other, otherErr := topology.Apply(l.replica, decoded)
	if (err == nil) != (otherErr == nil) {
		l.w.breach("I12", "command %s: %v here, %v on the replica", c.Change, err, otherErr)
	}
	if err != nil {
		l.w.say("raft", "refused %s: %s", c.Change, err)
		return err
	}
	before := l.snap
	l.snap, l.replica = next, other
	l.w.say("raft", "%d %s: %s", l.index, c.Change, c.Why)
	l.compare()
	l.w.laws.committed(before, next, c)
	for _, n := range l.w.nodes {
		n.learn(next)
	}
	return nil
}

func (l *raftLog) compare() {
	a, errA := topology.EncodeSnapshot(l.snap)
	b, errB := topology.EncodeSnapshot(l.replica)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		l.w.breach("I12", "replicas differ at index %d", l.index)
		return
	}
	if l.index%4 != l.w.opt.Seed%4 {
		return // restoring is slow; equal bytes are looked at each time
	}
	restored, err := topology.DecodeSnapshot(a)
	if err != nil {
		l.w.breach("I12", "snapshot at index %d can not be restored: %s", l.index, err)
		return
	}
	l.replica = restored // from here on it is a node that was restored
}

// know changes the law of the state; nobody learns of it apart from what follows.
func (l *raftLog) know(law topology.Change) error {
	c := topology.Command{Index: l.index, At: l.w.clock(), By: "controller@n1", Why: "the simulation", Change: law}
	next, err := topology.Apply(l.snap, c)
	if err != nil {
		return fmt.Errorf("%s: %w", law, err)
	}
	l.snap, l.replica = next, next
	return nil
}

// init is the DBA's word.
func (l *raftLog) init(o Options) error {
	ring := topology.InitRing{Name: "cards", Durability: o.Durability, Degraded: o.Degraded, Data: o.Data, Stride: o.strideOf()}
	for _, s := range l.w.servers {
		ring.Members = append(ring.Members, topology.NewMember{ID: s.id, Addr: s.addr, Site: s.site()})
	}
	latest := (l.w.opt.Empties || l.w.opt.Seed%4 == 1 || l.w.opt.Seed >= isolationFrom) && !l.w.opt.Mutation.OldLaw
	if l.w.opt.Seed%4 == 0 || l.w.opt.Empties || latest { // in the others the law is that of the release before; it is faster, too
		if err := l.know(topology.OpenOutbox{}); err != nil {
			return err
		}
	}
	if latest {
		if err := l.know(topology.RaiseLaw{To: topology.Law}); err != nil {
			return err
		}
	}
	if l.w.opt.Adopts {
		return nil // its word comes later
	}
	err := l.commit(topology.Command{At: l.w.clock(), By: "dba@n1", Why: "the simulation", Change: ring})
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	return nil
}
