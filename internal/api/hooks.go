package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// ErrNoHook says that the node has no hook of that name.
var ErrNoHook = errors.New("no such hook")

// Hooks is what is told to whom. What a hook runs, and where it posts to, is in the
// node's file, and nothing of the API changes it.
type Hooks struct {
	Node     string    `json:"node" doc:"the one that answers; hooks are of a node's file"`
	Leads    bool      `json:"leads" doc:"whether this node delivers now"`
	Open     bool      `json:"open" doc:"whether transitions are taken down: every node has to run this release first"`
	Hooks    []Hook    `json:"hooks" doc:"in the order of the file"`
	Silences []Silence `json:"silences" doc:"of all nodes; those that are over are left out"`
	Pending  int       `json:"pending" doc:"transitions that some hook is still to be told"`
	Dropped  Dropped   `json:"dropped" doc:"what was dropped since too much was pending"`
}

// Dropped counts transitions by severity.
type Dropped struct {
	Info     uint64 `json:"info"`
	Warning  uint64 `json:"warning"`
	Critical uint64 `json:"critical"`
}

// Hook is one hook of a node's file, and how it is.
type Hook struct {
	Name       string     `json:"name"`
	Type       string     `json:"type" doc:"exec, webhook, alertmanager, slack or pagerduty"`
	Target     string     `json:"target" doc:"the program, or scheme and host: the rest may be a secret"`
	Severity   string     `json:"severity" doc:"what is less urgent is not told"`
	Match      []string   `json:"match" doc:"any of these; empty: all"`
	RepeatMS   int64      `json:"repeat_ms" doc:"how often what stands is told again; 0: once"`
	OnlyFiring bool       `json:"only_firing" doc:"nothing is told of what is over"`
	Waiting    int        `json:"waiting" doc:"transitions that it is still to be told"`
	Delivered  uint64     `json:"delivered" doc:"messages by this node, since its start"`
	Failed     uint64     `json:"failed" doc:"attempts that failed"`
	GivenUp    uint64     `json:"given_up" doc:"messages that were given up"`
	Silenced   uint64     `json:"silenced" doc:"messages that were not sent, by order"`
	LastAt     *time.Time `json:"last_at" doc:"end of the last attempt; null: none yet"`
	LastError  string     `json:"last_error" doc:"empty: the last attempt worked"`
	Failing    bool       `json:"failing"`
}

// Silence keeps hooks quiet for a while.
type Silence struct {
	ID     string    `json:"id"`
	Match  string    `json:"match"`
	Until  time.Time `json:"until"`
	EndsMS int64     `json:"ends_ms" doc:"the time until then"`
	By     string    `json:"by"`
	Why    string    `json:"why"`
}

// SilenceRequest keeps hooks quiet for a while.
type SilenceRequest struct {
	Match string `json:"match" minLength:"1" maxLength:"200" doc:"lag/m2, m2, unit/*, topic=lag,member=m1, severity=warning, *"`
	ForMS int64  `json:"for_ms" minimum:"1" doc:"at most 30 days"`
	Why   string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

type silenceInput struct {
	DryRun bool `query:"dry_run" doc:"only check it"`
	Body   SilenceRequest
}

type silenceEndInput struct {
	ID     string `path:"id" maxLength:"32" doc:"for example s1"`
	DryRun bool   `query:"dry_run" doc:"only check it"`
	Body   struct {
		Why string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
	}
}

type silenceList struct {
	Silences []Silence `json:"silences"`
}

// HookTest is how the test of a hook went.
type HookTest struct {
	Hook   string `json:"hook"`
	Node   string `json:"node" doc:"that has sent it"`
	OK     bool   `json:"ok"`
	Error  string `json:"error" doc:"empty: it was taken"`
	TookMS int64  `json:"took_ms"`
}

type hookPath struct {
	Name string `path:"name" maxLength:"32"`
}

func (l look) silencesOf(snap *topology.Snapshot) []Silence {
	list := []Silence{}
	if snap.Outbox == nil {
		return list
	}
	for _, q := range snap.Outbox.Silences {
		if l.now.Before(q.Until) {
			list = append(list, Silence{q.ID, q.Match, q.Until, q.Until.Sub(l.now).Milliseconds(), q.By, q.Why})
		}
	}
	return list
}

func (s *Server) hooks() Hooks {
	l := s.look()
	h := Hooks{Node: string(l.node), Leads: l.hasLeader && l.leader == l.node, Hooks: s.node.Hooks(), Silences: l.silencesOf(l.snap)}
	if o := l.snap.Outbox; o != nil {
		h.Open, h.Pending = true, len(o.Pending)
		h.Dropped = Dropped{o.Dropped[topology.UrgencyInfo], o.Dropped[topology.UrgencyWarning], o.Dropped[topology.UrgencyCritical]}
	}
	return h
}

func (s *Server) hookRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/hooks", OperationID: "get-hooks", Summary: "The hooks of this node, how they are, and the silences",
	}, func(context.Context, *nothing) (*answer[Hooks], error) { return &answer[Hooks]{s.hooks()}, nil })
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/hooks/{name}/test", OperationID: "test-hook", MaxBodyBytes: maxBody,
		Summary: "Send a test to a hook of the node that is asked, once",
	}, s.testHook)
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/silences", OperationID: "add-silence", MaxBodyBytes: maxBody,
		Summary: "Keep hooks quiet about something for a while; returns the silences that there are then",
	}, func(ctx context.Context, in *silenceInput) (*answer[silenceList], error) {
		change := topology.AddSilence{Match: in.Body.Match, For: milliseconds(in.Body.ForMS)}
		return s.silence(ctx, change, commitment{in.Body.Why, in.DryRun})
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/silences/{id}/end", OperationID: "end-silence", MaxBodyBytes: maxBody,
		Summary: "Take a silence away; returns those that there are then",
	}, func(ctx context.Context, in *silenceEndInput) (*answer[silenceList], error) {
		return s.silence(ctx, topology.EndSilence{ID: in.ID}, commitment{in.Body.Why, in.DryRun})
	})
}

func (s *Server) silence(ctx context.Context, change topology.Change, how commitment) (*answer[silenceList], error) {
	next, err := s.commit(ctx, change.String(), change, how)
	if err != nil {
		return nil, err
	}
	return &answer[silenceList]{silenceList{s.look().silencesOf(next)}}, nil
}

// hookTestTime bounds a test; answers are written within 30 s.
const hookTestTime = 20 * time.Second

func (s *Server) testHook(ctx context.Context, in *hookPath) (*answer[HookTest], error) {
	ctx, cancel := context.WithTimeout(ctx, hookTestTime)
	defer cancel()
	began := time.Now()
	err := s.node.TestHook(ctx, in.Name, s.who(ctx))
	if errors.Is(err, ErrNoHook) {
		return nil, newProblem(http.StatusNotFound, ProblemNotFound, "%s", fmt.Sprintf("test hook %s: the file of node %s declares none of that name: sqlring hook list", in.Name, s.node.Name()))
	}
	t := HookTest{Hook: in.Name, Node: string(s.node.Name()), OK: err == nil, TookMS: time.Since(began).Milliseconds()}
	if err != nil {
		t.Error = err.Error()
	}
	return &answer[HookTest]{t}, nil
}
