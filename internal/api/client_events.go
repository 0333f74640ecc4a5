package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// EventQuery says which events are asked for. The zero value asks for the newest 100
// of the audit.
type EventQuery struct {
	After    uint64        // only those above this raft index
	Limit    int           // at most so many, the newest; 0: 100
	Observed bool          // with transitions
	Kind     string        // empty: all
	Member   string        // empty: all
	Severity string        // that or a worse one; empty: all
	Since    time.Duration // only of the last so long; 0: all
	Wait     time.Duration // for the first, at most 25 s
}

func (q EventQuery) values() string {
	v := url.Values{}
	set := func(key, text string, given bool) {
		if given {
			v.Set(key, text)
		}
	}
	set("after", strconv.FormatUint(q.After, 10), q.After > 0)
	set("limit", strconv.Itoa(q.Limit), q.Limit > 0)
	set("observed", "true", q.Observed)
	set("kind", q.Kind, q.Kind != "")
	set("member", q.Member, q.Member != "")
	set("severity", q.Severity, q.Severity != "")
	set("since_ms", strconv.FormatInt(q.Since.Milliseconds(), 10), q.Since > 0)
	set("wait_ms", strconv.FormatInt(q.Wait.Milliseconds(), 10), q.Wait > 0)
	return v.Encode()
}

// FindEvents returns what is asked for, oldest first, and the index of the state that it
// was read from: to follow, ask again with After set to that, and Wait.
func (c *Client) FindEvents(ctx context.Context, q EventQuery) (events []Event, index uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, q.Wait+callTimeout)
	defer cancel()
	list, err := fetch[eventList](ctx, c, "/v1/events?"+q.values())
	return list.Events, list.Index, err
}

// Standing returns what is not as it should be, and lasts.
func (c *Client) Standing(ctx context.Context) ([]StandingEvent, error) {
	list, err := fetch[standingList](ctx, c, "/v1/standing")
	return list.Standing, err
}

// AckEvent says that somebody has seen a transition. With dryRun it only checks it.
func (c *Client) AckEvent(ctx context.Context, seq uint64, why string, dryRun bool) (Event, error) {
	var out Event
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/events/%d/ack?dry_run=%t", seq, dryRun), map[string]string{"why": why}, &out)
	return out, err
}

// Hooks returns the hooks of the node, and the silences.
func (c *Client) Hooks(ctx context.Context) (Hooks, error) { return fetch[Hooks](ctx, c, "/v1/hooks") }

// TestHook has the node send a test to one of its hooks. That the hook does not take it
// is no error: see HookTest.OK.
func (c *Client) TestHook(ctx context.Context, name string) (HookTest, error) {
	ctx, cancel := context.WithTimeout(ctx, hookTestTime+callTimeout)
	defer cancel()
	var out HookTest
	err := c.call(ctx, http.MethodPost, "/v1/hooks/"+url.PathEscape(name)+"/test", struct{}{}, &out)
	return out, err
}

// AddSilence keeps hooks quiet, and returns the silences that there are then. With
// dryRun it only checks that it may.
func (c *Client) AddSilence(ctx context.Context, r SilenceRequest, dryRun bool) ([]Silence, error) {
	var out silenceList
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/silences?dry_run=%t", dryRun), r, &out)
	return out.Silences, err
}

// EndSilence takes a silence away, and returns those that there are then. With dryRun
// it only checks that it may.
func (c *Client) EndSilence(ctx context.Context, id, why string, dryRun bool) ([]Silence, error) {
	var out silenceList
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/silences/%s/end?dry_run=%t", url.PathEscape(id), dryRun), map[string]string{"why": why}, &out)
	return out.Silences, err
}
