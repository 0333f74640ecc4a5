package api

import (
	"context"
	"fmt"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// inTheWay says what the servers of a ring that is to be made lack now, as the first step of the
// operation would say it. Nothing is refused because of that: the operation waits until it is
// mended, and goes on by itself. Who can not be looked at is told as well.
func (s *Server) inTheWay(ctx context.Context, l look, change topology.InitRing) []string {
	found := []string{}
	next, err := topology.Apply(l.snap, topology.Command{Index: l.snap.Index + 1, At: l.now, Change: change})
	if err != nil {
		return found
	}
	seen := s.node.LookAt(ctx, next.Members)
	for _, m := range next.Members {
		if o, looked := seen.Of(m.ID); looked && o.Reach != topology.ReachAnswers {
			found = append(found, fmt.Sprintf("%s at %s does not answer: %s: start it, and give it the manager's account (docs/accounts.md)", m.ID, m.Addr, unseen(o, l.now)))
		}
	}
	op, _ := next.Running()
	if step := topology.Next(next, seen, l.now); step.Kind == topology.StepStuck {
		again := fmt.Sprintf("sqlring operation abort %s, and ring init again", op.ID)
		found = append(found, strings.ReplaceAll(step.Why, again, "sqlring ring init"))
	}
	if !change.Data {
		return found
	}
	for _, m := range next.Members[1:] { // they are filled one after the other, once the ring is open
		if o, looked := seen.Of(m.ID); !looked || o.Reach != topology.ReachAnswers {
			continue
		}
		for _, c := range s.node.CheckCopy(ctx, topology.CopyInquiry{Target: m, Source: next.Members[0]}) {
			if c.Verdict == topology.CopyRefused {
				found = append(found, strings.TrimSuffix(fmt.Sprintf("%s, check %s: %s; %s", m.ID, c.Name, c.What, c.Remedy), "; "))
			}
		}
	}
	return found
}
