package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// sessionUnit is the unit of what is no unit of its own: of a session without a default
// schema, too.
const sessionUnit = topology.UnitRest

// An owner that can not be reached is tried again after pauses that grow from the
// first to the last: it may be a moment before it is known to be lost.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = 500 * time.Millisecond
)

// connect gives the session a link to the present owner. While there is none, or
// it can not be reached, the session waits: a takeover may be under way. A command
// waits for at most Config.QueueTimeout in all, and no longer than its deadline, and at
// most Config.MaxQueued sessions do. told is what the client gets if that was in vain, and the session
// may go on; err, if the member does not want it.
func (s *session) connect() (told *wire.Error, err error) {
	defer s.leaveQueue()
	pause, works := firstPause, s.working.Load() != nil
	for {
		changed := s.p.changed()
		view := s.p.view.Load()
		if told := s.aim(view); told != nil {
			return told, nil
		}
		route, ok := s.routed(view)
		if !ok {
			told := wire.NewError(wire.NoOwner, "sqlring: %s (unit %s, epoch %d; waited %v)", route.Why, route.Unit, route.Epoch, s.p.cfg.QueueTimeout)
			if told := s.wait(changed, s.p.cfg.QueueTimeout, refusal{RefusedOwner, told}); told != nil {
				return told, nil
			}
			continue
		}
		if told := s.takePlace(route.Member, false); told != nil {
			return told, nil
		}
		if works && s.working.Swap(s.aimed) != s.aimed {
			continue // it has waited, or is about other units by this view: the view counts that is looked at after this
		}
		l, err := s.acquire(route, changed, false)
		if err == nil {
			s.view = view
			s.setLink(l)
			if ownsAll(s.p.view.Load(), route.Member, s.aimed.list()) {
				return nil, nil
			}
			s.dropLink() // the cut of a newer view may have come before this link was there
			continue
		}
		switch {
		case errors.Is(err, errStruck), s.ctx.Err() != nil:
			return s.ends(), nil
		case errors.Is(err, errPoolClosed):
			continue
		case errors.Is(err, errPoolFull):
			s.p.count.refuse(RefusedLinks)
			return s.p.full(route.Member.ID, s.hasBeenThere()), nil
		case !unreachable(err):
			s.p.count.refuse(RefusedBackend)
			return nil, err
		case !ownsAll(s.p.view.Load(), route.Member, s.aimed.list()):
			continue
		}
		s.p.suspect(route.Member.ID)
		told := wire.NewError(wire.NetReadError, "sqlring: %v; waited %v; this was not run", err, s.p.cfg.QueueTimeout)
		if told := s.wait(changed, pause, refusal{RefusedBackend, told}); told != nil {
			return told, nil
		}
		pause = min(2*pause, lastPause)
	}
}

// open opens a link that a cut can give up.
func (s *session) open(route balancer.Route, reading bool) (*link, error) {
	ctx, cancel := context.WithCancel(&s.ctx)
	defer cancel()
	s.opening.Store(&attempt{route.Member, reading, s.aimed, cancel})
	defer s.opening.Store(nil)
	if !s.p.serves(route.Member, reading, s.aimed) { // the cut may have come before
		return nil, context.Canceled
	}
	return s.p.open(ctx, route, *s.as, s.mem.schema)
}

// refusal is what a client gets that has waited in vain, and as what it counts.
type refusal struct {
	why  Refusal
	told *wire.Error
}

// awaited says in words what is waited for.
func (r *refusal) awaited(unit topology.UnitID) string {
	if r.why == RefusedBackend {
		return fmt.Sprintf("the owner of unit %s, which can not be reached", unit)
	}
	return fmt.Sprintf("an owner of unit %s that may be written at", unit)
}

// tooLong is what a client gets whose command may not wait any longer.
func (s *session) tooLong(r *refusal) *wire.Error {
	if s.until <= s.p.now() {
		return r.told
	}
	return &wire.Error{Number: r.told.Number, State: r.told.State, Message: fmt.Sprintf("sqlring: it would be past its deadline (it waited %v for %s); this was not run", s.hasBeenThere(), r.awaited(s.unit))}
}

// wait lets the session wait for another view, at most for pause; it returns what
// the client is told if it may not wait, or no longer.
func (s *session) wait(changed <-chan struct{}, pause time.Duration, or refusal) *wire.Error {
	p := s.p
	if p.dissolved.Load() {
		p.count.refuse(RefusedOwner)
		return wire.NewError(wire.NoOwner, "sqlring: the ring was dissolved: connect to the server that goes on, not to this node")
	}
	if !s.queued {
		if int(p.count.queued.Add(1)) > p.cfg.MaxQueued {
			p.count.queued.Add(-1)
			p.count.refuse(RefusedQueue)
			return wire.NewError(wire.NoOwner, "sqlring: too many sessions wait for an owner of unit %s already (%d)", s.unit, p.cfg.MaxQueued)
		}
		p.count.queuedTotal.Add(1)
		s.queued = true
	}
	left := s.patience()
	if left <= 0 {
		p.count.refuse(or.why)
		return s.tooLong(&or)
	}
	if s.working.Load() == nil || !s.mem.isUnderWay() { // one that is open goes on
		s.idle() // whoever waits with it looks at the view anew before it goes to work again
	}
	if !s.mem.inTransaction() {
		s.leavePlace()
	}
	defer s.waitsFor(or.awaited(s.unit))()
	timer := time.NewTimer(min(pause, left))
	defer timer.Stop()
	for called := s.strikes.called(); ; {
		if ends := s.ends(); ends != nil {
			return ends
		}
		select {
		case <-changed:
			return nil
		case <-timer.C:
			return nil
		case <-called:
		case <-s.ctx.Done():
		}
	}
}

func (s *session) leaveQueue() {
	if s.queued {
		s.p.count.queued.Add(-1)
		s.queued = false
	}
}

// suspect has the member looked at, and every session look at its link before its
// next command: what broke one has perhaps broken all.
func (p *Proxy) suspect(member topology.MemberID) {
	p.tick.Add(1)
	if p.cfg.Eyes != nil {
		p.cfg.Eyes.Suspect(member)
	}
}

// unreachable reports whether err means that the member is not there, or not the
// one that is meant, and not that it refuses this session.
func unreachable(err error) bool {
	var refused *wire.Error
	if errors.As(err, &refused) {
		shutdown, _ := wire.ShutdownInProgress.Code()
		return refused.Number == shutdown
	}
	for _, ours := range []error{wire.ErrMalformed, wire.ErrTooLarge, wire.ErrSequence, errSlot, errTracking, errMemberTLS} {
		if errors.Is(err, ours) {
			return false
		}
	}
	return true
}
