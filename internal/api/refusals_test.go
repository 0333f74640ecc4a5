package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// The plan of a ring says what its servers lack now, in the words of the operation's first step.
func TestPlanOfARingSaysWhatIsInTheWay(t *testing.T) {
	ready := topology.Observation{Reach: topology.ReachAnswers, At: time.Now(), ReadOnly: true}
	ready.Version = topology.ServerVersion{Flavour: topology.FlavourMariaDB, Major: 10, Minor: 11}
	ready.Settings.LogBin, ready.Settings.LogReplica, ready.Settings.LogReplicaInFile, ready.Settings.RowFormat = true, true, true, true
	as := func(id topology.MemberID, o topology.Observation) topology.Observation { o.Member = id; return o }
	full, open := ready, ready
	open.ReadOnly = false
	full.Schemas, full.Settings.ReadOnlyInFile = []string{"shop"}, true
	for _, tt := range []struct {
		name   string
		m1, m2 topology.Observation
		data   bool
		want   []string
	}{
		{"one does not answer", full, topology.Observation{Reach: topology.ReachRefused, At: time.Now(), Error: "connection refused"}, false, []string{"m2 at 127.0.0.1:13302 does not answer: connection refused"}},
		{"one holds data", full, ready, false, []string{"member m1 is not empty, it has the schema shop"}},
		{"nobody knows its file", open, ready, true, []string{"if it has: sqlring ring init with --boots-closed"}},
	} {
		n := apitest.NewNode()
		n.Strangers = topology.Observations{}.With(as("m1", tt.m1)).With(as("m2", tt.m2))
		req := twoMembers()
		req.Data = tt.data
		plan, err := serve(t, n).unix.PlanRing(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.InTheWay) != len(tt.want) || !strings.Contains(strings.Join(plan.InTheWay, ""), tt.want[0]) {
			t.Errorf("%s: %q, want %q", tt.name, plan.InTheWay, tt.want)
		}
	}
}

// A member that is drained gets no unit by a move: the controller would take it away again.
func TestNoUnitMovesToADrainedMember(t *testing.T) {
	s := serve(t, apitest.NewRing())
	if _, err := s.unix.ChangeMember(t.Context(), "m2", "drain", false, ""); err != nil {
		t.Fatal(err)
	}
	_, err := s.unix.Move(t.Context(), "*", api.MoveRequest{To: "m2"})
	if p := problemOf(t, err); p.Check != "drained" || !strings.Contains(p.Detail, "sqlring master resume m2") {
		t.Errorf("check %q: %s", p.Check, p.Detail)
	}
	_, err = s.unix.Move(t.Context(), "*", api.MoveRequest{To: "m22"})
	if p := problemOf(t, err); !strings.Contains(p.Detail, `"m22" is not a member of the ring: its members are m1, m2`) {
		t.Errorf("%s", p.Detail)
	}
}
