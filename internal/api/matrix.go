package api

import "github.com/sqlring/sqlring/pkg/autoinc"

// AutoincReport says which auto_increment values each member may give out.
type AutoincReport struct {
	Ring    string          `json:"ring"`
	Stride  int             `json:"stride"`
	Free    int             `json:"free" doc:"slots of the stride that no member holds"`
	Next    int             `json:"next" doc:"the slot that the next member gets; 0: none is free"`
	Members []AutoincMember `json:"members"`
	Resize  *ResizeStatus   `json:"resize" doc:"the change of the stride that is under way; null: none"`
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
	for _, m := range l.snap.Members {
		meant := m.Layout(r.Stride)
		shown := AutoincMember{Name: string(m.ID), Slot: m.Slot, Meant: meant}
		for i := range 3 {
			shown.Values = append(shown.Values, uint64(meant.Offset)+uint64(i)*uint64(meant.Stride))
		}
		if seen, good := l.obs.Good(m.ID, l.now); good {
			same := l.snap.CountsAs(m, seen.Layout)
			shown.Seen, shown.OK = &seen.Layout, &same
		}
		r.Members = append(r.Members, shown)
	}
	r.Free, r.Resize = r.Stride-len(l.snap.Members), l.resizing()
	if next, err := l.snap.FreeSlot(); err == nil {
		r.Next = next
	}
	return r
}
