package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

const (
	transportTimeout = 5 * time.Second // of one RPC, and of the first bytes of a connection
	transportPool    = 3               // idle connections to each peer
	maxStrangers     = 64              // connections that have not said yet what they are
)

// What a connection between nodes is for: its first byte, behind the TLS handshake.
const (
	streamRaft byte = 'R' // raft's own messages
	streamCall byte = 'C' // what nodes ask each other; see call.go
)

// port is where this node and the others meet. With TLS both ends show a
// certificate; without, it is on loopback. It is raft's stream layer, and hands
// calls to serve. When it is closed it closes the accepted and dialled connections
// too: raft's transport closes its listener only, and a connection that a peer keeps
// idle would outlive the store, with a goroutine.
type port struct {
	listener  net.Listener
	tls       *tls.Config // nil: clear text
	advertise address
	serve     func(conn net.Conn, from topology.NodeID) // a connection of calls, until it ends
	admitted  func() bool                               // whether raft may be spoken with this node

	raftConns chan net.Conn
	strangers chan struct{} // holds one for each
	ended     chan struct{} // a connection that raft had accepted has ended; capacity 1
	closing   chan struct{}

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
	work   sync.WaitGroup
}

// address is what the other nodes dial, as it was written: a name is looked up at
// each dial.
type address string

// Network implements net.Addr.
func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }

// listen opens the port; start begins to accept.
func (s *Store) listen() (*port, error) {
	var lc net.ListenConfig
	ctx, cancel := context.WithTimeout(context.Background(), transportTimeout)
	defer cancel()
	listener, err := lc.Listen(ctx, "tcp", s.cfg.Bind)
	if err != nil {
		return nil, fmt.Errorf("listen for raft on %s: %w", s.cfg.Bind, err)
	}
	p := &port{
		listener: listener, tls: s.cfg.TLS, advertise: address(s.cfg.Advertise),
		serve: s.serveCalls, admitted: s.admitted.Load,
		raftConns: make(chan net.Conn), strangers: make(chan struct{}, maxStrangers),
		ended: make(chan struct{}, 1), closing: make(chan struct{}),
		open: map[net.Conn]struct{}{},
	}
	if p.advertise == "" {
		p.advertise = address(listener.Addr().String())
	}
	return p, nil
}

// start accepts connections until the port is closed.
func (p *port) start() { p.work.Go(p.accept) }

func (p *port) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			select {
			case <-p.closing:
				return
			case <-time.After(leadPause): // no file is free: later
			}
			continue
		}
		select {
		case p.strangers <- struct{}{}:
			p.work.Go(func() { p.meet(conn) })
		default:
			_ = conn.Close() // too many at once: it tries again
		}
	}
}

// meet finds out who a connection is from and what it is for.
func (p *port) meet(raw net.Conn) {
	known := false
	leave := func() {
		if !known {
			known = true
			<-p.strangers
		}
	}
	defer leave()
	conn, err := p.track(raw)
	if err != nil {
		return
	}
	kind, from, err := p.welcome(conn)
	leave()
	switch {
	case err != nil, kind == streamRaft && !p.admitted():
	case kind == streamRaft:
		conn.ended = p.ended
		select {
		case p.raftConns <- conn:
			return
		case <-p.closing:
		}
	case kind == streamCall:
		p.serve(conn, from)
	}
	_ = conn.Close() // nothing of ours, or at its end
}

func (p *port) welcome(conn *portConn) (kind byte, from topology.NodeID, err error) {
	if err := conn.SetDeadline(time.Now().Add(transportTimeout)); err != nil {
		return 0, "", err
	}
	if p.tls != nil {
		secure := tls.Server(conn.Conn, p.tls)
		if err := secure.Handshake(); err != nil {
			return 0, "", err
		}
		conn.Conn, from = secure, nameOf(secure)
	}
	var first [1]byte
	if _, err := io.ReadFull(conn, first[:]); err != nil {
		return 0, "", err
	}
	return first[0], from, conn.SetDeadline(time.Time{})
}

// nameOf returns the node that a certificate names. It was judged in the handshake.
func nameOf(conn *tls.Conn) topology.NodeID {
	if shown := conn.ConnectionState().PeerCertificates; len(shown) > 0 {
		return topology.NodeID(shown[0].Subject.CommonName)
	}
	return ""
}

// dial connects to another node, for one kind of stream.
func (p *port) dial(ctx context.Context, addr string, kind byte) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, transportTimeout)
	defer cancel()
	var d net.Dialer
	raw, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	conn, err := p.track(raw)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	err = conn.SetDeadline(deadline)
	if err == nil && p.tls != nil {
		secure := tls.Client(conn.Conn, p.tls)
		conn.Conn, err = secure, secure.HandshakeContext(ctx)
	}
	if err == nil {
		_, err = conn.Write([]byte{kind})
	}
	if err = errors.Join(err, conn.SetDeadline(time.Time{})); err != nil {
		return nil, errors.Join(fmt.Errorf("reach node at %s: %w", addr, err), conn.Close())
	}
	return conn, nil
}

// Accept implements net.Listener, for raft.
func (p *port) Accept() (net.Conn, error) {
	select {
	case conn := <-p.raftConns:
		return conn, nil
	case <-p.closing:
		return nil, net.ErrClosed
	}
}

// Addr returns what the other nodes dial.
func (p *port) Addr() net.Addr { return p.advertise }

// Dial implements raft.StreamLayer.
func (p *port) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return p.dial(ctx, string(addr), streamRaft)
}

func (p *port) track(raw net.Conn) (*portConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = raw.Close() // nothing was said on it
		return nil, net.ErrClosed
	}
	p.open[raw] = struct{}{}
	return &portConn{Conn: raw, raw: raw, of: p}, nil
}

// Close closes the listener and every connection, and waits for what they did.
func (p *port) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	close(p.closing)
	for conn := range p.open {
		_ = conn.Close() // raft repeats what is lost
	}
	err := p.listener.Close()
	p.mu.Unlock()
	p.work.Wait()
	return err
}

// portConn is one connection, in clear text or above it.
type portConn struct {
	net.Conn

	raw   net.Conn
	of    *port
	ended chan struct{} // nil: nobody wants to know
}

// Close closes the connection and forgets it.
func (c *portConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c.raw)
	c.of.mu.Unlock()
	if c.ended != nil {
		select {
		case c.ended <- struct{}{}:
		default: // it is looked at already
		}
	}
	return c.raw.Close()
}
