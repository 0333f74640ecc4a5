package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// A rule is listed with what it does at the node that answers, and has metrics.
func TestLimitsTellWhatTheyDo(t *testing.T) {
	node := apitest.NewRing()
	node.Edit(func(n *apitest.Node) {
		for _, scope := range []string{"account:report", "all"} {
			n.State.Limits = append(n.State.Limits, topology.LimitRule{Scope: scope, Concurrency: 2, Until: time.Now().Add(time.Hour)})
		}
		n.Stats.Limits = []api.LimitAt{{Scope: "account:report", Inside: 2, Waiting: 7, Held: 40, Refused: 3, Waited: 1500 * time.Millisecond}}
		n.Stats.Gates = []api.GateAt{{Member: "m1"}}
		n.Stats.Gates[0].Counts.LaneTime = 2500 * time.Millisecond
	})
	s := serve(t, node)
	list, err := s.tcp.Limits(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%v %+v", err, list)
	}
	if r := list[0]; r.Scope != "account:report" || r.Inside != 2 || r.Waiting != 7 || r.Held != 40 || r.Refused != 3 || r.WaitedMS != 1500 {
		t.Errorf("%+v", r)
	}
	if r := list[1]; r.Scope != "all" || r.Inside+r.Waiting != 0 || r.Held+r.Refused != 0 {
		t.Errorf("one that the node's proxy has not taken up: %+v", r)
	}
	_, body := s.get(t, "/metrics")
	for _, line := range []string{
		`sqlring_limit_waiting{scope="account:report"} 7`,
		`sqlring_limit_wait_seconds_total{scope="account:report"} 1.5`,
		`sqlring_limit_refused_total{scope="account:report"} 3`,
		`sqlring_gate_lane_seconds_total{member="m1"} 2.5`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("%s is missing: %s", line, grep(body, "sqlring_limit"))
		}
	}
}
