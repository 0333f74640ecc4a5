package lagguard

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// unknownHold is how long a lag has to be unknown before that is told: after a start,
// and while a member is taken out, it is for a moment.
const unknownHold = 5 * time.Second

// Findings returns what there is to tell of the levels: a finding for each member, in
// ring order, then one for each whose writes are held back. That a member is fresh is one
// of urgency info.
func (p *Picture) Findings() []topology.Finding {
	if p == nil {
		return nil
	}
	found := make([]topology.Finding, 0, len(p.Members))
	for _, m := range p.Members {
		f := topology.Finding{
			Topic: topology.TopicLag, Subject: string(m.Member), Member: m.Member, To: m.Level.String(), Severity: urgency(m.Level), Since: m.Since,
			What: fmt.Sprintf("the lag level of %s is %s", m.Member, m.Level), Why: m.Why, Evidence: p.evidence(m.Member),
		}
		switch m.Level {
		case LevelUnknown:
			f.Hold, f.Remedy = unknownHold, fmt.Sprintf("it is not read from: sqlring why %s", m.Member)
		case LevelWarn:
			f.Remedy = "sqlring lag shows which hop adds it; look for a long transaction, a lock or a slow link there"
		case LevelThrottle, LevelDrain:
			f.Remedy = "it is not read from, and bulk writers are told to wait: sqlring lag shows the hop to blame"
		case LevelBroken:
			f.Remedy = fmt.Sprintf("its replication stands still: sqlring why %s", m.Member)
		case LevelFresh:
		}
		found = append(found, f)
	}
	return append(found, p.admissionFindings()...)
}

func urgency(l Level) topology.Urgency {
	switch l {
	case LevelFresh:
		return topology.UrgencyInfo
	case LevelDrain, LevelBroken:
		return topology.UrgencyCritical
	case LevelUnknown, LevelWarn, LevelThrottle:
	}
	return topology.UrgencyWarning
}

// evidence returns the lag of a member behind each origin, and the hop to blame.
func (p *Picture) evidence(member topology.MemberID) []string {
	var lines []string
	for _, pair := range p.Pairs {
		if pair.Member == member {
			lines = append(lines, pair.evidence())
		}
	}
	if p.Hop.To != "" {
		lines = append(lines, "the hop to blame: "+p.Hop.String())
	}
	return lines
}
