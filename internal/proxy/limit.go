package proxy

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// The DBA's brakes: rules that hold statements back by digest, account, network or schema,
// each for a while (topology.LimitRule). Who is held back waits as at a gate, and gets the
// gate's error when that was too long. What is inside of a transaction is not held back.

// limits are the rules that hold now. It is replaced as a whole.
type limits struct{ rules []*limit }

// limit is one rule with what it counts; it is the same while its scope has a rule.
type limit struct {
	topology.LimitRule
	kind, value string
	digest      uint64
	network     netip.Prefix
	*limitCounts
}

// limitCounts outlives changes of a rule.
type limitCounts struct {
	mu     sync.Mutex
	inside int
	bucket gate.Bucket
	free   chan struct{} // closed when one leaves; nil: nobody waits
}

// takeUpLimits makes rules of what the ring says; nil: there are none.
func (p *Proxy) takeUpLimits() {
	if p.cfg.Limited == nil {
		return
	}
	now := time.Now()
	var next limits
	for _, r := range p.cfg.Limited() {
		kind, value, err := topology.ParseScope(r.Scope)
		if err != nil || !now.Before(r.Until) {
			continue
		}
		l := &limit{LimitRule: r, kind: kind, value: value, limitCounts: new(limitCounts)}
		switch kind {
		case "digest":
			l.digest, _ = strconv.ParseUint(value, 16, 64)
		case "network":
			l.network, _ = netip.ParsePrefix(value)
		}
		next.rules = append(next.rules, l)
	}
	old := p.limited.Load()
	if len(next.rules) == 0 {
		if old != nil {
			p.limited.Store(nil)
			old.wake()
		}
		return
	}
	if old != nil {
		for _, l := range next.rules {
			if i := slices.IndexFunc(old.rules, func(o *limit) bool { return o.Scope == l.Scope }); i >= 0 {
				l.limitCounts = old.rules[i].limitCounts
			}
		}
	}
	p.limited.Store(&next)
	if old != nil {
		old.wake()
	}
}

// wake has all who wait look at the rules anew.
func (l *limits) wake() {
	for _, r := range l.rules {
		r.mu.Lock()
		r.wakeLocked()
		r.mu.Unlock()
	}
}

func (c *limitCounts) wakeLocked() {
	if c.free != nil {
		close(c.free)
		c.free = nil
	}
}

// meets reports whether the rule is about the command under way.
func (l *limit) meets(s *session) bool {
	switch l.kind {
	case "all":
		return true
	case "digest":
		return s.plan != nil && s.plan.Hash() == l.digest
	case "account":
		return s.as.login.User == l.value
	case "schema":
		return s.mem.schema == l.value
	case "network":
		return s.from.IsValid() && l.network.Contains(s.from.Unmap())
	}
	return false
}

// passLimits has the command under way wait until no rule holds it back. Without rules it
// costs one look.
func (s *session) passLimits() *wire.Error {
	rules := s.p.limited.Load()
	if rules == nil || s.waitsForNobody() || len(s.within) > 0 {
		return nil
	}
	patience := s.patience()
	began := time.Now()
	over := func() {}
	defer func() { over() }()
	for {
		wait, rule, free := s.tryLimits(rules)
		if rule == nil {
			return nil
		}
		left := patience - time.Since(began)
		if left <= 0 {
			s.p.count.refuse(RefusedLimit)
			return wire.NewError(wire.Saturated, "sqlring: held back by a rule of the DBA (%s; until %s: %s); waited %v; this was not run; retry_after_ms=%d",
				rule.Scope, rule.Until.UTC().Format(time.RFC3339), rule.Why, time.Since(began).Round(time.Millisecond), max(wait, time.Second).Milliseconds())
		}
		over()
		over = s.waitsFor("a rule of the DBA: " + rule.Scope)
		timer := time.NewTimer(min(left, wait))
		select {
		case <-free:
		case <-timer.C:
		case <-s.ctx.Done():
			timer.Stop()
			return wire.NewError(wire.ShutdownInProgress, "sqlring: the session ends")
		}
		timer.Stop()
		if rules = s.p.limited.Load(); rules == nil {
			return nil
		}
	}
}

// tryLimits passes all rules at once, or returns one that holds the command back, for how
// long at the least, and what is closed if it may be over sooner.
func (s *session) tryLimits(rules *limits) (wait time.Duration, by *limit, free <-chan struct{}) {
	for _, l := range rules.rules {
		if l.Concurrency == 0 && l.Rate == 0 || !l.meets(s) {
			continue
		}
		l.mu.Lock()
		if l.Concurrency > 0 && l.inside >= l.Concurrency {
			if l.free == nil {
				l.free = make(chan struct{})
			}
			wait, by, free = time.Second, l, l.free
		} else if l.Rate > 0 {
			if wait = l.bucket.Take(l.Rate, s.p.now()); wait > 0 {
				by = l
			}
		}
		if by == nil {
			l.inside++
			s.within = append(s.within, l.limitCounts)
		}
		l.mu.Unlock()
		if by != nil {
			s.leaveLimits()
			return wait, by, free
		}
	}
	return 0, nil, nil
}

// leaveLimits says that the command has been answered, and its transaction is over.
func (s *session) leaveLimits() {
	for i, c := range s.within {
		c.mu.Lock()
		c.inside--
		c.wakeLocked()
		c.mu.Unlock()
		s.within[i] = nil
	}
	s.within = s.within[:0]
}

// lookAfterLimits is called at every tick: it takes rules up, and ends what lasts longer
// than they allow.
func (p *Proxy) lookAfterLimits() {
	p.takeUpLimits()
	rules := p.limited.Load()
	if rules == nil || !slices.ContainsFunc(rules.rules, func(l *limit) bool { return l.IdleTransaction > 0 || l.LongStatement > 0 }) {
		return
	}
	now := p.now()
	for _, s := range p.all() {
		s.overstays(rules, now)
	}
}

// stopStatement has the member stop what a session runs; its client gets 1317 from the
// member. One that commits is left alone (strikes.go), and so is one that has ended.
func (p *Proxy) stopStatement(s *session, phase uint32) {
	ctx, cancel := context.WithTimeout(&s.ctx, p.cfg.BackendTimeout)
	defer cancel()
	landed, ok := s.strikes.strike(ctx)
	if !ok {
		return
	}
	err := p.strike(ctx, s, phase)
	landed(err == nil)
	if err != nil && !errors.Is(err, ErrNotRunning) {
		p.log.Warn("long statement could not be stopped", "session", s.id, "error", err)
	}
}

// overstays ends the session's transaction or statement if a rule says so. It is called by
// the watch, which looks at what it has seen before.
func (s *session) overstays(rules *limits, now gate.Instant) {
	phase := s.phase.Load()
	if phase != s.stayed {
		s.stayed, s.stayedSince = phase, now
		return
	}
	as := s.known.Load()
	if phase == 0 || as == nil {
		return
	}
	busy, lasted := phase&1 == 1, now.Sub(s.stayedSince)
	for _, l := range rules.rules {
		about := l.kind == "all" || l.kind == "account" && as.login.User == l.value || l.kind == "network" && s.from.IsValid() && l.network.Contains(s.from.Unmap())
		switch {
		case !about:
		case !busy && l.IdleTransaction > 0 && lasted > l.IdleTransaction && balancer.Effects(s.pinned.Load()).Has(balancer.EffectTransaction):
			s.p.log.Warn("idle transaction ended", "session", s.id, "user", as.login.User, "scope", l.Scope, "idle_for", lasted.Round(time.Millisecond).String())
			s.p.count.refuse(RefusedLimit)
			s.interrupt()
			return
		case busy && l.LongStatement > 0 && lasted > l.LongStatement:
			if s.atMember.Load() != nil && s.stayedKilled != phase {
				s.stayedKilled = phase
				s.p.log.Warn("long statement ended", "session", s.id, "user", as.login.User, "scope", l.Scope, "ran_for", lasted.Round(time.Millisecond).String())
				s.p.count.refuse(RefusedLimit)
				s.p.running.Go(func() { s.p.stopStatement(s, phase) })
			}
			return
		}
	}
}
