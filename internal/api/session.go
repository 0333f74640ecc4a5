package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Session is a client of the proxy of the node that answers. Ids are that node's own.
type Session struct {
	ID          uint32    `json:"id" doc:"as the client was greeted with it: CONNECTION_ID()"`
	Account     string    `json:"account" doc:"user; empty while it logs in"`
	From        string    `json:"from" doc:"the client's address; localhost: it came over the unix socket"`
	Schema      string    `json:"schema" doc:"the default one; empty: none"`
	State       string    `json:"state" enum:"logs in,idle,runs,waits"`
	Doing       string    `json:"doing" doc:"the digest of the statement that runs or waits, at most 500 bytes of it; empty: none, or not known"`
	WaitsFor    string    `json:"waits_for" doc:"if it waits"`
	Since       time.Time `json:"since" doc:"since when it is in that state, to a quarter of a second"`
	ForMS       int64     `json:"for_ms" doc:"the time since then"`
	Connected   time.Time `json:"connected" doc:"when its client connected"`
	Member      string    `json:"member" doc:"where its connection is, or was that it has given back last; empty: none"`
	Keeps       []string  `json:"keeps" doc:"why it keeps that connection between its statements; empty: it does not"`
	Transaction bool      `json:"transaction" doc:"one was open when its last statement ended"`
	Consistency string    `json:"consistency" doc:"of its reads"`
}

// SessionFilter says which sessions are asked for. The zero value is all, 1000 at most.
type SessionFilter struct {
	Account string `query:"account" doc:"only this account's"`
	Member  string `query:"member" doc:"only those whose connection is there"`
	State   string `query:"state" doc:"only those that are: logs in, idle, runs, waits"`
	Pinned  bool   `query:"pinned" doc:"only those that keep their connection"`
	OlderMS int64  `query:"older_ms" minimum:"0" doc:"only those that have been in their state for so long"`
	Limit   int    `query:"limit" minimum:"0" maximum:"20000" doc:"at most so many, those first that have been in their state for longest; 0: 1000"`
}

// SessionList are the sessions that were asked for.
type SessionList struct {
	Node     string    `json:"node" doc:"whose proxy they are of: ids are that node's own"`
	Total    int       `json:"total" doc:"all that its proxy has"`
	Left     int       `json:"left" doc:"those that were asked for and are left out by the limit"`
	Sessions []Session `json:"sessions" doc:"by id"`
}

// KillRequest says what is ended.
type KillRequest struct {
	Query bool   `json:"query,omitempty" doc:"only what it runs; the session goes on"`
	Why   string `json:"why,omitempty" maxLength:"200" doc:"for the node's log"`
}

// KillPlan is what a kill does, or has done.
type KillPlan struct {
	Node    string   `json:"node"`
	Session Session  `json:"session" doc:"as it was when it was looked at"`
	Query   bool     `json:"query" doc:"only what it runs is ended"`
	Steps   []string `json:"steps"`
	Refused string   `json:"refused" doc:"why it is refused as it stands; empty: it is not"`
	Done    bool     `json:"done" doc:"it was seen to have ended"`
}

type killInput struct {
	ID     uint32       `path:"id" doc:"for example 1073741830"`
	DryRun bool         `query:"dry_run" doc:"only look at the session"`
	Body   *KillRequest `required:"false"`
}

const defaultSessions = 1000

func (s *Server) sessionRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/sessions", OperationID: "get-sessions", Summary: "The sessions of this node's proxy, and what each does",
	}, func(_ context.Context, in *SessionFilter) (*answer[SessionList], error) {
		return &answer[SessionList]{in.of(string(s.node.Name()), s.node.Sessions())}, nil
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/sessions/{id}/kill", OperationID: "kill-session", MaxBodyBytes: maxBody,
		Summary: "End a session of this node's proxy, or what it runs; returns when that has ended",
	}, s.kill)
}

// of returns the sessions that the filter asks for.
func (f *SessionFilter) of(node string, all []Session) SessionList {
	limit := f.Limit
	if limit == 0 {
		limit = defaultSessions
	}
	list := SessionList{Node: node, Total: len(all), Sessions: []Session{}}
	for i := range all {
		if f.asksFor(&all[i]) {
			list.Sessions = append(list.Sessions, all[i])
		}
	}
	if list.Left = max(0, len(list.Sessions)-limit); list.Left > 0 {
		slices.SortStableFunc(list.Sessions, func(a, b Session) int { return a.Since.Compare(b.Since) })
		list.Sessions = list.Sessions[:limit]
		slices.SortFunc(list.Sessions, func(a, b Session) int { return int(int64(a.ID) - int64(b.ID)) })
	}
	return list
}

func (f *SessionFilter) asksFor(s *Session) bool {
	return (f.Account == "" || s.Account == f.Account) && (f.Member == "" || s.Member == f.Member) &&
		(f.State == "" || s.State == f.State) && (!f.Pinned || len(s.Keeps) > 0) && s.ForMS >= f.OlderMS
}

// kill is plan, check, the deed, and the look whether it is done.
func (s *Server) kill(ctx context.Context, in *killInput) (*answer[KillPlan], error) {
	body := KillRequest{}
	if in.Body != nil {
		body = *in.Body
	}
	plan := KillPlan{Node: string(s.node.Name()), Query: body.Query}
	sessions := s.node.Sessions()
	at := slices.IndexFunc(sessions, func(one Session) bool { return one.ID == in.ID })
	if at < 0 {
		return nil, s.killProblem(in.ID, ErrNoSession)
	}
	plan.Session = sessions[at]
	plan.Steps = plan.Session.ends(body.Query)
	if body.Query && plan.Session.State != "runs" && plan.Session.State != "waits" {
		problem := s.killProblem(in.ID, fmt.Errorf("%w: it is %s", ErrNotRunning, plan.Session.at()))
		if !in.DryRun {
			return nil, problem
		}
		plan.Refused = problem.Detail // the plan is worth being seen all the same
	}
	if in.DryRun {
		return &answer[KillPlan]{plan}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Propose)
	defer cancel()
	err := s.node.EndSession(ctx, in.ID, body.Query)
	s.cfg.Logger.Info("session killed for the api", "by", s.who(ctx), "session", in.ID, "account", plan.Session.Account,
		"only_query", body.Query, "why", body.Why, "error", err)
	if errors.Is(err, ErrNoSession) && !body.Query {
		err = nil // it has ended by itself since it was looked at
	}
	if err != nil {
		return nil, s.killProblem(in.ID, err)
	}
	plan.Done = true
	return &answer[KillPlan]{plan}, nil
}

// at says in words what a session is at.
func (s *Session) at() string {
	if s.WaitsFor != "" {
		return "waiting for " + s.WaitsFor
	}
	return map[string]string{"logs in": "logging in", "idle": "idle", "runs": "running a statement"}[s.State]
}

// ends says what ending the session means.
func (s *Session) ends(query bool) []string {
	who := fmt.Sprintf("session %d (%s from %s, %s", s.ID, accountText(s.Account), s.From, s.at())
	if s.Member != "" {
		who += ", at " + s.Member
	}
	who += ")"
	if query {
		steps := []string{"what runs is ended at the member, and its client is told (1317); the session goes on: " + who}
		if s.State == "waits" {
			steps[0] = "what waits is not run, and its client is told (1317); the session goes on: " + who
		}
		if s.Transaction {
			steps = append(steps, "its transaction stays open")
		}
		return steps
	}
	steps := []string{"the client's connection is closed, and what runs at a member is killed there: " + who}
	if s.Transaction {
		steps = append(steps, "its open transaction is rolled back")
	}
	return steps
}

func accountText(account string) string {
	if account == "" {
		return "not logged in"
	}
	return account
}

// killProblem says why a session was not ended.
func (s *Server) killProblem(id uint32, err error) *Problem {
	node := s.node.Name()
	switch {
	case errors.Is(err, ErrNoSession):
		return newProblem(http.StatusNotFound, ProblemNotFound,
			"kill: node %s has no session %d: each node has its own sessions and ids: `sqlring sessions` shows those of the node that is asked", node, id)
	case errors.Is(err, ErrNotRunning):
		p := newProblem(http.StatusConflict, ProblemRefused, "kill the query of session %d: %v: there is nothing to be ended; without --query the session is ended", id, err)
		p.Check = "runs"
		return p
	case errors.Is(err, ErrCommits):
		p := newProblem(http.StatusConflict, ProblemRefused,
			"kill the query of session %d: it commits, which can not be taken back: wait, or end the session (without --query): its client gets no answer then", id)
		p.Check = "commits"
		return p
	case errors.Is(err, ErrOutcomeUnknown), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return newProblem(http.StatusGatewayTimeout, ProblemOutcomeUnknown,
			"kill session %d: it was told to end, and had not when the time was over: look at `sqlring sessions` (%v)", id, err)
	}
	return newProblem(http.StatusInternalServerError, ProblemInternal, "kill session %d: %v", id, err)
}
