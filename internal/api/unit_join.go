package api

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// JoinUnitRequest asks to make a unit a part of "*" again.
type JoinUnitRequest struct {
	GraceMS int64  `json:"grace_ms,omitempty" minimum:"0" maximum:"60000" doc:"how long transactions in flight may take to end; writes of the unit and of * wait meanwhile; 0: 1000"`
	Why     string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// JoinUnitResponse is what was decided, and what was started.
type JoinUnitResponse struct {
	Plan      JoinUnitPlan `json:"plan"`
	Operation *Operation   `json:"operation" doc:"null if nothing was started"`
}

// JoinUnitPlan is what joining a unit will do.
type JoinUnitPlan struct {
	Unit    string   `json:"unit"`
	Owner   string   `json:"owner" doc:"who owns it, and *"`
	Steps   []string `json:"steps"`
	Refused string   `json:"refused" doc:"why it is refused as it stands; empty: it is not"`
}

type joinUnitInput struct {
	Name   string `path:"name" maxLength:"64" doc:"a schema that is a unit"`
	DryRun bool   `query:"dry_run" doc:"only compute the plan, and check it"`
	Body   JoinUnitRequest
}

func (s *Server) joinUnit(ctx context.Context, in *joinUnitInput) (*answer[JoinUnitResponse], error) {
	l, what := s.look(), "join unit "+in.Name
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, what)
	}
	change := topology.BeginJoin{Unit: topology.UnitID(in.Name), Grace: time.Duration(in.Body.GraceMS) * time.Millisecond}
	if _, ok := l.snap.Unit(change.Unit); !ok {
		return nil, noUnit(what)
	}
	plan, problem := l.joinUnitPlan(change), l.mayChange(change, what)
	if problem == nil {
		var ties []topology.Tie
		if ties, problem = s.ties(ctx, l, topology.UnitRest, what); problem == nil {
			problem = cutProblem(what, topology.CutsOfJoin(l.snap, change.Unit, ties))
		}
	}
	o := order{what, in.Body.Why, change, topology.OperationJoin, in.DryRun}
	begun, refused, err := s.begin(ctx, l, o, problem)
	if err != nil {
		return nil, err
	}
	plan.Refused = refused
	return &answer[JoinUnitResponse]{JoinUnitResponse{Plan: plan, Operation: begun}}, nil
}

func (l look) joinUnitPlan(b topology.BeginJoin) JoinUnitPlan {
	unit, _ := l.snap.Unit(b.Unit)
	grace := cmp.Or(b.Grace, topology.DefaultGrace)
	return JoinUnitPlan{
		Unit: string(b.Unit), Owner: string(unit.Owner),
		Steps: []string{
			fmt.Sprintf("%s owns both, and nothing ties %s to a unit of another owner", unit.Owner, b.Unit),
			fmt.Sprintf("writes of units %s and %s begin to wait; what is under way may end, for at most %s; then it is cut", b.Unit, topology.UnitRest, grace),
			"every proxy gives its leases back: nobody writes by the old partition any more",
			fmt.Sprintf("%s owns unit %s, with schema %s in it", unit.Owner, topology.UnitRest, b.Unit),
		},
	}
}
