package proxy

import (
	"container/list"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// census counts sessions by who they are. Its methods are called under Proxy.mu.
type census struct {
	pending   *list.List // of *session, not logged in yet; the oldest in front
	addresses map[netip.Addr]int
	accounts  map[string]int
}

// place is where a session stands in the census. But for evicted, its fields are
// guarded by Proxy.mu.
type place struct {
	conn    net.Conn      // the socket itself
	pending *list.Element // nil: it has logged in
	account string        // that it is counted by
	located bool          // it is counted by its client's address
	evicted atomic.Bool   // newer clients have pushed it out
}

func newCensus() census {
	return census{pending: list.New(), addresses: make(map[netip.Addr]int), accounts: make(map[string]int)}
}

// arrive takes in a new session. If too many have not logged in yet, the one that
// has had most time for it is pushed out: who is slow on purpose takes nobody's
// place but that of his like.
func (c *census) arrive(s *session, conn net.Conn, limit int) {
	s.place.conn = conn
	s.place.pending = c.pending.PushBack(s)
	if limit < 0 || c.pending.Len() <= limit {
		return
	}
	oldest, _ := c.pending.Remove(c.pending.Front()).(*session)
	oldest.place.pending = nil
	oldest.place.evicted.Store(true)
	_ = oldest.place.conn.SetDeadline(time.Unix(1, 0))
}

func (c *census) loggedIn(s *session) {
	if s.place.pending != nil {
		c.pending.Remove(s.place.pending)
		s.place.pending = nil
	}
}

func (c *census) leave(s *session) {
	c.loggedIn(s)
	if s.place.located {
		take(c.addresses, group(s.from))
	}
	if s.place.account != "" {
		take(c.accounts, s.place.account)
	}
}

// take takes one off a count; what is not there any more needs no memory.
func take[K comparable](counts map[K]int, key K) {
	if counts[key]--; counts[key] <= 0 {
		delete(counts, key)
	}
}

// locate counts a session by its client's address, unless that has too many.
func (p *Proxy) locate(s *session) bool {
	limit, address := p.cfg.Limits.PerAddress, group(s.from)
	if limit < 0 || !s.from.IsValid() {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.census.addresses[address] >= limit {
		return false
	}
	p.census.addresses[address]++
	s.place.located = true
	return true
}

// enlist counts a session by its account, and no longer by the one before, unless
// the new one has too many.
func (p *Proxy) enlist(s *session, account string) bool {
	limit := p.cfg.Limits.PerAccount
	if limit < 0 {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.place.account == account {
		return true
	}
	if p.census.accounts[account] >= limit {
		return false
	}
	if s.place.account != "" {
		take(p.census.accounts, s.place.account)
	}
	p.census.accounts[account]++
	s.place.account = account
	return true
}

// enlistAgain counts a session by the account that it had before it was to have
// another one, however many that has.
func (p *Proxy) enlistAgain(s *session, account string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.place.account == account {
		return
	}
	take(p.census.accounts, s.place.account)
	p.census.accounts[account]++
	s.place.account = account
}

// settled says that a session has logged in.
func (p *Proxy) settled(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.census.loggedIn(s)
}
