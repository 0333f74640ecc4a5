package proxy

import (
	"context"
	"slices"
	"time"
)

// linkWaiter waits for a link, or for a place to open one.
type linkWaiter struct {
	want  wanted
	given chan grant // of capacity 1
	timer *time.Timer
}

// grant is what who wants a link gets. The zero value is nothing.
type grant struct {
	link  *link // that he may use; else
	place bool  // he may open one
	old   *link // that had the place, and that he closes; nil: it was free
}

func (g grant) empty() bool { return g.link == nil && !g.place }

// newWaiter returns one whose channel is empty and whose timer is stopped.
func (p *Proxy) newWaiter(w wanted) *linkWaiter {
	waiter, ok := p.waiters.Get().(*linkWaiter)
	if !ok {
		waiter = &linkWaiter{given: make(chan grant, 1), timer: time.NewTimer(time.Hour)}
		waiter.timer.Stop()
	}
	waiter.want = w
	return waiter
}

// take returns a link that the session may go on with when it has adopted it, or nil
// if it is to open one itself: then a place is kept for it until it calls opened.
// While there is neither it waits until ctx ends, changed is closed, or its session's patience is over.
func (lp *linkPool) take(ctx context.Context, w wanted, changed <-chan struct{}) (*link, error) {
	g, err := lp.try(w)
	if err != nil || !g.empty() {
		return lp.use(g), err
	}
	if w.reading && lp.takesNoMore() {
		return nil, errPoolFull
	}
	waiter := lp.p.newWaiter(w)
	lp.mu.Lock()
	if w.returns { // to the head, behind those who have come back before
		at := slices.IndexFunc(lp.waiters, func(other *linkWaiter) bool { return !other.want.returns })
		if at < 0 {
			at = len(lp.waiters)
		}
		lp.waiters = slices.Insert(lp.waiters, at, waiter)
	} else {
		lp.waiters = append(lp.waiters, waiter)
	}
	lp.waiting.Add(1)
	lp.mu.Unlock()
	if g, err = lp.try(w); err != nil || !g.empty() { // one was given back before we were seen to wait
		lp.leave(waiter)
		return lp.use(g), err
	}
	waiter.timer.Reset(w.who.patience())
	for called := w.who.strikes.called(); err == nil; {
		if w.who.strikes.isStruck() {
			err = errStruck
			break
		}
		select {
		case g, ok := <-waiter.given:
			waiter.timer.Stop() // before it is another one's
			if !ok {
				return nil, errPoolClosed
			}
			waiter.want.who = nil
			lp.p.waiters.Put(waiter)
			return lp.use(g), nil
		case <-waiter.timer.C:
			err = errPoolFull
		case <-changed:
			err = errPoolClosed
		case <-called:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	waiter.timer.Stop()
	lp.leave(waiter)
	return nil, err
}

// use returns the link that was granted, nil for a place. Who is to close a link for it
// has that say first what its owner may want to know.
func (lp *linkPool) use(g grant) *link {
	if g.old != nil {
		_ = g.old.tell(lp.p.cfg.BackendTimeout) // if it does not, it is lost
		g.old.disown()
		g.old.close()
		lp.closes()
	}
	return g.link
}

// leave takes a waiter out of the queue. What it was given meanwhile is passed on.
func (lp *linkPool) leave(w *linkWaiter) {
	lp.mu.Lock()
	for i, other := range lp.waiters {
		if other == w {
			lp.waiters = append(lp.waiters[:i], lp.waiters[i+1:]...)
			lp.waiting.Add(-1)
			lp.mu.Unlock()
			return
		}
	}
	lp.mu.Unlock()
	switch g, ok := <-w.given; {
	case !ok:
	case g.link == nil:
		lp.use(g)
		lp.opened(nil)
	default:
		if g.link.tell(lp.p.cfg.BackendTimeout) != nil { // its owner may wait for that
			g.link.cutOff.Store(true)
		}
		g.link.disown()
		lp.giveBack(g.link)
	}
}

// next takes the first of those who wait out of the queue.
func (lp *linkPool) next() *linkWaiter {
	w := lp.waiters[0]
	lp.waiters = lp.waiters[1:]
	lp.waiting.Add(-1)
	return w
}
