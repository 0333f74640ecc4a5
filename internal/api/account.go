package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// AccountDefault is what statements of a user ask for at the gates who say nothing
// themselves.
type AccountDefault struct {
	Account    string     `json:"account" doc:"user name; all its accounts, whatever their host"`
	Priority   string     `json:"priority" enum:"background,normal,high,urgent"`
	DeadlineMS int64      `json:"deadline_ms" doc:"within which an answer is of use; 0: that is not known"`
	Until      *time.Time `json:"until" doc:"null: until it is cleared"`
	EndsMS     *int64     `json:"ends_ms" doc:"the time until then; null: until it is cleared"`
	By         string     `json:"by"`
	Why        string     `json:"why"`
}

type accountList struct {
	Accounts []AccountDefault `json:"accounts" doc:"sorted by account; those that are over are left out"`
}

// AccountRequest sets what an account has; what it had is replaced.
type AccountRequest struct {
	Account    string `json:"account" minLength:"1" maxLength:"128"`
	Priority   string `json:"priority,omitempty" default:"normal" enum:"background,normal,high,urgent"`
	DeadlineMS int64  `json:"deadline_ms,omitempty"`
	ForMS      int64  `json:"for_ms,omitempty" doc:"how long it lasts; 0: until it is cleared, which priority background does not take"`
	Why        string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// AccountClearRequest takes away what an account has.
type AccountClearRequest struct {
	Account string `json:"account" minLength:"1" maxLength:"128"`
	Why     string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

func (l look) accounts() accountList { return l.accountsOf(l.snap) }

func (l look) accountsOf(snap *topology.Snapshot) accountList {
	list := accountList{[]AccountDefault{}}
	for _, a := range snap.AccountsAt(l.now) {
		shown := AccountDefault{Account: a.User, Priority: a.Priority.String(), DeadlineMS: a.Deadline.Milliseconds(), By: a.By, Why: a.Why}
		if !a.Until.IsZero() {
			until, ends := a.Until.UTC(), a.Until.Sub(l.now).Milliseconds()
			shown.Until, shown.EndsMS = &until, &ends
		}
		list.Accounts = append(list.Accounts, shown)
	}
	return list
}

type accountInput struct {
	DryRun bool `query:"dry_run" doc:"only check it"`
	Body   AccountRequest
}

type accountClearInput struct {
	DryRun bool `query:"dry_run" doc:"only check it"`
	Body   AccountClearRequest
}

func (s *Server) accountRoutes(api huma.API) {
	get(s, api, "/v1/accounts", "What accounts ask for by default", look.accounts)
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/accounts/set", OperationID: "set-account", MaxBodyBytes: maxBody,
		Summary: "Set what an account asks for by default; returns what all have then",
	}, func(ctx context.Context, in *accountInput) (*answer[accountList], error) {
		b := in.Body
		priority, _ := gate.ParsePriority(b.Priority) // the schema knows them
		change := topology.SetAccount{User: b.Account, Priority: priority, Deadline: milliseconds(b.DeadlineMS), For: milliseconds(b.ForMS)}
		return s.account(ctx, "set what "+b.Account+" asks for", change, commitment{b.Why, in.DryRun})
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/accounts/clear", OperationID: "clear-account", MaxBodyBytes: maxBody,
		Summary: "Take away what an account asks for by default; returns what all have then",
	}, func(ctx context.Context, in *accountClearInput) (*answer[accountList], error) {
		return s.account(ctx, "clear what "+in.Body.Account+" asks for", topology.ClearAccount{User: in.Body.Account}, commitment{in.Body.Why, in.DryRun})
	})
}

func (s *Server) account(ctx context.Context, what string, change topology.Change, how commitment) (*answer[accountList], error) {
	next, err := s.commit(ctx, what, change, how)
	if err != nil {
		return nil, err
	}
	return &answer[accountList]{s.look().accountsOf(next)}, nil
}

// Accounts returns what accounts ask for by default.
func (c *Client) Accounts(ctx context.Context) ([]AccountDefault, error) {
	list, err := fetch[accountList](ctx, c, "/v1/accounts")
	return list.Accounts, err
}

// SetAccount sets what an account asks for by default, and returns what all have then; with
// dryRun it is only checked.
func (c *Client) SetAccount(ctx context.Context, r AccountRequest, dryRun bool) ([]AccountDefault, error) {
	var out accountList
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/accounts/set?dry_run=%t", dryRun), r, &out)
	return out.Accounts, err
}

// ClearAccount takes it away, and returns what all others have; with dryRun it is only
// checked.
func (c *Client) ClearAccount(ctx context.Context, r AccountClearRequest, dryRun bool) ([]AccountDefault, error) {
	var out accountList
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/accounts/clear?dry_run=%t", dryRun), r, &out)
	return out.Accounts, err
}
