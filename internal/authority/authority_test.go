package authority

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func made(t *testing.T, dir string, r Request, now time.Time) Files {
	t.Helper()
	if r.Days == 0 {
		r.Days = 1
	}
	cert, key, err := Issue(dir, t.TempDir(), r, now)
	if err != nil {
		t.Fatal(err)
	}
	return Files{CA: filepath.Join(dir, CAFile), Cert: cert, Key: key}
}

// newCA makes an authority that is old enough for certificates that have run out.
func newCA(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ca")
	if _, _, err := Create(dir, "cards", time.Now().AddDate(-1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// shake has a client of one configuration call a server of another, and returns
// what the server and the client say.
func shake(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	_, _ = a.SetDeadline(deadline), b.SetDeadline(deadline)
	done := make(chan error, 1)
	go func() {
		defer a.Close()
		conn := tls.Server(a, server)
		err := conn.Handshake()
		if err == nil {
			_, err = conn.Write([]byte("x"))
		}
		done <- err
	}()
	conn := tls.Client(b, client)
	if clientErr = conn.Handshake(); clientErr == nil {
		_, clientErr = conn.Read(make([]byte, 1)) // in TLS 1.3 the server's refusal comes here
	}
	_ = b.Close()
	return <-done, clientErr
}

func TestNodesKnowEachOther(t *testing.T) {
	dir, foreign, now := newCA(t), newCA(t), time.Now()
	n1 := made(t, dir, Request{Name: "n1", Role: RoleNode}, now)
	tests := []struct {
		name string
		peer Files
		want string // part of what the server says; empty: nothing
	}{
		{"another node", made(t, dir, Request{Name: "n2", Role: RoleNode}, now), ""},
		{"an admin", made(t, dir, Request{Name: "ann", Role: RoleAdmin}, now), "not a node's"},
		{"a node of another ring", made(t, foreign, Request{Name: "n2", Role: RoleNode}, now), "unknown authority"},
		{"one that has run out", made(t, dir, Request{Name: "n3", Role: RoleNode}, now.AddDate(0, 0, -3)), "expired"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			served, called := shake(t, n1.NodeTLS(), tt.peer.NodeTLS())
			if tt.want == "" {
				if served != nil || called != nil {
					t.Errorf("refused: %v, %v", served, called)
				}
				return
			}
			if called == nil || served == nil || !strings.Contains(served.Error()+called.Error(), tt.want) {
				t.Errorf("the server says %v, the client %v; want %q", served, called, tt.want)
			}
			// The caller judges the callee as well.
			if served, called := shake(t, tt.peer.NodeTLS(), n1.NodeTLS()); called == nil && served == nil {
				t.Error("called, it is let be")
			}
		})
	}
}

func TestNoCertificateNoNode(t *testing.T) {
	n1 := made(t, newCA(t), Request{Name: "n1", Role: RoleNode}, time.Now())
	if served, called := shake(t, n1.NodeTLS(), &tls.Config{InsecureSkipVerify: true}); served == nil || called == nil {
		t.Errorf("let in: %v, %v", served, called)
	}
}

func TestAPIClients(t *testing.T) {
	dir, now := newCA(t), time.Now()
	server := made(t, dir, Request{Name: "n1", Role: RoleNode, Hosts: []string{"n1.example", "127.0.0.1"}}, now)
	client, err := made(t, dir, Request{Name: "ann", Role: RoleOperator}, now).ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	client.ServerName = "n1.example"
	if served, called := shake(t, server.ServerTLS(), client); served != nil || called != nil {
		t.Errorf("ann is refused: %v, %v", served, called)
	}
	client.ServerName = "n2.example"
	if _, called := shake(t, server.ServerTLS(), client); called == nil {
		t.Error("the client takes n1 for n2")
	}
	bare, err := Files{CA: server.CA}.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	bare.ServerName = "127.0.0.1"
	if served, called := shake(t, server.ServerTLS(), bare); served != nil || called != nil {
		t.Errorf("without a certificate: %v, %v; a token may follow", served, called)
	}
	stranger, err := made(t, newCA(t), Request{Name: "eve", Role: RoleAdmin}, now).ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	stranger.InsecureSkipVerify = true
	if served, _ := shake(t, server.ServerTLS(), stranger); served == nil {
		t.Error("a certificate of another authority is let in")
	}
}

func TestNothingIsWrittenOver(t *testing.T) {
	dir, out := newCA(t), t.TempDir()
	if _, _, err := Create(dir, "cards", time.Now()); err == nil {
		t.Error("the authority was replaced")
	}
	r := Request{Name: "n1", Role: RoleNode, Days: 1}
	_, key, err := Issue(dir, out, r, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Issue(dir, out, r, time.Now()); err == nil {
		t.Error("a certificate was replaced")
	}
	info, err := os.Stat(key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", info.Mode(), err)
	}
	r.Days, r.Name = 366*20, "n2"
	if _, _, err := Issue(dir, out, r, time.Now()); err == nil {
		t.Error("a certificate outlives the authority")
	}
}

func TestRoles(t *testing.T) {
	for _, tt := range []struct {
		has, needs Role
		want       bool
	}{
		{RoleAdmin, RoleViewer, true},
		{RoleOperator, RoleOperator, true},
		{RoleViewer, RoleOperator, false},
		{RoleNode, RoleViewer, false},
		{"", RoleViewer, false},
		{RoleAdmin, RoleNode, false},
		{"", "", false},
	} {
		if got := tt.has.Covers(tt.needs); got != tt.want {
			t.Errorf("%q covers %q: %t", tt.has, tt.needs, got)
		}
	}
	if _, err := ParseRole("root"); err == nil {
		t.Error("root is a role")
	}
}
