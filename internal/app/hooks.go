package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/herald"
	"github.com/sqlring/sqlring/internal/hook"
	"github.com/sqlring/sqlring/pkg/topology"
)

// startHooks has this node tell what happens, while it leads.
func (a *App) startHooks(context.Context) error {
	specs, err := a.cfg.hooks()
	if err != nil {
		return err
	}
	a.hooks, err = hook.New(hook.Config{Node: a.cfg.Node, Hooks: specs, Logger: a.logger.With("part", "hooks")}, a.store)
	if err != nil {
		return err
	}
	a.herald = herald.New(herald.Config{
		Node: a.cfg.Node, Logger: a.logger.With("part", "herald"),
		Alarm: func(alarm herald.Alarm) { a.hooks.Nobody(alarm.Since, alarm.Over) },
	}, a.store, sights{a})
	a.background("hooks", a.hooks.Run)
	if !a.cfg.witness() { // it never leads for long, and sees no member
		a.background("herald", a.herald.Run)
	}
	return nil
}

// sights is what the leader's herald looks at.
type sights struct{ app *App }

var _ herald.Eyes = sights{}

// Observations implements herald.Eyes.
func (s sights) Observations() topology.Observations { return s.app.observations() }

// Step implements herald.Eyes.
func (s sights) Step() (topology.Step, bool) {
	d := s.app.controller.Last()
	return d.Step, !d.At.IsZero()
}

// Others implements herald.Eyes.
func (s sights) Others() []herald.Other {
	var others []herald.Other
	for _, p := range s.app.store.Peers() {
		if p.ID == s.app.cfg.Node {
			continue
		}
		heard, _, _ := s.app.book.Heard(p.ID)
		others = append(others, herald.Other{Node: p.ID, Voter: p.Voter, Heard: heard, Law: s.app.book.Knows(p.ID)})
	}
	return others
}

// Findings implements herald.Eyes: levels of lag, keys that run out, hooks that fail.
func (s sights) Findings() (found []topology.Finding, complete []topology.Topic) {
	const fresh = 2 * time.Second
	if p := s.app.monitor.Picture(); p != nil && time.Since(p.At) < fresh {
		found, complete = append(found, p.Findings()...), append(complete, topology.TopicLag)
	}
	if served := s.app.serving.Load(); served != nil {
		if keys, known := served.KeyFindings(); known {
			found, complete = append(found, keys...), append(complete, topology.TopicHeadroom)
		}
	}
	gates, all := s.app.gateFindings()
	if found = append(found, gates...); all {
		complete = append(complete, topology.TopicGate)
	}
	return append(found, s.app.hooks.Findings()...), append(complete, topology.TopicHook)
}

// Hooks implements api.Node.
func (n node) Hooks() []api.Hook {
	list := []api.Hook{}
	for _, s := range n.app.hooks.Statuses() {
		h := api.Hook{
			Name: s.Name, Type: s.Type, Target: s.Target, Severity: s.Severity.String(), Match: append([]string{}, s.Match...),
			RepeatMS: s.Repeat.Milliseconds(), OnlyFiring: s.Unresolved, Waiting: s.Waiting,
			Delivered: s.Delivered, Failed: s.Failed, GivenUp: s.GivenUp, Silenced: s.Silenced, LastError: s.LastError, Failing: s.Failing,
		}
		if !s.LastAt.IsZero() {
			at := s.LastAt
			h.LastAt = &at
		}
		list = append(list, h)
	}
	return list
}

// TestHook implements api.Node.
func (n node) TestHook(ctx context.Context, name, by string) error {
	err := n.app.hooks.Test(ctx, name, by)
	if errors.Is(err, hook.ErrUnknown) {
		return fmt.Errorf("%w: %w", api.ErrNoHook, err)
	}
	return err
}
