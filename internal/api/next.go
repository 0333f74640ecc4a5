package api

import (
	"fmt"
	"slices"

	"github.com/sqlring/sqlring/pkg/topology"
)

// next says what to type after what is wrong; empty if nothing is.
func (l look) next() []string {
	health, _ := l.health()
	op, running := l.snap.Running()
	switch {
	case health == HealthOK:
		return []string{}
	case l.snap.Ring == nil && !l.hasLeader:
		return []string{"sqlring raft peers    who is there; nobody leads: a ring can be made once a majority is up"}
	case l.snap.Ring == nil:
		return []string{l.changing() + " ring init NAME m1=host:port m2=host:port"}
	case running && op.Kind == topology.OperationInit:
		return []string{
			"sqlring operation show " + string(op.ID),
			l.changing() + " operation abort " + string(op.ID) + "    to give it up",
		}
	case running && op.Kind == topology.OperationHeal && l.stuck(op):
		return []string{
			"sqlring ring heal --dry-run    what is missing, and who has it",
			l.changing() + " ring heal --accept-loss    shows what is given up, and asks",
		}
	case running && op.Kind == topology.OperationHeal:
		return []string{"sqlring ring heal    follows it", "sqlring operation show " + string(op.ID)}
	case running:
		return []string{"sqlring operation show " + string(op.ID), "sqlring status --watch"}
	}
	var lines []string
	if slices.ContainsFunc(l.verdicts(), func(v Verdict) bool { return v.Lost }) {
		lines = append(lines, "sqlring ring heal    the verdict on each member, and what is done about it")
	}
	for _, m := range l.snap.Members {
		lines = append(lines, l.nextFor(m)...)
	}
	return append(lines, "sqlring event list    what happened before", "sqlring status --watch")
}

// nextFor says what to type about a member that is out.
func (l look) nextFor(m topology.Member) []string {
	switch m.State {
	case topology.MemberQuarantined:
		if m.Emptied != "" {
			return []string{fmt.Sprintf("%s master reclone %s    its binlog was emptied by hand: copies its data anew", l.changing(), m.ID)}
		}
		return []string{
			fmt.Sprintf("%s master rejoin %s --dry-run    what only it holds", l.changing(), m.ID),
			fmt.Sprintf("%s master rejoin %s --let-flow    lets that flow into the ring", l.changing(), m.ID),
		}
	case topology.MemberHeld:
		return []string{fmt.Sprintf("%s master rejoin %s    lets it back in", l.changing(), m.ID)}
	case topology.MemberDown:
		return []string{fmt.Sprintf("sqlring why %s    why it is out; once it answers it is let back in by itself; if it was lost often, later", m.ID)}
	case topology.MemberCopying:
		if m.Copy.Halted {
			return []string{fmt.Sprintf("%s master reclone %s    its data is half there: copies it anew", l.changing(), m.ID)}
		}
		_, running := l.snap.Running()
		if seen, good := l.obs.Good(m.ID, l.now); !good && !running {
			return []string{fmt.Sprintf("%s master remove %s --forget    if it is not to come any more: it waits to be copied, and %s does not answer (%s)", l.changing(), m.ID, m.Addr, unseen(seen, l.now))}
		}
	case topology.MemberMaintained:
		return []string{fmt.Sprintf("%s master maintenance %s --end    lets it back in", l.changing(), m.ID)}
	case topology.MemberActive, topology.MemberJoining, topology.MemberReturning, topology.MemberLeaving:
	}
	return nil
}

// changing returns how a command begins that changes this ring.
func (l look) changing() string {
	if l.apiSocket == "" {
		return "sqlring --api unix:PATH"
	}
	return "sqlring --api unix:" + l.apiSocket
}
