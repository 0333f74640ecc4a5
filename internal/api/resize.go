package api

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// ResizePlan is what another stride would do. Nothing of it is done.
type ResizePlan struct {
	Ring       string         `json:"ring"`
	From       int            `json:"from"`
	To         int            `json:"to"`
	Members    []ResizeMember `json:"members" doc:"in ring order"`
	FreeBefore int            `json:"free_before" doc:"slots that nobody holds"`
	FreeAfter  int            `json:"free_after"`
	Conditions []string       `json:"conditions" doc:"what must hold before a new slot is given away, and why"`
	Columns    []ResizeColumn `json:"columns" doc:"the columns that it would take to another level, at most 20"`
	Unknown    []string       `json:"unknown" doc:"what could not be asked, and why"`
	Steps      []string       `json:"steps" doc:"what a resize does, in this order"`
	Refused    string         `json:"refused" doc:"why it is refused as it stands; empty: it is not"`
}

// ResizeMember is what a resize does to one member's slot.
type ResizeMember struct {
	Name   string         `json:"name"`
	Before autoinc.Layout `json:"before"`
	After  autoinc.Layout `json:"after"`
}

// ResizeColumn is a column whose keys a resize makes scarce.
type ResizeColumn struct {
	Column      string `json:"column" doc:"schema.table.column"`
	LeftBefore  uint64 `json:"left_before" doc:"rows that its owner can still insert"`
	LeftAfter   uint64 `json:"left_after"`
	LevelBefore string `json:"level_before"`
	LevelAfter  string `json:"level_after"`
}

// planResize computes what stride to would do.
func (s *Server) planResize(ctx context.Context, to int) (ResizePlan, error) {
	l := s.look()
	if l.snap.Ring == nil {
		return ResizePlan{}, errors.New("there is no ring yet")
	}
	p := ResizePlan{Ring: l.snap.Ring.Name, From: l.snap.Ring.Stride, To: to, Members: []ResizeMember{}, Columns: []ResizeColumn{}, Unknown: []string{}}
	slots := make([]int, 0, len(l.snap.Members))
	for _, m := range l.snap.Members {
		slots = append(slots, m.Slot)
	}
	moves, fresh, err := autoinc.Resize(p.From, to, slots)
	if err != nil {
		return ResizePlan{}, err
	}
	for i, m := range l.snap.Members {
		p.Members = append(p.Members, ResizeMember{string(m.ID), moves[i].Before, moves[i].After})
	}
	p.FreeBefore, p.FreeAfter = p.From-len(slots), to-len(slots)
	p.Conditions = []string{
		"members move one by one, in any order: the values of a new layout are a part of the old one's, so none meets another's",
		fmt.Sprintf("slots %d to %d share a class of the old stride: each may be given away once no session of stride %d is left on any member, and the new member has everything that was written before", fresh[0], fresh[len(fresh)-1], p.From),
		fmt.Sprintf("every row takes %d values instead of %d: a column's remaining rows become %.3g of what they are", to, p.From, float64(p.From)/float64(to)),
	}
	p.Steps = resizeSteps(p.From, to, fresh)
	columns, unknown := s.readKeys(ctx)
	p.Unknown = append(p.Unknown, unknown...)
	for _, c := range columns {
		before, _ := l.layoutIn(c.Schema, p.From)
		after, _ := l.layoutIn(c.Schema, to)
		was, is := c.Level(before), c.Level(after)
		if (was == is && c.Left(after) > math.MaxInt16) || len(p.Columns) == keysShown {
			continue
		}
		p.Columns = append(p.Columns, ResizeColumn{c.Name(), c.Left(before), c.Left(after), was.String(), is.String()})
	}
	return p, nil
}

func resizeSteps(from, to int, fresh []int) []string {
	return []string{
		fmt.Sprintf("each member, those that own nothing first, gives stride %d to whoever connects; nobody is closed or ended, and writes go on", to),
		fmt.Sprintf("sessions that connected before still count by stride %d: proxies renew their connections at once, a transaction and a direct session may go on for the grace; then they are ended", from),
		"what the members have then is noted, and every member must have all of it",
		fmt.Sprintf("the ring's stride is %d; slots %d to %d can be given away", to, fresh[0], fresh[len(fresh)-1]),
	}
}
