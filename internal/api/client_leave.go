package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// Leave does "remove" or "maintenance" to a member, or only plans it.
func (c *Client) Leave(ctx context.Context, name, verb string, r LeaveRequest, dryRun bool) (LeavePlan, error) {
	var out LeavePlan
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/members/%s/%s?dry_run=%t", url.PathEscape(name), verb, dryRun), r, &out)
	return out, err
}

// PlanDissolve returns the plan of Dissolve without starting anything.
func (c *Client) PlanDissolve(ctx context.Context, r DissolveRequest) (DissolvePlan, error) {
	var out DissolveResponse
	err := c.call(ctx, http.MethodPost, "/v1/ring/dissolve?dry_run=true", r, &out)
	return out.Plan, err
}

// Dissolve starts to end the ring. When it is done there is no ring, and the operation
// is not known any more.
func (c *Client) Dissolve(ctx context.Context, r DissolveRequest) (DissolveResponse, error) {
	var out DissolveResponse
	err := c.call(ctx, http.MethodPost, "/v1/ring/dissolve", r, &out)
	return out, err
}
