package proxy

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// tokens is what the accounts' sessions have written through this proxy, by user.
type tokens struct{ users sync.Map }

// token is what is to be seen by reads. The zero value is nothing.
type token struct {
	mu      sync.Mutex
	written atomic.Pointer[topology.Position]
	vague   atomic.Pointer[vagueness] // nil: nothing was written that nobody has named

	refused atomic.Pointer[sync.Map] // members that refused the account's login for a read, with the tick: topology.MemberID, uint32
}

// refusedTicks is for how many ticks an account is not tried again at a member that has
// refused its login: it may be there at the owner alone.
const refusedTicks = 40

// refusedBy notes that a member has refused the account's login.
func (t *token) refusedBy(id topology.MemberID, tick uint32) {
	if t.refused.Load() == nil {
		t.refused.CompareAndSwap(nil, new(sync.Map))
	}
	t.refused.Load().Store(id, tick)
}

// refusedAt reports whether a member has refused the account's login a moment ago.
func (t *token) refusedAt(id topology.MemberID, tick uint32) bool {
	all := t.refused.Load()
	if all == nil {
		return false
	}
	at, ok := all.Load(id)
	return ok && tick-at.(uint32) < refusedTicks
}

// vagueness is that something was written that nobody has named: until something is named
// that was begun after it at the same member, and so is behind it in the same domain. It is
// immutable.
type vagueness struct {
	at    []topology.MemberID
	since time.Time
}

// vagueFor is for how long reads go to the owner because of a write that nobody has named: a
// member that is longer behind is not read from, whatever the ring's thresholds are.
const vagueFor = topology.MaxLagThreshold + 2*time.Hour

func (t *tokens) of(user string) *token {
	if known, ok := t.users.Load(user); ok {
		return known.(*token)
	}
	made, _ := t.users.LoadOrStore(user, new(token))
	return made.(*token)
}

// add notes a write at a member; an empty position is one that nobody has named. seen is what
// was vague when the write was begun.
func (t *token) add(p topology.Position, at topology.MemberID, seen *vagueness) {
	if len(p) == 0 {
		t.blur(at)
		return
	}
	t.name(p, at, seen)
}

// name is add of a write that is known.
func (t *token) name(p topology.Position, at topology.MemberID, seen *vagueness) {
	t.mu.Lock()
	sum := p
	if old := t.written.Load(); old != nil {
		sum = old.Union(p)
	}
	t.written.Store(&sum)
	t.mu.Unlock()
	if seen != nil { // what came since stays
		t.vague.CompareAndSwap(seen, seen.without(at))
	}
}

// succeeded notes that what was seen to be vague was done at a member that owns nothing any
// more: its heirs had all that it had acknowledged when they were granted (S4).
func (t *token) succeeded(seen *vagueness, heirs []topology.MemberID) {
	if len(heirs) == 0 {
		return
	}
	slices.Sort(heirs)
	t.vague.CompareAndSwap(seen, &vagueness{slices.Compact(heirs), time.Now()})
}

// blur notes a write at a member that nobody has named.
func (t *token) blur(at topology.MemberID) {
	for {
		old := t.vague.Load()
		next := &vagueness{at: []topology.MemberID{at}, since: time.Now()}
		if old != nil {
			next.at = slices.Concat(old.without(at).list(), next.at)
		}
		if t.vague.CompareAndSwap(old, next) {
			return
		}
	}
}

// without returns what is left when all is known of a member; nil: nothing.
func (v *vagueness) without(at topology.MemberID) *vagueness {
	left := slices.DeleteFunc(slices.Clone(v.at), func(id topology.MemberID) bool { return id == at })
	if len(left) == 0 {
		return nil
	}
	return &vagueness{left, v.since}
}

func (v *vagueness) list() []topology.MemberID {
	if v == nil {
		return nil
	}
	return v.at
}

// beside returns what was written, and at which members other than one something was that
// nobody has named.
func (t *token) beside(at topology.MemberID) (p topology.Position, unnamed []topology.MemberID) {
	if v := t.vague.Load(); v != nil && time.Since(v.since) < vagueFor {
		unnamed = v.without(at).list()
	}
	if written := t.written.Load(); written != nil {
		p = *written
	}
	return p, unnamed
}

// position returns what was written; known is false if it can not be said.
func (t *token) position() (p topology.Position, known bool) {
	if v := t.vague.Load(); v != nil {
		if time.Since(v.since) < vagueFor {
			return nil, false
		}
		t.vague.CompareAndSwap(v, nil)
	}
	if written := t.written.Load(); written != nil {
		return *written, true
	}
	return nil, true
}
