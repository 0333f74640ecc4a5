package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// maxSocketPath is the longest path of a unix socket (sun_path less its NUL).
const maxSocketPath = 107

// dialTimeout bounds every attempt to find out whether somebody listens.
const dialTimeout = time.Second

// listenTCP listens: with TLS anywhere, in clear text on a loopback address only.
func listenTCP(ctx context.Context, addr string, secure bool) (net.Listener, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %q: not of the form host:port", addr)
	}
	ip, err := netip.ParseAddr(host)
	if !secure && host != "localhost" && (err != nil || !ip.Unmap().IsLoopback()) {
		return nil, fmt.Errorf("listen on %s: the API speaks clear text, so it listens on loopback only: use 127.0.0.1, [::1] or localhost, or name certificates in api.tls", addr)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: another process listens there: stop it, or choose another api.listen: %w", addr, err)
	}
	return l, err
}

// listenUnix listens on a socket that only its owner may open. The mode is set
// on the descriptor before the name exists (Linux takes it over at bind), so
// there is no moment at which others could connect. A socket that a dead process
// left is replaced; a living one, or another kind of file, is refused.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("listen on %s: the path has %d characters, a unix socket takes %d: choose a shorter one", path, len(path), maxSocketPath)
	}
	if err := clearSocket(ctx, path); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var chmodErr error
		err := c.Control(func(fd uintptr) { chmodErr = syscall.Fchmod(int(fd), 0o600) })
		return errors.Join(err, chmodErr)
	}}
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func clearSocket(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("listen on %s: a file that is no socket stands there: remove it, or choose another path", path)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err == nil {
		return errors.Join(fmt.Errorf("listen on %s: another process listens there: stop it, or choose another path", path), conn.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("listen on %s: a socket is there and it is not known whether it is in use: %w", path, err)
	}
	return os.Remove(path)
}

// bounded is a listener that closes what comes while limit connections are open,
// and counts it.
type bounded struct {
	net.Listener
	limit   int64
	open    *atomic.Int64
	refused *atomic.Uint64
}

func (b bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b.open.Add(1) <= b.limit {
			return &counted{Conn: conn, open: b.open}, nil
		}
		b.open.Add(-1)
		b.refused.Add(1)
		_ = conn.Close() // refused; there is nothing to be said to it
	}
}

// counted leaves the count of open connections once, when it is closed.
type counted struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

func (c *counted) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// socketPath returns the path of "unix:PATH"; false for anything else.
func socketPath(target string) (string, bool) { return strings.CutPrefix(target, "unix:") }
