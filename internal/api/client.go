package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// callTimeout bounds one call of a client whose context has no deadline.
const callTimeout = 15 * time.Second

// maxAnswer bounds the answer that a client reads, in bytes.
const maxAnswer = 16 << 20

// ErrUnreachable is wrapped by a Client's errors when nothing answers at its
// target. The remedy is to start a node, or to name another target.
var ErrUnreachable = errors.New("no node answers")

// Client calls the API of one node. Make it with NewClient. It is safe for
// concurrent use.
type Client struct {
	target string // as it was given
	base   string // http://host:port
	http   *http.Client
	token  string
}

// NewClient returns a client of target, "http://host:port" or "unix:PATH". It
// does not connect.
func NewClient(target string) (*Client, error) { return NewClientAs(target, Access{}) }

// Access is how a client shows who it is over the network.
type Access struct {
	TLS   *tls.Config // whom it trusts, and its certificate; nil: the system's authorities
	Token string      // empty: none
}

// NewClientAs is NewClient for "https://host:port" as well.
func NewClientAs(target string, access Access) (*Client, error) {
	dialer := &net.Dialer{Timeout: 2 * time.Second}
	transport := &http.Transport{DialContext: dialer.DialContext, MaxIdleConns: 2, IdleConnTimeout: 10 * time.Second, TLSClientConfig: access.TLS}
	c := &Client{target: target, base: strings.TrimSuffix(target, "/"), http: &http.Client{Transport: transport}, token: access.Token}
	if path, ok := socketPath(target); ok {
		if path == "" {
			return nil, fmt.Errorf("api target %q names no path: use unix:PATH", target)
		}
		c.base = "http://localhost"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		}
		return c, nil
	}
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("api target %q: use http://host:port, https://host:port or unix:PATH", target)
	}
	if u.Scheme == "http" && (access.Token != "" || access.TLS != nil) {
		return nil, fmt.Errorf("api target %q: a token or a certificate is not shown in clear text: use https://", target)
	}
	return c, nil
}

// Target returns what the client calls, as it was given.
func (c *Client) Target() string { return c.target }

// Local reports whether the client uses a unix socket, over which changes are
// taken.
func (c *Client) Local() bool {
	_, ok := socketPath(c.target)
	return ok
}

// Changes reports whether changes may be taken from this client: over the unix socket,
// or over TLS, from whoever has the role.
func (c *Client) Changes() bool { return c.Local() || strings.HasPrefix(c.target, "https://") }

// Close closes the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// call sends in (nil for none) and decodes the answer into out.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Accept", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.target, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return c.problem(resp.StatusCode, data)
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("the answer of %s to %s %s is not what a node says: is it one? (%w)", c.target, method, path, err)
	}
	return nil
}

// problem decodes a refusal.
func (c *Client) problem(status int, data []byte) error {
	var p Problem
	if err := json.Unmarshal(data, &p); err != nil || p.Detail == "" {
		return &answerError{c.target, status, data}
	}
	return &p
}

// answerError is an answer that is neither what was asked for nor a Problem.
type answerError struct {
	target string
	status int
	body   []byte
}

func (e *answerError) Error() string {
	if secure, plain := strings.CutPrefix(e.target, "http://"); plain && bytes.Contains(e.body, []byte("HTTPS server")) {
		return fmt.Sprintf("%s speaks TLS: use --api https://%s --ca ca.pem, with --token-file, or --cert and --key", e.target, secure)
	}
	return fmt.Sprintf("%s answered %d %s: is it a sqlring node?", e.target, e.status, http.StatusText(e.status))
}

// unreachable says why a call came to nothing, and what to do.
func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w at %s: start one with `sqlring serve --config FILE` or `sqlring demo`, or name another with --api", ErrUnreachable, c.target)
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("%w at %s that this trusts: its certificate is of an authority that is not known here: name it with --ca ca.pem", ErrUnreachable, c.target)
	case errors.As(err, new(x509.HostnameError)):
		return fmt.Errorf("%w at %s that this trusts: %w: name the host as the certificate does (sqlring tls cert create --host)", ErrUnreachable, c.target, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w at %s: the socket belongs to another user: use the account that runs the node, or sudo", ErrUnreachable, c.target)
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return fmt.Errorf("%w at %s in time: is the node frozen, or the address wrong?", ErrUnreachable, c.target)
	}
	return fmt.Errorf("%w at %s: %w", ErrUnreachable, c.target, err)
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}
