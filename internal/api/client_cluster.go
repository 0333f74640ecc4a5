package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
)

// Raft returns how raft stands on the node.
func (c *Client) Raft(ctx context.Context) (Raft, error) {
	var r Raft
	err := c.call(ctx, http.MethodGet, "/v1/raft", nil, &r)
	return r, err
}

// Transfer hands the leadership to a voter; empty: to whichever is most up to date. why is for
// the audit, and may be empty.
func (c *Client) Transfer(ctx context.Context, to, why string) (Raft, error) {
	var r Raft
	err := c.call(ctx, http.MethodPost, "/v1/raft/transfer", map[string]string{"to": to, "why": why}, &r)
	return r, err
}

// RemoveNode takes a node out of raft's configuration. why is for the audit, and may be empty.
func (c *Client) RemoveNode(ctx context.Context, node, why string) (Raft, error) {
	var r Raft
	err := c.call(ctx, http.MethodPost, "/v1/raft/peers/"+url.PathEscape(node)+"/remove", RemoveRequest{Why: why}, &r)
	return r, err
}

// SetIsolation changes what a node does that hears of no leader.
func (c *Client) SetIsolation(ctx context.Context, to, why string) (Raft, error) {
	var r Raft
	err := c.call(ctx, http.MethodPost, "/v1/raft/isolation", map[string]string{"isolation": to, "why": why}, &r)
	return r, err
}

// CheckTransfer says by its error whether Transfer would be refused, and changes nothing.
func (c *Client) CheckTransfer(ctx context.Context, to string) error {
	return c.call(ctx, http.MethodPost, "/v1/raft/transfer", map[string]any{"to": to, "dry_run": true}, &Raft{})
}

// CheckRemoveNode says by its error whether RemoveNode would be refused, and changes nothing.
func (c *Client) CheckRemoveNode(ctx context.Context, node string) error {
	return c.call(ctx, http.MethodPost, "/v1/raft/peers/"+url.PathEscape(node)+"/remove", RemoveRequest{DryRun: true}, &Raft{})
}

// CheckIsolation says by its error whether SetIsolation would be refused, and changes nothing.
func (c *Client) CheckIsolation(ctx context.Context, to string) error {
	return c.call(ctx, http.MethodPost, "/v1/raft/isolation", map[string]any{"isolation": to, "dry_run": true}, &Raft{})
}

// Tokens returns who may call the API over the network by a token.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	var list tokenList
	err := c.call(ctx, http.MethodGet, "/v1/tokens", nil, &list)
	return list.Tokens, err
}

// TokenRequest is a token that is made: Hash is that of its secret. Why is for the audit.
type TokenRequest struct{ Name, Role, Hash, Why string }

// CreateToken lets the bearer of a new token in, or only checks it.
func (c *Client) CreateToken(ctx context.Context, r TokenRequest, dryRun bool) error {
	body := map[string]any{"name": r.Name, "role": r.Role, "hash": r.Hash, "why": r.Why}
	if dryRun {
		body["dry_run"] = true
	}
	return c.call(ctx, http.MethodPost, "/v1/tokens", body, &tokenList{})
}

// RevokeToken lets the bearer of a token in no longer. why is for the audit, and may be empty.
func (c *Client) RevokeToken(ctx context.Context, name, why string) error {
	return c.call(ctx, http.MethodPost, "/v1/tokens/"+url.PathEscape(name)+"/revoke", RevokeRequest{Why: why}, &tokenList{})
}

// CheckRevoke says by its error whether there is no such token, and changes nothing: it is only
// looked for, since a node of an earlier release would revoke it whatever is said besides.
func (c *Client) CheckRevoke(ctx context.Context, name string) error {
	tokens, err := c.Tokens(ctx)
	if err == nil && !slices.ContainsFunc(tokens, func(t Token) bool { return t.Name == name }) {
		return newProblem(http.StatusConflict, ProblemRefused, "revoke token %s: there is none of that name: sqlring token list", name)
	}
	return err
}

// SavedState returns the replicated state, as the node has it.
func (c *Client) SavedState(ctx context.Context) (SavedState, error) {
	var saved SavedState
	err := c.call(ctx, http.MethodGet, "/v1/raft/state", nil, &saved)
	return saved, err
}
