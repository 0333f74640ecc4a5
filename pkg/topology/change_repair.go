package topology

import (
	"fmt"
	"slices"
)

// maxRepairEvidence is how many rows of a repair stand in the audit.
const maxRepairEvidence = 10

// NoteRepair writes into the audit that a repair of rows begins. It changes nothing else.
type NoteRepair struct {
	From MemberID `json:"from,omitempty"` // the member that is right; empty: the owner of each table's unit
	Node NodeID   `json:"node"`           // which runs it
	Rows int      `json:"rows"`           // to be written, once for each member where they are wrong
	// Evidence is the first of them, in words.
	Evidence []string `json:"evidence,omitempty"`
}

func (n NoteRepair) String() string {
	from := "the owners"
	if n.From != "" {
		from = string(n.From)
	}
	return fmt.Sprintf("node %s makes %d rows what they are on %s", n.Node, n.Rows, from)
}

func (n NoteRepair) apply(s *Snapshot, c Command) error {
	switch _, known := s.Member(n.From); {
	case s.Ring == nil:
		return fmt.Errorf("%w: there is no ring", ErrLaw)
	case n.From != "" && !known:
		return fmt.Errorf("%w: %s is not a member", ErrLaw, n.From)
	case n.Rows < 1:
		return fmt.Errorf("%w: a repair of %d rows", ErrLaw, n.Rows)
	}
	s.record(c, "repair", n.From, n.String())
	s.Events[len(s.Events)-1].Evidence = slices.Clone(n.Evidence[:min(len(n.Evidence), maxRepairEvidence)])
	return nil
}
