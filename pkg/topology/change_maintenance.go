package topology

import (
	"fmt"
	"time"
)

// MaxMaintenance bounds how long a member may be out without anybody asking why.
const MaxMaintenance = 30 * 24 * time.Hour

// MaintainMember begins the maintenance of a member that is out already.
type MaintainMember struct {
	Member MemberID `json:"member"`
}

func (b MaintainMember) String() string { return fmt.Sprintf("maintain %s", b.Member) }

func (b MaintainMember) apply(s *Snapshot, c Command) error {
	i := s.memberIndex(b.Member)
	if i < 0 || !s.Members[i].Leaving.forAWhile() || s.Members[i].State != MemberDown && s.Members[i].State != MemberHeld {
		return fmt.Errorf("%w: %s is not out, or not to be maintained", ErrStale, b.Member)
	}
	m := &s.Members[i]
	m.State, m.Why = MemberMaintained, maintenanceUntil(*m)
	s.record(c, "maintenance", m.ID, fmt.Sprintf("%s, which was out, is in maintenance", m.ID))
	return nil
}

// EndMaintenance ends a maintenance, or takes back that there is to be one. The member
// comes back as any other that was out.
type EndMaintenance struct {
	Member MemberID `json:"member"`
}

func (e EndMaintenance) String() string { return fmt.Sprintf("end the maintenance of %s", e.Member) }

func (e EndMaintenance) apply(s *Snapshot, c Command) error {
	i := s.memberIndex(e.Member)
	if i < 0 || !s.Members[i].Leaving.forAWhile() {
		return fmt.Errorf("%w: %s is not in maintenance", ErrStale, e.Member)
	}
	if op, ok := s.Running(); ok && op.leaves() && op.Member == e.Member {
		s.endLeave(c)
	}
	s.stay(e.Member)
	if m := &s.Members[i]; m.State == MemberMaintained {
		m.State, m.Why = MemberDown, "its maintenance has ended"
	}
	s.record(c, "maintenance", e.Member, fmt.Sprintf("the maintenance of %s has ended", e.Member))
	return nil
}

// maintenanceUntil says why a member in maintenance is out.
func maintenanceUntil(m Member) string {
	return fmt.Sprintf("in maintenance until %s; at once: sqlring master maintenance %s --end", m.Leaving.Until.UTC().Format(time.DateTime+" UTC"), m.ID)
}

// maintained keeps a member in maintenance closed while it answers, and ends that when
// its time is over.
func maintained(m Member, seen Observation, good bool, now time.Time) Step {
	if !now.Before(m.Leaving.Until) {
		return commit(EndMaintenance{Member: m.ID}, "its time is over")
	}
	if good {
		if step, closed := shut(m, seen); !closed && step.Kind == StepDo {
			return step
		}
	}
	return idle(m.Why)
}
