package proxy

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
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
	if old == nil && len(next.rules) == 0 || old != nil && slices.EqualFunc(old.rules, next.rules, func(a, b *limit) bool { return a.LimitRule == b.LimitRule }) {
		return
	}
	if old != nil {
		for _, l := range next.rules {
			if i := slices.IndexFunc(old.rules, func(o *limit) bool { return o.Scope == l.Scope }); i >= 0 {
				l.limitCounts = old.rules[i].limitCounts
			}
		}
	}
	if len(next.rules) == 0 {
		p.limited.Store(nil)
	} else {
		p.limited.Store(&next)
	}
	if old != nil {
		old.wake()
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

// stays is what the watch has seen of a session, for rules about how long something lasts.
type stays struct {
	phase, killed uint32 // of the session: at the last look, and when its statement was stopped
	since         gate.Instant
	told          *wire.Error // what its client gets for that; it is set before eyeOverstayed, and not changed
}

// overstays ends the session's transaction or statement if a rule says so. It is called by
// the watch, which looks at what it has seen before. How long a statement runs counts from
// when it was seen at the member first: while it waited here nothing of it ran.
func (s *session) overstays(rules *limits, now gate.Instant) {
	phase := s.phase.Load()
	waits := s.waitsHere(phase)
	if s.stays == nil {
		s.stays = new(stays)
	}
	if phase != s.stays.phase || waits {
		s.stays.phase, s.stays.since = phase, now
		return
	}
	as := s.known.Load()
	if phase == 0 || as == nil || s.eye.Load()&eyeOverstayed != 0 {
		return
	}
	busy, lasted := phase&1 == 1, now.Sub(s.stays.since)
	for _, l := range rules.rules {
		about := l.kind == "all" || l.kind == "account" && as.login.User == l.value || l.kind == "network" && s.from.IsValid() && l.network.Contains(s.from.Unmap())
		switch {
		case !about:
		case !busy && l.IdleTransaction > 0 && lasted > l.IdleTransaction && balancer.Effects(s.pinned.Load()).Has(balancer.EffectTransaction):
			s.p.log.Warn("idle transaction ended", "session", s.id, "user", as.login.User, "scope", l.Scope, "idle_for", lasted.Round(time.Millisecond).String())
			s.p.count.refuse(RefusedLimit)
			s.stays.told = idleForTooLong(s.at(), l, lasted)
			s.eye.Or(eyeOverstayed)
			s.interrupt()
			return
		case busy && l.LongStatement > 0 && lasted > l.LongStatement:
			if s.atMember.Load() != nil && s.stays.killed != phase {
				s.stays.killed = phase
				s.p.log.Warn("long statement ended", "session", s.id, "user", as.login.User, "scope", l.Scope, "ran_for", lasted.Round(time.Millisecond).String())
				s.p.count.refuse(RefusedLimit)
				s.p.stopping.Go(func() { s.p.stopStatement(s, phase) })
			}
			return
		}
	}
}

// idleForTooLong is what a client is told whose transaction did nothing for too long: the number
// that its server has for what it closes, with the rule's reason.
func idleForTooLong(l *link, rule *limit, lasted time.Duration) *wire.Error {
	const clientInteractionTimeout = 4031
	e := &wire.Error{Number: connectionKilled, State: "70100"}
	if l != nil && l.version.Flavour == topology.FlavourMySQL {
		e.Number, e.State = clientInteractionTimeout, "HY000"
	}
	e.Message = fmt.Sprintf("sqlring: the connection was closed and its transaction undone, since that did nothing for %v: a rule of the DBA allows %v (%s; until %s: %s)",
		lasted.Round(time.Millisecond), rule.IdleTransaction, rule.Scope, rule.Until.UTC().Format(time.RFC3339), rule.Why)
	return e
}

// overstayed returns what the session's client is to be told that waits for nothing, if a rule
// has ended its transaction; else nil.
func (s *session) overstayed() *wire.Error {
	if s.eye.Load()&eyeOverstayed == 0 {
		return nil
	}
	return s.stays.told
}
