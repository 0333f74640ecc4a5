package mysqld_test

import (
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestFleetKeepsOneHandlePerMemberAndAddress(t *testing.T) {
	fleet, err := mysqld.NewFleet(config())
	if err != nil {
		t.Fatal(err)
	}
	defer fleet.Close()
	m := topology.Member{ID: "m1", Addr: "127.0.0.1:1"}
	first := fleet.Member(m)
	if fleet.Member(m) != first {
		t.Error("the same member has two handles")
	}
	moved := m
	moved.Addr = "127.0.0.1:2"
	if fleet.Member(moved) == first {
		t.Error("a member that has moved keeps the handle on its old address")
	}
	if o := fleet.Observe(t.Context(), m); o.Member != "m1" || o.Reach != topology.ReachRefused {
		t.Errorf("got %v", errReach(o))
	}
	for what, err := range map[string]error{
		"write heartbeat on m1": fleet.Beat(t.Context(), m, 1),
		"read accounts of m1":   second(fleet.Accounts(t.Context(), m)),
		"stamp on m1":           fleet.Execute(t.Context(), m, topology.Action{Kind: topology.ActStamp, Boot: 1}),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), what) {
			t.Errorf("got %v, want an error that says %q", err, what)
		}
	}
}

func second(_ []topology.Account, err error) error { return err }

func TestFleetLeadsEveryMember(t *testing.T) {
	n := world(t, 1)[0]
	fleet, err := mysqld.NewFleet(config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fleet.Close)
	m := topology.Member{ID: n.id, Addr: n.Addr}
	fleet.Member(m) // before and after Lead make no difference
	fleet.Lead(5)
	if err := fleet.Execute(t.Context(), m, n.prepare()); err != nil {
		t.Fatal(err)
	}
	n.Lead(4)
	n.refused(t, kind(topology.ActClose), mysqld.ErrDeposed)
}

func TestFleetNeedsItsAccounts(t *testing.T) {
	for _, missing := range []string{"node", "manager user", "manager password", "replication user", "replication password"} {
		cfg := config()
		switch missing {
		case "node":
			cfg.Node = ""
		case "manager user":
			cfg.ManagerUser = ""
		case "manager password":
			cfg.ManagerPassword = ""
		case "replication user":
			cfg.ReplicationUser = ""
		case "replication password":
			cfg.ReplicationPassword = ""
		}
		if _, err := mysqld.NewFleet(cfg); err == nil || !strings.Contains(err.Error(), missing) {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}
