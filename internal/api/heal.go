package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// AcceptLossRequest is the DBA's word that a heal may go on although
// acknowledged transactions are missing.
type AcceptLossRequest struct {
	Missing string `json:"missing,omitempty" maxLength:"4096" doc:"heal.loss.missing as it was shown: if more is missing meanwhile, the word is refused; empty: whatever is missing"`
	Why     string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

type acceptLossInput struct {
	ID   string             `path:"id" maxLength:"32" doc:"for example op2"`
	Body *AcceptLossRequest `required:"false"`
}

func (s *Server) healRoutes(api huma.API) {
	get(s, api, "/v1/heal", "The verdict on each member, and the heal that runs or would begin", look.healReport)
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/operations/{id}/accept-loss", OperationID: "accept-loss", MaxBodyBytes: maxBody,
		Summary: "Let a heal that is stuck go on without acknowledged transactions that no survivor has",
	}, s.acceptLoss)
}

func (s *Server) acceptLoss(ctx context.Context, in *acceptLossInput) (*answer[Operation], error) {
	l, req := s.look(), AcceptLossRequest{}
	if in.Body != nil {
		req = *in.Body
	}
	op, ok := l.snap.Operation(topology.OperationID(in.ID))
	if !ok {
		return nil, noOperation(in.ID)
	}
	change, what := topology.Accept(l.snap, op, l.obs, l.now), "accept the loss in "+in.ID
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, what)
	}
	if _, err := topology.Apply(l.snap, topology.Command{Index: l.snap.Index + 1, At: l.now, Change: change}); err != nil {
		return nil, proposeProblem(l, what, err)
	}
	if problem := l.mayAcceptLoss(op, what, req); problem != nil {
		return nil, problem
	}
	if err := s.propose(ctx, change, req.Why); err != nil {
		return nil, proposeProblem(l, what, err)
	}
	op.AcceptLoss = true
	return &answer[Operation]{l.operation(op)}, nil
}

// mayAcceptLoss refuses a word given too early: a heal that goes on by itself
// would otherwise lose later what it need not lose.
func (l look) mayAcceptLoss(op topology.Operation, what string, req AcceptLossRequest) *Problem {
	missing, err := topology.ParsePosition(req.Missing)
	if err != nil {
		return newProblem(http.StatusUnprocessableEntity, ProblemInvalid, "missing: %v", err)
	}
	plan := l.healPlan(op)
	switch {
	case topology.Accepted(l.snap, op, l.obs, l.now):
		return nil // said again
	case plan.Loss == nil:
		p := newProblem(http.StatusConflict, ProblemRefused,
			"%s: refused by the check \"stuck\": %s goes on without it%s; nothing overrides this, look at `sqlring ring heal`", what, title(op), l.because(op))
		p.Check = "stuck"
		return p
	case req.Missing == "":
		return nil
	}
	now, _ := topology.ParsePosition(plan.Loss.Missing) // our own text
	if !missing.Covers(now) {
		return newProblem(http.StatusConflict, ProblemStale,
			"%s: %q is missing now, more than the %q that was agreed to: look at `sqlring ring heal`", what, now, missing)
	}
	return nil
}
