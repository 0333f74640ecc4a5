package api_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestMetrics(t *testing.T) {
	s := serve(t, apitest.NewRing())
	_, body := s.get(t, "/metrics")
	for _, line := range []string{
		`sqlring_raft_leader 1`,
		`sqlring_raft_has_leader 1`,
		`sqlring_ready 1`,
		`sqlring_ring_health{health="ok"} 1`,
		`sqlring_ring_health{health="down"} 0`,
		`sqlring_member_up{member="m2"} 1`,
		`sqlring_member_read_only{member="m1"} 0`,
		`sqlring_member_read_only{member="m2"} 1`,
		`sqlring_member_slot{member="m2"} 2`,
		`sqlring_member_state{member="m1",state="active"} 1`,
		`sqlring_member_semi_sync_armed{member="m1"} 1`,
		`sqlring_member_semi_sync_on{member="m1"} 1`,
		`sqlring_lag_low_seconds{member="m2",origin="m1"} 0.003`,
		`sqlring_lag_high_seconds{member="m2",origin="m1"} 0.0065`,
		`sqlring_lag_known{member="m2",origin="m1"} 1`,
		`sqlring_lag_level{level="fresh",member="m2"} 1`,
		`sqlring_lag_level{level="throttle",member="m2"} 0`,
		`sqlring_lag_transactions{member="m2",origin="m1"} 0`,
		`sqlring_lag_apply_rate{member="m2",origin="m1"} 100`,
		`sqlring_throttle_rules 0`,
		`sqlring_throttle_checks_total{code="429"} 0`,
		`sqlring_unit_owner{member="m1",unit="*"} 1`,
		`sqlring_unit_epoch{unit="*"} 1`,
		`sqlring_violations{severity="broken"} 0`,
		`sqlring_operation_running{kind="init"} 0`,
		`sqlring_proxy_sessions 4`,
		`sqlring_proxy_queries_total 1234`,
		`sqlring_proxy_refused_total{reason="login"} 2`,
		`sqlring_proxy_pinned_sessions{reason="user locks"} 0`,
		`sqlring_proxy_spread_reads_total 700`,
		`sqlring_proxy_awaited_reads_total 20`,
		`sqlring_proxy_awaited_in_vain_reads_total 3`,
		`sqlring_proxy_member_connections{member="m1",state="taken"} 3`,
		`sqlring_proxy_member_connections{member="m1",state="idle"} 2`,
		`sqlring_proxy_member_connection_waiters{member="m1"} 1`,
		`sqlring_proxy_member_connections_limit{member="m1"} 100`,
		`# TYPE sqlring_proxy_queries_total counter`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("%s is missing", line)
		}
	}
	if !strings.Contains(body, "go_goroutines ") || !strings.Contains(body, `sqlring_build_info{goversion="go`) {
		t.Error("the process or build metrics are missing")
	}
}

// A graph must not show a lag of 0 or an open member where nothing is known.
func TestMetricsOfTheUnknownAreAbsent(t *testing.T) {
	node := apitest.NewRing()
	node.Edit(func(n *apitest.Node) {
		n.Leading = ""
		n.Lag = lagguard.Lag{Known: true, High: time.Millisecond, At: time.Now().Add(-time.Hour)}
		n.Spoil = func(o *topology.Observation) { o.At = time.Now().Add(-time.Hour) }
	})
	_, body := serve(t, node).get(t, "/metrics")
	for _, name := range []string{"sqlring_lag_low_seconds{", "sqlring_lag_high_seconds{", "sqlring_member_read_only{", "sqlring_member_semi_sync_on{", "sqlring_lag_transactions{", "sqlring_lag_level_seconds{"} {
		if strings.Contains(body, name) {
			t.Errorf("%s} is there: %s", name, grep(body, name))
		}
	}
	for _, line := range []string{
		`sqlring_lag_level{level="unknown",member="m2"} 1`, `sqlring_lag_level{level="fresh",member="m2"} 0`,
		`sqlring_lag_known{member="m2",origin="m1"} 0`, `sqlring_member_up{member="m1"} 0`,
		`sqlring_raft_has_leader 0`, `sqlring_ready 0`, `sqlring_ring_health{health="down"} 1`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("%s is missing", line)
		}
	}
}

func TestMetricsOfLinksAndSlots(t *testing.T) {
	node := apitest.NewRing()
	node.Edit(func(n *apitest.Node) {
		n.Stats.Traffic = api.ProxyTraffic{Sessions: 9, ReceivedBytes: 10, SentBytes: 11, Links: 12, LinksLost: 13, LinksCut: 14, OutcomeUnknown: 15, Waited: 16, Repeated: 17, Abandoned: 18, Slowed: 19, LinksRefused: 20}
		n.Spoil = func(o *topology.Observation) {
			if o.Member == "m2" {
				o.Link.Applier, o.Link.ApplierErrno, o.Layout.Offset = topology.ThreadStopped, 1062, 3
			}
		}
	})
	_, body := serve(t, node).get(t, "/metrics")
	for _, line := range []string{
		`sqlring_member_reach{member="m2",reach="answers"} 1`, `sqlring_member_reach{member="m2",reach="silent"} 0`,
		`sqlring_member_link_running{member="m2",thread="receiver"} 1`, `sqlring_member_link_running{member="m2",thread="applier"} 0`,
		`sqlring_member_link_error_number{member="m2",thread="applier"} 1062`, `sqlring_member_link_expected{member="m2"} 1`,
		`sqlring_member_slot_ok{member="m1"} 1`, `sqlring_member_slot_ok{member="m2"} 0`,
		`sqlring_ring_stride 16`, `sqlring_ring_slots_free 14`,
		`sqlring_proxy_sessions_total 9`, `sqlring_proxy_received_bytes_total 10`, `sqlring_proxy_sent_bytes_total 11`,
		`sqlring_proxy_member_connections_total 12`, `sqlring_proxy_member_connections_lost_total 13`, `sqlring_proxy_member_connections_cut_total 14`, `sqlring_proxy_member_connections_refused_total 20`,
		`sqlring_proxy_outcomes_unknown_total 15`, `sqlring_proxy_waits_total 16`, `sqlring_proxy_repeated_reads_total 17`,
		`sqlring_proxy_abandoned_statements_total 18`, `sqlring_proxy_slowed_logins_total 19`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("%s is missing: %s", line, grep(body, line[:strings.IndexAny(line, " {")]))
		}
	}
	if strings.Contains(body, "sqlring_operation_step_seconds{") {
		t.Error("a ring at rest has an operation at a step")
	}
}

func TestMetricsOfAFailover(t *testing.T) {
	node := threeMembers(t, topology.InitRing{})
	s := serve(t, node)
	has := func(lines ...string) string {
		t.Helper()
		_, body := s.get(t, "/metrics")
		for _, line := range lines {
			if !strings.Contains(body, line+"\n") {
				t.Errorf("%s is missing: %s", line, grep(body, line[:strings.IndexAny(line, " {")]))
			}
		}
		return body
	}
	has(`sqlring_unit_owned{unit="*"} 1`, `sqlring_unit_ownerless_seconds{unit="*"} 0`, `sqlring_operations_total{kind="heal"} 0`,
		`sqlring_operations_total{kind="init"} 1`, `sqlring_controller_stuck 0`, `sqlring_member_semi_sync_ordered{member="m1",order="armed"} 1`)
	node.Edit(func(n *apitest.Node) { n.Lose("m1") })
	has(`sqlring_member_lost{member="m1"} 1`, `sqlring_member_lost{member="m2"} 0`)
	node.Edit(func(n *apitest.Node) { n.BeginHeal("m1", topology.HealDrain) })
	body := has(`sqlring_unit_owned{unit="*"} 0`, `sqlring_operation_running{kind="heal"} 1`, `sqlring_operations_total{kind="heal"} 1`, `sqlring_member_state{member="m1",state="down"} 1`)
	if strings.Contains(body, "sqlring_unit_owner{") || strings.Contains(body, `sqlring_unit_ownerless_seconds{unit="*"} 0`+"\n") {
		t.Error("a unit without an owner has one")
	}
	node.Edit(func(n *apitest.Node) { n.Finish() })
	has(`sqlring_unit_owner{member="m2",unit="*"} 1`, `sqlring_member_semi_sync_ordered{member="m2",order="degraded"} 1`,
		`sqlring_member_semi_sync_ordered{member="m2",order="armed"} 0`, `sqlring_operation_running{kind="heal"} 0`)
	node.Edit(func(n *apitest.Node) { // the oldest is forgotten
		next := *n.State
		next.Operations = next.Operations[1:]
		n.State = &next
	})
	has(`sqlring_operations_total{kind="init"} 1`, `sqlring_operations_total{kind="heal"} 1`)
	node.Edit(func(n *apitest.Node) { n.Leading = "n2" })
	if _, body := s.get(t, "/metrics"); strings.Contains(body, "sqlring_controller_stuck ") {
		t.Error("a follower says whether the controller is stuck")
	}
}

// docs/api.md lists every metric and no other.
func TestDocsListEveryMetric(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, name := range regexp.MustCompile("`(sqlring_[a-z_]+)`").FindAllStringSubmatch(string(text), -1) {
		documented[name[1]] = true
	}
	healing := threeMembers(t, topology.InitRing{})
	healing.BeginHeal("m1", topology.HealDrain)
	ring := apitest.NewRing()
	ring.Levels = map[topology.MemberID]lagguard.Level{"m2": lagguard.LevelThrottle} // so that nothing is absent
	ring.Stats.Gates = []api.GateAt{{Member: "m1"}}
	ring.Stats.Limits = []api.LimitAt{{Scope: "all"}}
	ring.Costs = []api.DigestAt{{Member: "m1"}}
	ring.Columns = []autoinc.Column{{Schema: "shop", Table: "orders", Column: "id", Max: 127, Next: 100}}
	ring.OpenOutbox()
	ring.Told = []api.Hook{{Name: "pager"}}
	s := serve(t, ring)
	s.get(t, "/v1/autoinc/headroom") // it reads the columns
	_, well := s.get(t, "/metrics")
	_, healed := serve(t, healing).get(t, "/metrics")
	body, seen := well+healed, map[string]bool{}
	for _, help := range regexp.MustCompile(`(?m)^# TYPE (sqlring_\w+)`).FindAllStringSubmatch(body, -1) {
		if !documented[help[1]] && !seen[help[1]] {
			t.Errorf("%s is not in docs/api.md", help[1])
		}
		seen[help[1]] = true
		delete(documented, help[1])
	}
	delete(documented, "sqlring_autoinc_runway_seconds") // it needs a past of ten minutes
	for name := range documented {
		t.Errorf("docs/api.md lists %s, which is not served", name)
	}
}
