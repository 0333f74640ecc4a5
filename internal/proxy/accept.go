package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// socketMode lets every local user connect, as servers' sockets do: the password
// is what admits.
const socketMode = 0o777

// Listen opens the listeners, so that the caller knows the ports. They end with
// Run; if Run is not called, with Close.
func (p *Proxy) Listen(ctx context.Context) error {
	var lc net.ListenConfig
	if p.cfg.Addr != "" {
		l, err := lc.Listen(ctx, "tcp", p.cfg.Addr)
		if err != nil {
			return fmt.Errorf("listen for clients: %w", err)
		}
		p.listeners = append(p.listeners, l)
	}
	if p.cfg.Socket == "" {
		return nil
	}
	err := p.listenUnix(ctx, &lc)
	if err != nil {
		p.Close()
	}
	return err
}

func (p *Proxy) listenUnix(ctx context.Context, lc *net.ListenConfig) error {
	if err := removeStale(ctx, p.cfg.Socket); err != nil {
		return fmt.Errorf("listen for clients: %w", err)
	}
	l, err := lc.Listen(ctx, "unix", p.cfg.Socket)
	if err != nil {
		return fmt.Errorf("listen for clients: %w", err)
	}
	p.listeners = append(p.listeners, l)
	if err := os.Chmod(p.cfg.Socket, socketMode); err != nil {
		return fmt.Errorf("open socket to all users: %w", err)
	}
	return nil
}

// removeStale removes the socket of a process that has gone. One that answers
// stays, and so does a file that is no socket.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("%s exists and is not a socket", path)
	}
	d := net.Dialer{Timeout: time.Second}
	if conn, err := d.DialContext(ctx, "unix", path); err == nil {
		_ = conn.Close()
		return fmt.Errorf("socket %s is in use", path)
	}
	return os.Remove(path)
}

// Close ends listeners that Run was not called for.
func (p *Proxy) Close() {
	for _, l := range p.listeners {
		_ = l.Close()
	}
}

// Addr returns where TCP clients connect to, "" if the proxy does not listen on
// TCP.
func (p *Proxy) Addr() string {
	for _, l := range p.listeners {
		if l.Addr().Network() == "tcp" {
			return l.Addr().String()
		}
	}
	return ""
}

// accept takes clients until l is closed. Running out of file descriptors is
// waited out: the clients that are there shall not suffer for the one too many.
func (p *Proxy) accept(l net.Listener) error {
	const pause = 20 * time.Millisecond
	for {
		conn, err := l.Accept()
		var temporary interface{ Temporary() bool }
		switch {
		case err == nil:
			p.admit(conn)
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.As(err, &temporary) && temporary.Temporary():
			p.count.refuse(RefusedFiles)
			time.Sleep(pause)
		default:
			return fmt.Errorf("accept clients on %s: %w", l.Addr(), err)
		}
	}
}

// admit starts a session, or turns the client away if there are too many.
func (p *Proxy) admit(conn net.Conn) {
	s := newSession(p, conn)
	if !p.enter(s, conn) {
		p.count.refuse(RefusedFull)
		full := wire.NewError(wire.TooManyConnections, "Too many connections (the proxy serves %d)", p.cfg.MaxSessions)
		packet, _ := wire.AppendPacket(nil, 0, full.Append(nil))
		_ = conn.SetDeadline(time.Now().Add(pauseForOneWrite))
		_, _ = conn.Write(packet)
		_ = conn.Close()
		s.ctx.end()
		s.layDown()
		return
	}
	p.running.Go(func() {
		defer p.leave(s)
		s.run()
	})
}

// pauseForOneWrite is more than a packet needs that fits a fresh socket.
const pauseForOneWrite = 50 * time.Millisecond

// firstThread is where session ids begin: far from members' connection ids, and
// positive for clients that keep them in 32 bits with a sign.
const firstThread = 1 << 30

// enter gives s its id, unless there are too many sessions.
func (p *Proxy) enter(s *session, conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sessions) >= p.cfg.MaxSessions {
		return false
	}
	for {
		p.lastID = (p.lastID + 1) % firstThread
		s.id = firstThread + p.lastID
		if p.sessions[s.id] == nil {
			break
		}
	}
	p.sessions[s.id] = s
	p.census.arrive(s, conn, p.cfg.Limits.Pending)
	p.count.sessionsTotal.Add(1)
	return true
}

func (p *Proxy) leave(s *session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, s.id)
	p.census.leave(s)
}

// all returns the sessions that there are.
func (p *Proxy) all() []*session { return p.appendAll(nil) }

// appendAll appends all sessions to list.
func (p *Proxy) appendAll(list []*session) []*session {
	p.mu.Lock()
	defer p.mu.Unlock()
	list = slices.Grow(list, len(p.sessions))
	for _, s := range p.sessions {
		list = append(list, s)
	}
	return list
}

func (p *Proxy) session(id uint32) *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sessions[id]
}
