package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// DrainRequest says why a member is drained, or resumed.
type DrainRequest struct {
	Why string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// DrainPlan is what draining or resuming a member does.
type DrainPlan struct {
	Member  string   `json:"member"`
	Drained bool     `json:"drained" doc:"whether it is drained afterwards"`
	Moves   []Move   `json:"moves" doc:"the units that move away, one after the other, and where to as it looks now"`
	Pinned  []string `json:"pinned" doc:"its units that are pinned: they stay"`
	Steps   []string `json:"steps"`
	Refused string   `json:"refused" doc:"why it is refused as it stands; empty: it is not"`
}

// Move is a unit and who gets it.
type Move struct {
	Unit string `json:"unit"`
	To   string `json:"to" doc:"empty: nobody can get it now"`
}

type drainInput struct {
	Name   string        `path:"name" maxLength:"32" doc:"for example m1"`
	DryRun bool          `query:"dry_run" doc:"only compute the plan, and check it"`
	Body   *DrainRequest `required:"false"`
}

func (s *Server) drainRoutes(api huma.API) {
	for _, verb := range []string{"drain", "resume"} {
		drains := verb == "drain"
		summary := "Let a member serve again; units that have moved stay where they are"
		if drains {
			summary = "Take the load from a member: its units move away, reads do not go there"
		}
		huma.Register(api, huma.Operation{
			Method: http.MethodPost, Path: "/v1/members/{name}/" + verb, OperationID: verb + "-member", MaxBodyBytes: maxBody, Summary: summary,
		}, func(ctx context.Context, in *drainInput) (*answer[DrainPlan], error) { return s.drain(ctx, in, drains) })
	}
}

func (s *Server) drain(ctx context.Context, in *drainInput, drains bool) (*answer[DrainPlan], error) {
	l, why := s.look(), ""
	id := topology.MemberID(in.Name)
	var change topology.Change = topology.ResumeMember{Member: id}
	if drains {
		change = topology.DrainMember{Member: id}
	}
	what := change.String()
	if _, ok := l.snap.Member(id); !ok {
		return nil, newProblem(http.StatusNotFound, ProblemNotFound, "%s: %s is not a member of the ring: %s", what, id, l.memberNames())
	}
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, what)
	}
	plan, problem := l.drainPlan(id, drains), l.mayChange(change, what)
	switch {
	case problem != nil && in.DryRun: // the plan is worth being seen all the same
		plan.Refused = problem.Detail
		fallthrough
	case in.DryRun:
		return &answer[DrainPlan]{plan}, nil
	case problem != nil:
		return nil, problem
	}
	if in.Body != nil {
		why = in.Body.Why
	}
	if err := s.propose(ctx, change, why); err != nil {
		return nil, proposeProblem(l, what, err)
	}
	return &answer[DrainPlan]{plan}, nil
}

func (l look) drainPlan(id topology.MemberID, drains bool) DrainPlan {
	plan := DrainPlan{Member: string(id), Drained: drains, Moves: []Move{}, Pinned: []string{}}
	if !drains {
		plan.Steps = []string{fmt.Sprintf("reads go to %s again, and units may move there", id)}
		if m, ok := l.snap.Member(id); ok && m.State != topology.MemberActive {
			plan.Steps = []string{fmt.Sprintf("%s stays %s; once it is in the ring again reads go there, and units may move there", id, m.State)}
			if m.State == topology.MemberMaintained {
				plan.Steps = append(plan.Steps, fmt.Sprintf("to end its maintenance: sqlring master maintenance %s --end", id))
			}
		}
		return plan
	}
	plan.Steps = []string{fmt.Sprintf("reads do not go to %s any more, and no unit moves there", id)}
	for _, u := range l.snap.Units {
		switch {
		case u.Owner != id:
		case u.Pinned:
			plan.Pinned = append(plan.Pinned, string(u.ID))
			plan.Steps = append(plan.Steps, fmt.Sprintf("unit %s is pinned and stays: sqlring unit unpin %s", u.ID, u.ID.Quoted()))
		default:
			to, found := topology.DrainsTo(l.snap, id, l.obs, l.now)
			plan.Moves = append(plan.Moves, Move{Unit: string(u.ID), To: string(to)})
			whither := string(to)
			if !found {
				whither = "another member, once one can own it"
			}
			plan.Steps = append(plan.Steps, fmt.Sprintf("unit %s moves to %s; its writes wait for a moment", u.ID, whither))
		}
	}
	plan.Steps = append(plan.Steps, fmt.Sprintf("%s stays in the ring: it replicates, and acknowledges, until `sqlring master resume %s`", id, id))
	return plan
}
