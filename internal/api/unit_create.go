package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// CreateUnitRequest asks to make a schema a unit of its own.
type CreateUnitRequest struct {
	Name    string `json:"name" maxLength:"64" doc:"the schema"`
	GraceMS int64  `json:"grace_ms,omitempty" minimum:"0" maximum:"60000" doc:"how long transactions in flight may take to end; writes of * wait meanwhile; 0: 1000"`
	Why     string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// CreateUnitResponse is what was decided, and what was started.
type CreateUnitResponse struct {
	Plan      CreateUnitPlan `json:"plan"`
	Operation *Operation     `json:"operation" doc:"null if nothing was started"`
}

// CreateUnitPlan is what making a unit will do.
type CreateUnitPlan struct {
	Unit    string   `json:"unit"`
	Owner   string   `json:"owner" doc:"who will own it: the owner of *"`
	Tied    []string `json:"tied" doc:"the schemas that objects tie to it, itself among them; more than one: refused"`
	Steps   []string `json:"steps"`
	Refused string   `json:"refused" doc:"why it is refused as it stands; empty: it is not"`
}

type createUnitInput struct {
	DryRun bool `query:"dry_run" doc:"only compute the plan, and check it"`
	Body   CreateUnitRequest
}

// PinRequest says why a unit is pinned, or not any more.
type PinRequest struct {
	Why string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

type pinInput struct {
	Name   string      `path:"name" maxLength:"64" doc:"a schema, or * for the rest (%2A)"`
	DryRun bool        `query:"dry_run" doc:"only check it"`
	Body   *PinRequest `required:"false"`
}

func (s *Server) unitRoutes(api huma.API) {
	post := func(path, id, summary string) huma.Operation {
		return huma.Operation{Method: http.MethodPost, Path: path, OperationID: id, MaxBodyBytes: maxBody, Summary: summary}
	}
	huma.Register(api, post("/v1/units", "create-unit", "Make a schema a unit: returns the plan, and the operation unless dry_run is set"), s.createUnit)
	huma.Register(api, post("/v1/units/{name}/move", "move-unit", "Give a unit another owner: returns the plan, and the operation unless dry_run is set"), s.move)
	huma.Register(api, post("/v1/units/{name}/join", "join-unit", "Make a unit a part of * again: returns the plan, and the operation unless dry_run is set"), s.joinUnit)
	huma.Register(api, post("/v1/units/{name}/pin", "pin-unit", "Keep a unit where it is"), func(ctx context.Context, in *pinInput) (*answer[Unit], error) {
		return s.pin(ctx, in, topology.PinUnit{Unit: topology.UnitID(in.Name)})
	})
	huma.Register(api, post("/v1/units/{name}/unpin", "unpin-unit", "Let a unit be moved again"), func(ctx context.Context, in *pinInput) (*answer[Unit], error) {
		return s.pin(ctx, in, topology.UnpinUnit{Unit: topology.UnitID(in.Name)})
	})
}

// pin commits a change of a unit that starts no operation.
func (s *Server) pin(ctx context.Context, in *pinInput, change topology.Change) (*answer[Unit], error) {
	l, what, why := s.look(), change.String(), ""
	if in.Body != nil {
		why = in.Body.Why
	}
	if _, ok := l.snap.Unit(topology.UnitID(in.Name)); !ok {
		return nil, noUnit(what)
	}
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, what)
	}
	if problem := l.mayChange(change, what); problem != nil {
		return nil, problem
	}
	if !in.DryRun {
		if err := s.propose(ctx, change, why); err != nil {
			return nil, proposeProblem(l, what, err)
		}
	}
	for _, u := range s.look().units() {
		if u.Name == in.Name {
			return &answer[Unit]{u}, nil
		}
	}
	return nil, noUnit(what)
}

func noUnit(what string) *Problem {
	return newProblem(http.StatusNotFound, ProblemNotFound, "%s: there is no such unit: `sqlring unit list` shows what there is", what)
}

func (s *Server) createUnit(ctx context.Context, in *createUnitInput) (*answer[CreateUnitResponse], error) {
	l, what := s.look(), "create unit "+in.Body.Name
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, what)
	}
	change := topology.BeginDivide{Unit: topology.UnitID(in.Body.Name), Grace: time.Duration(in.Body.GraceMS) * time.Millisecond}
	plan, problem := l.createUnitPlan(change), l.mayChange(change, what)
	if problem == nil {
		var ties []topology.Tie
		if ties, problem = s.ties(ctx, l, topology.UnitRest, what); problem == nil {
			plan.Tied, _ = topology.Closure(in.Body.Name, ties)
			problem = cutProblem(what, topology.CutsOfUnit(l.snap, change.Unit, ties))
		}
	}
	o := order{what, in.Body.Why, change, topology.OperationDivide, in.DryRun}
	begun, refused, err := s.begin(ctx, l, o, problem)
	if err != nil {
		return nil, err
	}
	plan.Refused = refused
	return &answer[CreateUnitResponse]{CreateUnitResponse{Plan: plan, Operation: begun}}, nil
}

func (l look) createUnitPlan(b topology.BeginDivide) CreateUnitPlan {
	rest, _ := l.snap.Unit(topology.UnitRest)
	grace := cmp.Or(b.Grace, topology.DefaultGrace)
	first := fmt.Sprintf("no view, trigger, routine, event, foreign key or default ties %s to another schema", b.Unit)
	if seen, good := l.obs.Good(rest.Owner, l.now); good && !slices.Contains(seen.Schemas, string(b.Unit)) {
		first += fmt.Sprintf("; there is no schema %s yet: it is one once it is made", b.Unit)
	}
	return CreateUnitPlan{
		Unit: string(b.Unit), Owner: string(rest.Owner), Tied: []string{string(b.Unit)},
		Steps: []string{
			first,
			fmt.Sprintf("writes of unit %s begin to wait; what is under way may end, for at most %s; then it is cut", topology.UnitRest, grace),
			"every proxy gives its lease back: nobody writes by the old partition any more",
			fmt.Sprintf("%s owns unit %s, and unit %s as before; it can be moved now", rest.Owner, b.Unit, topology.UnitRest),
		},
	}
}

// ties reads, on the owner of a unit, what ties schemas together.
func (s *Server) ties(ctx context.Context, l look, unit topology.UnitID, what string) ([]topology.Tie, *Problem) {
	u, _ := l.snap.Unit(unit)
	ties, err := s.node.Ties(ctx, u.Owner)
	if err != nil {
		p := newProblem(http.StatusConflict, ProblemRefused, "%s: refused by the check \"closed set\": %v; nothing overrides this", what, err)
		p.Check = "closed set"
		return nil, p
	}
	return ties, nil
}

// cutProblem names the objects that a partition would cut.
func cutProblem(what string, cuts []topology.Cut) *Problem {
	if len(cuts) == 0 {
		return nil
	}
	const shown = 5
	var objects []string
	for i, c := range cuts {
		if i == shown {
			objects = append(objects, fmt.Sprintf("and %d more", len(cuts)-shown))
			break
		}
		objects = append(objects, c.Tie.String())
	}
	p := newProblem(http.StatusConflict, ProblemRefused,
		"%s: refused by the check \"closed set\": %s: a statement on one side could change or read the other; drop it, or leave them together; nothing overrides this",
		what, strings.Join(objects, "; "))
	p.Check = "closed set"
	return p
}
