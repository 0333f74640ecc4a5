package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// ThrottleRule holds an application back for a while, whatever the lag.
type ThrottleRule struct {
	App    string    `json:"app" doc:"as the application calls itself; *: all"`
	Ratio  float64   `json:"ratio" doc:"of its checks that are answered no: above 0, at most 1"`
	Until  time.Time `json:"until"`
	EndsMS int64     `json:"ends_ms" doc:"the time until then"`
	By     string    `json:"by"`
	Why    string    `json:"why"`
}

type throttleList struct {
	Rules []ThrottleRule `json:"rules" doc:"sorted by application; those that are over are left out"`
}

// ThrottleRequest sets a rule. A rule that the application has is replaced.
type ThrottleRequest struct {
	App   string  `json:"app" minLength:"1" maxLength:"64"`
	Ratio float64 `json:"ratio,omitempty" default:"1" doc:"above 0, at most 1"`
	ForMS int64   `json:"for_ms,omitempty" default:"3600000" doc:"how long it lasts; at most 30 days"`
	Why   string  `json:"why,omitempty" maxLength:"200" doc:"for the audit, and for whoever is held back"`
}

// ThrottleClearRequest takes a rule away.
type ThrottleClearRequest struct {
	App string `json:"app" minLength:"1" maxLength:"64"`
	Why string `json:"why,omitempty" maxLength:"200" doc:"for the audit"`
}

func (l look) throttles() throttleList {
	return throttleList{l.rulesOf(l.snap)}
}

func (l look) rulesOf(snap *topology.Snapshot) []ThrottleRule {
	rules := []ThrottleRule{}
	for _, r := range snap.Throttles {
		if !l.now.Before(r.Until) {
			continue
		}
		rules = append(rules, ThrottleRule{
			App: r.App, Ratio: r.Ratio, Until: r.Until.UTC(), EndsMS: r.Until.Sub(l.now).Milliseconds(),
			By: r.By, Why: r.Why,
		})
	}
	return rules
}

type throttleInput struct {
	DryRun bool `query:"dry_run" doc:"only check it"`
	Body   ThrottleRequest
}

type throttleClearInput struct {
	DryRun bool `query:"dry_run" doc:"only check it"`
	Body   ThrottleClearRequest
}

func (s *Server) throttleRoutes(api huma.API) {
	get(s, api, "/v1/throttles", "The rules that hold applications back", look.throttles)
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/throttles/set", OperationID: "set-throttle", MaxBodyBytes: maxBody,
		Summary: "Hold an application back for a while; returns the rules that there are then",
	}, func(ctx context.Context, in *throttleInput) (*answer[throttleList], error) {
		change := topology.SetThrottle{App: in.Body.App, Ratio: in.Body.Ratio, For: milliseconds(in.Body.ForMS)}
		return s.throttle(ctx, fmt.Sprintf("hold %s back", in.Body.App), change, commitment{in.Body.Why, in.DryRun})
	})
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/throttles/clear", OperationID: "clear-throttle", MaxBodyBytes: maxBody,
		Summary: "Hold an application back no more; returns the rules that there are then",
	}, func(ctx context.Context, in *throttleClearInput) (*answer[throttleList], error) {
		change := topology.ClearThrottle{App: in.Body.App}
		return s.throttle(ctx, fmt.Sprintf("hold %s back no more", in.Body.App), change, commitment{in.Body.Why, in.DryRun})
	})
}

// milliseconds turns a number of a request into a duration; one that is too large for
// it stays too large to be allowed.
func milliseconds(ms int64) time.Duration {
	if ms > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64
	}
	return time.Duration(ms) * time.Millisecond
}

func (s *Server) throttle(ctx context.Context, what string, change topology.Change, how commitment) (*answer[throttleList], error) {
	next, err := s.commit(ctx, what, change, how)
	if err != nil {
		return nil, err
	}
	return &answer[throttleList]{throttleList{s.look().rulesOf(next)}}, nil
}
