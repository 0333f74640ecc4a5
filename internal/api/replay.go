package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Trial is what a replay of what only a member holds would do.
type Trial struct {
	Replayed  int         `json:"replayed" doc:"transactions that can be written anew"`
	Already   int         `json:"already" doc:"transactions that were, before"`
	Conflicts int         `json:"conflicts" doc:"transactions that conflict with what the ring has, or can not be replayed"`
	Lines     []TrialLine `json:"lines" doc:"the first 200 of them, in the order of the binlog"`
}

// TrialLine is one transaction that only a member holds.
type TrialLine struct {
	GTID   string   `json:"gtid"`
	Tables []string `json:"tables" doc:"what it does: kind, table, rows"`
	Fate   string   `json:"fate" doc:"replayed, already or conflict"`
	Why    string   `json:"why" doc:"what conflicts; else empty"`
}

// replay is rejoin with the word that what only the member holds is replayed.
func (s *Server) replay(ctx context.Context, l look, m topology.Member, req RejoinRequest, dryRun bool) (*answer[RejoinResponse], error) {
	what := "replay what only " + string(m.ID) + " holds"
	if req.LetFlow || req.Discard {
		return nil, newProblem(http.StatusUnprocessableEntity, ProblemInvalid, "%s: replay is a word of its own: neither let_flow nor discard stands beside it", what)
	}
	change := topology.BeginReplay{Member: m.ID}
	plan := l.rejoinPlan(m, req)
	plan.Steps = []string{
		fmt.Sprintf("%s stays closed, and in quarantine", m.ID),
		"each transaction that only it holds is read from its binlog and written anew, as a whole, at the owner of its tables: if each row that it inserts is not there, and each that it changes or deletes is to the last column what it was before",
		fmt.Sprintf("if all of them were, the data of %s is given up and copied anew under a new identity: then it is in the ring", m.ID),
		fmt.Sprintf("if some conflict, they are kept in a file, and %s stays in quarantine: sqlring master reclone %s gives them up", m.ID, m.ID),
	}
	problem := l.mayReplay(m, change, what)
	if problem == nil {
		if problem = s.tryReplay(ctx, l, m, &plan, what); problem != nil && !dryRun {
			return nil, problem
		}
	}
	switch {
	case problem != nil && dryRun: // the plan is worth being seen all the same
		plan.Refused = problem.Detail
		fallthrough
	case dryRun:
		return &answer[RejoinResponse]{RejoinResponse{Plan: plan}}, nil
	case problem != nil:
		return nil, problem
	}
	if err := s.propose(ctx, change, req.Why); err != nil {
		return nil, proposeProblem(l, what, err)
	}
	return &answer[RejoinResponse]{RejoinResponse{Plan: plan, Operation: s.started(topology.OperationReplay)}}, nil
}

// mayReplay refuses what the law refuses, and a member that does not answer.
func (l look) mayReplay(m topology.Member, change topology.BeginReplay, what string) *Problem {
	if _, err := topology.Apply(l.snap, topology.Command{Index: l.snap.Index + 1, At: l.now, Change: change}); err != nil {
		return proposeProblem(l, what, err)
	}
	if seen, good := l.obs.Good(m.ID, l.now); !good {
		p := newProblem(http.StatusConflict, ProblemRefused, "%s: refused by the check \"answers\": %s at %s does not answer: %s: start it first; nothing overrides this", what, m.ID, m.Addr, unseen(seen, l.now))
		p.Check = "answers"
		return p
	}
	return nil
}

// tryReplay puts into the plan what a replay would do.
func (s *Server) tryReplay(ctx context.Context, l look, m topology.Member, plan *RejoinPlan, what string) *Problem {
	action, why := topology.ReplayTrial(l.snap, m.ID, l.obs, l.now)
	if why == "" {
		tried, err := s.node.TryReplay(ctx, m, action)
		if err == nil {
			plan.Trial = trialOf(tried)
			return nil
		}
		why = err.Error()
	}
	p := newProblem(http.StatusConflict, ProblemRefused, "%s: refused by the check \"trial\": it could not be tried: %s", what, why)
	p.Check = "trial"
	return p
}

func trialOf(r topology.Replay) *Trial {
	t := &Trial{Replayed: r.Sum.Replayed, Already: r.Sum.Already, Conflicts: r.Sum.Conflicts, Lines: []TrialLine{}}
	for _, line := range r.Lines {
		t.Lines = append(t.Lines, TrialLine{GTID: line.GTID, Tables: line.Tables, Fate: line.Fate, Why: line.Why})
	}
	return t
}
