package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// AddMember adds a server to the ring. With dryRun it only returns the plan; one that
// is refused says so in the plan then, and is a *Problem of kind ProblemRefused
// without.
func (c *Client) AddMember(ctx context.Context, r AddRequest, dryRun bool) (AddResponse, error) {
	var out AddResponse
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/members?dry_run=%t", dryRun), r, &out)
	return out, err
}

// Reclone gives up the data of a member that is out and copies another one's: as
// AddMember.
func (c *Client) Reclone(ctx context.Context, name string, r RecloneRequest, dryRun bool) (AddResponse, error) {
	var out AddResponse
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/members/%s/reclone?dry_run=%t", url.PathEscape(name), dryRun), r, &out)
	return out, err
}
