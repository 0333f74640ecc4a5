package api

import (
	"context"
	"fmt"
	"net/http"
)

// Adopt makes a ring of servers that replicate in a circle already. With dryRun it only
// returns the plan; one that is refused says so in the plan then, and is a *Problem of
// kind ProblemRefused without.
func (c *Client) Adopt(ctx context.Context, r AdoptRequest, dryRun bool) (AdoptResponse, error) {
	var out AdoptResponse
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/ring/adopt?dry_run=%t", dryRun), r, &out)
	return out, err
}

// CloseDirect closes adopted members that stay open past sqlring, or only says which.
func (c *Client) CloseDirect(ctx context.Context, r CloseDirectRequest, dryRun bool) (CloseDirectResponse, error) {
	var out CloseDirectResponse
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/ring/close-direct?dry_run=%t", dryRun), r, &out)
	return out, err
}
