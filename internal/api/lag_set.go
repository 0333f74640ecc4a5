package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// LagThreshold is when one level is entered and left.
type LagThreshold struct {
	EnterMS   int64 `json:"enter_ms" doc:"entered when the lag is at least this"`
	LeaveMS   int64 `json:"leave_ms" doc:"left when the lag is below this"`
	HoldMS    int64 `json:"hold_ms" doc:"for how long, to enter"`
	ReleaseMS int64 `json:"release_ms" doc:"for how long, to leave"`
}

// LagThresholds is when a member is in which lag level.
type LagThresholds struct {
	Warn            LagThreshold `json:"warn"`
	Throttle        LagThreshold `json:"throttle"`
	Drain           LagThreshold `json:"drain"`
	BrokenHoldMS    int64        `json:"broken_hold_ms" doc:"replication stands still for so long"`
	BrokenReleaseMS int64        `json:"broken_release_ms" doc:"it runs again for so long"`
	KnownHoldMS     int64        `json:"known_hold_ms" doc:"a lag that was not known is known for so long"`
	Default         bool         `json:"default" doc:"whether these are the defaults"`
}

func thresholdsOf(t topology.LagThresholds) LagThresholds {
	level := func(at topology.LagThreshold) LagThreshold {
		return LagThreshold{at.Enter.Milliseconds(), at.Leave.Milliseconds(), at.Hold.Milliseconds(), at.Release.Milliseconds()}
	}
	return LagThresholds{
		Warn: level(t.Warn), Throttle: level(t.Throttle), Drain: level(t.Drain),
		BrokenHoldMS: t.BrokenHold.Milliseconds(), BrokenReleaseMS: t.BrokenRelease.Milliseconds(),
		KnownHoldMS: t.KnownHold.Milliseconds(), Default: t == topology.DefaultLagThresholds(),
	}
}

// LagSetRequest changes thresholds. What is left out stays as it is.
type LagSetRequest struct {
	Default  bool          `json:"default,omitempty" doc:"begin from the defaults, not from what is set"`
	Warn     *LagSetLevel  `json:"warn,omitempty"`
	Throttle *LagSetLevel  `json:"throttle,omitempty"`
	Drain    *LagSetLevel  `json:"drain,omitempty"`
	Broken   *LagSetBroken `json:"broken,omitempty"`
	Why      string        `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

// LagSetLevel changes one level.
type LagSetLevel struct {
	EnterMS   *int64 `json:"enter_ms,omitempty"`
	LeaveMS   *int64 `json:"leave_ms,omitempty"`
	HoldMS    *int64 `json:"hold_ms,omitempty"`
	ReleaseMS *int64 `json:"release_ms,omitempty"`
}

// LagSetBroken changes how long replication has to stand still, and to run again.
type LagSetBroken struct {
	HoldMS    *int64 `json:"hold_ms,omitempty"`
	ReleaseMS *int64 `json:"release_ms,omitempty"`
}

// LagSetResponse is what is set then, and what was before.
type LagSetResponse struct {
	Before LagThresholds `json:"before"`
	After  LagThresholds `json:"after"`
}

func (r LagSetRequest) change(t topology.LagThresholds) topology.SetLagThresholds {
	if r.Default {
		t = topology.DefaultLagThresholds()
	}
	set := func(into *time.Duration, ms *int64) {
		if ms != nil {
			*into = time.Duration(*ms) * time.Millisecond
		}
	}
	for _, level := range []struct {
		into *topology.LagThreshold
		by   *LagSetLevel
	}{{&t.Warn, r.Warn}, {&t.Throttle, r.Throttle}, {&t.Drain, r.Drain}} {
		if level.by != nil {
			set(&level.into.Enter, level.by.EnterMS)
			set(&level.into.Leave, level.by.LeaveMS)
			set(&level.into.Hold, level.by.HoldMS)
			set(&level.into.Release, level.by.ReleaseMS)
		}
	}
	if r.Broken != nil {
		set(&t.BrokenHold, r.Broken.HoldMS)
		set(&t.BrokenRelease, r.Broken.ReleaseMS)
	}
	if t == topology.DefaultLagThresholds() {
		return topology.SetLagThresholds{}
	}
	return topology.SetLagThresholds{Thresholds: &t}
}

type lagSetInput struct {
	DryRun bool `query:"dry_run" doc:"only check it"`
	Body   LagSetRequest
}

func (s *Server) lagRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/lag/thresholds", OperationID: "set-lag-thresholds", MaxBodyBytes: maxBody,
		Summary: "Change when a member is in which lag level; returns what was set, and what is",
	}, func(ctx context.Context, in *lagSetInput) (*answer[LagSetResponse], error) {
		before := s.look().snap.LagThresholds()
		change := in.Body.change(before)
		next, problem := s.commit(ctx, "set the lag thresholds", change, commitment{in.Body.Why, in.DryRun})
		if problem != nil {
			return nil, problem
		}
		return &answer[LagSetResponse]{LagSetResponse{thresholdsOf(before), thresholdsOf(next.LagThresholds())}}, nil
	})
}

// commitment is how a change is meant.
type commitment struct {
	why    string
	dryRun bool
}

// commit tries a change on a copy of the state, and proposes it unless that is all
// that was asked for. It returns the state that follows.
func (s *Server) commit(ctx context.Context, what string, change topology.Change, how commitment) (*topology.Snapshot, error) {
	l := s.look()
	if l.leader != l.node || !l.hasLeader {
		return nil, notLeader(l, what)
	}
	next, err := topology.Apply(l.snap, topology.Command{
		Index: l.snap.Index + 1, At: l.now, By: s.who(ctx), Why: how.why, Change: change,
	})
	if err == nil && !how.dryRun {
		err = s.propose(ctx, change, how.why)
	}
	if err != nil {
		return nil, proposeProblem(l, what, err)
	}
	return next, nil
}
