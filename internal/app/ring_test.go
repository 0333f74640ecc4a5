package app_test

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// rig is a ring of real servers with one node in front of it.
type rig struct {
	servers []*mysqltest.Server
	network *mysqltest.Network // of an isolated ring
	cfg     app.Config
	app     *app.App
	client  *api.Client

	durability  string           // of the ring; "": semisync
	stride      int              // of the ring; 0: the default
	sites       *mysqltest.Sites // where servers and nodes stand, if that matters
	site        int              // of the node
	trap        string           // file that has the node's process die between two steps
	memberSites []string         // names of the servers' sites, as the ring is told
	weights     []int            // of the servers, as the ring is told; nil: the default

	patience time.Duration // how long the ring may take to be made, if above 30 s
	degraded string        // what an owner without an acker does; "": allow
}

// startRig starts n servers and a node, makes a ring of them and waits until it
// is open.
func startRig(t *testing.T, n int) *rig {
	t.Helper()
	return openRig(t, &rig{servers: mysqltest.StartRing(t, n)})
}

// startRigOf is startRig with servers of a flavour.
func startRigOf(t *testing.T, flavour topology.Flavour, n int) *rig {
	t.Helper()
	return openRig(t, &rig{servers: mysqltest.StartRingOf(t, flavour, n)})
}

// startIsolatedRig is startRig with each server in a network namespace.
func startIsolatedRig(t *testing.T, n int) *rig {
	t.Helper()
	servers, network := mysqltest.StartIsolatedRing(t, n)
	return openRig(t, &rig{servers: servers, network: network})
}

func openRig(t *testing.T, r *rig) *rig {
	t.Helper()
	r.cfg = nodeConfig(t)
	r.startNode(t)
	r.initRing(t)
	return r
}

// initRing orders the ring of all servers, and waits until it is open.
func (r *rig) initRing(t *testing.T) {
	t.Helper()
	request := api.InitRequest{Name: "test", Durability: cmp.Or(r.durability, "semisync"), Degraded: cmp.Or(r.degraded, "allow"), Stride: r.stride, Why: "test"}
	for i, s := range r.servers {
		m := api.InitMember{ID: s.Name, Addr: s.Addr}
		if i < len(r.memberSites) {
			m.Site = r.memberSites[i]
		}
		if i < len(r.weights) {
			m.Weight = r.weights[i]
		}
		request.Members = append(request.Members, m)
	}
	eventually(t, 10*time.Second, "the ring is ordered", func() error {
		_, err := r.client.InitRing(t.Context(), request)
		return err
	})
	r.untilHealthy(t, max(30*time.Second, r.patience))
}

func nodeConfig(t *testing.T) app.Config {
	t.Helper()
	// Not t.TempDir: its path is long, and a unix socket's may not be.
	dir, err := os.MkdirTemp("", "sqlring-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg := app.DefaultConfig("n1", dir)
	cfg.Proxy.Listen, cfg.API.Listen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Raft.Listen, cfg.Raft.Profile = mysqltest.FreeAddr(t), "fast"
	cfg.Manager.User, cfg.Manager.PasswordFile = mysqltest.Manager, filepath.Join(dir, "manager.password")
	if err := os.WriteFile(cfg.Manager.PasswordFile, []byte(mysqltest.ManagerPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// addrAt is mysqltest.FreeAddr at a site.
func (r *rig) addrAt(t *testing.T, site int) string {
	t.Helper()
	addr := mysqltest.FreeAddr(t)
	if r.sites != nil {
		_, port, _ := net.SplitHostPort(addr)
		addr = net.JoinHostPort(r.sites.Host(site), port)
	}
	return addr
}

func (r *rig) startNode(t *testing.T) {
	t.Helper()
	level := slog.LevelWarn
	if testing.Verbose() {
		level = slog.LevelDebug
	}
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
	node, err := app.New(r.cfg, logger)
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.app = node
	t.Cleanup(func() { r.stopNode(t) })
	r.client, err = api.NewClient("unix:" + r.cfg.API.Socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
}

// proxyAddr is where clients connect.
func (r *rig) proxyAddr() string {
	if r.app == nil {
		return r.cfg.Proxy.Listen
	}
	return r.app.ProxyAddr()
}

func (r *rig) stopNode(t *testing.T) {
	t.Helper()
	if r.app == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.app.Stop(ctx); err != nil {
		t.Errorf("stop node: %v", err)
	}
	r.app = nil
}

func (r *rig) status(t *testing.T) api.Status {
	t.Helper()
	status, err := r.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func (r *rig) untilHealthy(t *testing.T, limit time.Duration) {
	t.Helper()
	eventually(t, limit, "the ring is healthy", func() error {
		status, err := r.client.Status(t.Context())
		if err != nil {
			return err
		}
		if status.Health != "ok" || status.Operation != nil {
			why := ""
			if status.Step != nil {
				why = status.Step.Why
			}
			return fmt.Errorf("health %s %v, operation %v, step %s", status.Health, status.Reasons, status.Operation, why)
		}
		return nil
	})
}

// pool returns connections through the proxy as root of the members.
func (r *rig) pool(t *testing.T, edit func(*mysql.Config)) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd = r.servers[0].RootUser, r.servers[0].RootPassword
	cfg.Net, cfg.Addr = "tcp", r.proxyAddr()
	cfg.Logger = &mysql.NopLogger{}
	if edit != nil {
		edit(cfg)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// checksum is the server's own over all rows of a table.
func checksum(t *testing.T, s *mysqltest.Server, table string) string {
	t.Helper()
	var name, sum string
	if err := s.DB().QueryRowContext(t.Context(), "CHECKSUM TABLE "+table).Scan(&name, &sum); err != nil {
		t.Fatalf("%s: checksum of %s: %v", s.Name, table, err)
	}
	return sum
}

func eventually(t *testing.T, limit time.Duration, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// lag returns the bounds that status gives for one pair.
func (r *rig) lag(t *testing.T, origin, member string) (low, bound time.Duration) {
	t.Helper()
	for _, m := range r.status(t).Members {
		if m.Name != member {
			continue
		}
		if m.LagMS[origin] == nil || m.LagErrMS[origin] == nil {
			t.Fatalf("the lag of %s from %s is not known", member, origin)
		}
		return time.Duration(*m.LagMS[origin]) * time.Millisecond, time.Duration(*m.LagErrMS[origin]) * time.Millisecond
	}
	t.Fatalf("no member %s", member)
	return 0, 0
}
