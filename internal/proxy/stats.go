package proxy

import (
	"fmt"
	"sync/atomic"
)

// Refusal is why a client was not let in, or not served.
type Refusal uint8

// The refusals.
const (
	RefusedFull        Refusal = iota // MaxSessions
	RefusedPending                    // pushed out by newer clients before it had logged in: Limits.Pending
	RefusedAddress                    // Limits.PerAddress
	RefusedAccount                    // Limits.PerAccount
	RefusedRate                       // Limits.FailuresPerAddress
	RefusedProxyHeader                // a PROXY header that is bad, not allowed here, or lacking
	RefusedTransport                  // the account asks for TLS, or for a certificate that the client has not
	RefusedFiles                      // the process is out of file descriptors
	RefusedTimeout                    // not logged in within LoginTimeout
	RefusedBytes                      // more than LoginBytes before login
	RefusedHandshake                  // not the protocol, or not one that is spoken here
	RefusedUnknown                    // no such account from this address
	RefusedPassword                   // wrong password
	RefusedPlugin                     // the account's plugin is not supported
	RefusedLocked                     // the account is locked
	RefusedBomb                       // a command that is made to be inflated
	RefusedTLS                        // the TLS handshake failed, or TLS is required
	RefusedQueue                      // MaxQueued sessions wait for an owner already
	RefusedOwner                      // no owner within QueueTimeout
	RefusedBackend                    // the member refused, or did not answer
	RefusedLinks                      // all connections to the member were in use for QueueTimeout
	RefusedGate                       // the gate of the member: its queue, its time, its deadline
	RefusedLimit                      // a rule of the DBA
	refusals
)

// String returns the refusal as a label of metrics.
func (r Refusal) String() string {
	switch r {
	case RefusedFull:
		return "max_sessions"
	case RefusedPending:
		return "max_pending"
	case RefusedAddress:
		return "per_address"
	case RefusedAccount:
		return "per_account"
	case RefusedRate:
		return "failed_logins"
	case RefusedProxyHeader:
		return "proxy_header"
	case RefusedTransport:
		return "transport"
	case RefusedFiles:
		return "file_descriptors"
	case RefusedTimeout:
		return "login_timeout"
	case RefusedBytes:
		return "login_bytes"
	case RefusedHandshake:
		return "handshake"
	case RefusedUnknown:
		return "unknown_account"
	case RefusedPassword:
		return "password"
	case RefusedPlugin:
		return "plugin"
	case RefusedLocked:
		return "locked"
	case RefusedBomb:
		return "bomb"
	case RefusedTLS:
		return "tls"
	case RefusedQueue:
		return "max_queued"
	case RefusedOwner:
		return "no_owner"
	case RefusedBackend:
		return "member"
	case RefusedLinks:
		return "member_links"
	case RefusedGate:
		return "saturated"
	case RefusedLimit:
		return "limit"
	}
	return fmt.Sprintf("refusal_%d", uint8(r))
}

// Stats is what a proxy has counted since it was made; Sessions and Queued are
// of this moment.
type Stats struct {
	Sessions      int               // connected clients, logged in or not
	SessionsTotal uint64            // that ever were
	Queued        int               // sessions that wait for an owner
	QueuedTotal   uint64            // that ever did
	Queries       uint64            // commands passed on
	Errors        uint64            // error packets given to clients, members' and own
	BytesIn       uint64            // from clients, after login
	BytesOut      uint64            // to clients, after login
	LinksTotal    uint64            // connections opened to members
	LinksLost     uint64            // of them, lost without our doing
	LinksRefused  uint64            // connections that a member did not take since it had as many as it may have
	LinksCut      uint64            // of them, cut at work since their member was no longer the owner
	Unknown       uint64            // statements answered "outcome unknown"
	Expired       uint64            // answers that came when the lease was over and were kept from the client
	Again         uint64            // commands run again on another link, of whose first run nothing was done or delivered
	Spread        uint64            // reads that were run at other members than the owner
	Awaited       uint64            // of them, those whose member was asked to wait for what they had to see
	AwaitedInVain uint64            // reads that waited so, and went to the owner
	TooLate       uint64            // SETs of the slot that only the server noticed
	HungUp        uint64            // clients that left while a statement ran
	Slowed        uint64            // logins that had to wait since too many of their user had failed
	Faults        uint64            // sessions that ended by a fault of ours
	Unnamed       uint64            // sessions that keep their link, or did, for a change that the member reports and nobody names
	Refused       map[string]uint64 // by Refusal
}

type counters struct {
	sessionsTotal, queuedTotal, queries, errors atomic.Uint64
	bytesIn, bytesOut, linksTotal, linksLost    atomic.Uint64
	outcomeUnknown, layoutChanged, hungUp       atomic.Uint64
	linksCut, expired, again, slowed, faults    atomic.Uint64
	spread, awaited, awaitedInVain, unnamed     atomic.Uint64
	linksRefused                                atomic.Uint64
	queued                                      atomic.Int64
	refused                                     [refusals]atomic.Uint64
}

func (c *counters) refuse(r Refusal) { c.refused[r].Add(1) }

// Stats returns the counters. It is safe for concurrent use.
func (p *Proxy) Stats() Stats {
	p.mu.Lock()
	sessions := len(p.sessions)
	p.mu.Unlock()
	c := &p.count
	s := Stats{
		Sessions: sessions, SessionsTotal: c.sessionsTotal.Load(),
		Queued: int(c.queued.Load()), QueuedTotal: c.queuedTotal.Load(),
		Queries: c.queries.Load(), Errors: c.errors.Load(),
		BytesIn: c.bytesIn.Load(), BytesOut: c.bytesOut.Load(),
		LinksTotal: c.linksTotal.Load(), LinksLost: c.linksLost.Load(), LinksRefused: c.linksRefused.Load(),
		LinksCut: c.linksCut.Load(), Expired: c.expired.Load(), Again: c.again.Load(),
		Unknown: c.outcomeUnknown.Load(), TooLate: c.layoutChanged.Load(), HungUp: c.hungUp.Load(),
		Slowed: c.slowed.Load(), Faults: c.faults.Load(), Unnamed: c.unnamed.Load(),
		Spread: c.spread.Load(), Awaited: c.awaited.Load(), AwaitedInVain: c.awaitedInVain.Load(),
		Refused: make(map[string]uint64, refusals),
	}
	for r := range refusals {
		s.Refused[r.String()] = c.refused[r].Load()
	}
	return s
}
