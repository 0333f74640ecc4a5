package app_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

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
	return startNodesAs(t, "voter", "voter", "voter")
}

// startNodesAs is startNodes with other parts: three of them, or five, have votes.
func startNodesAs(t *testing.T, roles ...string) *nodesRig {
	t.Helper()
	return startNodesBefore(t, mysqltest.StartRing(t, 2), func(*app.Config) {}, roles...)
}

// startNodesWith is startNodesAs with files that are edited.
func startNodesWith(t *testing.T, edit func(*app.Config), roles ...string) *nodesRig {
	t.Helper()
	return startNodesBefore(t, mysqltest.StartRing(t, 2), edit, roles...)
}

// startNodesBefore is startNodesWith with servers of one's own.
func startNodesBefore(t *testing.T, servers []*mysqltest.Server, edit func(*app.Config), roles ...string) *nodesRig {
	t.Helper()
	return startNodesAt(t, &rig{servers: servers}, edit, roles...)
}

// startNodesAt is startNodesBefore with the servers of a rig, whose sites the nodes stand
// at in turn, if it has any.
func startNodesAt(t *testing.T, like *rig, edit func(*app.Config), roles ...string) *nodesRig {
	t.Helper()
	n := startNodesAlone(t, like, edit, roles...)
	lead := n.leader(t)
	n.nodes[lead].initRing(t)
	for i, r := range n.nodes {
		if roles[i] != "witness" { // it looks at no member
			r.untilHealthy(t, max(10*time.Second, like.patience))
		}
	}
	return n
}

// startNodesAlone is startNodesAt without a ring.
func startNodesAlone(t *testing.T, like *rig, edit func(*app.Config), roles ...string) *nodesRig {
	t.Helper()
	n := &nodesRig{servers: like.servers}
	ca := t.TempDir()
	if _, _, err := authority.Create(ca, "test", time.Now()); err != nil {
		t.Fatal(err)
	}
	var addrs []string
	observers := 0
	for i := range roles {
		if roles[i] == "observer" {
			observers++
		}
		addrs = append(addrs, like.addrAt(t, i))
	}
	for i, addr := range addrs {
		r := &rig{servers: n.servers, cfg: nodeConfig(t), sites: like.sites, site: i, memberSites: like.memberSites, trap: like.trap, patience: like.patience, stride: like.stride, durability: like.durability}
		r.cfg.Node = topology.NodeID(fmt.Sprintf("n%d", i+1))
		r.cfg.Raft.Listen, r.cfg.Raft.Join, r.cfg.Raft.Role, r.cfg.Raft.Profile = addr, addrs, roles[i], "lan"
		if roles[i] != "observer" {
			r.cfg.Raft.BootstrapExpect = len(roles) - observers
		}
		cert, key, err := authority.Issue(ca, r.cfg.Dir, authority.Request{Name: string(r.cfg.Node), Role: authority.RoleNode, Days: 1}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r.cfg.Raft.TLS = app.NodeTLSConfig{CA: filepath.Join(ca, authority.CAFile), Cert: cert, Key: key}
		if err := os.WriteFile(r.cfg.Replication.PasswordFile, []byte("the same everywhere\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		edit(&r.cfg)
		n.nodes = append(n.nodes, r)
		n.procs = append(n.procs, r.startProcess(t, 0))
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

// answer waits until every node answers, as one that was just started again does not yet.
func (n *nodesRig) answer(t *testing.T) {
	t.Helper()
	for _, r := range n.nodes {
		eventually(t, 20*time.Second, string(r.cfg.Node)+" answers", func() error {
			_, err := r.client.Status(t.Context())
			return err
		})
	}
}

// steady writes and reads through one proxy until it is stopped, and keeps every
// error: a client through a node that lives is to notice nothing.
type steady struct {
	stop context.CancelFunc
	wait sync.WaitGroup
	mu   sync.Mutex
	errs []error
	ends []time.Time // of the writes that were acknowledged
	acks [][2]int    // client and number of each of them
	read int
}

func (r *rig) startSteady(t *testing.T, clients int) *steady {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := &steady{stop: stop}
	first := int(time.Now().UnixMilli()%100_000_000) * 10 // no two loads have the same clients
	db := r.pool(t, asApp)
	for c := range clients {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.wait.Go(func() {
			defer func() { _ = conn.Close() }()
			for seq := 0; ctx.Err() == nil; seq++ {
				s.once(conn, string(r.cfg.Node), first+c, seq)
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	t.Cleanup(s.end)
	return s
}

func (s *steady) once(conn *sql.Conn, node string, client, seq int) {
	_, err := conn.ExecContext(context.Background(), "INSERT INTO steady.w (node, client, seq) VALUES (?, ?, ?)", node, client, seq)
	at := time.Now()
	var n int
	readErr := conn.QueryRowContext(context.Background(), "SELECT COUNT(*) FROM steady.w WHERE id < 10").Scan(&n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.ends, s.acks = append(s.ends, at), append(s.acks, [2]int{client, seq})
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

// account looks for every acknowledged write on each server, once.
func (s *steady) account(t *testing.T, servers []*mysqltest.Server) {
	t.Helper()
	for _, server := range servers {
		present := rows(t, server, "SELECT client, seq FROM steady.w")
		for _, ack := range s.acks {
			if present[ack] != 1 {
				t.Errorf("%s: the acknowledged write %v is there %d times", server.Name, ack, present[ack])
			}
		}
	}
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

// startNodesApart is startNodesAs with each node in a network namespace of its own, two of
// them with a server; without root, who alone can make these, it is startNodesAs.
func startNodesApart(t *testing.T, roles ...string) *nodesRig {
	t.Helper()
	if os.Getuid() != 0 {
		t.Log("not root: the nodes are on loopback")
		return startNodesAs(t, roles...)
	}
	servers, sites := mysqltest.StartSites(t, len(roles), 0, 1)
	return startNodesAt(t, &rig{servers: servers, sites: sites}, func(*app.Config) {}, roles...)
}

// TestNodesDie: three nodes before one ring, in network namespaces. Whichever of them is
// killed or frozen, or stays dead, clients through the others notice nothing (no write waits
// for a second), and a change is committed within 3 s.
func TestNodesDie(t *testing.T) {
	n := startNodesApart(t, "voter", "voter", "voter")
	n.load(t)
	for _, fault := range []struct {
		name   string
		leads  bool // the victim leads
		strike syscall.Signal
		stays  bool // dead: nothing starts it again before all was measured
	}{
		{"leader killed", true, syscall.SIGKILL, false},
		{"leader killed for good", true, syscall.SIGKILL, true},
		{"follower killed", false, syscall.SIGKILL, false},
		{"leader frozen", true, syscall.SIGSTOP, false},
		{"leader stopped", true, syscall.SIGTERM, false},
	} {
		t.Run(fault.name, func(t *testing.T) { n.strike(t, fault.leads, fault.strike, fault.stays) })
	}
}

func (n *nodesRig) strike(t *testing.T, leads bool, signal syscall.Signal, stays bool) {
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
	if stays {
		n.procs[victim].killForGood(t)
	} else {
		n.procs[victim].signal(t, signal)
	}
	if leads && signal == syscall.SIGKILL {
		time.Sleep(10 * time.Millisecond) // it is gone
	}
	living := n.nodes[(victim+1)%3]
	eventually(t, bar(3*time.Second), "a change is committed", func() error { return living.change(t) })
	changed := time.Since(at)
	time.Sleep(3 * time.Second)
	switch {
	case signal == syscall.SIGSTOP:
		n.procs[victim].signal(t, syscall.SIGCONT)
		time.Sleep(time.Second)
	case stays:
		if lead := n.leader(t, victim); lead == victim {
			t.Errorf("%s leads, and is dead", n.nodes[victim].cfg.Node)
		}
		n.procs[victim].again(t)
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
	if changed > bar(3*time.Second) {
		t.Errorf("a change was possible after %s", changed)
	}
	if worst > bar(time.Second) {
		t.Errorf("a write through a node that lives waited for %s", worst)
	}
	n.answer(t)
	for _, r := range n.nodes {
		r.untilHealthy(t, 20*time.Second)
	}
	n.same(t)
	for _, s := range loads {
		s.account(t, n.servers)
	}
}

// TestNodesTwoOfFiveDie: five voters before one ring, each in a network namespace. The one that
// leads and another are killed at once, and stay dead: clients through the other three notice
// nothing, and a change is committed within 3 s. When the two are back, all know the same.
func TestNodesTwoOfFiveDie(t *testing.T) {
	n := startNodesApart(t, "voter", "voter", "voter", "voter", "voter")
	n.load(t)
	n.lawIsRaised(t, n.nodes[0])
	lead := n.leader(t)
	dead := []int{lead, (lead + 2) % 5}
	var loads []*steady
	var asked *rig
	for i, r := range n.nodes {
		if !slices.Contains(dead, i) {
			loads, asked = append(loads, r.startSteady(t, 3)), r
		}
	}
	time.Sleep(time.Second)
	at := time.Now()
	for _, i := range dead {
		n.procs[i].killForGood(t)
	}
	time.Sleep(10 * time.Millisecond) // they are gone
	eventually(t, 3*time.Second, "a change is possible", func() error { return asked.change(t) })
	changed := time.Since(at)
	if err := asked.client.CreateToken(t.Context(), api.TokenRequest{Name: "later", Role: "viewer", Hash: strings.Repeat("b", 64)}, false); err != nil {
		t.Errorf("a change by three of five: %v", err)
	}
	time.Sleep(3 * time.Second)
	var worst time.Duration
	writes, failed := 0, 0
	for _, s := range loads {
		s.end()
		worst = max(worst, s.pause(at.Add(-time.Second)))
		for _, err := range s.errors() {
			t.Error(err)
			failed++
		}
		writes += len(s.ends)
	}
	t.Logf("FIGURE nodes two of five killed, the leader among them: change possible after %d ms, longest pause of a write %d ms, %d errors in %d writes", changed.Milliseconds(), worst.Milliseconds(), failed, writes)
	if changed > 3*time.Second {
		t.Errorf("a change was possible after %s", changed)
	}
	for _, i := range dead {
		n.procs[i].again(t)
	}
	n.answer(t)
	for _, r := range n.nodes {
		r.untilHealthy(t, 30*time.Second)
		eventually(t, 10*time.Second, string(r.cfg.Node)+" knows the change", func() error {
			tokens, err := r.client.Tokens(t.Context())
			if err == nil && !slices.ContainsFunc(tokens, func(k api.Token) bool { return k.Name == "later" }) {
				err = fmt.Errorf("it knows %v", tokens)
			}
			return err
		})
	}
	n.same(t)
	for _, s := range loads {
		s.account(t, n.servers)
	}
}

// change has a change committed by raft, of nothing that the load meets.
func (r *rig) change(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := r.client.SetThrottle(ctx, api.ThrottleRequest{App: "nobody", Ratio: 0.5, ForMS: 60_000, Why: "test"}, false)
	return err
}

// TestNodesAndAnOwnerDie: the owner is killed while three nodes hold leases on it, and
// once together with the node that leads: a lease of the dead node is waited for, up to 2 s more,
// and an election.
func TestNodesAndAnOwnerDie(t *testing.T) {
	n := startNodes(t)
	n.load(t)
	for _, alone := range []bool{true, false} {
		lead := n.leader(t)
		via := n.nodes[(lead+1)%3]
		owner := n.owner(t, via)
		s := via.startSteady(t, 4)
		time.Sleep(time.Second)
		at := time.Now()
		if !alone {
			n.procs[lead].signal(t, syscall.SIGKILL)
		}
		owner.Kill()
		eventually(t, 15*time.Second, "writes go on", func() error {
			if s.last().Before(at) || time.Since(s.last()) > 200*time.Millisecond {
				return fmt.Errorf("the last was acknowledged %s after the kill; %d writes, errors %v", s.last().Sub(at), len(s.ends), s.errors())
			}
			return nil
		})
		time.Sleep(500 * time.Millisecond)
		s.end()
		pause := s.pause(at.Add(-time.Second))
		limit := time.Second // beside the leading node: its lease, and an election
		if !alone {
			limit += topology.LeaseTTL + 2*time.Second
		}
		if pause > bar(limit) {
			t.Errorf("owner killed, with the leading node %t: a write waited for %s", !alone, pause)
		}
		t.Logf("FIGURE nodes owner killed, with the leading node %t: longest pause of a write %d ms, %d errors in %d writes", !alone, pause.Milliseconds(), len(s.errors()), len(s.ends))
		for _, err := range s.errors() {
			var answer *mysql.MySQLError
			if !errors.As(err, &answer) || string(answer.SQLState[:]) != "08007" || len(s.errors()) > 4 {
				t.Error(err) // what was under way at the owner is not known; nothing else is felt
			}
		}
		owner.RestartNow(t)
		for _, r := range n.nodes {
			r.untilHealthy(t, 30*time.Second)
		}
		n.same(t)
		s.account(t, n.servers)
	}
}

// TestNoQuorum: a node that hears of no majority goes on reading, and stops writing
// when its lease has ended; when the others are back it goes on where it was.
func TestNoQuorum(t *testing.T) {
	n := startNodes(t)
	n.load(t)
	via := n.nodes[0]
	db := via.pool(t, asApp)
	for i := 1; i < 3; i++ {
		n.procs[i].signal(t, syscall.SIGSTOP)
	}
	at := time.Now()
	last := time.Now()
	for time.Since(at) < 4*time.Second {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if _, err := db.ExecContext(ctx, "INSERT INTO steady.w (node, client, seq) VALUES ('n1', 99, 1)"); err == nil {
			last = time.Now()
		}
		cancel()
		var count int
		if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM steady.w").Scan(&count); err != nil {
			t.Errorf("a read after %s: %v", time.Since(at), err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if took := last.Sub(at); took > topology.LeaseTTL || took < topology.LeaseTTL/4 {
		t.Errorf("the last write was acknowledged after %s, the lease is %s", took, topology.LeaseTTL)
	}
	t.Logf("FIGURE nodes no quorum: reads went on, the last write was acknowledged after %d ms", last.Sub(at).Milliseconds())
	for i := 1; i < 3; i++ {
		n.procs[i].signal(t, syscall.SIGCONT)
	}
	eventually(t, 10*time.Second, "writes go on", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := db.ExecContext(ctx, "INSERT INTO steady.w (node, client, seq) VALUES ('n1', 99, 2)")
		return err
	})
	for _, r := range n.nodes {
		r.untilHealthy(t, 20*time.Second)
	}
	n.same(t)
}

// TestNodesOfEachKind: two voters, a witness and an observer. The witness hands the
// leadership away, the observer serves clients, any node takes changes, and a node that
// is removed can not write any more.
func TestNodesOfEachKind(t *testing.T) {
	n := startNodesAs(t, "voter", "voter", "witness", "observer")
	n.load(t)
	observer := n.nodes[3]
	s := observer.startSteady(t, 2)
	for range 3 { // wherever the leadership goes, it does not stay with the witness
		lead := n.leader(t)
		if lead == 2 {
			continue
		}
		if _, err := observer.client.Transfer(t.Context(), "n3", "the witness is asked"); err != nil {
			t.Fatalf("transfer, asked of the observer: %v", err)
		}
		eventually(t, 10*time.Second, "a voter that is no witness leads", func() error {
			if now := n.leader(t); now == 2 {
				return errors.New("the witness leads")
			}
			return nil
		})
	}
	if err := observer.client.CreateToken(t.Context(), api.TokenRequest{Name: "backup", Role: "viewer", Hash: strings.Repeat("a", 64)}, false); err != nil {
		t.Fatal(err)
	}
	if tokens, err := observer.client.Tokens(t.Context()); err != nil || len(tokens) != 1 || tokens[0].By != "dba@n4" {
		t.Errorf("right after a change, the observer that took it knows %v, %v", tokens, err)
	}
	eventually(t, 5*time.Second, "the leader has heard of everybody", func() error {
		r, err := n.nodes[n.leader(t)].client.Raft(t.Context())
		if err != nil {
			return err
		}
		var parts []string
		for _, p := range r.Peers {
			parts = append(parts, p.Name+" "+p.Part+" "+p.Unit)
		}
		if want := []string{"n1 voter *", "n2 voter *", "n3 witness ", "n4 observer *"}; !slices.Equal(parts, want) {
			return fmt.Errorf("it knows %q", parts)
		}
		return nil
	})
	if status := observer.status(t); status.Step == nil || status.Health != "ok" {
		t.Errorf("the observer says %s, step %v", status.Health, status.Step)
	}
	s.end()
	for _, err := range s.errors() {
		t.Error(err)
	}
	n.lawIsRaised(t, observer)
	heir := string(n.nodes[1-n.leader(t)].cfg.Node)
	if _, err := observer.client.Transfer(t.Context(), heir, "kernel update"); err != nil {
		t.Fatalf("transfer to %s: %v", heir, err)
	}
	observer.audited(t, "order: let node "+heir+" lead", "dba@n4", "kernel update")
	if _, err := observer.client.RemoveNode(t.Context(), "n4", "its host is given back"); err != nil {
		t.Fatalf("remove n4, asked of itself: %v", err)
	}
	n.nodes[0].audited(t, "order: take node n4 out", "dba@n4", "its host is given back")
	db := observer.pool(t, asApp)
	eventually(t, 5*time.Second, "a node that was removed does not write", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if _, err := db.ExecContext(ctx, "INSERT INTO steady.w (node, client, seq) VALUES ('n4', 1, 1)"); err == nil {
			return errors.New("it wrote")
		}
		return nil
	})
	var count int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM steady.w").Scan(&count); err != nil {
		t.Errorf("and can not read either: %v", err)
	}
}

// owner is the server that the units belong to, by the word of a node.
func (n *nodesRig) owner(t *testing.T, r *rig) *mysqltest.Server {
	t.Helper()
	for _, u := range r.status(t).Units {
		for _, s := range n.servers {
			if s.Name == u.Owner {
				return s
			}
		}
	}
	t.Fatal("nobody owns anything")
	return nil
}

// same waits until all servers hold the same rows.
func (n *nodesRig) same(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, "DATA: all hold the same", func() error {
		for _, table := range []string{"steady.w", "steady.e"} {
			for _, s := range n.servers[1:] {
				if checksum(t, n.servers[0], table) != checksum(t, s, table) {
					return fmt.Errorf("the checksums of %s differ at %s and %s", table, n.servers[0].Name, s.Name)
				}
			}
		}
		return nil
	})
}

// load makes the table that steady writes to.
func (n *nodesRig) load(t *testing.T) {
	t.Helper()
	db := n.nodes[0].pool(t, nil)
	for _, statement := range []string{
		"CREATE DATABASE steady",
		"CREATE USER 'app'@'%' IDENTIFIED BY 'app secret'",
		"GRANT ALL ON steady.* TO 'app'@'%'",
		"CREATE TABLE steady.w (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, node VARCHAR(8), client INT, seq INT)",
		"CREATE TABLE steady.e (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, site INT, client INT, seq INT, epoch BIGINT UNSIGNED, server INT UNSIGNED)",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func asApp(cfg *mysql.Config) { cfg.User, cfg.Passwd = "app", "app secret" }

// last returns when a write was acknowledged last.
func (s *steady) last() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ends) == 0 {
		return time.Time{}
	}
	return s.ends[len(s.ends)-1]
}
