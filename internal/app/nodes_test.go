package app_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/authority"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// nodesRig is a ring of real servers with several nodes in front of it, each a
// process. nodes[i] has its own files, proxy and API.
type nodesRig struct {
	servers []*mysqltest.Server
	nodes   []*rig
	procs   []*nodeProcess
}

// startNodes starts a ring of two servers and three voters that find each other, with
// certificates of their own.
func startNodes(t *testing.T) *nodesRig {
	t.Helper()
	n := &nodesRig{servers: mysqltest.StartRing(t, 2)}
	ca := t.TempDir()
	if _, _, err := authority.Create(ca, "test", time.Now()); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for range 3 {
		addrs = append(addrs, freeAddr(t))
	}
	for i, addr := range addrs {
		r := &rig{servers: n.servers, cfg: nodeConfig(t)}
		r.cfg.Node = topology.NodeID(fmt.Sprintf("n%d", i+1))
		r.cfg.Raft.Listen, r.cfg.Raft.Join, r.cfg.Raft.BootstrapExpect, r.cfg.Raft.Profile = addr, addrs, 3, "lan"
		cert, key, err := authority.Issue(ca, r.cfg.Dir, authority.Request{Name: string(r.cfg.Node), Role: authority.RoleNode, Days: 1}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r.cfg.Raft.TLS = app.NodeTLSConfig{CA: filepath.Join(ca, authority.CAFile), Cert: cert, Key: key}
		if err := os.WriteFile(r.cfg.Replication.PasswordFile, []byte("the same everywhere\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		n.nodes = append(n.nodes, r)
		n.procs = append(n.procs, r.startProcess(t, 0))
	}
	lead := n.leader(t)
	n.nodes[lead].initRing(t)
	for _, r := range n.nodes {
		r.untilHealthy(t, 10*time.Second)
	}
	return n
}

// leader returns which of the nodes leads, by the word of the one that does.
func (n *nodesRig) leader(t *testing.T, not ...int) int {
	t.Helper()
	found := -1
	eventually(t, 10*time.Second, "a leader", func() error {
		for i, r := range n.nodes {
			if slices.Contains(not, i) {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			st, err := r.client.Status(ctx)
			cancel()
			if err == nil && st.Leader == string(r.cfg.Node) {
				found = i
				return nil
			}
		}
		return errors.New("none says so")
	})
	return found
}

// steady writes and reads through one proxy until it is stopped, and keeps every
// error: a client through a node that lives is to notice nothing.
type steady struct {
	stop context.CancelFunc
	wait sync.WaitGroup
	mu   sync.Mutex
	errs []error
	ends []time.Time // of the writes that were acknowledged
	read int
}

func (r *rig) startSteady(t *testing.T, clients int) *steady {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := &steady{stop: stop}
	db := r.pool(t, nil)
	for c := range clients {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.wait.Go(func() {
			defer func() { _ = conn.Close() }()
			for seq := 0; ctx.Err() == nil; seq++ {
				s.once(conn, fmt.Sprintf("INSERT INTO steady.w (node, client, seq) VALUES ('%s', %d, %d)", r.cfg.Node, c, seq))
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	t.Cleanup(s.end)
	return s
}

func (s *steady) once(conn *sql.Conn, insert string) {
	_, err := conn.ExecContext(context.Background(), insert)
	at := time.Now()
	var n int
	readErr := conn.QueryRowContext(context.Background(), "SELECT COUNT(*) FROM steady.w WHERE id < 10").Scan(&n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.ends = append(s.ends, at)
	} else {
		s.errs = append(s.errs, fmt.Errorf("write at %s: %w", at.Format("15:04:05.000"), err))
	}
	if readErr == nil {
		s.read++
	} else {
		s.errs = append(s.errs, fmt.Errorf("read: %w", readErr))
	}
}

func (s *steady) end() {
	s.stop()
	s.wait.Wait()
}

// pause returns the longest time without an acknowledged write after since.
func (s *steady) pause(since time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	ends := slices.Clone(s.ends)
	slices.SortFunc(ends, time.Time.Compare)
	var worst time.Duration
	for i := 1; i < len(ends); i++ {
		if ends[i].After(since) {
			worst = max(worst, ends[i].Sub(ends[i-1]))
		}
	}
	return worst
}

func (s *steady) errors() []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.errs)
}

// TestNodesDie: three nodes before one ring. Whichever of them is killed or frozen,
// clients through the others notice nothing, and a change is possible within 3 s.
func TestNodesDie(t *testing.T) {
	n := startNodes(t)
	db := n.nodes[0].pool(t, nil)
	for _, statement := range []string{
		"CREATE DATABASE steady",
		"CREATE TABLE steady.w (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, node VARCHAR(8), client INT, seq INT)",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for _, fault := range []struct {
		name   string
		leads  bool // the victim leads
		strike syscall.Signal
	}{
		{"leader killed", true, syscall.SIGKILL},
		{"follower killed", false, syscall.SIGKILL},
		{"leader frozen", true, syscall.SIGSTOP},
		{"leader stopped", true, syscall.SIGTERM},
	} {
		t.Run(fault.name, func(t *testing.T) { n.strike(t, fault.leads, fault.strike) })
	}
}

func (n *nodesRig) strike(t *testing.T, leads bool, signal syscall.Signal) {
	victim := n.leader(t)
	if !leads {
		victim = (victim + 1) % 3
	}
	var loads []*steady
	for i, r := range n.nodes {
		if i != victim {
			loads = append(loads, r.startSteady(t, 4))
		}
	}
	time.Sleep(time.Second)
	at := time.Now()
	n.procs[victim].signal(t, signal)
	next := n.leader(t, victim)
	// The next change: one that is refused by the law, which takes a commit to know.
	eventually(t, 3*time.Second, "a change is possible", func() error { return n.nodes[next].change(t) })
	changed := time.Since(at)
	time.Sleep(3 * time.Second)
	if signal == syscall.SIGSTOP {
		n.procs[victim].signal(t, syscall.SIGCONT)
		time.Sleep(time.Second)
	}
	var worst time.Duration
	failed, writes, reads := 0, 0, 0
	for _, s := range loads {
		s.end()
		worst = max(worst, s.pause(at.Add(-time.Second)))
		for _, err := range s.errors() {
			t.Error(err)
			failed++
		}
		writes, reads = writes+len(s.ends), reads+s.read
	}
	t.Logf("FIGURE nodes %s: change possible after %d ms, longest pause of a write %d ms, %d errors in %d writes and %d reads",
		t.Name(), changed.Milliseconds(), worst.Milliseconds(), failed, writes, reads)
	if changed > 3*time.Second {
		t.Errorf("a change was possible after %s", changed)
	}
	for _, r := range n.nodes {
		r.untilHealthy(t, 20*time.Second)
	}
}

// change has a change committed by raft that changes nothing.
func (r *rig) change(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	st, err := r.client.Status(ctx)
	if err != nil {
		return err
	}
	if st.Leader != string(r.cfg.Node) {
		return fmt.Errorf("%s leads", st.Leader)
	}
	_, err = r.client.AbortOperation(ctx, "op1", "test")
	var problem *api.Problem
	if errors.As(err, &problem) && problem.Status == 409 {
		return nil
	}
	return err
}
