package mysqld_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestBeatsGoRoundTheRing(t *testing.T) {
	nodes := world(t, 2)
	a, b := nodes[0], nodes[1]
	for _, n := range nodes {
		n.do(t, n.prepare())
	}
	a.do(t, follow(b))
	b.do(t, follow(a))
	// Both are read-only: the heartbeat passes.
	for seq := uint64(1); seq <= 3; seq++ {
		for _, n := range nodes {
			if err := n.Beat(t.Context(), seq); err != nil {
				t.Fatal(err)
			}
		}
	}
	other := config()
	other.Node = "n2"
	if err := handle(t, b.Server, other).Beat(t.Context(), b.identity, 8); err != nil {
		t.Fatal(err)
	}
	want := []topology.Beat{{Origin: "m1", Node: "n1", Seq: 3}, {Origin: "m2", Node: "n1", Seq: 3}, {Origin: "m2", Node: "n2", Seq: 8}}
	for _, n := range nodes {
		n.eventually(t, "has all beats", func(o topology.Observation) bool {
			if len(o.Beats) != len(want) {
				return false
			}
			for i := range want {
				if o.Beats[i] != want[i] {
					return false
				}
			}
			return o.Link.ApplierErrno == 0
		})
	}
}

func TestBeatIsNeverWrittenUnderAStrangersIdentity(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	if err := n.Beat(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	// The identity is renewed while the heartbeat's session is open: it would
	// write under the old one.
	a := n.prepare()
	a.Identity, a.Retired, a.Fresh = 201, []uint32{101}, false
	n.do(t, a)
	if err := n.Beat(t.Context(), 2); !errors.Is(err, mysqld.ErrNoIdentity) {
		t.Errorf("a node that knows the earlier identity wrote: %v", err)
	}
	n.identity = 201
	if err := n.Beat(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	want := "101-101-1,201-201-1" // one transaction of each identity
	if isMySQL(t) {
		want = topology.Position{n.at(t, 2)}.String()
	}
	if got := n.see(t).Binlog.String(); got != want {
		t.Errorf("binlog is at %s, want %s", got, want)
	}
	// After a restart the server has none.
	n.Kill()
	n.RestartNow(t)
	mysqltest.Eventually(t, "it is refused", func() error {
		if err := n.Beat(t.Context(), 3); !errors.Is(err, mysqld.ErrNoIdentity) {
			return errors.Join(errors.New("want ErrNoIdentity"), err)
		}
		return nil
	})
	if got := n.see(t).Binlog.String(); got != want {
		t.Errorf("binlog is at %s: something was written", got)
	}
}

func TestBeatOfAFrozenServerEndsInTimeAndGoesOnAfterwards(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	if err := n.Beat(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	n.Freeze()
	began := time.Now()
	if err := n.Beat(t.Context(), 2); err == nil {
		t.Error("a frozen server took the heartbeat")
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	n.Thaw()
	mysqltest.Eventually(t, "heartbeats go on", func() error { return n.Beat(t.Context(), 3) })
	n.eventually(t, "number 3 stands", func(o topology.Observation) bool { return len(o.Beats) == 1 && o.Beats[0].Seq == 3 })
}
