package mysqld_test

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestObserveFreshServer(t *testing.T) {
	n := world(t, 1)[0]
	o := n.see(t)
	if o.Member != "m1" || o.Version.Flavour != mysqltest.Flavour(t) || o.Greeting != n.Query(t, "SELECT @@version") {
		t.Errorf("it is %q, %s, %q", o.Member, o.Version, o.Greeting)
	}
	if o.Asked.IsZero() || o.At.Before(o.Asked) {
		t.Errorf("asked at %v, answered at %v", o.Asked, o.At)
	}
	id := uint32(1)
	if isMySQL(t) {
		id = 0
	}
	if !o.ReadOnly || o.Boot != 0 || o.ServerID != id || o.Domain != n.domain(t)*(1-id) || (o.Layout != autoinc.Layout{Offset: 1, Stride: 1}) {
		t.Errorf("read_only %t, boot %d, identity %d/%d, slot %s", o.ReadOnly, o.Boot, o.ServerID, o.Domain, o.Layout)
	}
	if o.HasRing || len(o.Schemas) != 0 || len(o.Beats) != 0 || len(o.Applied) != 0 || len(o.Binlog) != 0 || o.Link.Upstream != "" {
		t.Errorf("it is not empty: %+v", o)
	}
	want := topology.Settings{
		LogBin: true, LogReplica: true, RowFormat: true, GTIDStrict: true, IgnoreDuplicates: true, StrictDDL: true,
		NetTimeout: 2, ReadOnlyInFile: true, LogReplicaInFile: true,
		ConfigFile: "", // the server names it to accounts with FILE only
	}
	if isMySQL(t) { // semi-sync is not installed, and nothing is persisted
		want.NetTimeout, want.ReadOnlyInFile, want.ServerUUID = 60, false, n.at(t, 0).Source
		want.ServerID = 1
	}
	if o.Settings != want {
		t.Errorf("settings\n got %+v\nwant %+v", o.Settings, want)
	}
	n.Exec(t, "CREATE DATABASE zoo; CREATE DATABASE alpha")
	if got := n.see(t).Schemas; !reflect.DeepEqual(got, []string{"alpha", "zoo"}) {
		t.Errorf("schemas are %q", got)
	}
}

func TestObserveIsCheap(t *testing.T) {
	_, down := pair(t)
	down.see(t)
	fastest := time.Hour // the others are the machine's
	for range 50 {
		began := time.Now()
		down.see(t)
		fastest = min(fastest, time.Since(began))
	}
	t.Logf("a probe takes %v at best", fastest)
	if fastest > 20*time.Millisecond {
		t.Errorf("a probe takes %v at best", fastest)
	}
}

func TestObserveKilledRestartedServer(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	n.do(t, open(42))
	if o := n.see(t); o.Boot != 42 || o.ReadOnly || !o.Settings.ReadOnlyInFile {
		t.Fatalf("boot %d, read_only %t, in file %t after open", o.Boot, o.ReadOnly, o.Settings.ReadOnlyInFile)
	}
	n.Kill()
	mysqltest.Eventually(t, "it is refused", func() error {
		if o := n.Observe(t.Context()); o.Reach != topology.ReachRefused || o.Error == "" {
			return errReach(o)
		}
		return nil
	})
	n.RestartNow(t)
	o := n.see(t)
	if o.Boot != 0 || o.Domain != 0 && !isMySQL(t) || o.ServerID == n.identity || !o.ReadOnly || !o.Settings.ReadOnlyInFile || !o.HasRing {
		t.Errorf("after the restart: boot %d, domain %d, read_only %t, in file %t, ring %t", o.Boot, o.Domain, o.ReadOnly, o.Settings.ReadOnlyInFile, o.HasRing)
	}
	// The hands died with the process: one action says so, the next one takes them again.
	n.refused(t, open(43), mysqld.ErrHandsLost)
	n.refused(t, open(43), mysqld.ErrPrecondition) // and a server without identity stays closed
	n.do(t, n.prepare())
	n.do(t, open(43))
}

func errReach(o topology.Observation) error { return fmt.Errorf("%s: %s", o.Reach, o.Error) }

func TestObserveFrozenServerIsSilentWithinItsDeadline(t *testing.T) {
	n := world(t, 1)[0]
	n.see(t)
	fresh := handle(t, n.Server, config()) // has no connection yet
	n.Freeze()
	defer n.Thaw()
	for _, m := range []*mysqld.Member{n.Member, fresh, n.Member} {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		o := m.Observe(ctx)
		cancel()
		if took := time.Since(began); o.Reach != topology.ReachSilent || took > 400*time.Millisecond {
			t.Errorf("%v after %v, want silent after 200 ms", errReach(o), took)
		}
	}
	n.Thaw()
	n.see(t)
}

func TestObserveTellsWhyItCannot(t *testing.T) {
	n := world(t, 1)[0]
	bad := config()
	bad.ManagerPassword = "wrong"
	if o := handle(t, n.Server, bad).Observe(t.Context()); o.Reach != topology.ReachDenied {
		t.Errorf("wrong password: %v", errReach(o))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if o := n.Observe(ctx); o.Reach != topology.ReachUnknown {
		t.Errorf("our own end: %v", errReach(o))
	}
	// A listener that never answers, and one that hangs up.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	mute := mysqld.New(config(), "mute", l.Addr().String())
	defer mute.Close()
	if o := mute.Observe(t.Context()); o.Reach != topology.ReachSilent {
		t.Errorf("a mute listener: %v", errReach(o))
	}
	hung := make(chan struct{})
	go func() {
		defer close(hung)
		for range 2 {
			if c, err := l.Accept(); err == nil {
				_ = c.Close()
			}
		}
	}()
	if o := mute.Observe(t.Context()); o.Reach != topology.ReachRefused {
		t.Errorf("a listener that hangs up: %v", errReach(o))
	}
	<-hung
}

func TestObserveLaggingApplier(t *testing.T) {
	up, down := pair(t)
	release := lockTable(t, down)
	up.Exec(t, "INSERT INTO shop.t (v) VALUES (1)")
	goal := up.see(t).Binlog
	o := down.eventually(t, "received but not applied", func(o topology.Observation) bool {
		return o.Link.Received.Covers(goal) && !o.Applied.Covers(goal)
	})
	if o.Drained() || o.Link.Applier != topology.ThreadRunning {
		t.Errorf("drained %t, applier %s", o.Drained(), o.Link.Applier)
	}
	// Rule 1: nothing that would lose it is done.
	down.refused(t, kind(topology.ActDetach), mysqld.ErrPrecondition)
	other := follow(up)
	other.Upstream = "127.0.0.1:1"
	down.refused(t, other, mysqld.ErrPrecondition)
	down.do(t, kind(topology.ActStopReceiver))
	down.refused(t, other, mysqld.ErrPrecondition)
	down.refused(t, kind(topology.ActDetach), mysqld.ErrPrecondition)
	if o := down.see(t); o.Drained() || o.Link.Applier != topology.ThreadRunning {
		t.Errorf("after the receiver was stopped: drained %t, applier %s", o.Drained(), o.Link.Applier)
	}
	release()
	down.eventually(t, "drained", topology.Observation.Drained)
	down.do(t, kind(topology.ActDetach))
	if got := down.Query(t, "SELECT COUNT(*) FROM shop.t"); got != "1" {
		t.Errorf("%s rows arrived, want 1", got)
	}
}

// lockTable holds shop.t against the applier until the returned function is
// called.
func lockTable(t *testing.T, n *node) (release func()) {
	t.Helper()
	c, err := n.DB().Conn(t.Context())
	if err == nil {
		_, err = c.ExecContext(t.Context(), "LOCK TABLES shop.t WRITE")
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := c.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
			t.Error(err)
		}
		_ = c.Close()
	}
}
