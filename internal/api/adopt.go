package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// AdoptRequest asks to make a ring of servers that replicate in a circle already.
type AdoptRequest struct {
	Name       string       `json:"name" minLength:"1" maxLength:"32" doc:"name of the ring"`
	Durability string       `json:"durability,omitempty" enum:"semisync,async" default:"semisync"`
	Degraded   string       `json:"degraded,omitempty" enum:"allow,refuse" default:"allow" doc:"what an owner does that has no acker left"`
	Members    []InitMember `json:"members" minItems:"2" maxItems:"16" doc:"in the order of the circle: each pulls from the one before it; the first becomes the owner"`
	BootsClose bool         `json:"boots_closed,omitempty" doc:"the config file of each has read_only=1 and skip_slave_start, which can not be seen before a restart"`
	Why        string       `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// AdoptPlan is what adopting does.
type AdoptPlan struct {
	Plan

	Checks  []CopyCheck `json:"checks"`
	Direct  []string    `json:"direct" doc:"the members that stay open past sqlring until it is told that nobody writes there directly"`
	Refused string      `json:"refused" doc:"why it is refused as it stands; empty: it is not"`
	Check   string      `json:"check" doc:"the check that refuses; empty: none"`
}

// AdoptResponse is what was decided, and what was started.
type AdoptResponse struct {
	Plan      AdoptPlan  `json:"plan"`
	Operation *Operation `json:"operation" doc:"null if nothing was started"`
}

// CloseDirectRequest says that nobody writes to adopted members directly any more.
type CloseDirectRequest struct {
	Member string `json:"member,omitempty" maxLength:"32" doc:"the only one that is meant; empty: all"`
	Why    string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// CloseDirectResponse is who is closed by that.
type CloseDirectResponse struct {
	Members []string `json:"members" doc:"they took writes past sqlring so far; each that owns no unit is closed"`
}

type adoptInput struct {
	DryRun bool `query:"dry_run" doc:"only compute the plan, and check it"`
	Body   AdoptRequest
}

type closeDirectInput struct {
	DryRun bool                `query:"dry_run" doc:"only say who is closed"`
	Body   *CloseDirectRequest `required:"false"`
}

func (s *Server) adoptRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/ring/adopt", OperationID: "adopt-ring", MaxBodyBytes: maxBody,
		Summary: "Make a ring of servers that replicate in a circle already, while they are written to: returns the plan, and the operation unless dry_run is set",
	}, s.adopt)
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/ring/close-direct", OperationID: "close-direct", MaxBodyBytes: maxBody,
		Summary: "Close adopted members that stay open past sqlring: nobody writes there directly any more",
	}, s.closeDirect)
}

func (s *Server) adopt(ctx context.Context, in *adoptInput) (*answer[AdoptResponse], error) {
	r, what := in.Body, "adopt ring "+in.Body.Name
	// The form of it is that of a ring that is made.
	form, problem := InitRequest{Name: r.Name, Durability: r.Durability, Degraded: r.Degraded, Members: r.Members}.change()
	if problem != nil {
		return nil, problem
	}
	l := s.look()
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, what)
	}
	if problem := sameServer(ctx, what, form.Members); problem != nil {
		return nil, problem
	}
	change := topology.AdoptRing{Name: form.Name, Durability: form.Durability, Degraded: form.Degraded, Boots: r.BootsClose}
	var members []topology.Member
	for i, m := range form.Members { // under the identities that they would get
		members = append(members, topology.Member{ID: m.ID, Addr: m.Addr, Identity: l.snap.NextIdentity + uint32(i)}) //nolint:gosec // 16 members at most
	}
	seen := s.node.LookAt(ctx, members)
	plan := AdoptPlan{}
	plan.checks(topology.CheckAdoption(members, seen, r.BootsClose))
	stride, slots, err := topology.AdoptedSlots(members, seen)
	if err != nil { // then a check has refused; the plan is of what could be
		stride, slots = 16, make([]int, len(members))
		for i := range slots {
			slots[i] = i + 1
		}
	}
	change.Stride = stride
	for i, m := range form.Members {
		change.Members = append(change.Members, topology.AdoptedMember{NewMember: m, Slot: slots[i]})
	}
	if err := plan.of(l, change, seen); err != nil {
		return nil, proposeProblem(l, what, err)
	}
	switch {
	case in.DryRun:
		return &answer[AdoptResponse]{AdoptResponse{Plan: plan}}, nil
	case plan.Refused != "":
		p := newProblem(http.StatusConflict, ProblemRefused, "%s: %s", what, plan.Refused)
		p.Check = plan.Check
		return nil, p
	}
	if err := s.propose(ctx, change, r.Why); err != nil {
		return nil, proposeProblem(l, what, err)
	}
	return &answer[AdoptResponse]{AdoptResponse{Plan: plan, Operation: s.started(topology.OperationAdopt)}}, nil
}

// checks takes in what was found; the first refusal counts.
func (p *AdoptPlan) checks(found []topology.CopyCheck) {
	for _, c := range found {
		p.Checks = append(p.Checks, CopyCheck{Name: c.Name, Verdict: c.Verdict.String(), What: c.What, Remedy: c.Remedy})
		if c.Verdict == topology.CopyRefused && p.Refused == "" {
			p.Check, p.Refused = c.Name, fmt.Sprintf("refused by the check %q: %s; %s", c.Name, c.What, c.Remedy)
		}
	}
}

// of tries the change on a copy of the state: the plan is what Apply will decide.
func (p *AdoptPlan) of(l look, change topology.AdoptRing, seen topology.Observations) error {
	next, err := topology.Apply(l.snap, topology.Command{Index: l.snap.Index + 1, At: l.now, Change: change})
	if err != nil {
		return err
	}
	p.Plan = Plan{
		Ring: next.Ring.Name, Stride: next.Ring.Stride,
		Durability: next.Ring.Durability.String(), DegradedPolicy: next.Ring.Degraded.String(),
	}
	p.Direct = []string{}
	for i, m := range next.Members {
		up, _ := next.Upstream(m.ID)
		p.Members = append(p.Members, PlanMember{
			Name: string(m.ID), Addr: m.Addr, Slot: m.Slot, Identity: m.Identity, Upstream: string(up.ID), Owner: i == 0, Site: m.Site, Weight: max(1, m.Weight),
		})
		if theirs, _ := seen.Of(m.ID); i > 0 && theirs.Reach == topology.ReachAnswers && !theirs.ReadOnly {
			p.Direct = append(p.Direct, string(m.ID))
		}
	}
	owner := next.Members[0].ID
	p.Steps = []string{
		"all of this is checked once more",
		"the replication account and the schema sqlring are made on each server, without a line in its binlog",
		fmt.Sprintf("one server after the other: its semi-sync is switched off; its receiver is stopped and what it received is applied; it gets its identity, its slot of stride %d and the ring's settings while it serves; connections of before are ended once, idle ones first; it follows the one before it again, by sqlring's account", next.Ring.Stride),
		"the heartbeat of each server is seen to arrive at every other one; up to here, and until the next step has ended, it can be aborted: they go on replicating",
		fmt.Sprintf("%s owns everything, its commits wait for the next one (%s): applications may connect to the proxy", owner, p.Durability),
	}
	if len(p.Direct) > 0 {
		p.Steps = append(p.Steps, fmt.Sprintf("%v stay open past sqlring, for applications that still write there; when none does any more: sqlring ring adopt --close", p.Direct))
	}
	p.Steps = append(p.Steps, "compare their tables afterwards: sqlring ring verify")
	return nil
}

func (s *Server) closeDirect(ctx context.Context, in *closeDirectInput) (*answer[CloseDirectResponse], error) {
	l, req, what := s.look(), CloseDirectRequest{}, "close what is open past sqlring"
	if in.Body != nil {
		req = *in.Body
	}
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, what)
	}
	change := topology.CloseDirect{Member: topology.MemberID(req.Member)}
	next, err := topology.Apply(l.snap, topology.Command{Index: l.snap.Index + 1, At: l.now, Change: change})
	if err != nil {
		return nil, proposeProblem(l, what, err)
	}
	out := CloseDirectResponse{Members: []string{}}
	for _, m := range l.snap.Members {
		if !slices.ContainsFunc(next.Members, func(x topology.Member) bool { return x.ID == m.ID && x.Direct == m.Direct }) {
			out.Members = append(out.Members, string(m.ID))
		}
	}
	if !in.DryRun {
		if err := s.propose(ctx, change, req.Why); err != nil {
			return nil, proposeProblem(l, what, err)
		}
	}
	return &answer[CloseDirectResponse]{out}, nil
}
