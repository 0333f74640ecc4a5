package mysqltest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sqlring/sqlring/internal/demo"
	"github.com/sqlring/sqlring/pkg/topology"
)

// The accounts of every server that is started here; root is in the embedded
// demo.Server.
const (
	Manager         = "sqlring"
	ManagerPassword = "manager secret"
)

const startTimeout = 60 * time.Second

// Server is a running server of a test.
type Server struct {
	*demo.Server
	client

	ending ending
}

// Start returns a server for this test. options are further lines of my.cnf.
func Start(t testing.TB, options ...string) *Server {
	t.Helper()
	return StartRing(t, 1, options...)[0]
}

// StartRing returns n servers, m1 to mn, that could become a ring: none of them
// has an identity or an upstream yet. They are started side by side. Their flavour is
// that of the run (EnvFlavour).
func StartRing(t testing.TB, n int, options ...string) []*Server {
	t.Helper()
	return StartRingOf(t, Flavour(t), n, options...)
}

// StartRingOf is StartRing with servers of a flavour.
func StartRingOf(t testing.TB, flavour topology.Flavour, n int, options ...string) []*Server {
	t.Helper()
	return start(t, binariesOf(t, flavour), n, func(cfg *demo.ServerConfig, _ int) { cfg.Options = options })
}

// start starts n servers side by side, each as edit has it.
func start(t testing.TB, bin demo.Binaries, n int, edit func(cfg *demo.ServerConfig, i int)) []*Server {
	t.Helper()
	from := template(t, bin)
	// Not t.TempDir: its path is long, and a unix socket's may not be.
	home, err := os.MkdirTemp("", "sqlring-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	servers := make([]*Server, n)
	group, ctx := errgroup.WithContext(ctx)
	for i := range servers {
		group.Go(func() error {
			name := fmt.Sprintf("m%d", i+1)
			cfg := demo.ServerConfig{
				Name: name, Dir: filepath.Join(home, name), Binaries: bin, Template: from,
				ManagerUser: Manager, ManagerPassword: ManagerPassword,
			}
			edit(&cfg, i)
			s, err := demo.StartServer(ctx, cfg)
			if err != nil {
				return err
			}
			servers[i] = &Server{Server: s}
			servers[i].client, err = newClient(s.Name, s.RootPassword, s.Socket)
			return err
		})
	}
	err = group.Wait()
	for _, s := range servers {
		if s != nil {
			t.Cleanup(func() { s.end(t) })
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return servers
}

// Kill ends the server as a crash would (SIGKILL). It does not wait.
func (s *Server) Kill() {
	s.ending.want(s.PID() != 0, s.Log())
	s.Server.Kill()
}

// end stops the server the quick way: its directory is thrown away.
func (s *Server) end(t testing.TB) {
	_ = s.db.Close()
	s.ending.tell(t, s.Name, s.PID() != 0, s.Log())
	s.Server.Kill()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := errors.Join(s.Wait(ctx), s.Stop(ctx)); err != nil {
		t.Errorf("stop server %s: %v", s.Name, err)
	}
}

// RestartNow starts the killed server again by its Restart command, as an
// operator would, and returns when it answers.
func (s *Server) RestartNow(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	s.ending.want(false, s.Log())
	if out, err := exec.CommandContext(ctx, s.Restart[0], s.Restart[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("restart %s: %v: %s", s.Name, err, out)
	}
	Eventually(t, "server "+s.Name+" answers after its restart", func() error { return s.db.PingContext(ctx) })
	s.ending.again()
}

// InFile adds lines to the [mysqld] section of the server's config file, for its next
// process. Not for a MySQL.
func (s *Server) InFile(t testing.TB, lines ...string) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(s.Dir, "my.cnf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteString("\n[mysqld]\n" + strings.Join(lines, "\n") + "\n")
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
}

// Eventually calls check every 10 ms until it returns nil, for at most 10 s;
// then it fails the test with check's last error.
func Eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	const limit, interval = 10 * time.Second, 10 * time.Millisecond
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not after %v: %s: %v", limit, what, err)
		}
		time.Sleep(interval)
	}
}
