package api

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// keysTold bounds the columns that are told of: those that are used most.
const keysTold = 50

// KeyFindings returns the columns whose keys run out, by the last reading; known is
// false if that is too old to say that others are well.
func (s *Server) KeyFindings() (found []topology.Finding, known bool) {
	l := s.look()
	at, columns := s.keys.last()
	if l.snap.Ring == nil || at.IsZero() || l.now.Sub(at) > keysOldest {
		return nil, false
	}
	for _, c := range columns[:min(len(columns), keysTold)] {
		layout, owner := l.layoutIn(c.Schema, l.snap.Ring.Stride)
		level := c.Level(layout)
		if level == autoinc.HeadroomFine {
			continue
		}
		f := topology.Finding{
			Topic: topology.TopicHeadroom, Subject: c.Name(), Member: topology.MemberID(owner), To: level.String(), Severity: topology.UrgencyWarning, Since: at,
			What:   fmt.Sprintf("%.1f %% of the keys of %s (%s) are gone", 100*c.Used(), c.Name(), c.Type),
			Remedy: "sqlring autoinc headroom shows when they run out; make the column larger (BIGINT) before",
		}
		line := l.headroomLine(c, s.keys.growthOf(c.Name()), l.snap.Ring.Stride)
		f.Evidence = []string{fmt.Sprintf("next value %d of %d, %d rows left at stride %d", line.Next, line.Max, line.Left, l.snap.Ring.Stride)}
		if line.RunsOut != nil {
			f.Evidence = append(f.Evidence, "they are gone on "+line.RunsOut.Format(time.DateOnly))
		}
		if level >= autoinc.HeadroomUrgent {
			f.Severity = topology.UrgencyCritical
		}
		found = append(found, f)
	}
	return found, true
}
