package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// Sessions returns the sessions of the node's proxy that the filter asks for.
func (c *Client) Sessions(ctx context.Context, f SessionFilter) (SessionList, error) {
	q := url.Values{}
	for name, value := range map[string]string{"account": f.Account, "member": f.Member, "state": f.State} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.Pinned {
		q.Set("pinned", "true")
	}
	q.Set("older_ms", strconv.FormatInt(f.OlderMS, 10))
	q.Set("limit", strconv.Itoa(f.Limit))
	return fetch[SessionList](ctx, c, "/v1/sessions?"+q.Encode())
}

// Explain says where the node's proxy would send a statement. A *Problem of kind
// ProblemInvalid says what is wrong with the question.
func (c *Client) Explain(ctx context.Context, r RouteQuery) (Route, error) {
	if len(r.Statement) > maxExplained {
		return Route{}, fmt.Errorf("explain: the statement has %d bytes, %d are taken here: use EXPLAIN ROUTE in a session", len(r.Statement), maxExplained)
	}
	q := url.Values{"statement": {r.Statement}}
	for name, value := range map[string]string{"account": r.Account, "schema": r.Schema, "consistency": r.Consistency} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return fetch[Route](ctx, c, "/v1/explain?"+q.Encode())
}

// Kill ends a session of the node's proxy, or what it runs, and returns when that has
// ended; or only plans it. A *Problem of kind ProblemNotFound means that the node has
// none of that id, one of kind ProblemRefused that there is nothing to be ended.
func (c *Client) Kill(ctx context.Context, id uint32, r KillRequest, dryRun bool) (KillPlan, error) {
	var out KillPlan
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/sessions/%d/kill?dry_run=%t", id, dryRun), r, &out)
	return out, err
}
