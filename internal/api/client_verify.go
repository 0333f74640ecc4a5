package api

import (
	"context"
	"net/http"

	"github.com/sqlring/sqlring/pkg/rowcheck"
)

// LastVerify returns the comparison of the node that runs, or its last one.
func (c *Client) LastVerify(ctx context.Context) (rowcheck.Run, error) {
	return fetch[rowcheck.Run](ctx, c, "/v1/verify")
}

// Verify begins a comparison of all members, or resumes the last one. It runs on the node
// that is asked.
func (c *Client) Verify(ctx context.Context, req VerifyRequest) (rowcheck.Run, error) {
	return send[rowcheck.Run](ctx, c, "/v1/verify", req)
}

// StopVerify stops what compares or repairs.
func (c *Client) StopVerify(ctx context.Context) (rowcheck.Run, error) {
	return send[rowcheck.Run](ctx, c, "/v1/verify/stop", nil)
}

// PlanRepair says what a repair of the last comparison's findings would write.
func (c *Client) PlanRepair(ctx context.Context, req RepairRequest) (rowcheck.RepairPlan, error) {
	ctx, cancel := context.WithTimeout(ctx, checkCall)
	defer cancel()
	return send[rowcheck.RepairPlan](ctx, c, "/v1/repair/plan", req)
}

// Repair writes what the last comparison found to differ; LastVerify tells how far it is.
func (c *Client) Repair(ctx context.Context, req RepairRequest) (rowcheck.Run, error) {
	ctx, cancel := context.WithTimeout(ctx, checkCall)
	defer cancel()
	return send[rowcheck.Run](ctx, c, "/v1/repair", req)
}

func send[T any](ctx context.Context, c *Client, path string, in any) (T, error) {
	var out T
	err := c.call(ctx, http.MethodPost, path, in, &out)
	return out, err
}
