package mysqld_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

// node is a real server and a handle on it.
type node struct {
	*mysqltest.Server
	*mysqld.Member

	id       topology.MemberID
	identity uint32
	slot     autoinc.Layout
}

func config() mysqld.Config {
	return mysqld.Config{
		Node: "n1", ManagerUser: mysqltest.Manager, ManagerPassword: mysqltest.ManagerPassword,
		ReplicationUser: "sqlring_repl", ReplicationPassword: `re'pl\`, Probe: 500 * time.Millisecond,
	}
}

// world starts n servers with a handle each. No goroutine is left at the end.
func world(t *testing.T, n int) []*node {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	var nodes []*node
	for i, s := range mysqltest.StartRing(t, n) {
		id := topology.MemberID(s.Name)
		nodes = append(nodes, &node{
			Server: s, id: id, identity: uint32(101 + i), slot: autoinc.Layout{Offset: i + 1, Stride: 16},
			Member: handle(t, s, config()),
		})
	}
	return nodes
}

// handle returns a further handle on a server, closed with the test.
func handle(t *testing.T, s *mysqltest.Server, cfg mysqld.Config) *mysqld.Member {
	t.Helper()
	m := mysqld.New(cfg, topology.MemberID(s.Name), s.Addr)
	t.Cleanup(m.Close)
	return m
}

// isMySQL reports whether the rings of this run are of MySQL.
func isMySQL(t testing.TB) bool { return mysqltest.Flavour(t) == topology.FlavourMySQL }

// Exec runs statements as root; those of replication are given in MariaDB's words.
func (n *node) Exec(t testing.TB, statements string, args ...any) {
	t.Helper()
	n.Server.Exec(t, n.words(t, statements), args...)
}

func (n *node) words(t testing.TB, statements string) string {
	return mysqltest.Words(t, statements)
}

// at returns the member's own transaction of that number.
func (n *node) at(t testing.TB, seq uint64) topology.GTID {
	t.Helper()
	if !isMySQL(t) {
		return topology.GTID{Domain: n.identity, Server: n.identity, Seq: seq}
	}
	source := n.Query(t, "SELECT @@server_uuid")
	return topology.GTID{Domain: topology.SourceDomain(source), Seq: seq, Source: source}
}

// domain is under what the member's own transactions stand.
func (n *node) domain(t testing.TB) uint32 {
	t.Helper()
	return n.at(t, 0).Domain
}

func (n *node) prepare() topology.Action {
	return topology.Action{Kind: topology.ActPrepare, Identity: n.identity, Layout: n.slot, Fresh: true}
}

// Beat writes a heartbeat under the identity that the test has issued.
func (n *node) Beat(ctx context.Context, seq uint64) error {
	return n.Member.Beat(ctx, n.identity, seq)
}

// Execute fills in the identity that the test has issued, where an action asks for it.
func (n *node) Execute(ctx context.Context, a topology.Action) error {
	return n.Member.Execute(ctx, n.issued(a))
}

func (n *node) issued(a topology.Action) topology.Action {
	switch a.Kind {
	case topology.ActFollow, topology.ActOpen, topology.ActArm, topology.ActSlot:
		a.Identity = cmp.Or(a.Identity, n.identity)
	}
	return a
}

// do executes an action or fails the test.
func (n *node) do(t *testing.T, a topology.Action) {
	t.Helper()
	if err := n.Execute(t.Context(), a); err != nil {
		t.Fatal(err)
	}
}

// refused executes an action that has to fail with want.
func (n *node) refused(t *testing.T, a topology.Action, want error) {
	t.Helper()
	if err := n.Execute(t.Context(), a); !errors.Is(err, want) {
		t.Fatalf("%s on %s: got %v, want %v", a, n.id, err, want)
	}
}

// see returns an observation that answers.
func (n *node) see(t *testing.T) topology.Observation {
	t.Helper()
	o := n.Observe(t.Context())
	if o.Reach != topology.ReachAnswers {
		t.Fatalf("%s: %s: %s", n.id, o.Reach, o.Error)
	}
	return o
}

// eventually observes until holds says yes.
func (n *node) eventually(t *testing.T, what string, holds func(topology.Observation) bool) topology.Observation {
	t.Helper()
	var o topology.Observation
	mysqltest.Eventually(t, string(n.id)+": "+what, func() error {
		o = n.Observe(context.WithoutCancel(t.Context()))
		if o.Reach == topology.ReachAnswers && holds(o) {
			return nil
		}
		return fmt.Errorf("seen: %+v", o)
	})
	return o
}

func follow(up *node) topology.Action {
	return topology.Action{Kind: topology.ActFollow, Upstream: up.Addr, UpstreamName: up.id, Acker: true}
}

func open(boot uint64) topology.Action { return topology.Action{Kind: topology.ActOpen, Boot: boot} }

func kind(k topology.ActionKind) topology.Action { return topology.Action{Kind: k} }

// pair is m1, open for writes, and m2, which follows it.
func pair(t *testing.T) (up, down *node) {
	t.Helper()
	nodes := world(t, 2)
	up, down = nodes[0], nodes[1]
	for _, n := range nodes {
		n.do(t, n.prepare())
	}
	down.do(t, follow(up))
	up.do(t, open(7))
	up.Exec(t, "CREATE DATABASE shop; CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
	down.caughtUp(t, up)
	return up, down
}

// caughtUp waits until n has applied what up has.
func (n *node) caughtUp(t *testing.T, up *node) {
	t.Helper()
	goal := up.see(t).Binlog
	n.eventually(t, "has "+goal.String(), func(o topology.Observation) bool {
		return o.Link.Receiver == topology.ThreadRunning && o.Position().Covers(goal)
	})
}
