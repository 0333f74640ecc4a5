package lagguard

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Verdict is the answer to "may this application write (or read) there now?". The
// zero value is CheckUnsure. The answers are those of freno.
type Verdict uint8

// The answers.
const (
	CheckUnsure    Verdict = iota // it can not be told: do not
	CheckPass                     // do
	CheckNoStore                  // there is no such ring or member
	CheckForbidden                // a rule holds this application back
	CheckExceeded                 // somebody lags too far
)

// CheckAsk is one question of an application.
type CheckAsk struct {
	App   string
	Store string // the name of the ring (all of its members), or of a member
	// AtMost is the lag that the application bears; 0: the ring's own threshold, with
	// its hold times.
	AtMost time.Duration
	Now    time.Time
	Rule   *topology.ThrottleRule // what holds the application back; nil: nothing
	Draw   float64                // uniform in [0, 1): whom a partial rule meets
}

// CheckAnswer is the answer, with what it was made of.
type CheckAnswer struct {
	Verdict   Verdict
	Message   string        // why; empty if it passes
	Value     time.Duration // the worst lag, at most
	Threshold time.Duration
}

// Check answers from the picture. Whatever is not known is no.
func (p *Picture) Check(ask CheckAsk) CheckAnswer {
	if p == nil {
		return CheckAnswer{Verdict: CheckNoStore, Message: "there is no ring yet"}
	}
	a := CheckAnswer{Threshold: ask.AtMost}
	if ask.AtMost == 0 {
		a.Threshold = p.Thresholds.Throttle.Enter
	}
	if r := ask.Rule; r != nil && ask.Draw < r.Ratio {
		a.Verdict = CheckForbidden
		a.Message = fmt.Sprintf("a rule holds %s back until %s: %s", r.App, r.Until.UTC().Format(time.RFC3339), r.Why)
		return a
	}
	found := false
	a.Verdict = CheckPass
	for _, m := range p.Members {
		if ask.Store != p.Ring && ask.Store != string(m.Member) {
			continue
		}
		found = true
		p.checkMember(&a, m, ask)
	}
	if !found {
		return CheckAnswer{Verdict: CheckNoStore, Message: fmt.Sprintf("there is no ring or member %q here: the ring is %q", ask.Store, p.Ring)}
	}
	return a
}

// checkMember folds one member into the answer: not known dominates, then exceeded.
func (p *Picture) checkMember(a *CheckAnswer, m MemberLag, ask CheckAsk) {
	worse := func(v Verdict, why string) {
		if a.Verdict == CheckPass || v == CheckUnsure && a.Verdict == CheckExceeded {
			a.Verdict, a.Message = v, fmt.Sprintf("%s: %s", m.Member, why)
		}
	}
	switch age := ask.Now.Sub(m.Seen); {
	case m.Seen.IsZero() || age > topology.MaxAge:
		worse(CheckUnsure, "it was not seen in time")
	case m.Level == LevelUnknown || m.Level == LevelBroken:
		worse(CheckUnsure, fmt.Sprintf("it is %s: %s", m.Level, m.Why))
	case ask.AtMost == 0 && (m.Level == LevelThrottle || m.Level == LevelDrain):
		worse(CheckExceeded, fmt.Sprintf("it is %s: %s", m.Level, m.Why))
	}
	for _, pair := range p.Pairs {
		if pair.Member != m.Member || !pair.Lag.Known {
			continue
		}
		lag := pair.Lag.High
		if origin, _ := p.Member(pair.Origin); origin.Level == LevelUnknown {
			lag = pair.Lag.Low // nothing newer is known of an origin that does not answer
		}
		a.Value = max(a.Value, lag)
		switch {
		case ask.AtMost > 0 && lag > ask.AtMost, ask.AtMost == 0 && pair.State.Lag().Low >= a.Threshold:
			worse(CheckExceeded, fmt.Sprintf("its lag behind %s is %s", pair.Origin, pair.Lag))
		}
	}
}
