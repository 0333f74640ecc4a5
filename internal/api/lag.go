package api

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// LagReport is what is known of the lag of every member and pair of members.
type LagReport struct {
	Ring       string        `json:"ring"`
	At         time.Time     `json:"at"`
	Members    []MemberLevel `json:"members" doc:"the members that are in the ring, in ring order"`
	Hop        *LagHop       `json:"hop" doc:"the hop that adds most lag; null: none adds enough to be told"`
	Cells      []LagCell     `json:"cells" doc:"sorted by origin, then member"`
	Thresholds LagThresholds `json:"thresholds" doc:"when a member is in which level"`
	Admissions []Admission   `json:"admissions" doc:"which share of their places for writes the owners give away, in ring order"`
}

// MemberLevel is the lag level of one member.
type MemberLevel struct {
	Name    string `json:"name"`
	Level   string `json:"level" enum:"unknown,fresh,warn,throttle,drain,broken"`
	Why     string `json:"why" doc:"what moved it to that level"`
	SinceMS *int64 `json:"since_ms" doc:"for how long it has been of that level; null: not known"`
	Behind  string `json:"behind" doc:"the origin with respect to which it is of that level; empty: it is so by itself"`
	Read    bool   `json:"read" doc:"whether reads are spread over it"`
}

// LagHop is the link of the ring that lag comes from.
type LagHop struct {
	From   string `json:"from"`
	To     string `json:"to" doc:"the member that pulls from from"`
	Origin string `json:"origin" doc:"whose transactions show it best"`
	AddsMS int64  `json:"adds_ms" doc:"at least so much lag lies between the two"`
	What   string `json:"what" doc:"in words, with where the transactions are"`
}

// LagCell is the lag of one member with respect to one origin: the truth lies
// between LowMS and HighMS.
type LagCell struct {
	Origin string `json:"origin"`
	Member string `json:"member"`
	LowMS  *int64 `json:"low_ms" doc:"at least this; null: not known"`
	HighMS *int64 `json:"high_ms" doc:"at most this; null: not known"`
	AgeMS  *int64 `json:"age_ms" doc:"how old the reading is; null: there was none"`
	Level  string `json:"level" doc:"of this pair alone"`

	Behind    *uint64  `json:"behind" doc:"transactions that the origin has and the member has not applied; null: not known"`
	Queued    *uint64  `json:"queued" doc:"of those, how many the member has received; null: not known"`
	Arrival   *float64 `json:"arrival_per_s" doc:"transactions that the origin commits; null: not known"`
	Apply     *float64 `json:"apply_per_s" doc:"transactions of the origin that the member applies; null: not known"`
	CatchesUp *bool    `json:"catches_up" doc:"whether it will have caught up if both rates stay; null: not known"`
	ETAMS     *int64   `json:"eta_ms" doc:"the time until then; null: never, or not known"`
}

func (l look) lagReport() LagReport {
	r := LagReport{
		At: l.now.UTC(), Members: []MemberLevel{}, Cells: make([]LagCell, 0, len(l.lags)),
		Thresholds: thresholdsOf(l.snap.LagThresholds()), Admissions: l.admissions(),
	}
	if l.snap.Ring != nil {
		r.Ring = l.snap.Ring.Name
	}
	if l.picture != nil {
		for _, m := range l.picture.Members {
			r.Members = append(r.Members, l.level(m.Member))
		}
	}
	if hop := l.hop(); hop.To != "" {
		r.Hop = &LagHop{
			From: string(hop.From), To: string(hop.To), Origin: string(hop.Origin),
			AddsMS: hop.Adds.Milliseconds(), What: hop.String(),
		}
	}
	for _, c := range l.lags {
		r.Cells = append(r.Cells, l.lagCell(c))
	}
	return r
}

func (l look) lagCell(c lagguard.Cell) LagCell {
	cell := LagCell{
		Origin: string(c.Origin), Member: string(c.Member), AgeMS: l.age(c.Lag.At), Level: lagguard.LevelUnknown.String(),
	}
	lag := l.fresh(c)
	if low, width := lagMillis(lag); low != nil {
		high := *low + *width
		cell.LowMS, cell.HighMS = low, &high
	}
	p, ok := l.picture.Pair(c.Origin, c.Member)
	if !ok || !lag.Known {
		return cell
	}
	cell.Level = p.State.Level.String()
	if f := p.Flow; f.Known {
		catches := f.ETA != lagguard.Never
		cell.Behind, cell.Queued, cell.Arrival, cell.Apply, cell.CatchesUp = &f.Behind, &f.Queued, &f.Arrival, &f.Apply, &catches
		if catches {
			ms := f.ETA.Milliseconds()
			cell.ETAMS = &ms
		}
	}
	return cell
}

// level returns the lag level of a member; unknown if it does not answer or is not
// in the ring.
func (l look) level(id topology.MemberID) MemberLevel {
	shown := MemberLevel{Name: string(id), Level: lagguard.LevelUnknown.String()}
	m, ok := l.picture.Member(id)
	seen, good := l.obs.Good(id, l.now)
	switch {
	case !ok:
		shown.Why = "it is not in the ring"
		return shown
	case !good && m.Level != lagguard.LevelUnknown:
		shown.Why = unseen(seen, l.now)
		return shown
	}
	shown.Level, shown.Why, shown.Behind = m.Level.String(), m.Why, string(m.Behind)
	shown.SinceMS, shown.Read = l.age(m.Since), m.Level.Readable()
	return shown
}

// lateLevels names the members that reads are not spread over because of their lag.
func (l look) lateLevels() []string {
	if l.picture == nil {
		return nil
	}
	var why []string
	for _, m := range l.picture.Members {
		if _, good := l.obs.Good(m.Member, l.now); !good || m.Level.Readable() || m.Level == lagguard.LevelUnknown {
			continue
		}
		text := fmt.Sprintf("member %s: its lag level is %s, reads go elsewhere: %s", m.Member, m.Level, m.Why)
		if m.Behind != "" {
			text += " (behind " + string(m.Behind) + ")"
		}
		why = append(why, text)
	}
	if hop := l.picture.Hop; len(why) > 0 && hop.To != "" {
		why = append(why, "the hop to blame: "+hop.String())
	}
	return why
}

// whyLevel says of which lag level a member is, what moved it there, and what of it.
func (l look) whyLevel(id topology.MemberID) string {
	m := l.level(id)
	text := fmt.Sprintf("its lag level is %s", m.Level)
	if m.SinceMS != nil {
		text += " for " + Span(time.Duration(*m.SinceMS)*time.Millisecond)
	}
	text += ", " + map[bool]string{true: "reads are spread over it", false: "reads go elsewhere while another can be read"}[m.Read]
	if m.Why != "" {
		text += ": " + m.Why
	}
	if hop := l.hop(); hop.To == id {
		text += "; the hop to blame: " + hop.String()
	}
	return sentence(text)
}

// hop returns the hop to blame; zero: none.
func (l look) hop() lagguard.Hop {
	if l.picture == nil {
		return lagguard.Hop{}
	}
	return l.picture.Hop
}
