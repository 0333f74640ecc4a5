package topology

import (
	"fmt"
	"slices"
)

// NodeOrder is what somebody orders of the nodes themselves.
type NodeOrder string

// The orders.
const (
	OrderRemove   NodeOrder = "remove"   // take the node out of raft's configuration
	OrderTransfer NodeOrder = "transfer" // let the node lead; without a name: whichever is most up to date
	OrderAdmit    NodeOrder = "admit"    // take the node into raft's configuration, or let it move
	OrderVote     NodeOrder = "vote"     // let a node vote that has only listened
)

// NoteOrder puts into the audit what is about to be done to the nodes (S90). Who is in
// raft's configuration, and who leads, stands outside of the state: without the note nobody
// could say who has ordered it. It changes nothing else. From [LawOfOrders] on.
type NoteOrder struct {
	Order NodeOrder `json:"order"`
	Node  NodeID    `json:"node,omitempty"`
}

func (n NoteOrder) String() string {
	switch {
	case n.Order == OrderRemove:
		return fmt.Sprintf("take node %s out", n.Node)
	case n.Order == OrderAdmit:
		return fmt.Sprintf("let node %s in", n.Node)
	case n.Order == OrderVote:
		return fmt.Sprintf("let node %s vote", n.Node)
	case n.Node == "":
		return "hand the leadership over"
	}
	return fmt.Sprintf("let node %s lead", n.Node)
}

func (n NoteOrder) apply(s *Snapshot, c Command) error {
	switch {
	case !s.Knows(LawOfOrders):
		return fmt.Errorf("%w: not every node is known to know notes of orders", ErrLaw)
	case !slices.Contains([]NodeOrder{OrderRemove, OrderTransfer, OrderAdmit, OrderVote}, n.Order):
		return fmt.Errorf("%w: order %q: remove, transfer, admit or vote", ErrLaw, n.Order)
	case n.Node == "" && n.Order != OrderTransfer:
		return fmt.Errorf("%w: %s whom?", ErrLaw, n.Order)
	}
	if n.Node != "" {
		if err := ValidName(string(n.Node)); err != nil {
			return fmt.Errorf("%w: node: %w", ErrLaw, err)
		}
	}
	s.record(c, "node", "", "order: "+n.String())
	return nil
}

// Knows reports whether every node has been known to know a law above [LawOfOutbox], so that
// its commands may be proposed.
func (s *Snapshot) Knows(law int) bool { return s.Outbox != nil && s.Outbox.Law >= law }
