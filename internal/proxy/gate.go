package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Each member has a gate in front of its links (pkg/gate): who has no place waits there,
// without a link. A read has its place for its statement, everything else until no
// transaction is open. Nothing is shared between members: each gate has its own lock.

// memberGate is the gate of one member, for as long as the proxy is there.
type memberGate struct {
	p       *Proxy
	id      topology.MemberID
	waiting atomic.Int32 // who wait, for those who leave
	idle    atomic.Int32 // places whose transaction waits for its client
	warm    atomic.Bool  // keys of some statements are looked at
	strain  atomic.Bool  // statements take long there

	mu      sync.Mutex
	gate    *gate.Gate
	tallies gate.Tallies
}

// admission is the place that a session has at a gate; none if gate is nil.
type admission struct {
	gate  *memberGate
	class gate.Class
	idle  bool // it has an open transaction, and its client is to say what next
}

// now is the time of the gates.
func (p *Proxy) now() gate.Instant { return gate.Instant(time.Since(p.began)) + 1 }

// gateOf returns the gate of a member.
func (s *session) gateOf(id topology.MemberID) *memberGate {
	for _, g := range s.gates {
		if g != nil && g.id == id {
			return g
		}
	}
	s.gates[1], s.gates[0] = s.gates[0], s.p.gateOf(id)
	return s.gates[0]
}

func (p *Proxy) gateOf(id topology.MemberID) *memberGate {
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.gates[id]
	if g == nil {
		g = &memberGate{p: p, id: id, gate: gate.New(p.within(id, p.gateSettings()), p.now())}
		p.gates[id] = g
	}
	return g
}

// gateSettings is what gates are told. Who sets no ceiling has places for all links.
func (p *Proxy) gateSettings() gate.Settings {
	var s gate.Settings
	if p.cfg.Gates != nil {
		s = p.cfg.Gates()
	}
	if s.Ceiling == 0 || s.Ceiling > p.cfg.MemberLinks {
		s.Ceiling = p.cfg.MemberLinks
		s.Floor = min(s.Floor, s.Ceiling)
	}
	if s.MaxWait == 0 {
		s.MaxWait = p.cfg.QueueTimeout
	}
	return s
}

// within is settings with no more places than there may be links to the member.
func (p *Proxy) within(id topology.MemberID, settings gate.Settings) gate.Settings {
	settings.Ceiling = min(settings.Ceiling, p.mostLinks(id))
	settings.Floor = min(settings.Floor, settings.Ceiling)
	return settings
}

// waitsForNobody reports whether the command under way needs no place: it is inside of an
// open transaction, it ends something, it may free what others wait for, or it is none
// that runs a statement.
func (s *session) waitsForNobody() bool {
	const holds = 1<<balancer.EffectTableLocks | 1<<balancer.EffectGlobalReadLock | 1<<balancer.EffectBackupLock | 1<<balancer.EffectUserLock |
		1<<balancer.EffectServiceLock | 1<<balancer.EffectXA | 1<<balancer.EffectHandler | 1<<balancer.EffectBackupStage
	if !carriesSQL(s.code) || s.mem.inTransaction() || s.mem.pins&holds != 0 {
		return true
	}
	switch s.kind() {
	case balancer.KindCommit, balancer.KindRollback, balancer.KindKill:
		return true
	case balancer.KindOther, balancer.KindRead, balancer.KindChange, balancer.KindBegin, balancer.KindSet:
	}
	return false
}

// kind is what the command under way is, also where it is a prepared statement's.
func (s *session) kind() balancer.Kind {
	if s.meant != nil {
		return s.meant.statement.Kind
	}
	return s.current.Kind
}

// class is whose share of the places the command under way needs one of.
func (s *session) class() gate.Class {
	const looks = 1<<balancer.EffectMember | 1<<balancer.EffectThreads | 1<<balancer.EffectProcess | 1<<balancer.EffectGlobalVariable | 1<<balancer.EffectSessionStatus
	switch p := s.plan; {
	case p == nil:
		return gate.Write
	case p.Effects.HasAny(looks) || s.current.Listed:
		return gate.Admin
	case p.IsRead():
		return gate.Read
	}
	return gate.Write
}

// digest tells the command's statement from others.
func (s *session) digest() uint64 {
	if s.plan == nil {
		return 0
	}
	return s.plan.Hash()
}

// takePlace has the command under way pass the gate of a member, which may take a while.
// told is what the client gets if it may not. Who has a place there already keeps it. Who has
// waited for something else, and would have his answer after his deadline, is not let in.
func (s *session) takePlace(m balancer.Member, reading bool) (told *wire.Error) {
	return s.passGate(whereto{member: m, reading: reading})
}

// triesPlace does the same at a member beside the owner, and reports whether it has a place:
// else the command is one for the owner, and nobody is told of it.
func (s *session) triesPlace(m balancer.Member) bool {
	return s.passGate(whereto{member: m, reading: true, fallback: true}) == nil
}

func (s *session) passGate(to whereto) (told *wire.Error) {
	m := to.member
	if s.admitted.gate != nil && s.admitted.gate.id == m.ID || s.waitsForNobody() {
		return nil
	}
	s.leaveGate()
	g := s.gateOf(m.ID)
	digest := s.digest()
	g.mu.Lock()
	class, passes := g.gate.Class(s.class(), digest), s.passesLines()
	if !s.isLate(g, digest) && g.gate.Enter(class, passes) {
		g.mu.Unlock()
		if s.errand != (gate.Errand{}) {
			s.errand.Enters(s.p.now())
		}
		s.admitted = admission{gate: g, class: class}
		return nil
	}
	return s.queue(g, gate.Request{Class: class, Digest: digest, Passes: passes, Fallback: to.fallback}, to)
}

// passesLines reports whether the command under way will not stand in line for a row with its
// place: it has the row's lane, or waits for that before it takes its place.
func (s *session) passesLines() bool {
	return s.visit != nil && s.visit.Holds() || s.kind() == balancer.KindChange && s.mem.status.Has(wire.StatusAutocommit)
}

// leavePlace gives the place back, and the lane, and lets in who is next.
func (s *session) leavePlace() {
	if len(s.within) > 0 {
		s.leaveLimits()
	}
	s.leaveLane()
	s.leaveGate()
}

func (s *session) leaveGate() {
	g := s.admitted.gate
	if g == nil {
		return
	}
	s.goOnInPlace()
	class := s.admitted.class
	s.admitted = admission{}
	if g.waiting.Load() == 0 {
		if s.errand != (gate.Errand{}) {
			s.errand.Rests(class, g.p.now())
		}
		g.mu.Lock()
		g.gate.Leave(class)
	} else {
		now := g.p.now()
		gone := s.gaveUp(class, now)
		s.errand.Rests(class, now)
		g.mu.Lock()
		g.gate.Leave(class)
		if gone {
			g.gate.ClientLeft(s.as.login.User, &s.errand, now)
		}
	}
	if g.gate.Waiting() > 0 {
		g.wake(g.p.now())
	}
	g.mu.Unlock()
}

// answeredInPlace gives the place back when a command has been answered, unless its
// transaction goes on.
func (s *session) answeredInPlace() {
	switch {
	case s.admitted.gate == nil && s.visit == nil && len(s.within) == 0:
	case !s.mem.inTransaction() || s.link == nil:
		s.leavePlace()
	case !s.admitted.idle && s.admitted.gate != nil:
		s.admitted.idle = true
		s.admitted.gate.idle.Add(1)
	}
}

// goOnInPlace says that the place is made use of.
func (s *session) goOnInPlace() {
	if s.admitted.idle {
		s.admitted.idle = false
		s.admitted.gate.idle.Add(-1)
	}
}

// timed has one of some statements measured, and all that take long.
func (s *session) timed() (began gate.Instant, measured bool) {
	s.sampled++
	if s.admitted.gate == nil || !carriesSQL(s.code) || s.sampled%sampleEvery != 0 && s.took < alwaysSampled {
		return 0, false
	}
	return s.p.now(), true
}

const (
	sampleEvery   = 7 // a prime: with 8, of transactions of four statements it were always the same one
	alwaysSampled = 500 * time.Microsecond
)

// measureLong measures a statement that nobody meant to measure, if the watch has seen it at the
// member so early that it has taken long: it may be the only one of its connection. It is taken
// to have begun when the watch saw it, at most one interval later than it did.
func (s *session) measureLong() {
	if s.looked.Load() != s.phase.Load() || s.seenWaiting() || s.admitted.gate == nil || !carriesSQL(s.code) {
		return
	}
	if took := time.Since(time.Unix(0, s.lookedAt.Load())); took >= 2*s.p.cfg.WatchInterval {
		s.measure(s.p.now().Add(-took), 1)
	}
}

// measure takes in how long a statement was at the member until its answer began, and for how
// many that stands.
func (s *session) measure(began gate.Instant, standsFor uint32) {
	g, now := s.admitted.gate, s.p.now()
	s.took = now.Sub(began)
	g.mu.Lock()
	g.gate.Sample(s.digest(), s.took, now)
	if was := g.strain.Load(); g.gate.Strained(was) != was {
		g.strain.Store(!was)
	}
	g.tallies.Took(s.digest(), s.took, standsFor)
	if s.admitted.class == gate.Write && s.locksRow() && (g.gate.Waiting() > 0 || g.gate.Slow(s.digest(), s.took)) {
		g.suspect(s.digest(), now)
	}
	if g.gate.Waiting() > 0 {
		g.wake(now)
	}
	g.mu.Unlock()
	s.weighed += standsFor
}

// lookAfterGates is called at every tick: it has settings taken up, and the gates' windows
// closed where nothing happens.
func (p *Proxy) lookAfterGates() {
	settings, warm := p.gateSettings(), false
	p.mu.Lock()
	gates := make([]*memberGate, 0, len(p.gates))
	for _, g := range p.gates {
		gates = append(gates, g)
	}
	p.mu.Unlock()
	for _, g := range gates {
		g.tick(settings)
		warm = warm || g.warm.Load()
	}
	p.warm.Store(warm)
}

func (g *memberGate) tick(settings gate.Settings) {
	now := g.p.now()
	var pressure gate.Pressure
	if g.p.cfg.Pressure != nil {
		pressure = g.p.cfg.Pressure(g.id)
	}
	settings = g.p.within(g.id, settings)
	g.mu.Lock()
	if settings.WithDefaults() != g.gate.Settings() {
		g.gate.Set(settings, now)
	}
	for w := g.gate.Overdue(now); w != nil; w = g.gate.Overdue(now) {
		w.Owner.(*gateWaiter).given <- struct{}{}
	}
	g.gate.Press(pressure)
	for v := g.gate.NextLane(now); v != nil; v = g.gate.NextLane(now) {
		wakeLane(v)
	}
	g.warm.Store(g.gate.AnyWarm())
	atMember := g.gate.Taken() - int(g.idle.Load())
	if atMember <= 1 {
		g.strain.Store(false) // whatever was measured before: who comes now has the member for himself
	}
	change := g.gate.Tick(now, atMember)
	g.wake(now)
	state := g.gate.State()
	g.mu.Unlock()
	if change != gate.Unchanged {
		g.tell(change, state)
	}
}

// tell says that the member has become saturated, or is so no more.
func (g *memberGate) tell(change gate.Change, state gate.State) {
	var shed uint64
	for r := gate.Granted + 1; int(r) < gate.Refusals; r++ {
		shed += state.Counts.Refused[r]
	}
	waiting := state.LaneWaiting
	for _, n := range state.Waiting {
		waiting += n
	}
	attrs := []any{
		"member", string(g.id), "mode", state.Settings.Mode.String(), "limit", state.Limit, "waiting", waiting,
		"inflation", float64(int(state.Inflation*100)) / 100, "shed", shed,
	}
	if change == gate.Entered {
		g.p.log.Warn("member saturated", attrs...)
		return
	}
	g.p.log.Info("member saturated no more", attrs...)
}
