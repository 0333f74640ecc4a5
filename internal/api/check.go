package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"golang.org/x/sync/errgroup"

	"github.com/sqlring/sqlring/pkg/ringcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Checker reads what checks look at. Its methods are safe for concurrent use, change
// nothing, and return within the deadline of ctx.
type Checker interface {
	// Setup returns what this node knows of itself that checks of members need.
	Setup() CheckSetup
	// Facts reads parts of the facts of a server, a member or not; what can not be read
	// is told in its Unread.
	Facts(ctx context.Context, m topology.Member, parts []ringcheck.Part) ringcheck.Member
	// Node reads the node's own side, but for what the API knows itself.
	Node(ctx context.Context) ringcheck.Node
}

// CheckSetup is what a node knows of itself that checks of members need.
type CheckSetup struct {
	Manager, Replication string        // user names
	MemberLinks          int           // most connections of the proxy to one member
	MaxSessions          int           // most clients of the proxy
	LinkIdle             time.Duration // how long a pooled connection may idle
}

// CheckReport is what checks say.
type CheckReport struct {
	ringcheck.Report

	Ring    string              `json:"ring"`
	Node    string              `json:"node"`
	At      time.Time           `json:"at"`
	Members []string            `json:"members" doc:"who was looked at"`
	First   []ringcheck.Finding `json:"first" doc:"the three things to do first"`
}

// Verdict returns 0 if nothing worse than a notice was found, 3 if something critical
// was, else 2: warnings, or something could not be looked at.
func (r CheckReport) Verdict() int {
	switch worst, any := r.Worst(); {
	case any && worst == ringcheck.Critical:
		return 3
	case any && worst == ringcheck.Warning, len(r.Unknown) > 0:
		return 2
	}
	return 0
}

type checkQuery struct {
	Member string `query:"member" maxLength:"200" doc:"only these members, separated by commas"`
	Only   string `query:"only" maxLength:"4000" doc:"only these checks, separated by commas"`
}

// CandidateRequest asks for the checks of a server that is no member yet.
type CandidateRequest struct {
	Address string   `json:"address" maxLength:"300" doc:"host:port; the node logs in there by its manager's account"`
	Only    []string `json:"only,omitempty" maxItems:"200" doc:"only these checks"`
}

// checkTime bounds the reading for one request; an answer is written within 30 s.
const checkTime = 22 * time.Second

func (s *Server) checkRoutes(api huma.API) {
	if s.cfg.Checks == nil {
		return
	}
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/check", OperationID: "get-check", Summary: "Named checks of the members, read anew",
	}, func(ctx context.Context, in *checkQuery) (*answer[CheckReport], error) {
		checks, members, err := s.chosen(list(in.Only), list(in.Member))
		if err != nil {
			return nil, err
		}
		return s.checked(ctx, checks, members, false)
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/doctor", OperationID: "get-doctor", Summary: "All checks, those of this node among them",
	}, func(ctx context.Context, in *checkQuery) (*answer[CheckReport], error) {
		checks, members, err := s.chosen(list(in.Only), list(in.Member))
		if err != nil {
			return nil, err
		}
		return s.checked(ctx, checks, members, true)
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/check", OperationID: "check-candidate", MaxBodyBytes: maxBody,
		Summary: "Checks of a server that is no member yet: the node logs in there, and changes nothing",
	}, func(ctx context.Context, in *struct{ Body CandidateRequest }) (*answer[CheckReport], error) {
		checks, members, err := s.chosen(in.Body.Only, nil)
		if err != nil {
			return nil, err
		}
		if err := topology.ValidAddr(in.Body.Address); err != nil {
			return nil, newProblem(http.StatusUnprocessableEntity, ProblemInvalid, "check a server: %v", err)
		}
		return s.checked(ctx, checks, append(members, topology.Member{Addr: in.Body.Address}), false)
	})
}

// list reads names separated by commas.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// chosen returns the checks and the members that were asked for.
func (s *Server) chosen(only, members []string) ([]ringcheck.Check, []topology.Member, error) {
	checks, err := ringcheck.Named(only)
	if err != nil {
		return nil, nil, newProblem(http.StatusUnprocessableEntity, ProblemInvalid, "%v", err)
	}
	snap := s.look().snap
	found := slices.Clone(snap.Members)
	for _, name := range members {
		if _, ok := snap.Member(topology.MemberID(name)); !ok {
			return nil, nil, newProblem(http.StatusNotFound, ProblemNotFound, "%q is not a member: `sqlring master list` shows who is", name)
		}
	}
	if len(members) > 0 {
		found = slices.DeleteFunc(found, func(m topology.Member) bool { return !slices.Contains(members, string(m.ID)) })
	}
	return checks, found, nil
}

// checked reads the facts of all members at once, and judges them. One request at a time
// does so.
func (s *Server) checked(ctx context.Context, checks []ringcheck.Check, members []topology.Member, node bool) (*answer[CheckReport], error) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	select {
	case s.checking <- struct{}{}:
		defer func() { <-s.checking }()
	case <-ctx.Done():
		return nil, newProblem(http.StatusConflict, ProblemRefused, "check: another request reads the members: try again")
	}
	l := s.look()
	f := l.checkFacts(s.cfg.Checks.Setup())
	f.Members = make([]ringcheck.Member, len(members))
	parts := ringcheck.Needs(checks)
	var group errgroup.Group
	for i, m := range members {
		group.Go(func() error {
			f.Members[i] = l.intended(m, s.cfg.Checks.Facts(ctx, m, parts))
			return nil
		})
	}
	if node {
		f.Node = s.nodeFacts(ctx, l)
	}
	_ = group.Wait() // each tells of its own error
	r := CheckReport{Report: ringcheck.Run(checks, f), Ring: f.Ring, Node: string(l.node), At: l.now.UTC(), Members: []string{}}
	r.First = r.Report.First(3)
	for _, m := range f.Members {
		r.Members = append(r.Members, m.Name)
	}
	return &answer[CheckReport]{r}, nil
}

// checkFacts is what the look knows that checks need.
func (l look) checkFacts(setup CheckSetup) ringcheck.Facts {
	f := ringcheck.Facts{
		At: l.now, Manager: setup.Manager, Replication: setup.Replication,
		MemberLinks: setup.MemberLinks, LinkIdle: setup.LinkIdle, Nodes: max(1, len(l.obs.Writers)),
		Owners: map[topology.UnitID]topology.MemberID{},
	}
	if ring := l.snap.Ring; ring != nil {
		f.Ring, f.Stride, f.SemiSync = ring.Name, ring.Stride, ring.Durability == topology.DurabilitySemiSync
	}
	for _, u := range l.snap.Units {
		f.Owners[u.ID] = u.Owner
	}
	return f
}

// intended adds what raft says of a server to what was read of it.
func (l look) intended(m topology.Member, facts ringcheck.Member) ringcheck.Member {
	if facts.Name = string(m.ID); facts.Name == "" {
		facts.Name = m.Addr
		return facts
	}
	facts.Intent = &m
	if up, ok := l.snap.Upstream(m.ID); ok && up.ID != m.ID {
		facts.Upstream = up.Addr
	}
	if m.Linked() {
		return facts
	}
	for _, op := range l.snap.Operations {
		if op.Kind == topology.OperationHeal && op.Member == m.ID {
			facts.AwayFor = max(time.Second, l.now.Sub(op.Began))
		}
	}
	return facts
}

// nodeFacts is the node's own side.
func (s *Server) nodeFacts(ctx context.Context, l look) *ringcheck.Node {
	n := s.cfg.Checks.Node(ctx)
	n.Name = string(l.node)
	if l.hasLeader {
		n.Leader = string(l.leader)
	}
	for _, v := range l.violations() {
		n.Violations = append(n.Violations, strings.TrimPrefix(v.Member+": "+v.What, ": "))
	}
	if l.step.Kind == topology.StepStuck {
		n.Stuck = l.step.Why
	}
	for _, m := range l.lagReport().Members {
		n.Levels = append(n.Levels, ringcheck.Level{Member: m.Name, Level: m.Level, Why: m.Why})
	}
	if p := l.proxy; p.Listen != "" || p.Socket != "" {
		n.Proxy = &ringcheck.Proxy{
			Sessions: p.Sessions, MaxSessions: s.cfg.Checks.Setup().MaxSessions, Queued: p.Queued, Queries: p.Queries, Errors: p.Errors,
			OutcomesUnknown: p.Traffic.OutcomeUnknown, LinksLost: p.Traffic.LinksLost, Links: p.Traffic.Links,
			Abandoned: p.Traffic.Abandoned, Refused: p.Refused,
		}
	}
	return &n
}
