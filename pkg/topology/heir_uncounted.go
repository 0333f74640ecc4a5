package topology

import (
	"fmt"
	"strings"
)

// missedMark asks for what was acknowledged and the heir lacks, or for the word that gives it
// up. Who has more of that and does not count is named: it is not to be given up unread.
func (h heal) missedMark(heir MemberID, missing Position) Step {
	seen, _ := h.o.Of(heir)
	const stands = "acknowledged transactions up to %s are on no survivor (%s has %q); "
	if others := h.uncounted(seen, false); others != "" {
		return missed(stands+"%s; else bring %s back, or give them up: sqlring ring heal --accept-loss", missing, heir, seen.Position(), others, h.lost.ID)
	}
	return missed(stands+"bring %s back, or give them up: sqlring ring heal --accept-loss", missing, heir, seen.Position(), h.lost.ID)
}

// missedAcker is missedMark where it is not known what was acknowledged.
func (h heal) missedAcker(heir MemberID) Step {
	seen, _ := h.o.Of(heir)
	const stands = "no acker of %s is left, and what it acknowledged is not known for sure; "
	if others := h.uncounted(seen, true); others != "" {
		return missed(stands+"%s; bring %s back, or give up what only %s and the ones named have: sqlring ring heal --accept-loss", h.lost.ID, others, h.lost.ID, h.lost.ID)
	}
	return missed(stands+"bring %s back, or give up what only it has: sqlring ring heal --accept-loss", h.lost.ID, h.lost.ID)
}

// uncounted says of each member that answers and has more than the heir of what is asked for,
// up to where it has that, and why it does not count; "" if there is none. unsure: what was
// acknowledged is not known, so all of the lost member's own is asked for. It decides nothing.
func (h heal) uncounted(heir Observation, unsure bool) string {
	var list []string
	for _, m := range h.s.Members {
		seen, good := h.o.Good(m.ID, h.now)
		if !good || m.ID == heir.Member {
			continue
		}
		if more := h.more(seen, heir, unsure); len(more) > 0 {
			list = append(list, fmt.Sprintf("%s answers and has it up to %s, but does not count: %s", m.ID, more, h.notCounted(m, seen, heir, unsure)))
		}
	}
	return strings.Join(list, "; ")
}

// more returns up to where a member has what is asked for, in the domains in which that is
// further than the heir.
func (h heal) more(seen, heir Observation, unsure bool) Position {
	has := seen.Position()
	var more Position
	for _, g := range h.asked(seen, unsure) {
		g.Seq = min(g.Seq, has.Seq(g.Domain))
		if g.Seq > heir.Position().Seq(g.Domain) {
			more = more.With(g)
		}
	}
	return more
}

// notCounted says why a member that answers and has more than the heir is not the heir, nor
// read from: the first of what [heal.feed], [heal.handed] and [heal.readmitted] ask for that is
// not so.
func (h heal) notCounted(m Member, seen, heir Observation, unsure bool) string {
	refused := heir.Link.Upstream == m.Addr && heir.Link.Receiver == ThreadStopped && heir.Link.ReceiverErrno == errnoPurged
	_, emptied := hadMore(h.s, m, seen, h.o, h.now)
	ready, flows := h.ownTail(m, seen)
	switch {
	case m.Emptied != "" || emptied && m.ID == h.lost.ID:
		return "its binlog was emptied, and it can send nothing from before"
	case refused:
		return fmt.Sprintf("its binlog has not what %s needs next", heir.Member)
	case m.ID == h.lost.ID:
		return "it is the one that was lost, and only its own transactions are read from it"
	case among(h.alive, m.ID):
		return fmt.Sprintf("it survives, but %s inherits, which reads from who has most of %s", heir.Member, h.lost.ID)
	case !mayCount(m):
		return fmt.Sprintf("its state is %s (sqlring why %s)", m.State, m.ID)
	case unsure && isActive(m):
		return "it was restarted, and what it had received and not applied is gone"
	case !h.brings(seen, heir, h.asked(seen, unsure)):
		return "a survivor has some that it lacks"
	}
	if why := h.notWhole(m, seen); why != "" {
		return why
	}
	switch {
	case isActive(m):
		return "it was restarted"
	case len(h.beyond(m, seen)) > 0:
		return fmt.Sprintf("nobody else has what it holds beyond %s, which has to be judged", h.beyond(m, seen))
	case !flows && ready.Kind == StepIdle:
		return "what it has of its own above its cut has to be judged, or nobody can read it"
	}
	return fmt.Sprintf("its state is %s", m.State)
}

// notWhole says who keeps a member from being known to have all of its own transactions
// (ownIsWhole); "" if nobody does.
func (h heal) notWhole(m Member, seen Observation) string {
	var silent, ahead []string
	for _, other := range h.s.Members {
		theirs, good := h.o.Good(other.ID, h.now)
		switch own := theirs.Reached(m.Domain()); {
		case !good:
			silent = append(silent, string(other.ID))
		case own > seen.Binlog.Seq(m.Domain()):
			ahead = append(ahead, fmt.Sprintf("%s has them up to %d", other.ID, own))
		}
	}
	switch {
	case len(ahead) > 0:
		return fmt.Sprintf("its disk has its own transactions up to %d, and %s", seen.Binlog.Seq(m.Domain()), strings.Join(ahead, ", "))
	case len(silent) == 1:
		return fmt.Sprintf("%[1]s does not answer, and may have more of %[2]s's own than %[2]s has: bring %[1]s back", silent[0], m.ID)
	case len(silent) > 1:
		return fmt.Sprintf("%[1]s do not answer, and may have more of %[2]s's own than %[2]s has: bring %[1]s back", strings.Join(silent, " and "), m.ID)
	}
	return ""
}
