package proxy

import (
	"errors"
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// Limits bound what clients can take from each other. The zero value of each field
// stands for its default; -1 for none.
type Limits struct {
	PerAddress int // sessions of one client address; of IPv6: of one /64. Default: none
	PerAccount int // sessions of one account (user@host). Default: none, servers have their own
	// Pending is how many clients may be connected and not logged in yet; one more
	// pushes out the one that has been for longest. Default: a quarter of MaxSessions.
	Pending int
	// FailuresPerAddress is how many failed logins per second an address may go on
	// with; ten seconds' worth may come at once. Further logins of the address are
	// refused unseen (1129). Default 10.
	FailuresPerAddress int
	// FailuresPerAccount is the same for one user name from all addresses together.
	// Further logins are made to wait for a second, those from an address aside from
	// which that user has logged in before. Default 10.
	FailuresPerAccount int
}

func (l Limits) withDefaults(sessions int) Limits {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.PerAddress, -1)
	def(&l.PerAccount, -1)
	def(&l.Pending, max(sessions/4, 1))
	def(&l.FailuresPerAddress, 10)
	def(&l.FailuresPerAccount, 10)
	return l
}

func (l Limits) validate() error {
	if min(l.PerAddress, l.PerAccount, l.Pending, l.FailuresPerAddress, l.FailuresPerAccount) < -1 {
		return errors.New("a limit is less than -1")
	}
	return nil
}

// guard counts failed logins. It is safe for concurrent use.
type guard struct {
	seed maphash.Seed

	mu        sync.Mutex
	addresses buckets[netip.Addr]
	users     buckets[uint64] // by hash: names can be long
	friends   map[uint64]bool // user at an address, who has logged in; by hash
}

const (
	trackedFailures = 8192 // buckets of each kind
	burstSeconds    = 10
	slowdown        = time.Second
)

func newGuard(l Limits) *guard {
	return &guard{
		seed:      maphash.MakeSeed(),
		addresses: newBuckets[netip.Addr](l.FailuresPerAddress), users: newBuckets[uint64](l.FailuresPerAccount),
		friends: make(map[uint64]bool),
	}
}

// blocked reports whether an address may not try now. The unix socket may always.
func (g *guard) blocked(from netip.Addr, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return from.IsValid() && g.addresses.empty(group(from), now)
}

// pause returns how long a login has to wait before it is looked at.
func (g *guard) pause(from netip.Addr, user string, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users.empty(maphash.String(g.seed, user), now) && !g.friends[g.friend(from, user)] {
		return slowdown
	}
	return 0
}

// failed counts a failed login.
func (g *guard) failed(from netip.Addr, user string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if from.IsValid() {
		g.addresses.take(group(from), now)
	}
	g.users.take(maphash.String(g.seed, user), now)
}

// succeeded remembers who logs in from where.
func (g *guard) succeeded(from netip.Addr, user string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	who := g.friend(from, user)
	if !g.friends[who] && len(g.friends) >= trackedFailures {
		for any := range g.friends { // one is as good as another
			delete(g.friends, any)
			break
		}
	}
	g.friends[who] = true
}

func (g *guard) friend(from netip.Addr, user string) uint64 {
	return maphash.String(g.seed, group(from).String()+" "+user)
}

// group is what addresses are counted by: an IPv6 network of 64 bits is one
// client's.
func group(from netip.Addr) netip.Addr {
	from = from.Unmap()
	if from.Is6() {
		if net, err := from.WithZone("").Prefix(64); err == nil {
			return net.Addr()
		}
	}
	return from
}

// buckets are token buckets, of which those that are full need no memory.
type buckets[K comparable] struct {
	rate float64 // per second; not above 0: no limit
	left map[K]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

func newBuckets[K comparable](rate int) buckets[K] {
	return buckets[K]{rate: float64(rate), left: make(map[K]bucket)}
}

func (b *buckets[K]) burst() float64 { return b.rate * burstSeconds }

// now returns the tokens that key has.
func (b *buckets[K]) now(key K, now time.Time) float64 {
	has, ok := b.left[key]
	if !ok {
		return b.burst()
	}
	return min(b.burst(), has.tokens+b.rate*max(0, now.Sub(has.at).Seconds()))
}

func (b *buckets[K]) empty(key K, now time.Time) bool { return b.rate > 0 && b.now(key, now) < 1 }

// take takes a token. Tries that were under way together may take more than there
// are: the debt is paid off first, but it is never more than what fits a bucket.
func (b *buckets[K]) take(key K, now time.Time) {
	if b.rate <= 0 {
		return
	}
	has := max(b.now(key, now)-1, -b.burst())
	if _, known := b.left[key]; !known && len(b.left) >= trackedFailures {
		b.sweep(now)
	}
	b.left[key] = bucket{has, now}
}

// sweep makes room: it forgets the full ones, and others if those were few. So much
// that it is not needed again soon: it looks at all.
func (b *buckets[K]) sweep(now time.Time) {
	const kept = trackedFailures / 8 * 7
	for key := range b.left {
		if b.now(key, now) >= b.burst() {
			delete(b.left, key)
		}
	}
	for key := range b.left {
		if len(b.left) <= kept {
			break
		}
		delete(b.left, key)
	}
}
