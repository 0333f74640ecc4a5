package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/rowcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// ErrRefused is wrapped by a Verifier's errors that say why it is not the time (409).
var ErrRefused = errors.New("refused")

// Verifier compares the tables of all members, and repairs rows. Its methods are safe for
// concurrent use; what takes long goes on after they have returned.
type Verifier interface {
	// Last returns the comparison that runs, or the last one; false: there is none.
	Last() (rowcheck.Run, bool)
	Start(by string, o rowcheck.Options, resume bool) (rowcheck.Run, error)
	// Stop ends what runs; a comparison can be resumed.
	Stop(ctx context.Context) error
	// Plan says what a repair of the last comparison's findings would write.
	Plan(ctx context.Context, req RepairRequest) (rowcheck.RepairPlan, error)
	Repair(ctx context.Context, by string, req RepairRequest) (rowcheck.Run, error)
}

// VerifyRequest begins a comparison, or resumes the last one.
type VerifyRequest struct {
	Schema   string `json:"schema,omitempty" maxLength:"64" doc:"only this schema; empty: all"`
	Table    string `json:"table,omitempty" maxLength:"64" doc:"only this table of the schema"`
	Chunk    int    `json:"chunk,omitempty" minimum:"0" maximum:"100000" doc:"most rows of one chunk; 0: 2000"`
	MaxLagMS int64  `json:"max_lag_ms,omitempty" minimum:"0" maximum:"3600000" doc:"wait while a member lags further; 0: by the ring's threshold of throttle"`
	Resume   bool   `json:"resume,omitempty" doc:"go on where the last one was stopped, with its options"`
}

// RepairRequest says what is repaired.
type RepairRequest struct {
	From   string `json:"from,omitempty" maxLength:"64" doc:"the member that is right; empty: the owner of each table's unit"`
	Schema string `json:"schema,omitempty" maxLength:"64"`
	Table  string `json:"table,omitempty" maxLength:"64"`
	Why    string `json:"why,omitempty" maxLength:"200"`
}

type verifyInput struct{ Body VerifyRequest }

type repairInput struct{ Body RepairRequest }

func (s *Server) verifyRoutes(api huma.API) {
	v := s.cfg.Verifier
	if v == nil {
		return
	}
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/verify", OperationID: "get-verify", Summary: "The comparison of this node that runs, or its last one",
	}, func(context.Context, *nothing) (*answer[rowcheck.Run], error) { return lastRun(v) })
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/verify", OperationID: "verify", MaxBodyBytes: maxBody, Summary: "Compare the tables of all members",
	}, func(ctx context.Context, in *verifyInput) (*answer[rowcheck.Run], error) {
		b := in.Body
		if b.Table != "" && b.Schema == "" {
			return nil, newProblem(http.StatusUnprocessableEntity, ProblemInvalid, "compare: table %q of which schema? Name both", b.Table)
		}
		if problem := s.look().comparable(); problem != nil {
			return nil, problem
		}
		run, err := v.Start(s.who(ctx), rowcheck.Options{Schema: b.Schema, Table: b.Table, Chunk: b.Chunk, MaxLagMS: b.MaxLagMS}, b.Resume)
		return answered(run, err)
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/verify/stop", OperationID: "stop-verify", MaxBodyBytes: maxBody, Summary: "Stop what compares or repairs",
	}, func(ctx context.Context, _ *nothing) (*answer[rowcheck.Run], error) {
		if err := v.Stop(ctx); err != nil {
			return nil, newProblem(http.StatusGatewayTimeout, ProblemOutcomeUnknown, "%v", err)
		}
		return lastRun(v)
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/repair/plan", OperationID: "plan-repair", MaxBodyBytes: maxBody, Summary: "What a repair would write; nothing is written",
	}, func(ctx context.Context, in *repairInput) (*answer[rowcheck.RepairPlan], error) {
		plan, err := v.Plan(ctx, in.Body)
		return answered(plan, err)
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/repair", OperationID: "repair", MaxBodyBytes: maxBody, Summary: "Write what the last comparison found to differ",
	}, func(ctx context.Context, in *repairInput) (*answer[rowcheck.Run], error) {
		plan, err := v.Plan(ctx, in.Body)
		if err == nil && plan.Total > 0 {
			err = s.noteRepair(ctx, plan, in.Body)
		}
		if err != nil {
			return answered(rowcheck.Run{}, err)
		}
		run, err := v.Repair(ctx, s.who(ctx), in.Body)
		return answered(run, err)
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/repair/note", OperationID: "note-repair", MaxBodyBytes: maxBody, Summary: "Write into the audit that a repair begins",
	}, func(ctx context.Context, in *struct{ Body repairNote }) (*answer[nothing], error) {
		if err := s.propose(ctx, in.Body.change(), in.Body.Why); err != nil {
			return nil, proposeProblem(s.look(), "note a repair", err)
		}
		return &answer[nothing]{}, nil
	})
}

// comparable refuses a comparison that would wait for a second member that nobody has asked for.
func (l look) comparable() *Problem {
	switch n := len(l.snap.Members); {
	case l.snap.Ring == nil:
		return newProblem(http.StatusConflict, ProblemRefused, "compare: there is no ring yet: sqlring ring init NAME m1=host:port m2=host:port")
	case n < 2:
		return newProblem(http.StatusConflict, ProblemRefused, "compare: the ring has one member: there is nothing to compare with: sqlring master add")
	}
	return nil
}

// repairNote is what the audit says of a repair.
type repairNote struct {
	From     string   `json:"from,omitempty" maxLength:"64"`
	Node     string   `json:"node" maxLength:"64"`
	Rows     int      `json:"rows" minimum:"1"`
	Evidence []string `json:"evidence,omitempty" maxItems:"10"`
	Why      string   `json:"why,omitempty" maxLength:"200"`
}

func (n repairNote) change() topology.NoteRepair {
	return topology.NoteRepair{From: topology.MemberID(n.From), Node: topology.NodeID(n.Node), Rows: n.Rows, Evidence: n.Evidence}
}

// noteRepair writes a repair into the audit before it begins: here if this node leads,
// else the leader does. A repair that is not written down does not begin.
func (s *Server) noteRepair(ctx context.Context, plan rowcheck.RepairPlan, req RepairRequest) error {
	note := repairNote{From: req.From, Node: string(s.node.Name()), Rows: plan.Total, Why: req.Why}
	for _, w := range plan.Writes[:min(len(plan.Writes), 10)] {
		note.Evidence = append(note.Evidence, w.Table+" "+w.Row+" on "+w.Member)
	}
	if leader, ok := s.node.Leader(); s.cfg.Cluster == nil || ok && leader == s.node.Name() {
		if err := s.propose(ctx, note.change(), req.Why); err != nil {
			return fmt.Errorf("write the repair into the audit: %w", err)
		}
		return nil
	}
	body, err := json.Marshal(note)
	if err != nil {
		return fmt.Errorf("write the repair into the audit: %w", err)
	}
	got, err := s.cfg.Cluster.Forward(ctx, Forwarded{Method: http.MethodPost, Path: "/v1/repair/note", By: s.who(ctx), Body: body})
	if err == nil && got.Status >= http.StatusBadRequest {
		err = fmt.Errorf("the leader answered %d: %s", got.Status, got.Body)
	}
	if err != nil {
		return fmt.Errorf("%w: the repair could not be written into the audit, so it does not begin: %w", ErrRefused, err)
	}
	return nil
}

func lastRun(v Verifier) (*answer[rowcheck.Run], error) {
	run, ok := v.Last()
	if !ok {
		return nil, newProblem(http.StatusNotFound, ProblemNotFound, "nothing was compared on this node yet: `sqlring ring verify`")
	}
	return &answer[rowcheck.Run]{run}, nil
}

// answered words the errors of a Verifier.
func answered[T any](body T, err error) (*answer[T], error) {
	switch {
	case errors.Is(err, ErrRefused):
		return nil, newProblem(http.StatusConflict, ProblemRefused, "%v", err)
	case err != nil:
		return nil, newProblem(http.StatusInternalServerError, ProblemInternal, "%v", err)
	}
	return &answer[T]{body}, nil
}
