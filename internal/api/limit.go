package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// LimitRule holds statements back for a while.
type LimitRule struct {
	Scope             string    `json:"scope" doc:"digest:HEX, account:USER, network:CIDR, schema:NAME or all"`
	Concurrency       int       `json:"concurrency" doc:"at once, for each node; 0: any number"`
	Rate              float64   `json:"rate" doc:"a second, for each node; 0: any number"`
	IdleTransactionMS int64     `json:"idle_transaction_ms" doc:"how long an open transaction may wait for its client; 0: for ever"`
	LongStatementMS   int64     `json:"long_statement_ms" doc:"how long a statement may run; 0: for ever"`
	Until             time.Time `json:"until"`
	EndsMS            int64     `json:"ends_ms" doc:"the time until then"`
	By                string    `json:"by"`
	Why               string    `json:"why"`

	Inside   int     `json:"inside" doc:"statements and transactions that count in it now, at the node that answers, as all that follows"`
	Waiting  int     `json:"waiting" doc:"statements that it holds back now"`
	Held     uint64  `json:"held" doc:"statements that it has held back, since its scope has a rule"`
	Refused  uint64  `json:"refused" doc:"statements that got an error (1041) by it"`
	WaitedMS float64 `json:"waited_ms" doc:"for how long it has held statements back, those aside that wait now"`
}

// LimitAt is what a rule does at the proxy of a node, since its scope has one.
type LimitAt struct {
	Scope         string
	Inside        int           // statements and transactions that count in it now
	Waiting       int           // that it holds back now
	Held, Refused uint64        // that it has held back; that got an error by it
	Waited        time.Duration // for which it has held them back, those aside who wait now
}

type limitList struct {
	Limits []LimitRule `json:"limits" doc:"sorted by scope; those that are over are left out"`
}

// LimitRequest sets a rule. A rule that the scope has is replaced.
type LimitRequest struct {
	Scope             string  `json:"scope" minLength:"1" maxLength:"140"`
	Concurrency       int     `json:"concurrency,omitempty"`
	Rate              float64 `json:"rate,omitempty"`
	IdleTransactionMS int64   `json:"idle_transaction_ms,omitempty"`
	LongStatementMS   int64   `json:"long_statement_ms,omitempty"`
	ForMS             int64   `json:"for_ms,omitempty" default:"3600000" doc:"how long it lasts; at most 30 days"`
	Why               string  `json:"why,omitempty" maxLength:"200" doc:"for the audit, and for whoever is held back"`
}

// LimitClearRequest takes a rule away.
type LimitClearRequest struct {
	Scope string `json:"scope" minLength:"1" maxLength:"140"`
	Why   string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

func (l look) limits() limitList { return l.limitsOf(l.snap) }

func (l look) limitsOf(snap *topology.Snapshot) limitList {
	list := limitList{[]LimitRule{}}
	for _, r := range snap.LimitsAt(l.now) {
		at := l.limitAt(r.Scope)
		list.Limits = append(list.Limits, LimitRule{
			Scope: r.Scope, Concurrency: r.Concurrency, Rate: r.Rate, IdleTransactionMS: r.IdleTransaction.Milliseconds(),
			LongStatementMS: r.LongStatement.Milliseconds(), Until: r.Until.UTC(), EndsMS: r.Until.Sub(l.now).Milliseconds(), By: r.By, Why: r.Why,
			Inside: at.Inside, Waiting: at.Waiting, Held: at.Held, Refused: at.Refused, WaitedMS: at.Waited.Seconds() * 1000,
		})
	}
	return list
}

// limitAt is what the rule of a scope does at this node; none: nothing yet.
func (l look) limitAt(scope string) LimitAt {
	for _, at := range l.proxy.Limits {
		if at.Scope == scope {
			return at
		}
	}
	return LimitAt{Scope: scope}
}

type limitInput struct {
	DryRun bool `query:"dry_run" doc:"only check it"`
	Body   LimitRequest
}

type limitClearInput struct {
	DryRun bool `query:"dry_run" doc:"only check it"`
	Body   LimitClearRequest
}

func (s *Server) limitRoutes(api huma.API) {
	get(s, api, "/v1/limits", "The rules that hold statements back", look.limits)
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/limits/set", OperationID: "set-limit", MaxBodyBytes: maxBody,
		Summary: "Hold statements back for a while; returns the rules that there are then",
	}, func(ctx context.Context, in *limitInput) (*answer[limitList], error) {
		b := in.Body
		change := topology.SetLimit{
			Scope: b.Scope, Concurrency: b.Concurrency, Rate: b.Rate, IdleTransaction: milliseconds(b.IdleTransactionMS),
			LongStatement: milliseconds(b.LongStatementMS), For: milliseconds(b.ForMS),
		}
		return s.limit(ctx, "limit "+b.Scope, change, commitment{b.Why, in.DryRun})
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/limits/clear", OperationID: "clear-limit", MaxBodyBytes: maxBody,
		Summary: "Hold statements back no more; returns the rules that there are then",
	}, func(ctx context.Context, in *limitClearInput) (*answer[limitList], error) {
		return s.limit(ctx, "limit "+in.Body.Scope+" no more", topology.ClearLimit{Scope: in.Body.Scope}, commitment{in.Body.Why, in.DryRun})
	})
}

func (s *Server) limit(ctx context.Context, what string, change topology.Change, how commitment) (*answer[limitList], error) {
	next, err := s.commit(ctx, what, change, how)
	if err != nil {
		return nil, err
	}
	return &answer[limitList]{s.look().limitsOf(next)}, nil
}
