package app

import (
	"context"
	"errors"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/proxy"
	"github.com/sqlring/sqlring/pkg/balancer"
)

func (n node) Sessions() []api.Session {
	if n.app.proxy == nil {
		return nil
	}
	now := time.Now()
	found := n.app.proxy.Sessions()
	list := make([]api.Session, 0, len(found))
	for _, s := range found {
		list = append(list, api.Session{
			ID: s.ID, Account: s.User, From: s.From, Schema: s.Schema, State: s.Activity.String(), Doing: s.Doing, WaitsFor: s.Waits,
			Since: s.Since.UTC(), ForMS: max(0, now.Sub(s.Since).Milliseconds()), Connected: s.Connected.UTC(), Member: string(s.Member),
			Keeps: namesOf(s.Keeps), Transaction: s.Transaction, Consistency: s.Consistency.String(),
		})
	}
	return list
}

func (n node) Pinned() map[string]int {
	counts := map[string]int{}
	if n.app.proxy == nil {
		return counts
	}
	for effect, count := range n.app.proxy.Pinned() {
		counts[effect.String()] = count
	}
	return counts
}

func namesOf(effects balancer.Effects) []string {
	names := []string{}
	effects.Each(func(e balancer.Effect) { names = append(names, e.String()) })
	return names
}

func (n node) EndSession(ctx context.Context, id uint32, query bool) error {
	if n.app.proxy == nil { // a witness has none
		return api.ErrNoSession
	}
	end := n.app.proxy.EndSession
	if query {
		end = n.app.proxy.EndQuery
	}
	err := end(ctx, id)
	for _, is := range []struct{ said, means error }{
		{proxy.ErrNoSession, api.ErrNoSession},
		{proxy.ErrNotRunning, api.ErrNotRunning},
		{proxy.ErrCommits, api.ErrCommits},
		{proxy.ErrStillThere, api.ErrOutcomeUnknown},
	} {
		if errors.Is(err, is.said) {
			return is.means
		}
	}
	return err
}
