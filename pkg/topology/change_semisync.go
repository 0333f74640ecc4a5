package topology

import "fmt"

// OrderSemiSync changes whether a member's commits wait for its acker, so that
// "was this acknowledged by the peer?" can be answered afterwards. "armed" is
// said only of what was read back as armed; "degraded" is said before the switch
// is thrown, and under DegradedRefuse the member's units are withheld with it.
type OrderSemiSync struct {
	Member MemberID `json:"member"`
	From   SemiSync `json:"from"`
	To     SemiSync `json:"to"`
}

func (o OrderSemiSync) String() string {
	return fmt.Sprintf("order semi-sync of %s from %s to %s", o.Member, o.From, o.To)
}

func (o OrderSemiSync) apply(s *Snapshot, c Command) error {
	i := s.memberIndex(o.Member)
	switch {
	case i < 0:
		return fmt.Errorf("%w: %s is not a member", ErrStale, o.Member)
	case s.Members[i].SemiSync != o.From:
		return fmt.Errorf("%w: semi-sync of %s is %s, %s was expected", ErrStale, o.Member, s.Members[i].SemiSync, o.From)
	case o.To == SemiSyncArmed && !s.Owns(o.Member) && !s.Inherits(o.Member):
		return fmt.Errorf("%w: %s owns no unit, its commits may not wait for an acker", ErrLaw, o.Member)
	}
	s.Members[i].SemiSync = o.To
	if o.To == SemiSyncDegraded && s.Ring.Degraded == DegradedRefuse {
		s.takeUnits(o.Member, o.Member, c) // withheld until it is armed again
	}
	s.record(c, "semi-sync", o.Member, fmt.Sprintf("semi-sync of %s: %s -> %s", o.Member, o.From, o.To))
	return nil
}
