package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// MoveRequest asks to give a unit another owner.
type MoveRequest struct {
	To      string `json:"to" maxLength:"32" doc:"the member that gets it"`
	GraceMS int64  `json:"grace_ms,omitempty" minimum:"0" maximum:"60000" doc:"how long transactions in flight may take to end; writes of the unit wait meanwhile; 0: 1000"`
	Why     string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// MoveResponse is what was decided, and what was started.
type MoveResponse struct {
	Plan      MovePlan   `json:"plan"`
	Operation *Operation `json:"operation" doc:"null if nothing was started"`
}

// MovePlan is what a move will do.
type MovePlan struct {
	Unit    string   `json:"unit"`
	From    string   `json:"from" doc:"its owner; empty: it has none"`
	To      string   `json:"to"`
	GraceMS int64    `json:"grace_ms"`
	Steps   []string `json:"steps"`
	Refused string   `json:"refused" doc:"why it is refused as it stands; empty: it is not"`
}

type moveInput struct {
	Name   string `path:"name" maxLength:"64" doc:"a schema, or * for the rest (%2A)"`
	DryRun bool   `query:"dry_run" doc:"only compute the plan, and check it"`
	Body   MoveRequest
}

func (s *Server) move(ctx context.Context, in *moveInput) (*answer[MoveResponse], error) {
	l, what := s.look(), fmt.Sprintf("move unit %s", in.Name)
	if _, ok := l.snap.Unit(topology.UnitID(in.Name)); !ok {
		return nil, noUnit(what)
	}
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, what)
	}
	if _, ok := l.snap.Member(topology.MemberID(in.Body.To)); !ok {
		return nil, newProblem(http.StatusNotFound, ProblemNotFound, "%s: %q is not a member of the ring: %s", what, in.Body.To, l.memberNames())
	}
	change := topology.BeginMove{Unit: topology.UnitID(in.Name), To: topology.MemberID(in.Body.To), Grace: time.Duration(in.Body.GraceMS) * time.Millisecond}
	plan, problem := l.movePlan(change), l.mayChange(change, what)
	if problem == nil {
		problem = l.mayOwn(change.To, what)
	}
	if problem == nil && len(l.snap.Units) > 1 {
		var ties []topology.Tie
		if ties, problem = s.ties(ctx, l, change.Unit, what); problem == nil {
			problem = cutProblem(what, topology.CutsOfMove(l.snap, change.Unit, change.To, ties))
		}
	}
	o := order{what, in.Body.Why, change, topology.OperationMove, in.DryRun}
	begun, refused, err := s.begin(ctx, l, o, problem)
	if err != nil {
		return nil, err
	}
	plan.Refused = refused
	return &answer[MoveResponse]{MoveResponse{Plan: plan, Operation: begun}}, nil
}

// mayChange refuses what the law refuses.
func (l look) mayChange(change topology.Change, what string) *Problem {
	_, err := topology.Apply(l.snap, topology.Command{Index: l.snap.Index + 1, At: l.now, Change: change})
	if err != nil {
		return proposeProblem(l, what, err)
	}
	return nil
}

// mayOwn refuses a new owner that is drained, since the controller would move the unit away
// again, and one that does not answer: the move would only turn back. A MySQL that has just
// been disarmed does not for a second, and a move waits for longer.
func (l look) mayOwn(id topology.MemberID, what string) *Problem {
	m, _ := l.snap.Member(id)
	if m.Drained {
		p := newProblem(http.StatusConflict, ProblemRefused,
			"%s: refused by the check \"drained\": %s is drained, no unit moves there: sqlring master resume %s; nothing overrides this", what, id, id)
		p.Check = "drained"
		return p
	}
	seen, good := l.obs.Good(id, l.now)
	pauses := seen.Reach == topology.ReachSilent && l.now.Sub(seen.Since) < topology.MaxAge && l.now.Sub(seen.At) < topology.MaxAge
	if !good && !pauses {
		p := newProblem(http.StatusConflict, ProblemRefused,
			"%s: refused by the check \"answers\": %s at %s does not answer: %s: start it first; nothing overrides this", what, id, m.Addr, unseen(seen, l.now))
		p.Check = "answers"
		return p
	}
	return nil
}

func (l look) movePlan(b topology.BeginMove) MovePlan {
	unit, _ := l.snap.Unit(b.Unit)
	grace := cmp.Or(b.Grace, topology.DefaultGrace)
	plan := MovePlan{Unit: string(b.Unit), From: string(unit.Owner), To: string(b.To), GraceMS: grace.Milliseconds()}
	keeps := fmt.Sprintf("%s is closed: what it has then is all that it wrote", unit.Owner)
	for _, other := range l.snap.Units {
		if other.ID != b.Unit && other.Owner == unit.Owner {
			keeps = fmt.Sprintf("%s stays open, it owns unit %s", unit.Owner, other.ID)
		}
	}
	plan.Steps = []string{
		fmt.Sprintf("%s must follow, have caught up, and have its acker; it is opened", b.To),
		fmt.Sprintf("writes of unit %s begin to wait; what is under way may end, for at most %s; then it is cut", b.Unit, grace),
		fmt.Sprintf("every proxy gives its lease back; %s", keeps),
		fmt.Sprintf("%s has all that %s has, and its commits wait for its acker", b.To, unit.Owner),
		fmt.Sprintf("%s owns unit %s, and the writes that wait go there", b.To, b.Unit),
	}
	return plan
}
