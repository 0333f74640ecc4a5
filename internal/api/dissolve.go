package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// DissolveRequest asks to end the ring.
type DissolveRequest struct {
	Open      string `json:"open,omitempty" enum:"owners,none,all" doc:"who takes writes afterwards; empty: owners"`
	Keep      bool   `json:"keep,omitempty" doc:"the schema sqlring and the replication account stay on the members"`
	GraceMS   int64  `json:"grace_ms,omitempty" minimum:"0" maximum:"60000" doc:"how long transactions in flight may take to end; 0: 1000"`
	Unhealthy bool   `json:"unhealthy,omitempty" doc:"overrides the check healthy: nothing is done on members that are out"`
	Why       string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// DissolvePlan is what ending the ring does.
type DissolvePlan struct {
	Ring    string   `json:"ring"`
	Open    []string `json:"open" doc:"the members that take writes afterwards"`
	Checks  []Check  `json:"checks"`
	Steps   []string `json:"steps"`
	Refused string   `json:"refused" doc:"why it is refused as it stands; empty: it is not"`
}

// DissolveResponse is what was decided, and what was started.
type DissolveResponse struct {
	Plan      DissolvePlan `json:"plan"`
	Operation *Operation   `json:"operation" doc:"null if nothing was started"`
}

type dissolveInput struct {
	DryRun bool `query:"dry_run" doc:"only compute the plan, and check it"`
	Body   *DissolveRequest
}

func (s *Server) dissolveRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/ring/dissolve", OperationID: "dissolve-ring", MaxBodyBytes: maxBody,
		Summary: "End the ring: each member gets all that the others have, and follows nobody",
	}, s.dissolve)
}

func (s *Server) dissolve(ctx context.Context, in *dissolveInput) (*answer[DissolveResponse], error) {
	l, req, what := s.look(), DissolveRequest{}, "dissolve the ring"
	if in.Body != nil {
		req = *in.Body
	}
	change := topology.DissolveRing{Keep: req.Keep, Grace: time.Duration(req.GraceMS) * time.Millisecond, Without: req.Unhealthy}
	if req.Open != "" {
		if err := change.Open.UnmarshalText([]byte(req.Open)); err != nil {
			return nil, newProblem(http.StatusUnprocessableEntity, ProblemInvalid, "open: %v", err)
		}
	}
	switch {
	case l.snap.Ring == nil:
		return nil, newProblem(http.StatusNotFound, ProblemNotFound, "%s: there is none", what)
	case l.leader != l.node || !l.hasLeader:
		return nil, notLeader(l, what)
	}
	plan := l.dissolvePlan(change, req)
	problem := mayPass(plan.Checks, what)
	if problem == nil {
		problem = l.mayChange(change, what)
	}
	switch {
	case problem != nil && in.DryRun: // the plan is worth being seen all the same
		plan.Refused = problem.Detail
		fallthrough
	case in.DryRun:
		return &answer[DissolveResponse]{DissolveResponse{Plan: plan}}, nil
	case problem != nil:
		return nil, problem
	}
	if err := s.propose(ctx, change, req.Why); err != nil {
		return nil, proposeProblem(l, what, err)
	}
	return &answer[DissolveResponse]{DissolveResponse{Plan: plan, Operation: s.started(topology.OperationDissolve)}}, nil
}

func (l look) dissolvePlan(d topology.DissolveRing, req DissolveRequest) DissolvePlan {
	plan := DissolvePlan{Ring: l.snap.Ring.Name, Open: []string{}}
	for _, m := range l.snap.Members {
		if d.Open == topology.OpenAll || d.Open == topology.OpenOwners && l.snap.Owns(m.ID) {
			plan.Open = append(plan.Open, string(m.ID))
		}
	}
	plan.Checks = []Check{l.healthyCheck(topology.Member{}, LeaveRequest{Unhealthy: req.Unhealthy})}
	grace := d.Grace
	if grace == 0 {
		grace = topology.DefaultGrace
	}
	opened := fmt.Sprintf("who is opened, and takes writes past sqlring: %s", strings.Join(plan.Open, ", "))
	if len(plan.Open) == 0 {
		opened = "all stay read-only"
	}
	cleaned := "the schema sqlring and the replication account are removed from each"
	if d.Keep {
		cleaned = "the schema sqlring and the replication account stay on each"
	}
	plan.Steps = []string{
		fmt.Sprintf("writes begin to wait; what is under way may end, for at most %s; then it is cut", grace),
		"every proxy gives its leases back",
		"all are closed, and each gets all that the others have; up to here it can be aborted, and writes go on where they went",
		"nobody follows anybody; semi-sync is off",
		cleaned,
		opened,
		"sqlring knows of no ring any more: clients that come to the proxy, and those that wait, get an error",
	}
	return plan
}
