package api

import (
	"fmt"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// flagOf is the flag of the CLI that sets a field of a request.
func flagOf(field string) string { return "--" + strings.ReplaceAll(field, "_", "-") }

func (l look) leavePlan(m topology.Member, change topology.Change, req LeaveRequest) LeavePlan {
	plan := LeavePlan{Member: string(m.ID), State: m.State.String(), Moves: []Move{}}
	switch c := change.(type) {
	case topology.EndMaintenance:
		plan.Checks = []Check{}
		plan.Steps = []string{fmt.Sprintf("%s is let back in as soon as it answers: judged, set up, caught up, linked, verified", m.ID)}
	case topology.ForgetMember:
		plan.Checks = l.forgetChecks(m, req)
		plan.Steps = []string{fmt.Sprintf("%s is no member any more; nothing is done on its server", m.ID)}
		if m.State != topology.MemberCopying || m.Copy.Again {
			plan.Steps = append(plan.Steps, fmt.Sprintf("slot %d is not given out again: its last numbers may be in no table of the ring", m.Slot))
		}
	case topology.LeaveRing:
		plan.Moves = l.movesOf(m.ID)
		plan.Checks = l.leaveChecks(m, c, req)
		plan.Steps = l.leaveSteps(m, c, plan.Moves)
	}
	return plan
}

// movesOf lists the units of a member and where they would move.
func (l look) movesOf(id topology.MemberID) []Move {
	moves := []Move{}
	for _, u := range l.snap.Units {
		if u.Owner == id {
			to, _ := topology.DrainsTo(l.snap, id, l.obs, l.now)
			moves = append(moves, Move{Unit: string(u.ID), To: string(to)})
		}
	}
	return moves
}

// leaveChecks are the conditions under which a member that is in the ring leaves it.
func (l look) leaveChecks(m topology.Member, c topology.LeaveRing, req LeaveRequest) []Check {
	if !c.Until.IsZero() && (m.State == topology.MemberMaintained || m.State == topology.MemberDown || m.State == topology.MemberHeld) {
		return []Check{} // it is out
	}
	if m.State != topology.MemberActive {
		tail := Check{Name: "tail", What: fmt.Sprintf("%s is %s: what only its disk holds is not in the ring", m.ID, m.State)}
		if c.Until.IsZero() {
			tail.Override = "forget"
		}
		return []Check{tail}
	}
	seen, good := l.obs.Good(m.ID, l.now)
	answers := Check{Name: "answers", OK: good, What: fmt.Sprintf("%s answers", m.ID)}
	if !good {
		answers.What = fmt.Sprintf("%s at %s does not answer: %s: wait until it is back, or out", m.ID, m.Addr, unseen(seen, l.now))
	}
	return []Check{answers, l.pinnedCheck(m), l.aloneCheck(m, req), l.healthyCheck(m, req)}
}

func (l look) pinnedCheck(m topology.Member) Check {
	check := Check{Name: "pinned", OK: true, What: "none of its units is pinned"}
	for _, u := range l.snap.Units {
		if u.Owner == m.ID && u.Pinned {
			check.OK, check.What = false, fmt.Sprintf("unit %s is pinned to %s: sqlring unit unpin %s", u.ID, m.ID, u.ID.Quoted())
		}
	}
	return check
}

func (l look) aloneCheck(m topology.Member, req LeaveRequest) Check {
	check := Check{Name: "alone", OK: true, What: "the ring goes on with several members"}
	alone, single := l.snap.LeftAlone(m.ID)
	switch {
	case !single && alone == "":
		check.OK, check.What = false, fmt.Sprintf("%s is the last member of the ring, somebody has to serve: sqlring ring dissolve", m.ID)
	case single && l.snap.Ring.Durability == topology.DurabilitySemiSync && l.snap.Ring.Degraded == topology.DegradedRefuse:
		check.OK, check.What = false, fmt.Sprintf("%s would be alone, and degraded is refuse: its writes would wait for ever", alone)
	case single:
		check.OK, check.What, check.Override = req.Alone, fmt.Sprintf("%s would be alone: nobody acknowledges its commits, and nobody takes over when it dies", alone), "alone"
	}
	return check
}

// healthyCheck asks that nothing else is amiss: who leaves may be the one that is needed.
func (l look) healthyCheck(m topology.Member, req LeaveRequest) Check {
	check := Check{Name: "healthy", OK: true, What: "the ring is as it should be", Override: "unhealthy"}
	amiss := ""
	if op, running := l.snap.Running(); running {
		amiss = fmt.Sprintf("%s runs", title(op))
	}
	for _, other := range l.snap.Members {
		if other.ID != m.ID && other.State != topology.MemberActive && amiss == "" {
			amiss = fmt.Sprintf("member %s is %s", other.ID, other.State)
		}
	}
	for _, v := range topology.Check(l.snap, l.obs, l.now) {
		if v.Severity == topology.SeverityBroken && amiss == "" {
			amiss = violationText(v)
		}
	}
	if amiss != "" {
		check.OK, check.What = req.Unhealthy, amiss
	}
	return check
}

// forgetChecks are the conditions under which a member that is out is forgotten. One
// whose process runs and was not closed would go on pulling, and acknowledging.
func (l look) forgetChecks(m topology.Member, req LeaveRequest) []Check {
	out := m.State == topology.MemberDown || m.State == topology.MemberHeld || m.State == topology.MemberQuarantined ||
		m.State == topology.MemberMaintained || m.State == topology.MemberCopying // while no operation fills it: the law
	checks := []Check{{Name: "out", OK: out, What: fmt.Sprintf("%s is %s", m.ID, m.State)}}
	if !out {
		checks[0].What += ": it is removed, not forgotten"
		return checks
	}
	seen, good := l.obs.Good(m.ID, l.now)
	shut := good && seen.ReadOnly && !seen.SemiSync.Enabled && (seen.Link.Upstream == "" || seen.Link.Receiver == topology.ThreadStopped)
	stopped := Check{Name: "stopped", OK: shut || seen.Reach == topology.ReachRefused, What: "its server does not run, or is closed and pulls from nobody"}
	if !stopped.OK {
		stopped.OK, stopped.Override = req.MayRun, "may_run"
		stopped.What = fmt.Sprintf("%s at %s: %s: it may run, take writes, and pull from the ring: stop it first", m.ID, m.Addr, unseen(seen, l.now))
		if good {
			stopped.What = fmt.Sprintf("%s at %s answers, and is not closed yet: stop it first", m.ID, m.Addr)
		}
	}
	return append(checks, stopped)
}

func (l look) leaveSteps(m topology.Member, c topology.LeaveRing, moves []Move) []string {
	if m.State == topology.MemberMaintained {
		return []string{fmt.Sprintf("its maintenance goes on until %s", stamp(c.Until))}
	}
	switch {
	case m.State != topology.MemberActive && c.Until.IsZero():
		return []string{fmt.Sprintf("%s is %s: it is not in the ring, so it is forgotten, not removed: sqlring master remove %s --forget", m.ID, m.State, m.ID)}
	case m.State != topology.MemberActive:
		return []string{fmt.Sprintf("%s is out already, and stays so until %s", m.ID, stamp(c.Until))}
	}
	grace := c.Grace
	if grace == 0 {
		grace = topology.DefaultLeaveGrace
	}
	steps := []string{fmt.Sprintf("reads do not go to %s any more, and no unit moves there", m.ID)}
	for _, move := range moves {
		to := move.To
		if to == "" {
			to = "another member, once one can own it"
		}
		steps = append(steps, fmt.Sprintf("unit %s moves to %s; its writes wait for a moment", move.Unit, to))
	}
	up, down := l.between(m.ID)
	steps = append(steps,
		fmt.Sprintf("%s is closed; statements that run there may end, for at most %s", m.ID, grace),
		"each other member has all that it has")
	if up == down {
		steps = append(steps, fmt.Sprintf("%s follows nobody, and its commits wait for nobody", down))
	} else {
		steps = append(steps, fmt.Sprintf("%s follows %s", down, up))
	}
	if !c.Until.IsZero() {
		return append(steps, fmt.Sprintf("%s stays closed and pulls from nobody: its server may be stopped and started; it comes back at %s, or when it is told to", m.ID, stamp(c.Until)))
	}
	steps = append(steps,
		fmt.Sprintf("%s follows nobody, and its connections are ended", m.ID),
		fmt.Sprintf("the binlog of %s holds nothing that the others lack; up to here it can be aborted", m.ID))
	if !c.Keep {
		steps = append(steps, fmt.Sprintf("the schema sqlring and the replication account are removed from %s", m.ID))
	}
	return append(steps, fmt.Sprintf("%s is no member any more; it stays read-only, with its data; slot %d is kept as a tombstone", m.ID, m.Slot))
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }
