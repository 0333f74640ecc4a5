package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/gate"
)

// Queue time is apart from server time: in the answer and in the metrics.
func TestDigests(t *testing.T) {
	node := apitest.NewRing()
	node.Edit(func(n *apitest.Node) {
		n.Costs = []api.DigestAt{
			{Member: "m1", Text: "UPDATE `t` SET `a` = ?", Tally: gate.Tally{Digest: 0xab, Statements: 80, ServerTime: 400 * time.Millisecond, Waits: 6, WaitTime: 9 * time.Second, LaneWaits: 1, LaneTime: time.Second, RuleWaits: 2, RuleTime: 5 * time.Second, Longest: 3 * time.Second, Shed: 2, Gone: 1}},
			{Member: "m2", Text: "SELECT ?", Tally: gate.Tally{Digest: 0xcd, Statements: 8}},
		}
	})
	s := serve(t, node)
	list, err := s.tcp.Digests(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	want := api.Digest{
		Member: "m1", Digest: "00000000000000ab", Text: "UPDATE `t` SET `a` = ?", Statements: 80, ServerMS: 400, Waits: 6, WaitMS: 9000, RowWaits: 1, RowWaitMS: 1000, RuleWaits: 2, RuleWaitMS: 5000,
		LongestMS: 3000, Shed: 2, Gone: 1,
	}
	if list.Node != "n1" || len(list.Digests) != 1 || list.Digests[0] != want {
		t.Errorf("%+v", list)
	}
	_, body := s.get(t, "/metrics")
	for _, line := range []string{
		`sqlring_digest_server_seconds_total{digest="00000000000000ab",member="m1"} 0.4`,
		`sqlring_digest_queue_seconds_total{digest="00000000000000ab",member="m1"} 15`,
		`sqlring_digest_statements_total{digest="00000000000000cd",member="m2"} 8`,
		`sqlring_digest_shed_total{digest="00000000000000ab",member="m1"} 2`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("%s is missing: %s", line, grep(body, "sqlring_digest"))
		}
	}
}
