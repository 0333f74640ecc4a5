package api

import (
	"context"

	"github.com/sqlring/sqlring/pkg/topology"
)

// What a member's copy of the table of slots is, against the replicated state.
const (
	tableSame    = "same"
	tableDiffers = "differs"
	tableMissing = "missing"
	tableUnknown = "unknown"
)

// maxTableLines is how many differences of a copy are listed.
const maxTableLines = 50

// SlotCopy is what a member's own copy of the table of slots says, asked anew.
type SlotCopy struct {
	State   string   `json:"state" enum:"same,differs,missing,unknown"`
	Differs []string `json:"differs" doc:"how it differs from the replicated state, 50 lines at most"`
	What    string   `json:"what" doc:"what to do about it; empty: nothing"`
}

// slotCopy asks a member that is in the ring for its copy; nil: it is not in the ring, and
// its copy may be of before.
func (s *Server) slotCopy(ctx context.Context, l look, m topology.Member) *SlotCopy {
	if m.State != topology.MemberActive {
		return nil
	}
	c := &SlotCopy{State: tableUnknown, Differs: []string{}}
	found, err := s.node.AskSlots(ctx, m)
	if err != nil {
		c.What = err.Error()
		return c
	}
	meant := l.snap.SlotTable()
	c.State = tableSame
	if found.Ring == "" && len(found.Slots) == 0 {
		c.State, c.What = tableMissing, "it is written within seconds, unless an operation is under way or writes wait; else sqlring status says why"
		return c
	}
	c.Differs = append(c.Differs, meant.Differences(found)...)
	if len(c.Differs) == 0 {
		return c
	}
	c.Differs, c.State = c.Differs[:min(len(c.Differs), maxTableLines)], tableDiffers
	c.What = "after a change it is written within seconds, unless an operation is under way; if somebody has changed rows: SET SESSION sql_log_bin=0; DROP TABLE sqlring.layout on the member, and it is written anew"
	return c
}

// copiesOf folds the copies into one answer: null if one is not known.
func copiesOf(members []VerifyMember) *bool {
	all := true
	for _, m := range members {
		switch {
		case m.Table == nil:
		case m.Table.State == tableUnknown:
			return nil
		default:
			all = all && m.Table.State == tableSame
		}
	}
	return &all
}
