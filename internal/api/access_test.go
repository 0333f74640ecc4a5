package api_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/internal/authority"
	"github.com/sqlring/sqlring/pkg/topology"
)

// overTLS serves a node over TLS, with the tokens viewer, operator and admin whose
// secrets are their names, and returns how a caller with a certificate comes in.
func overTLS(t *testing.T, node *apitest.Node, cluster api.Cluster) (addr string, files func(name string, role authority.Role) authority.Files) {
	t.Helper()
	for _, role := range []string{"viewer", "operator", "admin"} {
		sum := sha256.Sum256([]byte(role))
		node.State.Tokens = append(node.State.Tokens, topology.Token{Name: role, Role: role, Hash: hex.EncodeToString(sum[:])})
	}
	dir := t.TempDir()
	if _, _, err := authority.Create(dir, "test", time.Now()); err != nil {
		t.Fatal(err)
	}
	files = func(name string, role authority.Role) authority.Files {
		r := authority.Request{Name: name, Role: role, Days: 1}
		if role == authority.RoleNode {
			r.Hosts = []string{"127.0.0.1"}
		}
		cert, key, err := authority.Issue(dir, t.TempDir(), r, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return authority.Files{CA: filepath.Join(dir, authority.CAFile), Cert: cert, Key: key}
	}
	s := api.New(api.Config{
		Listen: "127.0.0.1:0", TLS: files("n1", authority.RoleNode).ServerTLS(), Cluster: cluster,
		Peer: func(c tls.ConnectionState) (string, string) {
			leaf, role, err := authority.Peer(c)
			if err != nil {
				return "", ""
			}
			return leaf.Subject.CommonName, string(role)
		},
	}, node)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "https://" + s.Addr(), files
}

func TestRolesOverTLS(t *testing.T) {
	node := apitest.NewRing()
	cluster := &fakeCluster{}
	addr, files := overTLS(t, node, cluster)
	trusting := authority.Files{CA: files("x", authority.RoleViewer).CA}
	for _, tt := range []struct {
		name                string
		token               string
		cert                authority.Role
		read, change, admin int // HTTP status
	}{
		{"nobody", "", "", 401, 401, 401},
		{"a token of nobody", "other", "", 401, 401, 401},
		{"token of a viewer", "viewer", "", 200, 403, 403},
		{"token of an operator", "operator", "", 200, 409, 403},
		{"token of an admin", "admin", "", 200, 409, 200},
		{"certificate of a viewer", "", authority.RoleViewer, 200, 403, 403},
		{"certificate of an operator", "", authority.RoleOperator, 200, 409, 403},
		{"certificate of an admin", "", authority.RoleAdmin, 200, 409, 200},
		{"certificate of a node", "", authority.RoleNode, 403, 403, 403},
		{"a bad token beside a good certificate", "other", authority.RoleAdmin, 401, 401, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := trusting
			if tt.cert != "" {
				f = files("ann", tt.cert)
			}
			secure, err := f.ClientTLS()
			if err != nil {
				t.Fatal(err)
			}
			c, err := api.NewClientAs(addr, api.Access{TLS: secure, Token: tt.token})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = c.Status(t.Context())
			wantStatus(t, "reading", err, tt.read)
			_, err = c.AbortOperation(t.Context(), "op1", "")
			wantStatus(t, "changing", err, tt.change)
			_, err = c.Transfer(t.Context(), "n2", "")
			wantStatus(t, "changing raft", err, tt.admin)
		})
	}
	if len(cluster.transferred) != 2 {
		t.Errorf("transferred %d times", len(cluster.transferred))
	}
}

func wantStatus(t *testing.T, what string, err error, want int) {
	t.Helper()
	got := http.StatusOK
	var p *api.Problem
	if errors.As(err, &p) {
		got = p.Status
	} else if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if got != want {
		t.Errorf("%s: %d (%v), want %d", what, got, err, want)
	}
}

func TestSecretsAreNotSentInClearText(t *testing.T) {
	if _, err := api.NewClientAs("http://127.0.0.1:8406", api.Access{Token: "x"}); err == nil || !strings.Contains(err.Error(), "https://") {
		t.Errorf("a token in clear text: %v", err)
	}
}

// fakeCluster notes what it is asked for.
type fakeCluster struct {
	transferred []topology.NodeID
	forwarded   []api.Forwarded
	answer      func(api.Forwarded) (api.Answered, error)
}

func (*fakeCluster) Raft() api.Raft { return api.Raft{Node: "n1", Peers: []api.Peer{}} }

func (*fakeCluster) May(topology.NoteOrder) error { return nil }

func (f *fakeCluster) Transfer(_ context.Context, to topology.NodeID) error {
	f.transferred = append(f.transferred, to)
	return nil
}

func (*fakeCluster) Remove(context.Context, topology.NodeID) error { return nil }

func (f *fakeCluster) Forward(_ context.Context, r api.Forwarded) (api.Answered, error) {
	f.forwarded = append(f.forwarded, r)
	return f.answer(r)
}

// A node that does not lead has the leader answer what changes something, in the name
// of who asked; reading it answers itself.
func TestForwarding(t *testing.T) {
	leader := api.New(api.Config{}, apitest.NewRing())
	follower := apitest.NewRing()
	follower.ID = "n2"
	cluster := &fakeCluster{answer: func(f api.Forwarded) (api.Answered, error) { return leader.Answer(t.Context(), f), nil }}
	addr, files := overTLS(t, follower, cluster)
	secure, err := files("ann", authority.RoleOperator).ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	c, err := api.NewClientAs(addr, api.Access{TLS: secure})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if st, err := c.Status(t.Context()); err != nil || st.Node != "n2" || st.Leader != "n1" || len(cluster.forwarded) != 0 {
		t.Errorf("status of %s, led by %s, %v; %d forwarded", st.Node, st.Leader, err, len(cluster.forwarded))
	}
	_, err = c.AbortOperation(t.Context(), "op1", "because")
	wantStatus(t, "an abort too late", err, 409)
	if len(cluster.forwarded) != 1 || cluster.forwarded[0].By != "ann@n2" || cluster.forwarded[0].Path != "/v1/operations/op1/abort" {
		t.Errorf("forwarded %+v", cluster.forwarded)
	}
	cluster.answer = func(api.Forwarded) (api.Answered, error) { return api.Answered{}, api.ErrNotReached }
	_, err = c.AbortOperation(t.Context(), "op1", "")
	wantStatus(t, "the leader is not reached", err, 503)
	cluster.answer = func(api.Forwarded) (api.Answered, error) { return api.Answered{}, errors.New("the connection broke") }
	_, err = c.AbortOperation(t.Context(), "op1", "")
	wantStatus(t, "the leader does not answer", err, 504)
	if !errors.Is(err, api.ErrOutcomeUnknown) {
		t.Errorf("%v, want an unknown outcome", err)
	}
}
