package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/rowcheck"
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
		run, err := v.Repair(ctx, s.who(ctx), in.Body)
		return answered(run, err)
	})
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
