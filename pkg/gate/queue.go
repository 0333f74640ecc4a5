package gate

// queue has those of one class who wait.
type queue struct {
	levels [levels]level
	count  int
	turns  uint64 // that were served
}

// level is a priority: accounts, the one whose turn it is first. An account's tag is when
// its turn is in a time that goes on by one at each turn (start-time fair queueing): one
// that has asked for little is served before one that has asked for much.
type level struct {
	heap     []*account
	accounts map[string]*account
	now      uint64 // tag of who was served last
	seq      uint64
}

type account struct {
	name    string
	tag     uint64
	seq     uint64
	at      int // in the heap; -1: nobody waits
	waiting int
	flows   map[uint64]*flow
	turn    *flow // of a ring: who is next
	errands flow  // those whose errand goes on, of all digests: they come before the ring
	turns   uint64
}

// flow is those of one digest of an account who wait, in order.
type flow struct {
	digest      uint64
	account     *account
	level       *level
	first, last *Waiter
	prev, next  *flow // of the account's ring
}

// maxIdleAccounts is how many accounts without waiters are remembered by a level.
const maxIdleAccounts = 256

// push appends w.
func (q *queue) push(w *Waiter) {
	lv := &q.levels[w.Priority.level()]
	a := lv.account(w.Account)
	f := a.flow(w)
	w.flow, w.prev, w.next, w.queued = f, f.last, nil, true
	if f.last == nil {
		f.first = w
	} else {
		f.last.next = w
	}
	f.last = w
	a.waiting++
	q.count++
	if a.at < 0 {
		a.tag = max(a.tag, lv.now)
		lv.seq++
		a.seq = lv.seq
		lv.push(a)
	}
}

// remove takes w out, wherever it stands.
func (q *queue) remove(w *Waiter) {
	f := w.flow
	a, lv := f.account, f.level
	if w.prev == nil {
		f.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		f.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.flow, w.queued = nil, nil, nil, false
	q.count--
	a.waiting--
	if f.first == nil && f != &a.errands {
		f.leave(a)
		delete(a.flows, f.digest)
	}
	if a.waiting == 0 {
		lv.take(a)
		lv.forget()
	}
}

// head returns whose turn it is, nil if nobody waits. Of the turns, every eighth is that
// of a lower priority.
func (q *queue) head() *Waiter {
	if q.count == 0 {
		return nil
	}
	var found *level
	for i := range q.levels {
		if len(q.levels[i].heap) == 0 {
			continue
		}
		found = &q.levels[i]
		if q.turns%8 != 7 {
			break
		}
	}
	return found.heap[0].head()
}

// find returns one of those who came first in their flows for whom f holds, nil if there is
// none.
func (q *queue) find(f func(*Waiter) bool) *Waiter {
	for i := range q.levels {
		for _, a := range q.levels[i].heap {
			if w := a.errands.first; w != nil && f(w) {
				return w
			}
			first := a.turn
			for at := first; at != nil; {
				if f(at.first) {
					return at.first
				}
				if at = at.next; at == first {
					break
				}
			}
		}
	}
	return nil
}

// served takes w out as one whose turn it was: its account and digest are next after the
// others.
func (q *queue) served(w *Waiter) {
	f := w.flow
	a, lv := f.account, f.level
	lv.now = a.tag
	a.tag++
	a.turns++
	q.turns++
	if f != &a.errands {
		a.turn = f.next
	}
	q.remove(w)
	if a.at >= 0 {
		lv.seq++
		a.seq = lv.seq
		lv.down(a.at)
	}
}

func (lv *level) account(name string) *account {
	a := lv.accounts[name]
	if a == nil {
		if lv.accounts == nil {
			lv.accounts = make(map[string]*account)
		}
		a = &account{name: name, at: -1, flows: make(map[uint64]*flow)}
		a.errands = flow{account: a, level: lv}
		lv.accounts[name] = a
	}
	return a
}

// flow returns where w is to wait.
func (a *account) flow(w *Waiter) *flow {
	if w.Since != 0 {
		return &a.errands
	}
	f := a.flows[w.Digest]
	if f == nil {
		f = &flow{digest: w.Digest, account: a, level: a.errands.level}
		a.flows[w.Digest] = f
		f.join(a)
	}
	return f
}

// head returns whose turn it is of an account's who wait. Of the turns, every eighth is that
// of who is new.
func (a *account) head() *Waiter {
	if a.errands.first != nil && (a.turn == nil || a.turns%8 != 7) {
		return a.errands.first
	}
	return a.turn.first
}

// forget drops accounts that have nobody waiting and are owed no patience, once there are
// many.
func (lv *level) forget() {
	if len(lv.accounts)-len(lv.heap) <= maxIdleAccounts {
		return
	}
	for name, a := range lv.accounts {
		if a.at < 0 && a.tag <= lv.now {
			delete(lv.accounts, name)
		}
	}
	if len(lv.accounts)-len(lv.heap) <= 2*maxIdleAccounts {
		return
	}
	for name, a := range lv.accounts {
		if a.at < 0 {
			delete(lv.accounts, name)
		}
	}
}

func (f *flow) join(a *account) {
	if a.turn == nil {
		a.turn, f.prev, f.next = f, f, f
		return
	}
	f.next, f.prev = a.turn, a.turn.prev
	f.prev.next, f.next.prev = f, f
}

func (f *flow) leave(a *account) {
	if f.next == f {
		a.turn = nil
		return
	}
	f.prev.next, f.next.prev = f.next, f.prev
	if a.turn == f {
		a.turn = f.next
	}
}

func (a *account) before(b *account) bool { return a.tag < b.tag || a.tag == b.tag && a.seq < b.seq }

func (lv *level) push(a *account) {
	a.at = len(lv.heap)
	lv.heap = append(lv.heap, a)
	lv.up(a.at)
}

func (lv *level) take(a *account) {
	i, last := a.at, len(lv.heap)-1
	if i != last {
		lv.swap(i, last)
	}
	lv.heap[last] = nil
	lv.heap = lv.heap[:last]
	a.at = -1
	if i < last {
		lv.down(i)
		lv.up(i)
	}
}

func (lv *level) swap(i, j int) {
	lv.heap[i], lv.heap[j] = lv.heap[j], lv.heap[i]
	lv.heap[i].at, lv.heap[j].at = i, j
}

func (lv *level) up(i int) {
	for i > 0 && lv.heap[i].before(lv.heap[(i-1)/2]) {
		lv.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (lv *level) down(i int) {
	for {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(lv.heap) && lv.heap[child].before(lv.heap[least]) {
				least = child
			}
		}
		if least == i {
			return
		}
		lv.swap(i, least)
		i = least
	}
}
