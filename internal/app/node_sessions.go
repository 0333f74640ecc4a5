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

func (n node) Explain(q api.RouteQuery) (api.Route, error) {
	if n.app.proxy == nil {
		return api.Route{}, api.ErrNoProxy
	}
	e, err := n.app.proxy.Explain(proxy.Question{Statement: q.Statement, User: q.Account, Schema: q.Schema, Consistency: q.Consistency})
	if err != nil {
		return api.Route{}, err
	}
	r := api.Route{
		Statement: e.Statement, Parts: []api.RoutePart{}, Keeps: namesOf(e.Keeps), Units: []api.RouteUnit{}, Spreads: e.Spreads,
		GoesTo: string(e.GoesTo), Refused: e.Refused, Why: e.Why, Candidates: []api.RouteCandidate{},
	}
	for i := range e.Parts {
		part := api.RoutePart{Kind: e.Parts[i].Verb.String(), Tables: []string{}, Does: namesOf(e.Parts[i].Effects)}
		for _, t := range e.Parts[i].Tables {
			part.Tables = append(part.Tables, t.String())
		}
		r.Parts = append(r.Parts, part)
	}
	for _, u := range e.Units {
		r.Units = append(r.Units, api.RouteUnit{Unit: string(u.Unit), Epoch: u.Epoch, Owner: string(u.Member.ID)})
	}
	if e.Spreads {
		r.Consistency, r.Need = e.Sees.String(), e.Need.String()
	}
	for _, v := range e.Members {
		r.Candidates = append(r.Candidates, api.RouteCandidate{Member: string(v.Member), Site: v.Site, Qualifies: v.Qualifies, Why: v.Why})
	}
	return r, nil
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
