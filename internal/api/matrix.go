package api

import (
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// LagReport is the lag of every pair of members.
type LagReport struct {
	Ring  string    `json:"ring"`
	At    time.Time `json:"at"`
	Cells []LagCell `json:"cells" doc:"sorted by origin, then member"`
}

// LagCell is the lag of one member with respect to one origin: the truth lies
// between LowMS and HighMS.
type LagCell struct {
	Origin string `json:"origin"`
	Member string `json:"member"`
	LowMS  *int64 `json:"low_ms" doc:"at least this; null: not known"`
	HighMS *int64 `json:"high_ms" doc:"at most this; null: not known"`
	AgeMS  *int64 `json:"age_ms" doc:"how old the reading is; null: there was none"`
}

func (l look) lagReport() LagReport {
	r := LagReport{At: l.now.UTC(), Cells: make([]LagCell, 0, len(l.lags))}
	if l.snap.Ring != nil {
		r.Ring = l.snap.Ring.Name
	}
	for _, c := range l.lags {
		cell := LagCell{Origin: string(c.Origin), Member: string(c.Member), AgeMS: l.age(c.Lag.At)}
		if low, width := lagMillis(l.fresh(c)); low != nil {
			high := *low + *width
			cell.LowMS, cell.HighMS = low, &high
		}
		r.Cells = append(r.Cells, cell)
	}
	return r
}

// AutoincReport says which auto_increment values each member may give out.
type AutoincReport struct {
	Ring    string          `json:"ring"`
	Stride  int             `json:"stride"`
	Free    int             `json:"free" doc:"slots of the stride that no member holds"`
	Next    int             `json:"next" doc:"the slot that the next member gets; 0: none is free"`
	Members []AutoincMember `json:"members"`
}

// AutoincMember is the slot of one member.
type AutoincMember struct {
	Name   string          `json:"name"`
	Slot   int             `json:"slot"`
	Meant  autoinc.Layout  `json:"meant"`
	Seen   *autoinc.Layout `json:"seen" doc:"the server's global variables; null: not known"`
	OK     *bool           `json:"ok" doc:"whether seen is as meant; null: not known"`
	Values []uint64        `json:"values" doc:"the first values that it gives out"`
}

func (l look) autoinc() AutoincReport {
	r := AutoincReport{Members: []AutoincMember{}}
	if l.snap.Ring == nil {
		return r
	}
	r.Ring, r.Stride = l.snap.Ring.Name, l.snap.Ring.Stride
	var taken []int
	for _, m := range l.snap.Members {
		taken = append(taken, m.Slot)
		meant := m.Layout(r.Stride)
		shown := AutoincMember{Name: string(m.ID), Slot: m.Slot, Meant: meant}
		for i := range 3 {
			shown.Values = append(shown.Values, uint64(meant.Offset)+uint64(i)*uint64(meant.Stride))
		}
		if seen, good := l.obs.Good(m.ID, l.now); good {
			same := seen.Layout == meant
			shown.Seen, shown.OK = &seen.Layout, &same
		}
		r.Members = append(r.Members, shown)
	}
	r.Free = r.Stride - len(taken)
	if next, err := autoinc.Allocate(r.Stride, taken); err == nil {
		r.Next = next
	}
	return r
}
