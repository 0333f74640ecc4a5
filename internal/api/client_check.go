package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// checkCall bounds a call that has the node read all members.
const checkCall = 35 * time.Second

// RingCheck has the checks run on members; none named: on all, and all checks. With doctor
// those of the node are run too.
func (c *Client) RingCheck(ctx context.Context, members, only []string, doctor bool) (CheckReport, error) {
	path := "/v1/check"
	if doctor {
		path = "/v1/doctor"
	}
	query := url.Values{}
	if len(members) > 0 {
		query.Set("member", strings.Join(members, ","))
	}
	if len(only) > 0 {
		query.Set("only", strings.Join(only, ","))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	ctx, cancel := context.WithTimeout(ctx, checkCall)
	defer cancel()
	var out CheckReport
	err := c.call(ctx, http.MethodGet, path, nil, &out)
	return out, err
}

// CheckCandidate has the checks run on a server that is no member yet, beside the members.
func (c *Client) CheckCandidate(ctx context.Context, req CandidateRequest) (CheckReport, error) {
	ctx, cancel := context.WithTimeout(ctx, checkCall)
	defer cancel()
	var out CheckReport
	err := c.call(ctx, http.MethodPost, "/v1/check", req, &out)
	return out, err
}
