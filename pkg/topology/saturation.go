package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// GateWord is what a node's proxy says of its gate in front of a member. Times are spans:
// clocks are not compared. What is counted is counted since the member became saturated,
// for the last time if it is so no more.
type GateWord struct {
	Member    MemberID          `json:"member"`
	Saturated bool              `json:"saturated"`
	Began     time.Duration     `json:"began"` // ago
	Lasted    time.Duration     `json:"lasted"`
	Mode      string            `json:"mode"` // absorb or shed
	Limit     int               `json:"limit"`
	Waiting   int               `json:"waiting"`
	Inflation float64           `json:"inflation"`
	Waited    uint64            `json:"waited"`         // statements that had to wait
	WaitTime  time.Duration     `json:"wait_time"`      // of all of them
	Shed      map[string]uint64 `json:"shed,omitempty"` // statements that got an error instead, by why
	Gone      uint64            `json:"gone,omitempty"` // statements whose client went
}

// The states of a gate, as they are told.
const (
	gateSaturated = "saturated" // people wait, and nobody was refused
	gateSheds     = "shedding"  // statements got an error instead of a place
	gateOpen      = "open"
)

// GateFinding returns what is told of a gate: that it is saturated, that it sheds, or that
// it is open again, and what became of the statements meanwhile. now is the time at which
// the word was said.
func GateFinding(node NodeID, w GateWord, now time.Time) Finding {
	f := Finding{
		Topic: TopicGate, Subject: string(w.Member) + "@" + string(node), Member: w.Member, To: gateSaturated, Severity: UrgencyWarning,
		Since: now.Add(-w.Began), Evidence: gateEvidence(w),
	}
	shed := w.shed()
	switch {
	case !w.Saturated:
		f.To, f.Severity, f.Since = gateOpen, UrgencyInfo, now.Add(w.Lasted-w.Began)
		f.What = fmt.Sprintf("member %s is saturated no more at node %s: within %s %d statements waited, %d got an error instead of a place, the clients of %d went", w.Member, node, w.Lasted.Round(time.Second), w.Waited, shed, w.Gone)
	case shed > 0:
		f.To = gateSheds
		f.What = fmt.Sprintf("member %s is saturated at node %s, and statements get an error (1041) instead of a place: %s", w.Member, node, w.reasons())
		f.Remedy = "sqlring top shows who wants what; hold back what can wait: sqlring throttle set --digest or --account; let people wait longer: sqlring gate set --mode absorb --max-wait"
	default:
		f.What = fmt.Sprintf("member %s is saturated at node %s: statements wait for their turn", w.Member, node)
		f.Remedy = "nothing, if it ends by itself: sqlring top shows who waits; docs/bursts.md says how to read it"
	}
	return f
}

func (w GateWord) shed() (n uint64) {
	for _, v := range w.Shed {
		n += v
	}
	return n
}

// reasons are those of what was shed, with how many.
func (w GateWord) reasons() string {
	var words []string
	for _, why := range slices.Sorted(maps.Keys(w.Shed)) {
		if w.Shed[why] > 0 {
			words = append(words, fmt.Sprintf("%s %d", why, w.Shed[why]))
		}
	}
	return strings.Join(words, ", ")
}

func gateEvidence(w GateWord) []string {
	lines := []string{fmt.Sprintf("mode %s, %d places, %d wait, statements take %.2f times what is usual", w.Mode, w.Limit, w.Waiting, w.Inflation)}
	if w.Waited > 0 {
		mean := w.WaitTime / time.Duration(w.Waited)
		lines = append(lines, fmt.Sprintf("%d statements have waited, %s on average", w.Waited, mean.Round(time.Millisecond)))
	}
	if why := w.reasons(); why != "" {
		lines = append(lines, "shed: "+why)
	}
	if w.Gone > 0 {
		lines = append(lines, fmt.Sprintf("gone while they waited: the clients of %d", w.Gone))
	}
	return lines
}

// RaiseLaw says that every node knows a later law of the outbox: its topics can be told
// from now on.
type RaiseLaw struct {
	To int `json:"to"`
}

func (l RaiseLaw) String() string { return fmt.Sprintf("tell by law %d from now on", l.To) }

func (l RaiseLaw) apply(s *Snapshot, _ Command) error {
	o, err := s.outbox()
	switch {
	case err != nil:
		return err
	case l.To <= o.Law:
		return fmt.Errorf("%w: law %d stands", ErrStale, o.Law)
	}
	o.Law = l.To
	return nil
}
