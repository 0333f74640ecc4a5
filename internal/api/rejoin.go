package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// RejoinRequest asks to let a member back in.
type RejoinRequest struct {
	LetFlow bool   `json:"let_flow,omitempty" doc:"what only it holds flows into the ring, whatever it is"`
	Discard bool   `json:"discard,omitempty" doc:"what only it holds does not flow: it is kept in its file; the member is let in once its data is a copy without it"`
	Replay  bool   `json:"replay,omitempty" doc:"what only it holds, and does not conflict with what the ring has, is written anew at the owners; then its data is copied anew, unless something conflicts"`
	Why     string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// RejoinResponse is what was decided, and what was started.
type RejoinResponse struct {
	Plan      RejoinPlan `json:"plan"`
	Operation *Operation `json:"operation" doc:"null if nothing was started"`
}

// RejoinPlan is what letting a member back in will do.
type RejoinPlan struct {
	Member  string   `json:"member"`
	State   string   `json:"state"`
	Why     string   `json:"why" doc:"why it is in that state"`
	Cut     string   `json:"cut" doc:"the last position of its own that a survivor had"`
	LetFlow bool     `json:"let_flow"`
	Discard bool     `json:"discard"`
	Judged  string   `json:"judged" doc:"the operation that judged the tail; empty: none did since it was taken out"`
	Tail    *Tail    `json:"tail" doc:"what only it held when it was judged last; null: not judged"`
	Steps   []string `json:"steps"`
	Refused string   `json:"refused" doc:"why it is refused as it stands; empty: it is not"`
	Trial   *Trial   `json:"trial" doc:"replay: what it would do, as it was tried and undone; null: not asked for, or it could not be tried"`
}

type rejoinInput struct {
	Name   string `path:"name" maxLength:"32" doc:"for example m1"`
	DryRun bool   `query:"dry_run" doc:"only compute the plan, and check it"`
	Body   *RejoinRequest
}

func (s *Server) rejoinRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/members/{name}/rejoin", OperationID: "rejoin-member", MaxBodyBytes: maxBody,
		Summary: "Let a member back in: returns the plan, and the operation unless dry_run is set",
	}, s.rejoin)
}

func (s *Server) rejoin(ctx context.Context, in *rejoinInput) (*answer[RejoinResponse], error) {
	l, req := s.look(), RejoinRequest{}
	if in.Body != nil {
		req = *in.Body
	}
	what := "rejoin " + in.Name
	m, ok := l.snap.Member(topology.MemberID(in.Name))
	switch {
	case !ok:
		return nil, newProblem(http.StatusNotFound, ProblemNotFound, "%s: %s is not a member of the ring: %s", what, in.Name, l.memberNames())
	case l.leader != l.node || !l.hasLeader:
		return nil, notLeader(l, what)
	}
	if req.Replay {
		return s.replay(ctx, l, m, req, in.DryRun)
	}
	plan := l.rejoinPlan(m, req)
	seen, good := l.obs.Good(m.ID, l.now)
	change := topology.BeginRejoin{Member: m.ID, LetFlow: req.LetFlow, Discard: req.Discard, Same: good && seen.Boot == m.Boot}
	problem := l.mayRejoin(m, change, what)
	switch {
	case problem != nil && in.DryRun: // the plan is worth being seen all the same
		plan.Refused = problem.Detail
		fallthrough
	case in.DryRun:
		return &answer[RejoinResponse]{RejoinResponse{Plan: plan}}, nil
	case problem != nil:
		return nil, problem
	}
	if err := s.propose(ctx, change, req.Why); err != nil {
		return nil, proposeProblem(l, what, err)
	}
	return &answer[RejoinResponse]{RejoinResponse{Plan: plan, Operation: s.started(topology.OperationRejoin)}}, nil
}

// mayRejoin refuses what the law refuses, and a member that does not answer: its
// rejoin would be given up within a second, and the DBA's word with it.
func (l look) mayRejoin(m topology.Member, change topology.BeginRejoin, what string) *Problem {
	_, err := topology.Apply(l.snap, topology.Command{Index: l.snap.Index + 1, At: l.now, Change: change})
	switch {
	case err != nil && m.State == topology.MemberQuarantined && !change.LetFlow && !change.Discard:
		p := newProblem(http.StatusConflict, ProblemRefused, "%s: refused by the check \"tail\": %s is in quarantine: %s; what overrides it: --let-flow, --replay or --discard", what, m.ID, m.Why)
		p.Check, p.Override = "tail", "let_flow"
		return p
	case err != nil:
		return proposeProblem(l, what, err)
	}
	if seen, good := l.obs.Good(m.ID, l.now); !good {
		p := newProblem(http.StatusConflict, ProblemRefused,
			"%s: refused by the check \"answers\": %s at %s does not answer: %s: start it first; nothing overrides this", what, m.ID, m.Addr, unseen(seen, l.now))
		p.Check = "answers"
		return p
	}
	if why := topology.Buried(l.snap, m.ID, l.obs, l.now); why != "" && (change.LetFlow || change.Discard) {
		p := newProblem(http.StatusConflict, ProblemRefused, "%s: refused by the check \"copy\": %s; nothing overrides this", what, why)
		p.Check = "copy"
		return p
	}
	return nil
}

func (l look) rejoinPlan(m topology.Member, req RejoinRequest) RejoinPlan {
	plan := RejoinPlan{Member: string(m.ID), State: m.State.String(), Why: m.Why, Cut: m.Cut.String(), LetFlow: req.LetFlow, Discard: req.Discard}
	if op, ok := l.newest(m.ID, topology.OperationRejoin); ok && op.Tail != nil && m.State != topology.MemberActive {
		if heal, healed := l.newest(m.ID, topology.OperationHeal); !healed || op.Began.After(heal.Began) {
			plan.Judged, plan.Tail = string(op.ID), tailOf(op)
		}
	}
	flows := "if it is more than inserts in its own slot into tables without other unique keys, it stays in quarantine"
	if req.LetFlow {
		flows = "whatever it is, it flows into the ring (let_flow)"
	}
	if req.Discard {
		flows = "if there is anything, that is discarded: it stays in the file, the member stays in quarantine, and its data has to be copied anew (docs/runbook-quarantine.md) before this is said again; if there is nothing, it goes on"
	}
	up, down := l.between(m.ID)
	plan.Steps = []string{
		fmt.Sprintf("%s stays closed; what only it holds is read from its binlog, written to a file and judged; %s", m.ID, flows),
		fmt.Sprintf("%s gets its identity, slot %d and the ring's settings", m.ID, m.Slot),
		fmt.Sprintf("%s follows %s until it has what that has; it acknowledges nothing", m.ID, up),
		fmt.Sprintf("%s follows %s: from here what only %s held flows", down, m.ID, m.ID),
		fmt.Sprintf("%s is verified once more and is in the ring; it owns nothing", m.ID),
	}
	return plan
}

// between returns the active members before and after a member in ring order;
// "nobody" if there are none.
func (l look) between(id topology.MemberID) (up, down string) {
	up, down = "nobody", "nobody"
	n, at := len(l.snap.Members), 0
	for i, m := range l.snap.Members {
		if m.ID == id {
			at = i
		}
	}
	for i := 1; i < n; i++ {
		if m := l.snap.Members[(at+n-i)%n]; up == "nobody" && m.State == topology.MemberActive {
			up = string(m.ID)
		}
		if m := l.snap.Members[(at+i)%n]; down == "nobody" && m.State == topology.MemberActive {
			down = string(m.ID)
		}
	}
	return up, down
}

// memberNames says who is a member, for whoever mistyped one.
func (l look) memberNames() string {
	if len(l.snap.Members) == 0 {
		return "it has no members yet"
	}
	names := make([]string, 0, len(l.snap.Members))
	for _, m := range l.snap.Members {
		names = append(names, string(m.ID))
	}
	return "its members are " + strings.Join(names, ", ")
}
