package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api/apitest"
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
		`sqlring_unit_owner{member="m1",unit="*"} 1`,
		`sqlring_unit_epoch{unit="*"} 1`,
		`sqlring_violations{severity="broken"} 0`,
		`sqlring_operation_running{kind="init"} 0`,
		`sqlring_proxy_sessions 4`,
		`sqlring_proxy_queries_total 1234`,
		`sqlring_proxy_refused_total{reason="login"} 2`,
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
	for _, name := range []string{"sqlring_lag_low_seconds{", "sqlring_lag_high_seconds{", "sqlring_member_read_only{", "sqlring_member_semi_sync_on{"} {
		if strings.Contains(body, name) {
			t.Errorf("%s} is there: %s", name, grep(body, name))
		}
	}
	for _, line := range []string{
		`sqlring_lag_known{member="m2",origin="m1"} 0`, `sqlring_member_up{member="m1"} 0`,
		`sqlring_raft_has_leader 0`, `sqlring_ready 0`, `sqlring_ring_health{health="down"} 1`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("%s is missing", line)
		}
	}
}
