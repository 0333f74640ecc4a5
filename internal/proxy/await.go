package proxy

import (
	"fmt"
	"sync"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// An account that writes all the time is ahead of every picture of the members: what it
// has written last is nowhere known to be but at the owner. So that its reads are spread
// all the same, those that wait for a member ask it together: one of them has it wait for
// what all of them need (MASTER_GTID_WAIT: MariaDB manual, "GTID functions";
// WAIT_FOR_EXECUTED_GTID_SET: MySQL manual, 14.18.2), and those that come meanwhile are
// in the next question.

// tokenWait is how long a read waits at a member for what it has to see there.
const tokenWait = 50 * time.Millisecond

// vainTicks is for how many ticks nobody waits at a member that was waited for in vain.
const vainTicks = 1

// asksFor bounds how long a read stands by a member that does not answer the question: it can
// be had at the owner.
const asksFor = time.Second

// reached is what members are known to have, beyond the newest picture.
type reached struct {
	mu sync.Mutex
	of map[topology.MemberID]*follower
}

// follower is what one member is known to have, and what it is asked for.
type follower struct {
	mu     sync.Mutex
	at     topology.Position
	wanted topology.Position // by those who wait for the next question
	asked  chan struct{}     // closed when the question under way is answered; nil: there is none
	vain   bool              // it was waited for in vain
	behind uint32            // tick when it was, at last
}

// follower returns what is known of a member. All of it is forgotten when the view
// changes: a member may have lost what it had.
func (p *Proxy) follower(id topology.MemberID) *follower {
	p.reached.mu.Lock()
	defer p.reached.mu.Unlock()
	f := p.reached.of[id]
	if f == nil {
		if p.reached.of == nil {
			p.reached.of = make(map[topology.MemberID]*follower)
		}
		f = new(follower)
		p.reached.of[id] = f
	}
	return f
}

// forgetReached has what members are known to have be asked anew.
func (p *Proxy) forgetReached() {
	p.reached.mu.Lock()
	p.reached.of = nil
	p.reached.mu.Unlock()
}

// has reports whether a member is known to have a position.
func (p *Proxy) has(id topology.MemberID, need topology.Position) bool {
	f := p.follower(id)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at.Covers(need)
}

// toAwait returns what a member has to get from others before it has all of need; nil if
// it is known to have it.
func (p *Proxy) toAwait(reads *balancer.Reads, id topology.MemberID, need topology.Position) topology.Position {
	if reads == nil {
		return need
	}
	wait := beyond(reads, id, need)
	if len(wait) == 0 || reads.Has(id, wait) || p.has(id, wait) {
		return nil
	}
	return wait
}

// isBehind reports whether a member has just been waited for in vain.
func (p *Proxy) isBehind(id topology.MemberID) bool {
	f, tick := p.follower(id), p.tick.Load()
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.vain && tick-f.behind < vainTicks
}

// isCrowded reports whether a read does better to wait for what it has to see at another
// member than to go to the owner, which has it: there it would wait in line, or take long.
// Who goes on with an errand does not.
func (s *session) isCrowded(owner topology.MemberID) bool {
	g := s.gateOf(owner)
	return (g.waiting.Load() > 0 || g.strain.Load()) && !s.errand.GoesOn(s.p.now())
}

// awaits waits until the member that the session has a link to has a position, and reports
// whether it has it.
func (s *session) awaits(id topology.MemberID, need topology.Position) bool {
	if !s.p.follower(id).await(need, tokenWait, s.ctx.Done(), s.asks, s.p.tick.Load) {
		s.p.count.awaitedInVain.Add(1)
		return false
	}
	s.p.count.awaited.Add(1)
	return true
}

// await waits until the member has need, at most for limit and until done is closed, and
// reports whether it has it. One of those who wait asks for all of them.
func (f *follower) await(need topology.Position, limit time.Duration, done <-chan struct{}, ask func(topology.Position) bool, tick func() uint32) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for over := false; ; {
		f.mu.Lock()
		switch asked := f.asked; {
		case f.at.Covers(need) || over:
			has := f.at.Covers(need)
			f.mu.Unlock()
			return has
		case asked == nil:
			all := f.wanted.Union(need)
			f.asked, f.wanted = make(chan struct{}), nil
			f.mu.Unlock()
			over = !f.question(all, ask, tick)
		default:
			f.wanted = f.wanted.Union(need)
			f.mu.Unlock()
			select {
			case <-asked:
			case <-timer.C:
				over = true
			case <-done:
				over = true
			}
		}
	}
}

// question asks the member for all, and takes in what it says. It is over even if the session
// that asks ends by a fault: others are not to wait for its answer for ever.
func (f *follower) question(all topology.Position, ask func(topology.Position) bool, tick func() uint32) (yes bool) {
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if yes {
			f.at = f.at.Union(all)
		} else {
			f.vain, f.behind = true, tick()
		}
		close(f.asked)
		f.asked = nil
	}()
	return ask(all)
}

// asks has the member wait for a position, over the session's link, and reports whether it
// has it then.
func (s *session) asks(p topology.Position) bool {
	var row []string
	text, notYet := waitMariaDB(p, s.link.thread), "-1"
	if s.link.version.Flavour == topology.FlavourMySQL {
		notYet = "1"
		text = fmt.Sprintf("SELECT WAIT_FOR_EXECUTED_GTID_SET('%s', %g)", p, tokenWait.Seconds())
	}
	limit := s.p.cfg.BackendTimeout
	if s.link.reading.Load() {
		limit = min(limit, asksFor)
	}
	s.mem.hasLast, s.mem.hasFound = false, false
	err := s.link.within(&s.ctx, limit, func() (err error) {
		if err = s.link.own.Send(wire.Query(text)); err == nil {
			row, _, err = s.link.own.Result(s.link.caps, setupBudget)
		}
		return err
	})
	if err != nil || len(row) != 1 || row[0] != "0" && row[0] != notYet { // it may still hold its lock
		s.link.cut()
		return false
	}
	return row[0] == "0"
}

// waitMariaDB returns the question to a MariaDB, over the connection with that id: 0 if it
// has the position in time, -1 if not, or if somebody is about to set it (S87). The parts are
// evaluated from left to right.
func waitMariaDB(p topology.Position, connection uint32) string {
	lock, wait := topology.WaitLock(uint64(connection)), tokenWait.Seconds()
	return fmt.Sprintf("SELECT IF(GET_LOCK('%[1]s', %[2]g), IF(IS_FREE_LOCK('%[3]s'), MASTER_GTID_WAIT('%[4]s', %[2]g), -1) + 0*RELEASE_LOCK('%[1]s'), -1)",
		lock, wait, topology.PositionLock, p)
}
