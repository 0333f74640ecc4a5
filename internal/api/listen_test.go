package api_test

import (
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
)

func TestListenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	living := filepath.Join(dir, "living.sock")
	l, err := net.Listen("unix", living)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()

	for _, tt := range []struct {
		name string
		cfg  api.Config
		want string
	}{
		{"all addresses", api.Config{Listen: "0.0.0.0:0"}, "loopback only"},
		{"no host", api.Config{Listen: ":0"}, "loopback only"},
		{"a public address", api.Config{Listen: "192.0.2.1:0"}, "loopback only"},
		{"a name", api.Config{Listen: "example.com:0"}, "loopback only"},
		{"no port", api.Config{Listen: "127.0.0.1"}, "host:port"},
		{"a port in use", api.Config{Listen: port.Addr().String()}, "another process listens there"},
		{"a path too long", api.Config{Socket: filepath.Join(dir, strings.Repeat("x", 120))}, "takes 107"},
		{"a file", api.Config{Socket: file}, "no socket stands there"},
		{"a living socket", api.Config{Socket: living}, "another process listens there"},
		{"a missing directory", api.Config{Socket: filepath.Join(dir, "no", "api.sock")}, "no such file"},
		{"the second of two", api.Config{Listen: "127.0.0.1:0", Socket: file}, "no socket stands there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := api.New(tt.cfg, apitest.NewNode())
			err := s.Listen()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if s.Addr() != "" {
				t.Errorf("it listens on %s nevertheless", s.Addr())
			}
		})
	}
	if data, _ := os.ReadFile(file); string(data) != "precious" {
		t.Error("the file was touched")
	}
}

func TestSocketIsPrivateAndReplacesADeadOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()

	s := api.New(api.Config{Socket: path}, apitest.NewNode())
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Type() != fs.ModeSocket || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want a socket of 0600", info.Mode())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is still there after Close")
	}
}

// Somebody who sends nothing holds a connection no longer than the deadline, and
// one who holds many keeps nobody out for ever: the bound is counted.
func TestConnectionsAreBounded(t *testing.T) {
	s := serve(t, apitest.NewRing())
	addr := strings.TrimPrefix(s.http, "http://")
	var held []net.Conn
	for range 300 {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	// The last one is over the bound: it is closed without an answer.
	last := held[len(held)-1]
	if err := last.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := last.Read(make([]byte, 1)); err == nil || n != 0 || os.IsTimeout(err) {
		t.Errorf("connection 300 read %d bytes, %v: want it closed", n, err)
	}
	if _, err := s.unix.Status(t.Context()); err != nil {
		t.Errorf("the local admin is kept out: %v", err)
	}
	for _, c := range held {
		c.Close()
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		if st, err := s.tcp.Status(t.Context()); err == nil && st.Ring == "demo" {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("the API does not answer after the connections were closed: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	_, body := s.get(t, "/metrics")
	if !strings.Contains(body, "sqlring_api_refused_connections_total 44") {
		t.Errorf("44 refusals are not counted: %s", grep(body, "refused_connections"))
	}
}

func grep(text, word string) string {
	var found []string
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "\n")
}
