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
