package api

import (
	"time"

	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Admission is which share of its places for writes a member gives away: fewer while who
// applies what it writes lags (docs/lag.md).
type Admission struct {
	Member  string  `json:"member"`
	Ratio   float64 `json:"ratio" doc:"share of the places for writes that there is, 0.125 to 1"`
	Places  *int    `json:"places" doc:"places for writes at this node's gate now; null: nobody has come to it yet"`
	Peer    string  `json:"peer" doc:"whose lag counts; empty: nobody's is known"`
	LowMS   *int64  `json:"low_ms" doc:"its lag is at least this; null: not known"`
	SinceMS *int64  `json:"since_ms" doc:"for how long places have been held back; null: none are"`
	What    string  `json:"what" doc:"in words"`
}

// admissions lists those of the members that own a unit, or whose places are held back.
func (l look) admissions() []Admission {
	list := []Admission{}
	if l.picture == nil {
		return list
	}
	for _, a := range l.picture.Admissions {
		if l.snap.Owns(a.Member) || a.Squeezed() {
			list = append(list, l.admission(a))
		}
	}
	return list
}

func (l look) admission(a lagguard.Admission) Admission {
	shown := Admission{Member: string(a.Member), Ratio: a.Ratio(), Peer: string(a.Peer), What: a.String(), Places: l.placesForWrites(a.Member)}
	shown.LowMS, _ = lagMillis(a.Lag)
	if a.Squeezed() {
		ms := max(l.now.Sub(a.Since), 0) / time.Millisecond
		since := int64(ms)
		shown.SinceMS = &since
	}
	return shown
}

func (l look) placesForWrites(id topology.MemberID) *int {
	for _, g := range l.proxy.Gates {
		if g.Member == id {
			writes := g.Writes
			return &writes
		}
	}
	return nil
}
