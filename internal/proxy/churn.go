package proxy

import "slices"

// Churn is for tests alone (Config.Churn). As long as there are links for everybody, each
// session has its own, and what a session is given again on another one is seldom seen. With
// churn no session comes back to the link that it has given back, unless that is kept for it:
// it gets one that another session had last, else one of its own of before, else a fresh one.

// use says who had a link last, and the how-manieth use of the pool that was.
type use struct {
	who  uint32 // session.id
	turn uint64
}

// churns reports whether a link that its owner has regained is not to be his.
func (s *session) churns(l *link) bool {
	return s.p.cfg.Churn && !l.isReserved(s.p.tick.Load()) && !l.disputed() && !l.doomed()
}

// passOn gives a link that its owner has regained to whoever comes, as if somebody else had
// taken it: what the owner may want to know of it is found out first.
func (l *link) passOn() {
	if l.tell(l.pool.p.cfg.BackendTimeout) != nil {
		l.pool.discard(l)
		return
	}
	l.free()
}

// noteUse notes who gives the link back.
func (l *link) noteUse(s *session) {
	if s.p.cfg.Churn {
		l.had.Store(&use{s.id, l.pool.turns.Add(1)})
	}
}

// other returns the free link that will do and was used the longest ago, one that another
// session had last before others; never the one that w.who had last. Nil if there is none.
func (lp *linkPool) other(w *wanted, but []*link) *link {
	var found *link
	var best, last use
	for _, l := range lp.links {
		if at := l.lastUse(); at.who == w.who.id && at.turn > last.turn {
			last = at
		}
	}
	tick := lp.p.tick.Load()
	for _, l := range lp.links {
		at := l.lastUse()
		if l.hold.Load()&1 == 1 || at == last && last.turn > 0 || !w.takes(l, l.label.Load()) || l.attrs != w.attrs || l.isReserved(tick) || slices.Contains(but, l) {
			continue
		}
		own, bestOwn := at.who == w.who.id, best.who == w.who.id
		if found == nil || bestOwn && !own || own == bestOwn && at.turn < best.turn {
			found, best = l, at
		}
	}
	return found
}

// lastUse is the zero value if nobody has given the link back yet.
func (l *link) lastUse() use {
	if at := l.had.Load(); at != nil {
		return *at
	}
	return use{}
}
