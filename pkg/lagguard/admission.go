package lagguard

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Admission is which share of its places for writes a member gives away, so that those who
// apply what it writes can follow. It shrinks evenly while the lag of the worst of them
// goes from the threshold of warn to that of throttle. The zero value is "all of them".
type Admission struct {
	Member topology.MemberID
	Held   float64           // share of the places that are held back, 0 to 1 - FewestWrites
	Since  time.Time         // since when some are; zero: none are
	Peer   topology.MemberID // whose lag counts; empty: nobody's
	Lag    Lag               // of the peer, behind the member
	At     time.Time         // of the step
}

// FewestWrites is the share of the places for writes that lag leaves. Lag alone stops
// nobody.
const FewestWrites = gate.FewestWrites

// How fast the share may change, a second: a lag that is suddenly known to be large takes
// the places away by steps, and they come back more slowly than they go.
const (
	shrinks = 0.5
	grows   = 0.25
	// longestStep is the most time that a step makes up for.
	longestStep = time.Second
)

// Ratio returns which share of the places for writes there is, FewestWrites to 1.
func (a Admission) Ratio() float64 { return 1 - a.Held }

// Squeezed reports whether places are held back.
func (a Admission) Squeezed() bool { return a.Held > 0 }

// String says the share, and because of whom.
func (a Admission) String() string {
	if !a.Squeezed() {
		return "all places for writes"
	}
	return fmt.Sprintf("%.0f %% of the places for writes: the lag of %s behind %s is %s", 100*a.Ratio(), a.Peer, a.Member, a.Lag)
}

// Admit moves the share of each member on, by the picture p and what it was before. The
// result is in the order of p.Members.
//
// Places are taken by proof that a peer lags so far (its lag is at least that), and given
// back by proof that it does not (it is at most that); between the two the share stays. A
// peer counts if it was seen in time and its lag is known. Who stands still (broken) does
// not count: it does not catch up because less is written. What is not known of a
// peer moves nothing.
func Admit(p *Picture, before []Admission, now time.Time) []Admission {
	if p == nil {
		return nil
	}
	next := make([]Admission, 0, len(p.Members))
	for _, m := range p.Members {
		was := Admission{Member: m.Member, At: now}
		for _, b := range before {
			if b.Member == m.Member {
				was = b
			}
		}
		next = append(next, p.admit(was, now))
	}
	return next
}

func (p *Picture) admit(was Admission, now time.Time) Admission {
	a := Admission{Member: was.Member, Since: was.Since, At: now}
	least, most, unknown := 0.0, 0.0, false // what has to be held back, and what may be
	for _, pair := range p.Pairs {
		if pair.Origin != was.Member {
			continue
		}
		peer, ok := p.Member(pair.Member)
		if !ok || peer.Level == LevelBroken {
			continue
		}
		if !pair.Lag.Known || now.Sub(pair.Lag.At) > topology.MaxAge {
			unknown = true
			continue
		}
		if share := heldBack(p.Thresholds, pair.Lag.Low); a.Peer == "" || share > least || share == least && pair.Lag.Low > a.Lag.Low {
			a.Peer, a.Lag, least = pair.Member, pair.Lag, share
		}
		most = max(most, heldBack(p.Thresholds, pair.Lag.High))
	}
	if unknown {
		most = 1
	}
	passed := min(max(now.Sub(was.At), 0), longestStep).Seconds()
	switch {
	case was.Held < least:
		a.Held = min(least, was.Held+shrinks*passed)
	case was.Held > most:
		a.Held = max(most, was.Held-grows*passed)
	default:
		a.Held = was.Held
	}
	switch {
	case a.Held == 0:
		a.Since = time.Time{}
	case a.Since.IsZero():
		a.Since = now
	}
	if a.Peer == "" && was.Squeezed() {
		a.Peer, a.Lag = was.Peer, was.Lag
	}
	return a
}

// heldBack is which share of the places a lag holds back: none up to the threshold of
// warn, all but FewestWrites from that of throttle on.
func heldBack(t Thresholds, lag time.Duration) float64 {
	from, to := t.Warn.Enter, t.Throttle.Enter
	switch {
	case lag <= from:
		return 0
	case lag >= to:
		return 1 - FewestWrites
	}
	return (1 - FewestWrites) * float64(lag-from) / float64(to-from)
}

// Admission returns what is known of one member's places for writes.
func (p *Picture) Admission(id topology.MemberID) Admission {
	if p != nil {
		for _, a := range p.Admissions {
			if a.Member == id {
				return a
			}
		}
	}
	return Admission{Member: id}
}

// squeezeHold is how long places have to be held back before that is told.
const squeezeHold = time.Second

// admissionFindings are the members whose writes are held back.
func (p *Picture) admissionFindings() []topology.Finding {
	var found []topology.Finding
	for _, a := range p.Admissions {
		if !a.Squeezed() {
			continue
		}
		f := topology.Finding{
			Topic: topology.TopicLag, Subject: "writes/" + string(a.Member), Member: a.Member, To: "squeezed", Severity: topology.UrgencyWarning, Since: a.Since, Hold: squeezeHold,
			What:     fmt.Sprintf("fewer writes are let in at %s at a time, so that %s can follow", a.Member, a.Peer),
			Why:      fmt.Sprintf("the lag of %s behind %s is %s", a.Peer, a.Member, a.Lag),
			Remedy:   "nothing, if it ends by itself: the places come back as the lag goes; sqlring lag shows the hop that adds it",
			Evidence: append([]string{a.String()}, p.evidence(a.Peer)...),
		}
		found = append(found, f)
	}
	return found
}
