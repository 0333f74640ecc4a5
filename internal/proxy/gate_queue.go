package proxy

import (
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
)

// gateWaiter is a session that waits at a gate, or for a lane.
type gateWaiter struct {
	gate.Waiter
	given chan struct{} // of capacity 1: it is in the queue no more
	timer *time.Timer
}

// newGateWaiter returns one whose channel is empty and whose timer is stopped.
func (p *Proxy) newGateWaiter() *gateWaiter {
	w, ok := p.gateWaiters.Get().(*gateWaiter)
	if !ok {
		w = &gateWaiter{given: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
		w.timer.Stop()
	}
	w.Waiter = gate.Waiter{Owner: w}
	return w
}

// putGateWaiter gives back one that waits for nothing any more. It may have been woken when
// it was about to leave.
func (p *Proxy) putGateWaiter(w *gateWaiter) {
	select {
	case <-w.given:
	default:
	}
	p.gateWaiters.Put(w)
}

// admissionLeft is how much of the time for which a statement may wait before it is run,
// in all, is left to the command under way.
func (s *session) admissionLeft(longest time.Duration) time.Duration {
	var r gate.Request
	now := s.p.now()
	longest -= s.waited
	if s.urgency(&r, now); r.Deadline != 0 {
		longest = min(longest, r.Deadline.Sub(now))
	}
	return max(longest, 0)
}

// hasWaited takes in that the command under way has waited to be let in. How long it waits
// for an owner or a link is another matter.
func (s *session) hasWaited(d time.Duration) {
	s.waited += d
	if s.until != 0 {
		s.until = s.until.Add(d)
	}
}

// wake wakes who has a place now, or is to have none. The caller has the lock.
func (g *memberGate) wake(now gate.Instant) {
	for w := g.gate.Next(now); w != nil; w = g.gate.Next(now) {
		w.Owner.(*gateWaiter).given <- struct{}{}
	}
	g.waiting.Store(int32(g.gate.Waiting()))
}

// whereto is the member that a session is on its way to.
type whereto struct {
	member   balancer.Member
	reading  bool
	fallback bool // else to the owner
}

// queue waits for a place at a gate, whose lock the caller has and which is given back.
func (s *session) queue(g *memberGate, r gate.Request, to whereto) (told *wire.Error) {
	now := s.p.now()
	r.Account, r.Bytes, r.Since, r.Before = s.as.login.User, s.in.len(), s.errand.Goes(now), s.waited
	s.urgency(&r, now)
	w := s.p.newGateWaiter()
	w.Request = r
	if why := g.gate.Wait(&w.Waiter, now); why != gate.Granted {
		told = s.shed(g, why, 0)
		if !to.fallback {
			s.p.count.refuse(RefusedGate)
			g.tallies.Refused(r.Digest)
		}
		g.mu.Unlock()
		return told
	}
	g.waiting.Store(int32(g.gate.Waiting()))
	g.mu.Unlock()
	if s.working.Load() != nil && !s.mem.inTransaction() {
		s.idle() // whoever waits is not at work: a unit may move meanwhile
	}
	defer s.waitsFor("a place at " + string(g.id))()
	gone := s.awaitGiven(w, w.Until.Sub(now), &to)
	now = s.p.now()
	g.mu.Lock()
	why := s.departs(gone)
	dropped := g.gate.Drop(&w.Waiter, now, why)
	waited, result := w.Waited(now), w.Result
	s.hasWaited(waited)
	refused := result != gate.Granted && !to.fallback
	g.tallies.Waited(r.Digest, waited, refused, dropped && why == gate.ClientGone)
	g.waiting.Store(int32(g.gate.Waiting()))
	switch {
	case dropped && gone: // nobody is there to be told, or it is tried elsewhere
	case !dropped && result == gate.Granted:
		s.admitted = admission{gate: g, class: r.Class}
	default:
		told = s.shed(g, result, waited)
		if refused {
			s.p.count.refuse(RefusedGate)
		}
	}
	g.mu.Unlock()
	s.p.putGateWaiter(w)
	if ends := s.ends(); ends != nil {
		return ends
	}
	return told
}

// ends is what the command under way gets, of which nothing is at a member yet, if its session
// ends, or a KILL QUERY has come for it; else nil.
func (s *session) ends() *wire.Error {
	switch {
	case s.ctx.Err() != nil:
		return wire.NewError(wire.ShutdownInProgress, "sqlring: the session ends")
	case s.strikes.isStruck():
		return interruption()
	}
	return nil
}

// interruption is the answer to what was killed, in servers' own words.
func interruption() *wire.Error {
	return wire.NewError(wire.Interrupted, "Query execution was interrupted")
}

// gaveUp reports whether its client, which had waited for its place, has gone while its
// statement was at the member. It is looked at only where that is a time-out's length.
func (s *session) gaveUp(class gate.Class, now gate.Instant) bool {
	const impatient = 100 * time.Millisecond
	if class == gate.Write || s.errand.Lasts(now) < impatient {
		return false
	}
	_, gone := s.client.peek()
	return gone
}

// departs says why the session leaves the queue.
func (s *session) departs(gone bool) gate.Departure {
	switch {
	case !gone:
		return gate.TimeOver
	case s.eye.Load()&eyeGone != 0:
		return gate.ClientGone
	}
	return gate.Elsewhere
}

// awaitGiven waits until w is woken or its time is over. gone says that there is no use in
// waiting any more: the client has gone, its command was killed, or the member is not where that goes; to is
// nil if it is on its way to none yet.
func (s *session) awaitGiven(w *gateWaiter, patience time.Duration, to *whereto) (gone bool) {
	const soon = 20 * time.Millisecond // most do not wait for longer, and cost no call
	deadline, first := time.Now().Add(patience), patience
	if s.eye.Or(eyeWaits)&eyeWatched == 0 {
		first = min(patience, soon)
	}
	defer s.eye.And(^uint32(eyeWaits))
	if s.eye.Load()&eyeClosed != 0 {
		s.lookForHangup()
	}
	w.timer.Reset(first)
	defer w.timer.Stop()
	for called := s.strikes.called(); ; {
		var changed <-chan struct{}
		if s.strikes.isStruck() {
			return true
		}
		if to != nil {
			if changed = s.p.changed(); !s.p.serves(to.member, to.reading, s.aimed) {
				return true
			}
		}
		select {
		case <-w.given:
			return false
		case <-w.timer.C:
			left := time.Until(deadline)
			if left <= 0 {
				return false
			}
			if s.eye.Load()&eyeWatched == 0 {
				s.p.hangups.watch(s)
			}
			w.timer.Reset(left)
		case <-changed:
		case <-called:
		case <-s.ctx.Done():
			return true
		}
	}
}

// shed is what a client is told who gets no place. The caller has the gate's lock.
func (s *session) shed(g *memberGate, why gate.Refusal, waited time.Duration) *wire.Error {
	after := g.gate.RetryAfter().Round(time.Millisecond).Milliseconds()
	return wire.NewError(wire.Saturated, "sqlring: member %s is saturated (%s; %d wait, this waited %v); this was not run; retry_after_ms=%d",
		g.id, reasons[why], g.gate.Waiting(), waited.Round(time.Millisecond), after)
}

// reasons are those of refusals in words.
var reasons = [gate.Refusals]string{
	gate.FullQueue: "the queue is full", gate.FullAccount: "the account has its share of the queue", gate.TooLong: "it waited for as long as is allowed",
	gate.PastDeadline: "it would be past its deadline", gate.Impatient: "the account's clients would not wait for their turn",
	gate.HotRow: "it waited for as long as is allowed",
}
