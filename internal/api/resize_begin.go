package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// ResizeRequest asks for another stride.
type ResizeRequest struct {
	Stride  int    `json:"stride" minimum:"2" maximum:"65535" doc:"a larger multiple of the ring's stride"`
	GraceMS int64  `json:"grace_ms,omitempty" minimum:"0" maximum:"3600000" doc:"how long sessions of the earlier stride may go on before they are ended; 0: 30000"`
	Why     string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// CancelResizeRequest takes a resize back.
type CancelResizeRequest struct {
	Why string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// ResizeResponse is what was decided, and what was started.
type ResizeResponse struct {
	Plan      ResizePlan `json:"plan"`
	Operation *Operation `json:"operation" doc:"null if nothing was started"`
}

// ResizeStatus is a resize that is under way.
type ResizeStatus struct {
	To      int    `json:"to"`
	GraceMS int64  `json:"grace_ms"`
	EndsAt  string `json:"ends_at" doc:"when sessions of the earlier stride are ended; empty: not every member gives the later one yet"`
	Left    int    `json:"left" doc:"members that do not give the later stride to new sessions yet"`
	Older   *int   `json:"older" doc:"connections that still count by the earlier stride; null: not known of every member"`
	Running bool   `json:"running" doc:"false: it has given way to something else, and goes on afterwards"`
	Step    string `json:"step" doc:"what the controller does, or waits for; empty: this node does not lead"`
}

type resizeInput struct {
	DryRun bool `query:"dry_run" doc:"only compute the plan, and check it"`
	Body   ResizeRequest
}

type cancelResizeInput struct {
	Body *CancelResizeRequest `required:"false"`
}

func (s *Server) resizeRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/autoinc/resize", OperationID: "resize-autoinc", MaxBodyBytes: maxBody, Summary: "Give the ring a multiple of its stride, while it works",
	}, s.resize)
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/autoinc/resize/cancel", OperationID: "cancel-resize", MaxBodyBytes: maxBody, Summary: "Take a resize back that is under way",
	}, s.cancelResize)
}

func (s *Server) resize(ctx context.Context, in *resizeInput) (*answer[ResizeResponse], error) {
	l, what := s.look(), fmt.Sprintf("resize to stride %d", in.Body.Stride)
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, what)
	}
	change := topology.BeginResize{To: in.Body.Stride, Grace: time.Duration(in.Body.GraceMS) * time.Millisecond}
	problem := l.mayChange(change, what)
	if problem != nil && !in.DryRun {
		return nil, problem
	}
	plan, err := s.planResize(ctx, in.Body.Stride)
	switch {
	case err != nil:
		return nil, newProblem(http.StatusConflict, ProblemRefused, "%s: %v", what, err)
	case problem != nil: // the plan is worth being seen all the same
		plan.Refused = problem.Detail
		fallthrough
	case in.DryRun:
		return &answer[ResizeResponse]{ResizeResponse{Plan: plan}}, nil
	}
	if err := s.propose(ctx, change, in.Body.Why); err != nil {
		return nil, proposeProblem(l, what, err)
	}
	return &answer[ResizeResponse]{ResizeResponse{Plan: plan, Operation: s.started(topology.OperationResize)}}, nil
}

func (s *Server) cancelResize(ctx context.Context, in *cancelResizeInput) (*answer[AutoincReport], error) {
	l, why, what := s.look(), "", "take the resize back"
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, what)
	}
	if problem := l.mayChange(topology.CancelResize{}, what); problem != nil {
		return nil, problem
	}
	if in.Body != nil {
		why = in.Body.Why
	}
	if err := s.propose(ctx, topology.CancelResize{}, why); err != nil {
		return nil, proposeProblem(l, what, err)
	}
	return &answer[AutoincReport]{s.look().autoinc()}, nil
}

// resizing is how far a resize is; nil if none is under way.
func (l look) resizing() *ResizeStatus {
	r := l.snap.Ring.Resize
	if r == nil {
		return nil
	}
	st, older, known := &ResizeStatus{To: r.To, GraceMS: r.Grace.Milliseconds()}, 0, true
	if !r.Switched.IsZero() {
		st.EndsAt = r.Switched.Add(r.Grace).UTC().Format(time.RFC3339)
	}
	op, running := l.snap.Running()
	st.Running = running && op.Kind == topology.OperationResize
	if l.leader == l.node && l.hasLeader {
		st.Step = l.step.Why
	}
	for _, m := range l.snap.Members {
		if m.State != topology.MemberActive {
			continue
		}
		seen, good := l.obs.Good(m.ID, l.now)
		known = known && good && seen.Renewed.Stride == r.To
		older += seen.Renewed.Older
		if m.Stride != r.To {
			st.Left++
		}
	}
	if known {
		st.Older = &older
	}
	return st
}
