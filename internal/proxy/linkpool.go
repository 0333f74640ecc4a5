package proxy

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/pkg/balancer"
)

// linkPool has the links to one process of a member. A session that does not need its
// link for the moment leaves it here as its owner, and takes it back with one
// comparison if nobody else has needed it meanwhile: as long as there are links for
// everybody, each session has its own, and nothing is ever set up twice.
//
// Who finds none that is free, and may open no more, waits in one queue, first come,
// first served; a link that is given back goes to the first of them. Links are shared
// among clients of one key alone (linkKey); for another key one is closed to make room.
//
// Who has a link is said by its hold: even, it is free, and whoever makes the number
// odd has it. That alone gives the right to touch what is not atomic of it.
type linkPool struct {
	p      *Proxy
	member balancer.Member
	limit  int

	waiting atomic.Int32  // len(waiters)
	ended   atomic.Bool   // closed
	active  atomic.Int32  // links that sessions have
	turns   atomic.Uint64 // times that a link was given back; with churn alone

	mu      sync.Mutex
	links   []*link // all that are open, taken or not
	opening int     // places promised to those who open one
	room    room
	waiters []*linkWaiter
	closed  bool
}

// wanted says which links will do, and which are the best.
type wanted struct {
	key      linkKey
	born     uint64 // not older than this generation of the accounts
	schema   string
	settings string
	attrs    string // connection attributes
	who      *session
	returns  bool // it has had its turn, and the member did not let it in
	reading  bool // it may read elsewhere, and does not wait where the member takes no more
}

// takes reports whether a link will do that is labelled so.
func (w *wanted) takes(l *link, at *label) bool {
	return l.key == w.key && l.born >= w.born && (w.schema != "" || at.schema == "")
}

// fit says how well a link will do.
func (w *wanted) fit(l *link, at *label) (points int) {
	if at.settings == w.settings && at.schema == w.schema {
		points += 4
	}
	if !at.owned {
		points += 2
	}
	if l.attrs == w.attrs {
		points++
	}
	return points
}

// label is what is to be known of a free link by those who do not have it.
type label struct {
	schema, settings string
	owned            bool // somebody may come back for it
}

var (
	errPoolClosed = errors.New("the member is not one of the ring's any more")
	errPoolFull   = errors.New("all connections to the member are in use")
)

// seize takes a link that is free, and returns what put gives it back by. It reports
// false if somebody else has it.
func (l *link) seize() (held uint64, ok bool) {
	held = l.hold.Load()
	return held, held&1 == 0 && l.hold.CompareAndSwap(held, held+1)
}

// put gives back a link that was seized and left as it was: its owner does not notice,
// if the pool was locked all the time.
func (l *link) put(held uint64) { l.hold.Store(held) }

// regain takes back the link that its owner has given back when hold was held. It
// reports false if somebody else has taken it since, or the pool has closed it.
func (lp *linkPool) regain(l *link, held uint64) bool {
	if l.hold.CompareAndSwap(held, held+1) {
		return true
	}
	lp.mu.Lock() // somebody may just be looking at it
	defer lp.mu.Unlock()
	return l.hold.CompareAndSwap(held, held+1)
}

// try returns a free link that will do, or a place for a new one; nothing, if there is
// neither.
func (lp *linkPool) try(w wanted) (grant, error) {
	lp.mu.Lock()
	defer lp.mu.Unlock()
	if lp.closed {
		return grant{}, errPoolClosed
	}
	used := len(lp.links) + lp.opening
	if l := lp.seizeBest(&w, used < lp.mayHaveLocked()/2); l != nil {
		return grant{link: l}, nil
	}
	g := grant{place: true}
	if used >= lp.mayHaveLocked() {
		if g.old = lp.evict(); g.old == nil {
			return grant{}, nil
		}
	}
	lp.opening++
	return g, nil
}

// seizeBest seizes the free link that will do best, nil if there is none. While there is
// plenty of room, it leaves others theirs, and takes none with other attributes.
func (lp *linkPool) seizeBest(w *wanted, plenty bool) *link {
	var passed []*link // those that are disputed
	for {
		l := lp.best(w, plenty, passed)
		if l == nil {
			return nil
		}
		held, ok := l.seize()
		switch {
		case !ok:
		case l.rested.Load() != lp.p.tick.Load() && l.stale(): // one that was at work in this tick is asked no more often
			lp.removeStale(l)
		case l.doomed():
			lp.remove(l)
		case l.disputed():
			l.put(held)
			passed = append(passed, l)
		default:
			return l
		}
	}
}

// best returns the free link that will do best: one that needs no setting up before
// others, and of these the one that its owner has not come back to for the longest.
func (lp *linkPool) best(w *wanted, plenty bool, but []*link) *link {
	if lp.p.cfg.Churn && len(lp.links)+lp.opening < lp.limit {
		return lp.other(w, but)
	}
	var found *link
	var exact int
	var rested uint32
	tick := lp.p.tick.Load()
	for _, l := range lp.links {
		if l.hold.Load()&1 == 1 {
			continue
		}
		at := l.label.Load()
		if !w.takes(l, at) || l.isReserved(tick) || slices.Contains(but, l) {
			continue
		}
		if plenty && (at.owned || l.attrs != w.attrs) {
			continue
		}
		fits, since := w.fit(l, at), l.rested.Load()
		if found == nil || fits > exact || fits == exact && int32(since-rested) < 0 {
			found, exact, rested = l, fits, since
		}
	}
	return found
}

// evict forgets a free link of another key to make room, and returns it to who closes it:
// one that nothing is to be found out on, if there is one. Nil if none is free.
func (lp *linkPool) evict() *link {
	var second *link
	var held uint64
	for _, l := range lp.links {
		at, ok := l.seize()
		switch {
		case !ok:
			continue
		case l.disputed() || l.isReserved(lp.p.tick.Load()) || l.will != nil && second != nil:
			l.put(at)
			continue
		case l.will != nil:
			second, held = l, at
			continue
		}
		if second != nil {
			second.put(held)
		}
		lp.forgetLocked(l)
		return l
	}
	if second != nil {
		lp.forgetLocked(second)
	}
	return second
}

// remove closes a link that the caller has seized, and forgets it.
func (lp *linkPool) remove(l *link) {
	lp.forgetLocked(l)
	l.disown()
	l.close()
}

// removeStale removes a link that the member has closed: it may be in trouble.
func (lp *linkPool) removeStale(l *link) {
	lp.p.count.linksLost.Add(1)
	lp.p.log.Info("idle link lost", "member", string(lp.member.ID))
	lp.remove(l)
	lp.p.suspect(lp.member.ID)
}

func (lp *linkPool) forgetLocked(l *link) {
	lp.room.closed = time.Now()
	for i, other := range lp.links {
		if other == l {
			last := len(lp.links) - 1
			lp.links[i] = lp.links[last]
			lp.links[last] = nil
			lp.links = lp.links[:last]
			return
		}
	}
}

// opened ends what take has begun when it returned nothing: with the link, or with
// nil if there will be none. The link is the caller's.
func (lp *linkPool) opened(l *link) {
	lp.mu.Lock()
	defer lp.mu.Unlock()
	lp.opening--
	switch {
	case l == nil:
		lp.offerPlace()
	case lp.closed: // it is closed when it is given back
	default:
		l.pool = lp
		l.hold.Store(1)
		lp.links = append(lp.links, l)
		lp.widenLocked()
	}
}

// offerPlace tells the first who waits that there is place for a link.
func (lp *linkPool) offerPlace() {
	if len(lp.waiters) == 0 || len(lp.links)+lp.opening >= lp.mayHaveLocked() {
		return
	}
	lp.opening++
	lp.next().given <- grant{place: true}
}

// lost forgets a link that its holder has closed.
func (lp *linkPool) lost(l *link) {
	lp.mu.Lock()
	defer lp.mu.Unlock()
	lp.forgetLocked(l)
	lp.offerPlace()
}

// giveBack gives a link to the first who waits for one, or leaves it free, and returns
// what its owner may regain it by. The caller has it no longer.
func (lp *linkPool) giveBack(l *link) (held uint64) {
	l.rested.Store(lp.p.tick.Load())
	if lp.waiting.Load() == 0 && !l.outlived() {
		held = l.hold.Add(1)
		if lp.waiting.Load() == 0 && !lp.ended.Load() {
			return held
		}
		if !l.hold.CompareAndSwap(held, held+1) { // for who came to wait meanwhile
			return held
		}
	}
	lp.mu.Lock()
	defer lp.mu.Unlock()
	if held = l.hold.Load() + 1; lp.pass(l, held) {
		return held
	}
	return gone
}

// gone is the hold of no free link: it is odd.
const gone = ^uint64(0)

// pass gives a seized link to the first who waits, closes it, or leaves it free, and
// reports whether it did the last.
func (lp *linkPool) pass(l *link, held uint64) (free bool) {
	switch {
	case lp.closed || l.doomed() || l.outlived() && l.will == nil:
		lp.remove(l)
		lp.offerPlace()
	case len(lp.waiters) == 0 || l.disputed() || l.isReserved(lp.p.tick.Load()):
		l.put(held)
		return true
	default:
		w := lp.next()
		if w.want.takes(l, l.label.Load()) && !l.outlived() {
			w.given <- grant{link: l}
			return false
		}
		lp.forgetLocked(l)
		lp.opening++
		w.given <- grant{place: true, old: l}
	}
	return false
}
