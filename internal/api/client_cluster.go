package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
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
	return c.call(ctx, http.MethodPost, "/v1/raft/transfer?dry_run=true", map[string]string{"to": to}, &Raft{})
}

// CheckRemoveNode says by its error whether RemoveNode would be refused, and changes nothing.
func (c *Client) CheckRemoveNode(ctx context.Context, node string) error {
	return c.call(ctx, http.MethodPost, "/v1/raft/peers/"+url.PathEscape(node)+"/remove?dry_run=true", RemoveRequest{}, &Raft{})
}

// CheckIsolation says by its error whether SetIsolation would be refused, and changes nothing.
func (c *Client) CheckIsolation(ctx context.Context, to string) error {
	return c.call(ctx, http.MethodPost, "/v1/raft/isolation?dry_run=true", map[string]string{"isolation": to}, &Raft{})
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
	return c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/tokens?dry_run=%t", dryRun), map[string]string{"name": r.Name, "role": r.Role, "hash": r.Hash, "why": r.Why}, &tokenList{})
}

// RevokeToken lets the bearer of a token in no longer, or only checks it. why is for the audit,
// and may be empty.
func (c *Client) RevokeToken(ctx context.Context, name, why string, dryRun bool) error {
	return c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/tokens/%s/revoke?dry_run=%t", url.PathEscape(name), dryRun), RevokeRequest{Why: why}, &tokenList{})
}

// SavedState returns the replicated state, as the node has it.
func (c *Client) SavedState(ctx context.Context) (SavedState, error) {
	var saved SavedState
	err := c.call(ctx, http.MethodGet, "/v1/raft/state", nil, &saved)
	return saved, err
}
