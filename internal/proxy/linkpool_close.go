package proxy

import "slices"

// How links of a pool come to their end: closed by the member, idle for long, or with the
// member itself.

// sweep closes the free links that the member has closed, and those that nobody has
// used for a number of ticks. It is called at every tick.
func (lp *linkPool) sweep(idle uint32) {
	lp.mu.Lock()
	defer lp.mu.Unlock()
	lp.tryRoomLocked()
	tick := lp.p.tick.Load()
	for _, l := range slices.Clone(lp.links) {
		held, ok := l.seize()
		switch {
		case !ok:
		case l.stale():
			lp.removeStale(l)
		case l.doomed() || l.will == nil && (l.outlived() || tick-l.rested.Load() > idle): // one with something to be found out for its owner stays
			lp.remove(l)
		case len(lp.links)+lp.opening > lp.limit && l.will == nil && !l.disputed() && !l.isReserved(tick): // there may be fewer than there were
			lp.remove(l)
		case len(lp.waiters) > 0 && !l.disputed():
			lp.pass(l, held)
		default:
			l.put(held)
		}
	}
	for range len(lp.waiters) { // there may be more than there were
		lp.offerPlace()
	}
}

// close closes what is free, now and when it is given back, and sends away who waits.
func (lp *linkPool) close() {
	lp.mu.Lock()
	defer lp.mu.Unlock()
	lp.closed = true
	lp.ended.Store(true)
	for _, l := range slices.Clone(lp.links) {
		if _, ok := l.seize(); ok {
			lp.remove(l)
		}
	}
	for _, w := range lp.waiters {
		close(w.given)
	}
	lp.waiters = nil
	lp.waiting.Store(0)
}
