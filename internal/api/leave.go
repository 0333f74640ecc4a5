package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// LeaveRequest asks to take a member out, for good or for a while.
type LeaveRequest struct {
	TTLMS     int64  `json:"ttl_ms,omitempty" minimum:"0" maximum:"2592000000" doc:"maintenance: when it ends by itself"`
	End       bool   `json:"end,omitempty" doc:"maintenance: it ends now"`
	GraceMS   int64  `json:"grace_ms,omitempty" minimum:"0" maximum:"3600000" doc:"how long statements that run there may take to end; 0: 10000"`
	Alone     bool   `json:"alone,omitempty" doc:"overrides the check alone: one member is left, whose commits nobody acknowledges"`
	Unhealthy bool   `json:"unhealthy,omitempty" doc:"overrides the check healthy"`
	Forget    bool   `json:"forget,omitempty" doc:"remove: it is out, and what only its disk holds is given up"`
	MayRun    bool   `json:"may_run,omitempty" doc:"overrides the check stopped: its server is known not to run, or to be cut off for good"`
	Keep      bool   `json:"keep,omitempty" doc:"remove: the schema sqlring and the replication account stay on it"`
	Why       string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// LeavePlan is what taking a member out does.
type LeavePlan struct {
	Member  string   `json:"member"`
	State   string   `json:"state"`
	Moves   []Move   `json:"moves" doc:"the units that move away first, and where to as it looks now"`
	Checks  []Check  `json:"checks"`
	Steps   []string `json:"steps"`
	Refused string   `json:"refused" doc:"why it is refused as it stands; empty: it is not"`
}

// Check is one named condition of an operation.
type Check struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	What     string `json:"what"`
	Override string `json:"override" doc:"the field of the request that overrides it; empty: nothing does"`
}

type leaveInput struct {
	Name   string `path:"name" maxLength:"32" doc:"for example m1"`
	DryRun bool   `query:"dry_run" doc:"only compute the plan, and check it"`
	Body   *LeaveRequest
}

func (s *Server) leaveRoutes(api huma.API) {
	for verb, summary := range map[string]string{
		"remove":      "Take a member out for good: its units move away, the ring is closed around it, it follows nobody",
		"maintenance": "Take a member out for a while, so that its server can be stopped; or end that",
	} {
		huma.Register(api, huma.Operation{
			Method: http.MethodPost, Path: "/v1/members/{name}/" + verb, OperationID: verb + "-member", MaxBodyBytes: maxBody, Summary: summary,
		}, func(ctx context.Context, in *leaveInput) (*answer[LeavePlan], error) {
			return s.leave(ctx, in, verb == "maintenance")
		})
	}
}

func (s *Server) leave(ctx context.Context, in *leaveInput, maintenance bool) (*answer[LeavePlan], error) {
	l, req := s.look(), LeaveRequest{}
	if in.Body != nil {
		req = *in.Body
	}
	m, ok := l.snap.Member(topology.MemberID(in.Name))
	change, problem := req.change(m.ID, maintenance, l.now)
	what := fmt.Sprintf("remove %s", in.Name)
	if maintenance {
		what = "maintenance of " + in.Name
	}
	switch {
	case !ok:
		return nil, newProblem(http.StatusNotFound, ProblemNotFound, "%s: %s is not a member of the ring: %s", what, in.Name, l.memberNames())
	case problem != nil:
		return nil, problem
	case l.leader != l.node || !l.hasLeader:
		return nil, notLeader(l, what)
	}
	plan := l.leavePlan(m, change, req)
	problem = l.mayLeave(plan, change, what)
	switch {
	case problem != nil && in.DryRun: // the plan is worth being seen all the same
		plan.Refused = problem.Detail
		fallthrough
	case in.DryRun:
		return &answer[LeavePlan]{plan}, nil
	case problem != nil:
		return nil, problem
	}
	if err := s.propose(ctx, change, req.Why); err != nil {
		return nil, proposeProblem(l, what, err)
	}
	return &answer[LeavePlan]{plan}, nil
}

// change returns what is asked for.
func (r LeaveRequest) change(id topology.MemberID, maintenance bool, now time.Time) (topology.Change, *Problem) {
	leave := topology.LeaveRing{Member: id, Grace: time.Duration(r.GraceMS) * time.Millisecond, Keep: r.Keep, Alone: r.Alone}
	switch {
	case maintenance && r.End:
		return topology.EndMaintenance{Member: id}, nil
	case maintenance && r.TTLMS <= 0:
		return nil, newProblem(http.StatusUnprocessableEntity, ProblemInvalid, "ttl_ms: a maintenance ends by itself: say after how long, or end: true")
	case maintenance:
		leave.Until = now.Add(time.Duration(r.TTLMS) * time.Millisecond)
	case r.TTLMS != 0 || r.End:
		return nil, newProblem(http.StatusUnprocessableEntity, ProblemInvalid, "ttl_ms, end: who leaves for good does not come back: see maintenance")
	case r.Forget:
		return topology.ForgetMember{Member: id}, nil
	}
	return leave, nil
}

// mayLeave refuses what a check does not allow, and what the law refuses.
func (l look) mayLeave(plan LeavePlan, change topology.Change, what string) *Problem {
	if problem := mayPass(plan.Checks, what); problem != nil {
		return problem
	}
	return l.mayChange(change, what)
}

// mayPass refuses what a check does not allow.
func mayPass(checks []Check, what string) *Problem {
	for _, c := range checks {
		if c.OK {
			continue
		}
		override := "nothing overrides this"
		if c.Override != "" {
			override = "what overrides it: " + flagOf(c.Override)
		}
		p := newProblem(http.StatusConflict, ProblemRefused, "%s: refused by the check %q: %s; %s", what, c.Name, c.What, override)
		p.Check, p.Override = c.Name, c.Override
		return p
	}
	return nil
}
