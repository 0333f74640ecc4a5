package api_test

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// served is a running server and both ways to it.
type served struct {
	node *apitest.Node
	http string // http://127.0.0.1:port
	unix *api.Client
	tcp  *api.Client

	server *api.Server
}

// serve runs a server over node until the test ends.
func serve(t *testing.T, node *apitest.Node) served {
	t.Helper()
	sock := filepath.Join(t.TempDir(), "api.sock")
	s := api.New(api.Config{Listen: "127.0.0.1:0", Socket: sock, Propose: time.Second}, node)
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	out := served{node: node, http: "http://" + s.Addr(), unix: client(t, "unix:"+sock), tcp: client(t, "http://"+s.Addr()), server: s}
	t.Cleanup(func() {
		out.unix.Close()
		out.tcp.Close()
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run returned %v", err)
			}
		case <-time.After(5 * time.Second):
			t.Error("Run did not end within 5 s")
		}
	})
	return out
}

func client(t *testing.T, target string) *api.Client {
	t.Helper()
	c, err := api.NewClient(target)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// request sends one raw request over TCP on a connection of its own.
type request struct {
	method, path, host, body string
}

func (s served) send(t *testing.T, r request) (int, http.Header, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, s.http+r.path, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	if r.host != "" {
		req.Host = r.host
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(data)
}

func (s served) get(t *testing.T, path string) (int, string) {
	t.Helper()
	status, _, body := s.send(t, request{method: http.MethodGet, path: path})
	return status, body
}
