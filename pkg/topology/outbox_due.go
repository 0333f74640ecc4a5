package topology

import (
	"fmt"
	"slices"
	"time"
)

// HookRoute says what one hook is told.
type HookRoute struct {
	Hook  string
	Least Urgency // what is less urgent is not told
	Match []Match // any of them; none: all
	// Repeat is how often what stands is told again, until somebody has acknowledged
	// it; 0: once.
	Repeat time.Duration
	// Unresolved has it told nothing of what is over.
	Unresolved bool
}

// Message is one notice as one hook is to be told it.
type Message struct {
	ID      string // whoever gets it twice knows it by that
	Notice  Notice
	Phase   Phase // for that hook: what is too little urgent for it now is resolved
	Began   time.Time
	Repeats int  // above 0: it was told before, and stands
	Quiet   bool // by order: it is marked, and not sent
}

// phase returns what a notice is for a hook; ok is false if it is nothing.
func (r HookRoute) phase(n Notice) (phase Phase, ok bool) {
	matches := len(r.Match) == 0 || slices.ContainsFunc(r.Match, func(m Match) bool { return m.Matches(n) })
	stood := n.Was >= r.Least && n.Was > UrgencyInfo // it was told that this began
	switch {
	case !matches, n.Topic == TopicHook && n.Subject == r.Hook: // nor does a hook tell of itself
		return 0, false
	case n.Phase != PhaseResolved && n.Severity >= r.Least:
		return n.Phase, true
	case stood && n.Phase != PhaseTold && !r.Unresolved:
		return PhaseResolved, true
	case r.Least == UrgencyInfo && n.Phase == PhaseResolved && !r.Unresolved:
		return PhaseResolved, true
	}
	return 0, false
}

// Wants reports whether a pending notice still has to reach the hook.
func (r HookRoute) Wants(p Pending) bool {
	_, ok := r.phase(p.Notice)
	return ok && !slices.Contains(p.Done, r.Hook)
}

// Due returns what a hook is to be told next: the oldest notice that it has not been
// told, else what stands and is to be repeated. ok is false if there is nothing;
// later is then when there will be, by what stands now, zero: not by itself.
func (o *Outbox) Due(r HookRoute, now time.Time) (m Message, later time.Time, ok bool) {
	if o == nil {
		return m, later, false
	}
	for _, p := range o.Pending {
		if !r.Wants(p) {
			continue
		}
		phase, _ := r.phase(p.Notice)
		m = Message{ID: p.Notice.ID(), Notice: p.Notice, Phase: phase, Began: p.Notice.Since, Quiet: o.silenced(p.Notice, now)}
		if st, stands := o.Stands(p.Notice.Key()); stands {
			m.Began = st.Began
		}
		return m, later, true
	}
	for _, st := range o.Standing {
		at, again := o.again(st, r, now)
		switch {
		case !again:
		case !at.After(now):
			repeats := st.repeats(r.Hook) + 1
			return Message{
				ID: fmt.Sprintf("%s-r%d", st.Notice.ID(), repeats), Notice: st.Notice, Phase: PhaseFiring, Began: st.Began, Repeats: repeats,
			}, later, true
		case later.IsZero() || at.Before(later):
			later = at
		}
	}
	return m, later, false
}

// again returns when what stands is to be told the hook again, and whether.
func (o *Outbox) again(st Standing, r HookRoute, now time.Time) (time.Time, bool) {
	phase, ok := r.phase(st.Notice)
	if !ok || phase != PhaseFiring || st.Notice.Acked != nil {
		return time.Time{}, false
	}
	if until := o.silentUntil(st.Notice, now); !until.IsZero() {
		return until, true
	}
	i := slices.IndexFunc(st.Sent, func(s Sent) bool { return s.Hook == r.Hook })
	switch {
	case i < 0 || st.Sent[i].Silenced:
		return now, true // the hook is new, or was not told: by order, or since the outbox was full
	case r.Repeat <= 0:
		return time.Time{}, false
	}
	return st.Sent[i].At.Add(r.Repeat), true
}

func (st Standing) repeats(hook string) int {
	for _, s := range st.Sent {
		if s.Hook == hook {
			return s.Repeats
		}
	}
	return 0
}

func (o *Outbox) silenced(n Notice, now time.Time) bool { return !o.silentUntil(n, now).IsZero() }

// silentUntil returns until when a notice is silenced; zero: it is not.
func (o *Outbox) silentUntil(n Notice, now time.Time) time.Time {
	var until time.Time
	for _, q := range o.Silences {
		match, err := ParseMatch(q.Match)
		if err == nil && now.Before(q.Until) && q.Until.After(until) && match.Matches(n) {
			until = q.Until
		}
	}
	return until
}

// Unwanted returns the pending notices that no hook has to be told any more, by seq.
func (o *Outbox) Unwanted(routes []HookRoute) []uint64 {
	if o == nil {
		return nil
	}
	var seqs []uint64
	for _, p := range o.Pending {
		if !slices.ContainsFunc(routes, func(r HookRoute) bool { return r.Wants(p) }) {
			seqs = append(seqs, p.Notice.Seq)
		}
	}
	return seqs
}
