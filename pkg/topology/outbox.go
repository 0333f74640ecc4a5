package topology

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Limits of the outbox.
const (
	MaxNotices   = 512 // that are remembered; the oldest go first
	MaxPending   = 256 // that are to be told; see Outbox.trimPending for which go first
	MaxStanding  = 512
	MaxSilences  = 64
	MaxHooks     = 16 // of one node
	maxSentHooks = 32 // hooks, of all nodes, that a standing remembers
)

// Outbox is what is to be told, what was, and what stands. It is there from when
// [OpenOutbox] was committed: before, the law is that of the earlier release.
type Outbox struct {
	Next     uint64     `json:"next"`    // seq of the next notice
	History  []Notice   `json:"history"` // oldest first
	Pending  []Pending  `json:"pending"` // oldest first
	Standing []Standing `json:"standing"`
	Silences []Silence  `json:"silences"`
	// Dropped counts what was not told to every hook since the outbox was full, by
	// urgency; DroppedAt is when that happened last.
	Dropped   [3]uint64 `json:"dropped"`
	DroppedAt time.Time `json:"dropped_at,omitzero"`
	// Suppressed counts what was not told since the thing that it is about flaps.
	Suppressed  uint64 `json:"suppressed"`
	NextSilence uint64 `json:"next_silence"`
	Leader      NodeID `json:"leader,omitempty"` // that has said so last
	Term        uint64 `json:"term,omitempty"`
	// Law is the latest that every node has known, above [LawOfOutbox]; 0: that one.
	Law int `json:"law,omitempty"`
}

// Pending is a notice that some hook is still to be told.
type Pending struct {
	Notice Notice   `json:"notice"`
	Done   []string `json:"done,omitempty"` // hooks that need it no more, sorted
}

// Standing is something that is not as it should be, and lasts.
type Standing struct {
	Notice Notice    `json:"notice"` // that brought it to the state in which it is
	Began  time.Time `json:"began"`  // when it was as it should be last
	Sent   []Sent    `json:"sent,omitempty"`
}

// Sent is when a hook was told last of what stands.
type Sent struct {
	Hook     string    `json:"hook"`
	At       time.Time `json:"at"`
	Repeats  int       `json:"repeats,omitempty"`
	Silenced bool      `json:"silenced,omitempty"` // it was not told, by order
}

// Silence keeps hooks quiet about what it matches, for a while.
type Silence struct {
	ID    string    `json:"id"` // "s1", "s2", …
	Match string    `json:"match"`
	Until time.Time `json:"until"` // by the clock of the node that delivers
	At    time.Time `json:"at"`
	By    string    `json:"by"`
	Why   string    `json:"why,omitempty"`
}

// Stands returns what stands under a key of [Notice.Key].
func (o *Outbox) Stands(key string) (Standing, bool) {
	if o != nil {
		if i := o.standing(key); i >= 0 {
			return o.Standing[i], true
		}
	}
	return Standing{}, false
}

func (o *Outbox) standing(key string) int {
	return slices.IndexFunc(o.Standing, func(st Standing) bool { return st.Notice.Key() == key })
}

// validate returns what breaks the bounds of the outbox, or its order.
func (o *Outbox) validate() error {
	switch {
	case o == nil:
		return nil
	case len(o.History) > MaxNotices || len(o.Pending) > MaxPending || len(o.Standing) > MaxStanding || len(o.Silences) > MaxSilences:
		return fmt.Errorf("the outbox holds more than it may")
	case len(o.History) > 0 && o.History[len(o.History)-1].Seq >= o.Next:
		return fmt.Errorf("event %d was told, and the next one is %d", o.History[len(o.History)-1].Seq, o.Next)
	}
	return nil
}

// clone returns a copy that shares nothing that Apply changes.
func (o *Outbox) clone() *Outbox {
	if o == nil {
		return nil
	}
	c := *o
	c.History = slices.Clone(o.History)
	c.Pending = slices.Clone(o.Pending)
	c.Standing = slices.Clone(o.Standing)
	c.Silences = slices.Clone(o.Silences)
	return &c
}

// tell adds a notice by the command c, if it is a transition: n.To is not what
// stands. Stands says that it is not as it should be, and lasts. What flaps is told no
// more, until it is worse than ever, or over.
func (o *Outbox) tell(c Command, n Notice, stands bool) {
	i := o.standing(n.Key())
	if i >= 0 && stands && o.Standing[i].Notice.To == n.To {
		return
	}
	if o.storms(i, n, stands, c.At) {
		o.Suppressed++
		return
	}
	if stands && i < 0 && len(o.Standing) >= MaxStanding {
		o.drop(n.Severity, c.At)
		return
	}
	n.Seq, n.Index, n.At, n.By = o.Next, c.Index, c.At.UTC(), c.By
	if n.Since = n.Since.UTC(); n.Since.IsZero() {
		n.Since = n.At
	}
	o.Next++
	n.Began = 0
	if i >= 0 {
		before := o.Standing[i].Notice
		n.Was, n.Began = before.Severity, cmp.Or(before.Began, before.Seq)
		n.From = before.To
	}
	switch {
	case stands && i >= 0:
		n.Phase = PhaseFiring
		o.Standing[i].Notice = n
	case stands:
		n.Phase = PhaseFiring
		o.Standing = append(o.Standing, Standing{Notice: n, Began: n.Since})
		slices.SortFunc(o.Standing, func(a, b Standing) int { return cmp.Compare(a.Notice.Key(), b.Notice.Key()) })
	case i >= 0:
		n.Phase = PhaseResolved
		o.Standing = slices.Delete(o.Standing, i, i+1)
	default:
		n.Phase = PhaseTold
	}
	o.History = append(o.History, n)
	o.Pending = append(o.Pending, Pending{Notice: n})
	o.trim(c.At)
}

// storms reports whether a notice would be one of too many of its kind: of what stands
// already and swings between two states, of operations on a member that are begun and
// end again and again, or of nodes that lead in turns. What stands is changed then without being told.
func (o *Outbox) storms(standing int, n Notice, stands bool, at time.Time) bool {
	switch {
	case standing >= 0 && stands:
		st := &o.Standing[standing].Notice
		if n.Severity > st.Severity || !flaps(o, n.Key()) {
			return false
		}
		st.To, st.What, st.Remedy = n.To, n.What, n.Remedy
		return true
	case n.Topic != TopicOperation && n.Topic != TopicRaft || standing >= 0 || stands:
		return false
	}
	alike := 0
	for i := len(o.History) - 1; i >= 0 && at.Sub(o.History[i].At) < flapWithin; i-- {
		if h := o.History[i]; h.Topic == n.Topic && h.Member == n.Member && (h.To == n.To || n.Topic == TopicRaft) {
			alike++
		}
	}
	return alike >= flapChanges
}

func (o *Outbox) trim(at time.Time) {
	if n := len(o.History) - MaxNotices; n > 0 {
		o.History = slices.Clone(o.History[n:])
	}
	for len(o.Pending) > MaxPending {
		i := o.least()
		o.drop(o.Pending[i].Notice.weight(), at)
		o.Pending = slices.Delete(o.Pending, i, i+1)
	}
}

// least returns which pending notice goes first: the oldest of the least urgency.
func (o *Outbox) least() int {
	at := 0
	for i, p := range o.Pending {
		if p.Notice.weight() < o.Pending[at].Notice.weight() {
			at = i
		}
	}
	return at
}

// weight is the urgency by which a notice is kept: that something urgent is over is
// as urgent as that it began.
func (n Notice) weight() Urgency { return max(n.Severity, n.Was) }

func (o *Outbox) drop(u Urgency, at time.Time) {
	o.Dropped[min(int(u), len(o.Dropped)-1)]++
	o.DroppedAt = at.UTC()
}

// Law counts the changes of what a command does to the state: 2 has the outbox, 3 events of
// gates, 4 notes of binlogs that were emptied, 5 cuts that outlive their identity, 6 notes of
// orders about nodes, 7 which copy a member's data is of, 8 that who waits to be copied can be
// forgotten, and a reason that names the later end of a maintenance, 9 how often isolation was changed, and whom a heal counts again. A node tells the leader which it knows; a
// command of a later one is proposed only once all do.
const (
	LawOfOutbox  = 2
	LawOfGates   = 3
	LawOfEmptied = 4
	LawOfCuts    = 5
	LawOfOrders  = 6
	LawOfCopies  = 7
	LawOfForgets = 8
	LawOfHearing = 9
	Law          = LawOfHearing
)
