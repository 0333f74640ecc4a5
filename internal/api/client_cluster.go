package api

import (
	"context"
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

// Tokens returns who may call the API over the network by a token.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	var list tokenList
	err := c.call(ctx, http.MethodGet, "/v1/tokens", nil, &list)
	return list.Tokens, err
}

// CreateToken lets the bearer of a new token in; hash is that of its secret.
func (c *Client) CreateToken(ctx context.Context, name, role, hash string) error {
	return c.call(ctx, http.MethodPost, "/v1/tokens", map[string]string{"name": name, "role": role, "hash": hash}, &tokenList{})
}

// RevokeToken lets the bearer of a token in no longer.
func (c *Client) RevokeToken(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, "/v1/tokens/"+url.PathEscape(name)+"/revoke", nil, &tokenList{})
}

// SavedState returns the replicated state, as the node has it.
func (c *Client) SavedState(ctx context.Context) (SavedState, error) {
	var saved SavedState
	err := c.call(ctx, http.MethodGet, "/v1/raft/state", nil, &saved)
	return saved, err
}
