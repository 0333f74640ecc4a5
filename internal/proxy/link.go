package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// link is a connection to a member, logged in as a client's account. A session has
// it for a statement, a transaction, or as long as it can not go on without it
// (park.go); in between it is in the pool of its member (linkpool.go).
type link struct {
	stream stream
	packed *packedStream // stream, if it is compressed; else nil
	conn   net.Conn
	own    *wire.Conn     // for our own statements, between the client's
	route  balancer.Route // its Member never changes; the rest is the session's own
	caps   wire.Capability
	thread uint32 // connection id at the member

	version  topology.ServerVersion
	pool     *linkPool // nil: it is not to be shared
	key      linkKey
	attrs    string                // connection attributes of who opened it
	born     uint64                // generation of the accounts when it was opened
	opened   time.Time             //
	fresh    beginning             // what a session there begins with
	hello    charsets              // that it was opened with
	reset    charsets              // that the member gives it when it is reset
	slot     autoinc.Layout        // its auto_increment slot: the member's, or a part of that
	at       standing              // what it is at; belongs to who holds it, as do owner and will
	owes     bool                  // LAST_INSERT_ID() gives there what it gave somebody else
	owner    *session              // who has, or had it last; nil: nobody who may come back
	will     *will                 // what the owner is to be told by who takes the link from him
	reading  atomic.Bool           // it is for reads alone, at a member that need not own anything
	label    atomic.Pointer[label] // at, for others
	hold     atomic.Uint64         // counts up when it is taken and when it is given back; odd: somebody has it
	reserved atomic.Uint32         // the tick up to which it is kept for its owner; 0: it is not
	rested   atomic.Uint32         // the proxy's tick when it was given back
	lifetime time.Duration         // from opened; 0: any
	had      atomic.Pointer[use]   // by whom it was given back last; with churn alone
	confined bool                  // the member wants another password first; see confined.go
	cutOff   atomic.Bool           // its deadline is past and stays so
}

// caller is who a link is opened for: what is needed to log in anywhere.
type caller struct {
	login  wire.Login
	secret wire.Secret
}

// nobody is who has not logged in yet.
var nobody caller

// linkKey says who is logged in on a link, and how: those with equal keys can stand in
// for each other, but for connection attributes, which are those of who opened it.
type linkKey struct {
	user    string
	secret  wire.Secret
	caps    wire.Capability
	charset byte
}

// key returns the key of links of the caller.
func (c *caller) key() linkKey {
	return linkKey{user: c.login.User, secret: c.secret, caps: c.login.Capabilities.Passed(), charset: c.login.Charset}
}

// dial logs in to the member of route as the caller, with schema as the default
// schema. A member's refusal comes back as the member worded it; see refusedBy.
func (p *Proxy) dial(ctx context.Context, route balancer.Route, as caller, schema string) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.BackendTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, route.Member.Network, route.Member.Addr)
	if err != nil {
		return nil, fmt.Errorf("connect to member %s: %w", route.Member.ID, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	l := &link{conn: conn, stream: newStream(conn), own: wire.NewConn(conn, setupBudget), route: route}
	login := as.login
	login.Database = schema
	greeting, err := p.handshake(l, login, as)
	if err != nil {
		_ = conn.Close()
		return nil, refusedBy(route.Member.ID, err)
	}
	l.thread, l.caps = greeting.ThreadID, login.Capabilities|wire.SessionTrack
	l.version, _ = topology.ParseVersion(greeting.Version) // unknown versions are treated as MariaDB's
	p.spoken.Store(&l.version)
	p.learnGreeting(route.Member.ID, greeting)
	p.count.linksTotal.Add(1)
	return l, nil
}

// open returns a fresh link with a default schema, "" for none.
func (p *Proxy) open(ctx context.Context, route balancer.Route, as caller, schema string) (*link, error) {
	born := p.generation.Load()
	l, err := p.dial(ctx, route, as, schema)
	if err != nil {
		return nil, err
	}
	l.attrs = as.login.Attributes
	l.key, l.born, l.opened, l.at.schema = as.key(), born, time.Now(), schema
	err = l.within(ctx, p.cfg.BackendTimeout, func() error {
		_, err := l.setup(false)
		return err
	})
	if err != nil {
		l.close()
		return nil, memberError(route.Member.ID, err)
	}
	return l, nil
}

// memberError says which member an error is of; its number and state stay.
func memberError(id topology.MemberID, err error) error {
	var e *wire.Error
	if errors.As(err, &e) {
		return &wire.Error{Number: e.Number, State: e.State, Message: fmt.Sprintf("member %s: %s", id, e.Message)}
	}
	return fmt.Errorf("member %s: %w", id, err)
}

// within runs f, our own exchange with the member, with a deadline, and at most
// until ctx ends.
func (l *link) within(ctx context.Context, d time.Duration, f func() error) error {
	l.until(time.Now().Add(d))
	stop := context.AfterFunc(ctx, func() { _ = l.conn.SetDeadline(time.Unix(1, 0)) })
	err := f()
	if err == nil && len(l.own.Rest()) > 0 {
		err = fmt.Errorf("%w: more than one answer", wire.ErrMalformed)
	}
	l.own.Shrink()
	if stop() {
		l.until(time.Time{})
	}
	return err
}

// cut wakes whoever waits on the link, now and later. It may be called by anybody.
func (l *link) cut() {
	l.cutOff.Store(true)
	_ = l.conn.SetDeadline(time.Unix(1, 0))
}

// until sets the deadline of a link that was not cut.
func (l *link) until(deadline time.Time) {
	_ = l.conn.SetDeadline(deadline)
	if l.cutOff.Load() {
		_ = l.conn.SetDeadline(time.Unix(1, 0))
	}
}

// begin says that the next command to the member begins.
func (l *link) begin() {
	if l.packed != nil {
		l.packed.restart(false)
	}
}

// stale reports whether the member has closed the link, or has something to say
// without having been asked, which servers do before they close.
func (l *link) stale() bool {
	pending, gone := l.stream.peek()
	return pending || gone
}

// close ends the link in an orderly way, if nothing is being executed there.
func (l *link) close() {
	packet, _ := wire.AppendPacket(nil, 0, []byte{byte(wire.ComQuit)})
	_ = l.conn.SetDeadline(time.Now().Add(pauseForOneWrite))
	l.begin()
	_ = l.stream.write(packet)
	_ = l.conn.Close()
}
