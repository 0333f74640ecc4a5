package proxy

import (
	"container/list"
	"sync"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/gate"
)

// Who is held back by a rule of the DBA stands in its line: who came first goes on first,
// and is the only one who is woken. A statement that several rules are about counts in none
// of them until it may pass all.

// limitCounts outlives changes of a rule.
type limitCounts struct {
	mu     sync.Mutex
	inside int
	bucket gate.Bucket
	line   list.List // of *inLine: who waits, by when they came

	held, refused uint64        // statements that had to wait here; that got an error by it
	waited        time.Duration // here, by those who wait no more
}

// heldBacks is who stands in lines of rules, of all of them: they are held against the bounds of
// a gate's queue.
type heldBacks struct {
	mu sync.Mutex
	gate.Occupancy
}

// join counts one more, or says why there is no room for it.
func (h *heldBacks) join(account string, bytes int, s gate.Settings) gate.Refusal {
	h.mu.Lock()
	defer h.mu.Unlock()
	s = s.WithDefaults()
	why := h.Refuses(&s, account, bytes)
	if why == gate.Granted {
		h.Join(account, bytes)
	}
	return why
}

func (h *heldBacks) part(account string, bytes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Part(account, bytes)
}

// inLine is a statement that is held back.
type inLine struct {
	since gate.Instant
	woken chan<- struct{} // of capacity 1
	of    *limitCounts    // in whose line it stands, its session's own; nil: in none
	at    *list.Element   // its place there, guarded by the lock of that
}

// joinLocked has h wait where it belongs by when it came.
func (c *limitCounts) joinLocked(h *inLine) {
	before := c.line.Back()
	for before != nil && before.Value.(*inLine).since > h.since {
		before = before.Prev()
	}
	h.of = c
	if before == nil {
		h.at = c.line.PushFront(h)
	} else {
		h.at = c.line.InsertAfter(h, before)
	}
}

// firstLocked returns who came first of those who wait, nil if nobody does.
func (c *limitCounts) firstLocked() *inLine {
	if first := c.line.Front(); first != nil {
		return first.Value.(*inLine)
	}
	return nil
}

// leave takes h out of its line, and returns whose that was; nil: it stood in none.
func (h *inLine) leave() *limitCounts {
	c := h.of
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.line.Remove(h.at)
	h.of, h.at = nil, nil
	return c
}

// wakeLocked has who is first look whether it is his turn.
func (c *limitCounts) wakeLocked() {
	if first := c.firstLocked(); first != nil {
		first.wake()
	}
}

func (h *inLine) wake() {
	select {
	case h.woken <- struct{}{}:
	default: // it is about to look
	}
}

// wake has all who wait look at the rules anew.
func (l *limits) wake() {
	for _, r := range l.rules {
		r.mu.Lock()
		for at := r.line.Front(); at != nil; at = at.Next() {
			at.Value.(*inLine).wake()
		}
		r.mu.Unlock()
	}
}

// untilWoken is for how long one waits who is woken when it may be his turn.
const untilWoken = time.Hour

// enter has a statement count in the rule, or says for how long it can not at the least. One
// that is to be held back (h is not nil) stands in line then.
func (l *limit) enter(h *inLine, now gate.Instant) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch first := l.firstLocked(); {
	case first != nil && (h == nil || h.since >= first.since), l.Concurrency > 0 && l.inside >= l.Concurrency:
		wait = untilWoken
	case l.Rate > 0:
		wait = l.bucket.Take(l.Rate, now)
	}
	switch {
	case wait == 0:
		l.inside++
	case h != nil:
		l.joinLocked(h)
	}
	return wait
}

// backOut undoes enter.
func (l *limit) backOut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inside--
	if l.Rate > 0 {
		l.bucket.GiveBack()
	}
	l.wakeLocked()
}

// holds reports whether the rule may hold the command under way back.
func (l *limit) holds(s *session) bool { return (l.Concurrency > 0 || l.Rate > 0) && l.meets(s) }

// passLimits has the command under way wait until no rule holds it back. Without rules it
// costs one look.
func (s *session) passLimits() *wire.Error {
	rules := s.p.limited.Load()
	if rules == nil || s.waitsForNobody() || len(s.within) > 0 {
		return nil
	}
	wait, rule := s.tryLimits(rules, nil)
	if rule == nil {
		return nil
	}
	account, bytes := s.as.login.User, s.in.len()
	if why := s.p.held.join(account, bytes, s.p.gateSettings()); why != gate.Granted {
		s.ruled(0, true, false)
		return rule.refuses(s.p, reasons[why], 0, wait)
	}
	defer s.p.held.part(account, bytes)
	return s.heldBack(rules)
}

// refuses is what a client is told whose statement a rule holds back for too long, or has no
// room for.
func (l *limit) refuses(p *Proxy, why string, waited, wait time.Duration) *wire.Error {
	p.count.refuse(RefusedLimit)
	l.mu.Lock()
	l.refused++
	l.mu.Unlock()
	return wire.NewError(wire.Saturated, "sqlring: held back by a rule of the DBA (%s; until %s: %s); %s; waited %v; this was not run; retry_after_ms=%d",
		l.Scope, l.Until.UTC().Format(time.RFC3339), l.Why, why, waited.Round(time.Millisecond), retryAfter(wait).Milliseconds())
}

// ruled takes in what the statement has waited for rules: it counts at the owner, where it was
// to be run.
func (s *session) ruled(waited time.Duration, refused, gone bool) {
	route, ok := s.p.view.Load().OwnerOf(s.unit)
	if !ok {
		return
	}
	g := s.gateOf(route.Member.ID)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tallies.Ruled(s.digest(), waited, refused, gone)
}

// heldBack waits in the lines of rules, at most for as long as at a gate.
func (s *session) heldBack(rules *limits) (told *wire.Error) {
	if s.working.Load() != nil && !s.mem.inTransaction() {
		s.idle() // whoever waits is not at work: a unit may move meanwhile
	}
	began, gone := s.p.now(), false
	patience := s.admissionLeft(s.p.gateSettings().Longest())
	w := s.p.newGateWaiter()
	h := &inLine{since: began, woken: w.given}
	over := func() {}
	defer func() {
		over()
		if line := h.leave(); line != nil {
			line.mu.Lock()
			line.wakeLocked()
			line.mu.Unlock()
		}
		waited := s.p.now().Sub(began)
		s.hasWaited(waited)
		s.ruled(waited, told != nil && !gone, s.departs(gone) == gate.ClientGone)
		s.p.putGateWaiter(w)
	}()
	var at *limitCounts // that it has waited for last
	for now := began; rules != nil; {
		wait, rule := s.tryLimits(rules, h)
		if rule == nil {
			return nil
		}
		waited := now.Sub(began)
		if waited >= patience {
			return rule.refuses(s.p, "it waited for as long as is allowed", waited, wait)
		}
		over()
		over = s.waitsFor("a rule of the DBA: " + rule.Scope)
		if at != rule.limitCounts {
			at = rule.limitCounts
			at.mu.Lock()
			at.held++
			at.mu.Unlock()
		}
		gone = s.awaitGiven(w, min(patience-waited, wait), nil)
		since := now
		now = s.p.now()
		at.mu.Lock()
		at.waited += now.Sub(since)
		at.mu.Unlock()
		if ends := s.ends(); ends != nil {
			return ends
		}
		rules = s.p.limited.Load()
	}
	return nil
}

// retryAfter is when one may come again who would have to wait for so long.
func retryAfter(wait time.Duration) time.Duration {
	if wait == untilWoken {
		return time.Second
	}
	return max(wait, time.Second)
}

// tryLimits passes all rules at once, or returns one that holds the command back, and for
// how long at the least; h then stands in its line.
func (s *session) tryLimits(rules *limits, h *inLine) (wait time.Duration, by *limit) {
	var stood *limitCounts
	if h != nil {
		stood = h.leave()
	}
	now := s.p.now()
	for i, l := range rules.rules {
		if !l.holds(s) {
			continue
		}
		if wait = l.enter(h, now); wait == 0 {
			s.within = append(s.within, l.limitCounts)
			continue
		}
		by, s.within = l, s.within[:0]
		for _, passed := range rules.rules[:i] {
			if passed.holds(s) {
				passed.backOut()
			}
		}
		break
	}
	if stood != nil && (by == nil || by.limitCounts != stood) { // whoever is next there may go on, too
		stood.mu.Lock()
		stood.wakeLocked()
		stood.mu.Unlock()
	}
	return wait, by
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
