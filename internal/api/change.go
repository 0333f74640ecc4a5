package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

func (s *Server) changeRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/ring/init", OperationID: "init-ring", MaxBodyBytes: maxBody,
		Summary: "Make a ring of empty servers: returns the plan, and the operation unless dry_run is set",
	}, s.initRing)
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/operations/{id}/abort", OperationID: "abort-operation", MaxBodyBytes: maxBody,
		Summary: "End a running operation before its point of no return",
	}, s.abortOperation)
}

type initInput struct {
	DryRun bool `query:"dry_run" doc:"only compute the plan, and check it"`
	Body   InitRequest
}

func (s *Server) initRing(ctx context.Context, in *initInput) (*answer[InitResponse], error) {
	change, problem := in.Body.change()
	if problem != nil {
		return nil, problem
	}
	l := s.look()
	what := "init ring " + in.Body.Name
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, what)
	}
	if problem := sameServer(ctx, what, change.Members); problem != nil {
		return nil, problem
	}
	plan, err := planInit(l.snap, change, l.now)
	if err != nil {
		return nil, proposeProblem(l, what, err)
	}
	if in.DryRun {
		plan.InTheWay = s.inTheWay(ctx, l, change)
		return &answer[InitResponse]{InitResponse{Plan: plan}}, nil
	}
	if err := s.propose(ctx, change, in.Body.Why); err != nil {
		return nil, proposeProblem(l, what, err)
	}
	return &answer[InitResponse]{InitResponse{Plan: plan, Operation: s.started(topology.OperationInit)}}, nil
}

// started returns the newest operation of a kind; nil if it is not seen here.
func (s *Server) started(kind topology.OperationKind) *Operation {
	l := s.look()
	for i := len(l.snap.Operations) - 1; i >= 0; i-- {
		if op := l.snap.Operations[i]; op.Kind == kind {
			shown := l.operation(op)
			return &shown
		}
	}
	return nil
}

// order is a change that begins an operation, as it was asked for.
type order struct {
	what   string // for errors
	why    string // for the audit
	change topology.Change
	kind   topology.OperationKind
	dryRun bool
}

// begin commits what was ordered, unless it is refused by problem. A dry run that is
// refused says so, and is no error: its plan is worth being seen all the same.
func (s *Server) begin(ctx context.Context, l look, o order, problem *Problem) (begun *Operation, refused string, err error) {
	switch {
	case problem != nil && o.dryRun:
		return nil, problem.Detail, nil
	case o.dryRun:
		return nil, "", nil
	case problem != nil:
		return nil, "", problem
	}
	if err := s.propose(ctx, o.change, o.why); err != nil {
		return nil, "", proposeProblem(l, o.what, err)
	}
	return s.started(o.kind), "", nil
}

// propose commits a change in the name of whoever asks.
func (s *Server) propose(ctx context.Context, change topology.Change, why string) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Propose)
	defer cancel()
	by := s.who(ctx)
	err := s.node.Propose(ctx, by, change, why)
	if err != nil {
		return err
	}
	s.cfg.Logger.Info("change committed for the api", "by", by, "change", change.String())
	return nil
}

// AbortRequest says why an operation is ended.
type AbortRequest struct {
	Why    string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
	DryRun bool   `json:"dry_run,omitempty" doc:"as in the query; a node of a release that knows none refuses this one"`
}

type abortInput struct {
	ID     string        `path:"id" maxLength:"32" doc:"for example op1"`
	Body   *AbortRequest `required:"false"`
	DryRun bool          `query:"dry_run" doc:"only check it, and say how it would end"`
}

func (in *abortInput) dryRun() bool { return in.DryRun || in.Body != nil && in.Body.DryRun }

func (s *Server) abortOperation(ctx context.Context, in *abortInput) (*answer[Operation], error) {
	l := s.look()
	id := topology.OperationID(in.ID)
	op, ok := l.snap.Operation(id)
	if !ok {
		return nil, noOperation(in.ID)
	}
	what := "abort " + in.ID
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, what)
	}
	change, why := topology.AbortOperation{Operation: id}, ""
	if in.Body != nil {
		why = in.Body.Why
	}
	next, err := topology.Apply(l.snap, topology.Command{Index: l.snap.Index + 1, At: l.now, Why: why, Change: change})
	if err == nil && !in.dryRun() {
		err = s.propose(ctx, change, why)
	}
	if err != nil {
		return nil, proposeProblem(l, what, err)
	}
	if after, there := next.Operation(id); there {
		op = after // it may go on, the other way
	} else { // the ring is given up with it
		op.State, op.Ended = topology.OperationAborted, l.now.UTC()
	}
	return &answer[Operation]{l.operation(op)}, nil
}
