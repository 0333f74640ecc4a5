package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// target is a running demo. What is in its ready file is what an attack is told.
type target struct {
	spec
	cmd  *exec.Cmd
	dir  string
	done chan struct{} // closed when it has ended
}

// spec is how the proxy is reached (the ready file of `sqlring demo` has these names).
type spec struct {
	Proxy    string `json:"proxy"`
	API      string `json:"api"`
	User     string `json:"user"`
	Password string `json:"password"`
	Database string `json:"database"`
}

const (
	startTimeout = 90 * time.Second
	stopTimeout  = 30 * time.Second
)

// startTarget starts a demo without a load.
func startTarget(ctx context.Context, binary string) (_ *target, err error) {
	dir, err := os.MkdirTemp("", "sqlring-hostile-")
	if err != nil {
		return nil, err
	}
	t := &target{dir: dir, done: make(chan struct{})}
	defer func() {
		if err != nil {
			t.stop()
		}
	}()
	out, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		return nil, err
	}
	defer out.Close() //nolint:errcheck // the demo has its own
	ready := filepath.Join(dir, "ready.json")
	t.cmd = exec.CommandContext(context.WithoutCancel(ctx), binary, "demo", "--load", "0", "--listen", "127.0.0.1:0",
		"--api", "127.0.0.1:0", "--dir", filepath.Join(dir, "demo"), "--ready-file", ready)
	t.cmd.Stdout, t.cmd.Stderr = out, out
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := t.cmd.Start(); err != nil {
		t.cmd = nil
		return nil, err
	}
	go func() {
		defer close(t.done)
		_ = t.cmd.Wait() // how it ended stands in its output
	}()
	for end := time.Now().Add(startTimeout); ; time.Sleep(100 * time.Millisecond) {
		text, err := os.ReadFile(ready)
		if err == nil {
			return t, json.Unmarshal(text, &t.spec)
		}
		select {
		case <-t.done:
			said, _ := os.ReadFile(out.Name())
			return nil, fmt.Errorf("the demo has ended: %s", bytes.TrimSpace(said))
		case <-ctx.Done():
			return nil, ctx.Err()
		default:
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("the demo is not ready after %v", startTimeout)
		}
	}
}

// stop ends the demo with all that it has started.
func (t *target) stop() {
	if t.cmd != nil {
		_ = t.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-t.done:
		case <-time.After(stopTimeout):
			_ = t.cmd.Process.Kill() // its watchers end the servers
			<-t.done
		}
	}
	_ = os.RemoveAll(t.dir)
}

// memory is what a process takes, in KiB.
type memory struct{ RSS, Peak int64 }

// memory reads what the node takes at this moment, and its peak since resetPeak.
func (t *target) memory() (m memory, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", t.cmd.Process.Pid))
	if err != nil {
		return m, fmt.Errorf("the node has gone: %w", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		for name, into := range map[string]*int64{"VmRSS:": &m.RSS, "VmHWM:": &m.Peak} {
			if rest, ok := strings.CutPrefix(lines.Text(), name); ok {
				if *into, err = strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64); err != nil {
					return m, err
				}
			}
		}
	}
	return m, nil
}

// resetPeak lets the peak count from now (proc(5), clear_refs).
func (t *target) resetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", t.cmd.Process.Pid), []byte("5"), 0o600)
}

// panics counts what looks like one, or like a data race, in all that the demo has said.
func (t *target) panics() int {
	n := 0
	_ = filepath.WalkDir(t.dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil && (strings.HasSuffix(path, ".log") || filepath.Base(path) == "output") {
			if text, err := os.ReadFile(path); err == nil {
				n += bytes.Count(text, []byte("panic")) + bytes.Count(text, []byte("goroutine ")) + bytes.Count(text, []byte("DATA RACE"))
			}
		}
		return nil
	})
	return n
}

// refused returns what the proxy has refused, by reason, from the node's metrics.
func (t *target) refused(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.API+"/metrics", nil)
	if err != nil {
		return []string{err.Error()}
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return []string{err.Error()}
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	var found []string
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "} ")
		_, reason, ok := strings.Cut(name, `reason="`)
		if ok && strings.Contains(name, "refus") && value != "0" {
			found = append(found, strings.TrimSuffix(reason, `"`)+" "+value)
		}
	}
	slices.Sort(found)
	return found
}

// client is a client that speaks the protocol by hand.
type client struct {
	net  net.Conn
	conn *wire.Conn
	salt wire.Salt
}

// caps are what a client agrees on, unless an attack says otherwise.
const caps = wire.Mysql | wire.LongFlag | wire.Protocol41 | wire.Transactions | wire.SecureConn | wire.PluginAuth | wire.MultiResults | wire.PSMultiResults

const patience = 15 * time.Second // more than the proxy gives a login

// greeted connects from an address of this host, and reads the greeting.
func (s spec) greeted(from string) (*client, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.Dial("tcp", s.Proxy)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	conn := wire.NewConn(c, 1<<20)
	payload, err := conn.Read()
	if err == nil && len(payload) > 0 && payload[0] == 0xFF {
		err = wire.ParseError(payload)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	g, err := wire.ParseGreeting(payload)
	return &client{net: c, conn: conn, salt: g.Salt}, err
}

// login logs in with a password and more capabilities.
func (s spec) login(from, password string, more wire.Capability) (*client, error) {
	c, err := s.greeted(from)
	if err != nil {
		return nil, err
	}
	asks := wire.Login{
		Capabilities: caps | more, MaxPacket: 1 << 24, Charset: 45, User: s.User, Plugin: wire.PluginNative,
		Token: wire.NewDigest(password).Token(c.salt),
	}
	if err = c.conn.Write(asks.Append(nil)); err == nil {
		err = c.conn.Finish(asks.Plugin, c.salt, wire.Credentials{Secret: wire.SecretOfPassword(password)})
	}
	if err != nil {
		_ = c.net.Close()
		return nil, err
	}
	return c, nil
}

// value runs a statement and returns the first value of its result.
func (c *client) value(statement string) (string, error) {
	_ = c.net.SetDeadline(time.Now().Add(patience))
	if err := c.conn.Send(wire.Query(statement)); err != nil {
		return "", err
	}
	row, _, err := c.conn.Result(caps, 1<<20)
	if err != nil || len(row) == 0 {
		return "", err
	}
	return row[len(row)-1], nil
}

// number returns the error number that err stands for: 0 for none, -1 for a
// connection that was closed or broke, -2 for one that was left waiting.
func number(err error) int {
	var told *wire.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &told):
		return int(told.Number)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return waiting
	}
	return closed
}

const (
	closed  = -1
	waiting = -2
)
