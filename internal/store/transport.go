package store

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

const (
	transportTimeout = 5 * time.Second // of one RPC
	transportPool    = 3               // idle connections to each peer
)

// listenRaft returns raft's TCP transport. advertise is what the other nodes
// dial; empty for the address that was bound.
func listenRaft(bind, advertise string, config raft.NetworkTransportConfig) (*raft.NetworkTransport, error) {
	addr := &net.TCPAddr{}
	if advertise != "" {
		var err error
		if addr, err = net.ResolveTCPAddr("tcp", advertise); err != nil {
			return nil, fmt.Errorf("raft address %q: %w", advertise, err)
		}
	}
	var lc net.ListenConfig
	ctx, cancel := context.WithTimeout(context.Background(), transportTimeout)
	defer cancel()
	listener, err := lc.Listen(ctx, "tcp", bind)
	if err != nil {
		return nil, fmt.Errorf("listen for raft on %s: %w", bind, err)
	}
	if advertise == "" {
		addr, _ = listener.Addr().(*net.TCPAddr) // a TCP listener has no other
	}
	config.Stream = &stream{Listener: listener, advertise: addr, open: map[net.Conn]struct{}{}}
	config.MaxPool, config.Timeout = transportPool, transportTimeout
	return raft.NewNetworkTransportWithConfig(&config), nil
}

// stream carries raft over plain TCP. When it is closed it closes the accepted
// and dialled connections too: raft's transport closes its listener only, and a
// connection that a peer keeps idle would outlive the store, with a goroutine.
type stream struct {
	net.Listener
	advertise net.Addr

	mu     sync.Mutex
	closed bool
	open   map[net.Conn]struct{}
}

// Addr returns what the other nodes dial.
func (s *stream) Addr() net.Addr { return s.advertise }

// Accept implements net.Listener.
func (s *stream) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return s.track(conn)
}

// Dial implements raft.StreamLayer.
func (s *stream) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", string(addr), timeout)
	if err != nil {
		return nil, err
	}
	return s.track(conn)
}

func (s *stream) track(conn net.Conn) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close() // nothing was said on it
		return nil, net.ErrClosed
	}
	s.open[conn] = struct{}{}
	return &streamConn{Conn: conn, of: s}, nil
}

// Close closes the listener and every connection.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	for conn := range s.open {
		_ = conn.Close() // raft repeats what is lost
	}
	return s.Listener.Close()
}

type streamConn struct {
	net.Conn
	of *stream
}

// Close closes the connection and forgets it.
func (c *streamConn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c.Conn)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
