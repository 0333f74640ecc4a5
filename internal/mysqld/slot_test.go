package mysqld_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// A slot is set beneath the sessions of applications: none is ended, those from before are
// counted, and are ended when they are to be.
func TestASlotIsSetWhileApplicationsWork(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	n.do(t, open(5))
	n.Exec(t, "CREATE DATABASE shop; CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
	before, err := n.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = before.Close() }()
	if err := before.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	if o := n.see(t); o.Renewed != (topology.Renewal{}) {
		t.Errorf("before anything was set: %+v", o.Renewed)
	}
	wide := autoinc.Layout{Offset: n.slot.Offset, Stride: 32}
	set := topology.Action{Kind: topology.ActSlot, Identity: n.identity, Layout: wide}
	n.refused(t, topology.Action{Kind: topology.ActSlot, Identity: n.identity, Layout: autoinc.Layout{Offset: 2, Stride: 32}}, mysqld.ErrPrecondition)
	n.refused(t, topology.Action{Kind: topology.ActSlot, Identity: n.identity + 1, Layout: wide}, mysqld.ErrPrecondition)
	for range 2 {
		n.do(t, set)
	}
	o := n.see(t)
	if o.Layout != wide || o.ReadOnly || o.Renewed.Stride != 32 || o.Renewed.Below == 0 || o.Renewed.Older < 1 {
		t.Fatalf("layout %s, read-only %t, renewed %+v: want %s, open, and at least the session of before", o.Layout, o.ReadOnly, o.Renewed, wide)
	}
	if _, err := before.ExecContext(t.Context(), "INSERT INTO shop.t (v) VALUES (1), (2)"); err != nil {
		t.Errorf("a session of before was ended: %v", err)
	}
	after, err := n.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = after.Close() }()
	if _, err := after.ExecContext(t.Context(), "INSERT INTO shop.t (v) VALUES (3), (4)"); err != nil {
		t.Fatal(err)
	}
	// 1 and 17 by stride 16, then the next of 1, 33, 65, … above, and the one after that.
	if got := n.Query(t, "SELECT GROUP_CONCAT(id ORDER BY id) FROM shop.t"); got != "1,17,33,65" {
		t.Errorf("ids are %s", got)
	}
	end := topology.Action{Kind: topology.ActEndOlder, Identity: n.identity, Below: o.Renewed.Below}
	n.refused(t, topology.Action{Kind: topology.ActEndOlder, Identity: n.identity}, mysqld.ErrPrecondition)
	for range 2 {
		n.do(t, end)
	}
	if err := before.PingContext(t.Context()); err == nil {
		t.Error("the session of before is still there")
	}
	if err := after.PingContext(t.Context()); err != nil {
		t.Errorf("the session of afterwards was ended: %v", err)
	}
	if o := n.see(t); o.Renewed.Older != 0 || o.Renewed.Below != end.Below {
		t.Errorf("renewed %+v after its older ones were ended", o.Renewed)
	}
	// Back: the other way round it is a part, too.
	set.Layout = n.slot
	n.do(t, set)
	if o := n.see(t); o.Layout != n.slot || o.Renewed.Stride != 16 || o.Renewed.Below <= end.Below {
		t.Errorf("layout %s, renewed %+v", o.Layout, o.Renewed)
	}
}

// Connection ids of a server that runs for long do not fit into one number of its memory.
func TestTheIDOfBeforeIsNotedWhateverItIs(t *testing.T) {
	for _, id := range []uint64{1, 999_999, 1_000_000, 4_294_967_295, 30_000_000_000_000} {
		t.Run(fmt.Sprint(id), func(t *testing.T) {
			if got := mysqld.NotedID(id); got != id {
				t.Errorf("%d is noted as %d", id, got)
			}
		})
	}
}

// Who has opened a connection and not logged in yet counts, and is ended too.
func TestWhoIsStillLoggingInIsFromBefore(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	n.do(t, open(5))
	var d net.Dialer
	stalled, err := d.DialContext(t.Context(), "tcp", n.Server.Addr) // it is greeted, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stalled.Close() }()
	if _, err := stalled.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	n.do(t, topology.Action{Kind: topology.ActSlot, Identity: n.identity, Layout: autoinc.Layout{Offset: 1, Stride: 32}})
	o := n.see(t)
	if o.Renewed.Older < 1 || o.Apps != 0 && o.Renewed.Older <= o.Apps {
		t.Fatalf("%d of before, %d of applications: who logs in is not counted", o.Renewed.Older, o.Apps)
	}
	n.do(t, topology.Action{Kind: topology.ActEndOlder, Identity: n.identity, Below: o.Renewed.Below})
	n.eventually(t, "it is gone", func(o topology.Observation) bool { return o.Renewed.Older == 0 })
	_ = stalled.SetReadDeadline(time.Now().Add(2 * time.Second))
	for buf := make([]byte, 4096); ; {
		if _, err := stalled.Read(buf); err != nil {
			return
		}
	}
}
