package api

import (
	"context"
	"net/http"
)

// DryResize returns the plan of Resize, with why it is refused, and starts nothing.
func (c *Client) DryResize(ctx context.Context, r ResizeRequest) (ResizePlan, error) {
	var out ResizeResponse
	err := c.call(ctx, http.MethodPost, "/v1/autoinc/resize?dry_run=true", r, &out)
	return out.Plan, err
}

// Resize starts to give the ring another stride.
func (c *Client) Resize(ctx context.Context, r ResizeRequest) (ResizeResponse, error) {
	var out ResizeResponse
	err := c.call(ctx, http.MethodPost, "/v1/autoinc/resize", r, &out)
	return out, err
}

// CancelResize takes a resize back that is under way.
func (c *Client) CancelResize(ctx context.Context, why string) (AutoincReport, error) {
	var out AutoincReport
	err := c.call(ctx, http.MethodPost, "/v1/autoinc/resize/cancel", CancelResizeRequest{Why: why}, &out)
	return out, err
}
