package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

func fetch[T any](ctx context.Context, c *Client, path string) (T, error) {
	var out T
	err := c.call(ctx, http.MethodGet, path, nil, &out)
	return out, err
}

// Status returns everything that one needs to see of the ring.
func (c *Client) Status(ctx context.Context) (Status, error) {
	return fetch[Status](ctx, c, "/v1/status")
}

// Members returns the members, in ring order.
func (c *Client) Members(ctx context.Context) ([]Member, error) {
	list, err := fetch[memberList](ctx, c, "/v1/members")
	return list.Members, err
}

// Units returns the units and their owners.
func (c *Client) Units(ctx context.Context) ([]Unit, error) {
	list, err := fetch[unitList](ctx, c, "/v1/units")
	return list.Units, err
}

// Lag returns the lag of every pair of members.
func (c *Client) Lag(ctx context.Context) (LagReport, error) {
	return fetch[LagReport](ctx, c, "/v1/lag")
}

// PlanLagThresholds returns what SetLagThresholds would do, and does nothing.
func (c *Client) PlanLagThresholds(ctx context.Context, r LagSetRequest) (LagSetResponse, error) {
	var out LagSetResponse
	err := c.call(ctx, http.MethodPost, "/v1/lag/thresholds?dry_run=true", r, &out)
	return out, err
}

// SetLagThresholds changes when a member is in which lag level.
func (c *Client) SetLagThresholds(ctx context.Context, r LagSetRequest) (LagSetResponse, error) {
	var out LagSetResponse
	err := c.call(ctx, http.MethodPost, "/v1/lag/thresholds", r, &out)
	return out, err
}

// CheckRequest asks whether an application may write.
type CheckRequest struct {
	App    string
	Store  string        // the ring, or a member; empty: the ring that the node knows
	AtMost time.Duration // the lag that is borne; 0: the ring's threshold
}

// Check asks whether an application may write now. A no is no error: see
// CheckResult.StatusCode.
func (c *Client) Check(ctx context.Context, r CheckRequest) (CheckResult, error) {
	if r.Store == "" {
		st, err := c.Status(ctx)
		if err != nil {
			return CheckResult{}, err
		}
		r.Store = st.Ring
	}
	verb, threshold := "check", ""
	if r.AtMost > 0 {
		verb, threshold = "check-read", fmt.Sprintf("/%g", r.AtMost.Seconds())
	}
	path := fmt.Sprintf("/%s/%s/mysql/%s%s", verb, url.PathEscape(r.App), url.PathEscape(r.Store), threshold)
	var out CheckResult
	err := c.call(ctx, http.MethodGet, path, nil, &out)
	var answered *answerError
	if errors.As(err, &answered) && json.Unmarshal(answered.body, &out) == nil && out.StatusCode == answered.status {
		return out, nil
	}
	return out, err
}

// Gates returns the gates of the node, and the settings of all.
func (c *Client) Gates(ctx context.Context) (GateReport, error) {
	return fetch[GateReport](ctx, c, "/v1/gates")
}

// SetGates changes the settings of all gates; with dryRun it is only checked.
func (c *Client) SetGates(ctx context.Context, r GateSetRequest, dryRun bool) (GateSetResponse, error) {
	var out GateSetResponse
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/gates/settings?dry_run=%t", dryRun), r, &out)
	return out, err
}

// Limits returns the rules that hold statements back.
func (c *Client) Limits(ctx context.Context) ([]LimitRule, error) {
	list, err := fetch[limitList](ctx, c, "/v1/limits")
	return list.Limits, err
}

// SetLimit holds statements back for a while, and returns the rules that there are then;
// with dryRun it is only checked.
func (c *Client) SetLimit(ctx context.Context, r LimitRequest, dryRun bool) ([]LimitRule, error) {
	var out limitList
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/limits/set?dry_run=%t", dryRun), r, &out)
	return out.Limits, err
}

// ClearLimit holds statements back no more, and returns the rules that there are then;
// with dryRun it is only checked.
func (c *Client) ClearLimit(ctx context.Context, r LimitClearRequest, dryRun bool) ([]LimitRule, error) {
	var out limitList
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/limits/clear?dry_run=%t", dryRun), r, &out)
	return out.Limits, err
}

// Throttles returns the rules that hold applications back.
func (c *Client) Throttles(ctx context.Context) ([]ThrottleRule, error) {
	list, err := fetch[throttleList](ctx, c, "/v1/throttles")
	return list.Rules, err
}

// SetThrottle holds an application back for a while, and returns the rules that
// there are then. With dryRun it only checks that it may.
func (c *Client) SetThrottle(ctx context.Context, r ThrottleRequest, dryRun bool) ([]ThrottleRule, error) {
	var out throttleList
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/throttles/set?dry_run=%t", dryRun), r, &out)
	return out.Rules, err
}

// ClearThrottle holds an application back no more, and returns the rules that there
// are then. With dryRun it only checks that it may.
func (c *Client) ClearThrottle(ctx context.Context, r ThrottleClearRequest, dryRun bool) ([]ThrottleRule, error) {
	var out throttleList
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/throttles/clear?dry_run=%t", dryRun), r, &out)
	return out.Rules, err
}

// Autoinc returns the auto_increment slots.
func (c *Client) Autoinc(ctx context.Context) (AutoincReport, error) {
	return fetch[AutoincReport](ctx, c, "/v1/autoinc")
}

// Operations returns the operations, newest first.
func (c *Client) Operations(ctx context.Context) ([]Operation, error) {
	list, err := fetch[operationList](ctx, c, "/v1/operations")
	return list.Operations, err
}

// Operation returns one operation. A *Problem of kind ProblemNotFound means that
// there is none of that id.
func (c *Client) Operation(ctx context.Context, id string) (Operation, error) {
	return fetch[Operation](ctx, c, "/v1/operations/"+url.PathEscape(id))
}

// AllEvents is Events from the beginning, with what the node has seen besides.
func (c *Client) AllEvents(ctx context.Context, limit int) ([]Event, error) {
	list, err := fetch[eventList](ctx, c, fmt.Sprintf("/v1/events?observed=true&limit=%d", limit))
	return list.Events, err
}

// Events returns the newest limit events above the raft index after, oldest
// first.
func (c *Client) Events(ctx context.Context, after uint64, limit int) ([]Event, error) {
	list, err := fetch[eventList](ctx, c, fmt.Sprintf("/v1/events?after=%d&limit=%d", after, limit))
	return list.Events, err
}

// Version returns what the node runs.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return fetch[Version](ctx, c, "/v1/version")
}

// PlanRing returns the plan of InitRing without starting anything.
func (c *Client) PlanRing(ctx context.Context, r InitRequest) (Plan, error) {
	var out InitResponse
	err := c.call(ctx, http.MethodPost, "/v1/ring/init?dry_run=true", r, &out)
	return out.Plan, err
}

// InitRing starts making a ring of empty servers.
func (c *Client) InitRing(ctx context.Context, r InitRequest) (InitResponse, error) {
	var out InitResponse
	err := c.call(ctx, http.MethodPost, "/v1/ring/init", r, &out)
	return out, err
}

// AbortOperation ends a running operation, and returns it as it ended.
func (c *Client) AbortOperation(ctx context.Context, id, why string) (Operation, error) {
	var out Operation
	err := c.call(ctx, http.MethodPost, "/v1/operations/"+url.PathEscape(id)+"/abort", AbortRequest{Why: why}, &out)
	return out, err
}

// CheckAbort returns how an operation would end that is aborted now, and changes nothing.
func (c *Client) CheckAbort(ctx context.Context, id string) (Operation, error) {
	var out Operation
	err := c.call(ctx, http.MethodPost, "/v1/operations/"+url.PathEscape(id)+"/abort", AbortRequest{DryRun: true}, &out)
	return out, err
}

// Topology returns who follows whom, as meant and as seen.
func (c *Client) Topology(ctx context.Context) (RingMap, error) {
	return fetch[RingMap](ctx, c, "/v1/topology")
}

// Heal returns the verdict on each member, and the heal that runs or would begin.
func (c *Client) Heal(ctx context.Context) (HealReport, error) {
	return fetch[HealReport](ctx, c, "/v1/heal")
}

// Why explains a member, a unit, an operation, or with "" the ring. A *Problem of
// kind ProblemNotFound means that there is nothing of that name.
func (c *Client) Why(ctx context.Context, about string) (Why, error) {
	if about == "" {
		return fetch[Why](ctx, c, "/v1/why")
	}
	return fetch[Why](ctx, c, "/v1/why?about="+url.QueryEscape(about))
}

// AcceptLoss lets a heal that is stuck go on without what is missing. A *Problem
// of kind ProblemStale means that more is missing than r says.
func (c *Client) AcceptLoss(ctx context.Context, id string, r AcceptLossRequest) (Operation, error) {
	var out Operation
	err := c.call(ctx, http.MethodPost, "/v1/operations/"+url.PathEscape(id)+"/accept-loss", r, &out)
	return out, err
}

// PlanMove returns the plan of Move without starting anything.
func (c *Client) PlanMove(ctx context.Context, unit string, r MoveRequest) (MovePlan, error) {
	var out MoveResponse
	err := c.call(ctx, http.MethodPost, "/v1/units/"+url.PathEscape(unit)+"/move?dry_run=true", r, &out)
	return out.Plan, err
}

// Move starts to give a unit another owner.
func (c *Client) Move(ctx context.Context, unit string, r MoveRequest) (MoveResponse, error) {
	var out MoveResponse
	err := c.call(ctx, http.MethodPost, "/v1/units/"+url.PathEscape(unit)+"/move", r, &out)
	return out, err
}

// PlanUnit returns the plan of CreateUnit without starting anything.
func (c *Client) PlanUnit(ctx context.Context, r CreateUnitRequest) (CreateUnitPlan, error) {
	var out CreateUnitResponse
	err := c.call(ctx, http.MethodPost, "/v1/units?dry_run=true", r, &out)
	return out.Plan, err
}

// CreateUnit starts to make a schema a unit.
func (c *Client) CreateUnit(ctx context.Context, r CreateUnitRequest) (CreateUnitResponse, error) {
	var out CreateUnitResponse
	err := c.call(ctx, http.MethodPost, "/v1/units", r, &out)
	return out, err
}

// PlanJoin returns the plan of JoinUnit without starting anything.
func (c *Client) PlanJoin(ctx context.Context, unit string, r JoinUnitRequest) (JoinUnitPlan, error) {
	var out JoinUnitResponse
	err := c.call(ctx, http.MethodPost, "/v1/units/"+url.PathEscape(unit)+"/join?dry_run=true", r, &out)
	return out.Plan, err
}

// JoinUnit starts to make a unit a part of "*" again.
func (c *Client) JoinUnit(ctx context.Context, unit string, r JoinUnitRequest) (JoinUnitResponse, error) {
	var out JoinUnitResponse
	err := c.call(ctx, http.MethodPost, "/v1/units/"+url.PathEscape(unit)+"/join", r, &out)
	return out, err
}

// ChangeUnit does "pin" or "unpin" to a unit, or only checks it, and returns the unit.
func (c *Client) ChangeUnit(ctx context.Context, unit, verb string, dryRun bool, why string) (Unit, error) {
	var out Unit
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/units/%s/%s?dry_run=%t", url.PathEscape(unit), verb, dryRun), PinRequest{Why: why}, &out)
	return out, err
}

// ChangeMember does "drain" or "resume" to a member, or only plans it.
func (c *Client) ChangeMember(ctx context.Context, name, verb string, dryRun bool, why string) (DrainPlan, error) {
	var out DrainPlan
	err := c.call(ctx, http.MethodPost, fmt.Sprintf("/v1/members/%s/%s?dry_run=%t", url.PathEscape(name), verb, dryRun), DrainRequest{Why: why}, &out)
	return out, err
}

// PlanRejoin returns the plan of Rejoin without starting anything.
func (c *Client) PlanRejoin(ctx context.Context, name string, r RejoinRequest) (RejoinPlan, error) {
	var out RejoinResponse
	err := c.call(ctx, http.MethodPost, "/v1/members/"+url.PathEscape(name)+"/rejoin?dry_run=true", r, &out)
	return out.Plan, err
}

// Rejoin starts to let a member back in.
func (c *Client) Rejoin(ctx context.Context, name string, r RejoinRequest) (RejoinResponse, error) {
	var out RejoinResponse
	err := c.call(ctx, http.MethodPost, "/v1/members/"+url.PathEscape(name)+"/rejoin", r, &out)
	return out, err
}

// VerifyAutoinc asks every member by what it gives out ids.
func (c *Client) VerifyAutoinc(ctx context.Context) (VerifyReport, error) {
	return fetch[VerifyReport](ctx, c, "/v1/autoinc/verify")
}

// Headroom returns how long the keys of the limit columns last that are used most.
func (c *Client) Headroom(ctx context.Context, limit int) (HeadroomReport, error) {
	return fetch[HeadroomReport](ctx, c, fmt.Sprintf("/v1/autoinc/headroom?limit=%d", limit))
}

// PlanResize returns what another stride would do. A *Problem of kind
// ProblemRefused means that the ring can not be resized to it.
func (c *Client) PlanResize(ctx context.Context, stride int) (ResizePlan, error) {
	return fetch[ResizePlan](ctx, c, fmt.Sprintf("/v1/autoinc/plan?stride=%d", stride))
}
