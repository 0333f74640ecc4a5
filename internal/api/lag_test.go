package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// late is a ring of three whose m2 lags.
func late(t *testing.T) *apitest.Node {
	t.Helper()
	node := apitest.NewRingOf(topology.InitRing{}, "m1", "m2", "m3")
	node.Levels = map[topology.MemberID]lagguard.Level{"m2": lagguard.LevelThrottle}
	return node
}

func TestLagShowsLevelsFlowsAndTheHop(t *testing.T) {
	r, err := serve(t, late(t)).tcp.Lag(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Members) != 3 || len(r.Cells) != 6 || r.Ring != "demo" || !r.Thresholds.Default || r.Thresholds.Throttle.EnterMS != 3000 {
		t.Fatalf("%+v", r)
	}
	if m := r.Members[1]; m.Level != "throttle" || m.Read || m.Behind != "m1" || m.SinceMS == nil || !strings.Contains(m.Why, "at least 3s") {
		t.Errorf("%+v", m)
	}
	if m := r.Members[0]; m.Level != "fresh" || !m.Read || m.Behind != "" {
		t.Errorf("%+v", m)
	}
	for _, c := range r.Cells {
		if lags := c.Member == "m2"; lags != (*c.Behind == 400) || lags != (*c.Queued == 390) || !*c.CatchesUp || lags != (*c.ETAMS == 4000) || *c.Arrival != 100 {
			t.Errorf("%+v", c)
		}
	}
	if h := r.Hop; h == nil || h.From != "m3" || h.To != "m2" || h.AddsMS != 4000 || h.What == "" {
		t.Errorf("%+v", h)
	}
}

func TestALateMemberIsNamedInTheHealth(t *testing.T) {
	node := late(t)
	s := serve(t, node)
	st, err := s.tcp.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if st.Health != api.HealthDegraded || st.Members[1].Lag.Level != "throttle" || st.Members[1].Weight != 1 || len(st.Reasons) != 2 ||
		!strings.HasPrefix(st.Reasons[0], "member m2: its lag level is throttle, reads go elsewhere: ") || !strings.HasPrefix(st.Reasons[1], "the hop to blame: ") {
		t.Errorf("%s %q %+v", st.Health, st.Reasons, st.Members[1].Lag)
	}
	node.Edit(func(n *apitest.Node) { n.Levels["m2"] = lagguard.LevelWarn })
	if st, err = s.tcp.Status(t.Context()); err != nil || st.Health != api.HealthOK || st.Members[1].Lag.Level != "warn" {
		t.Errorf("a warning is no harm: %s %q", st.Health, st.Reasons)
	}
}

// What a member was before it ceased to answer is not what it is.
func TestTheLevelOfASilentMemberIsUnknown(t *testing.T) {
	node := late(t)
	node.Spoil = func(o *topology.Observation) {
		if o.Member == "m2" {
			o.At = time.Now().Add(-time.Minute)
		}
	}
	r, err := serve(t, node).tcp.Lag(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m := r.Members[1]; m.Level != "unknown" || m.Read || m.SinceMS != nil || m.Why == "" {
		t.Errorf("%+v", m)
	}
	for _, c := range r.Cells {
		if known := c.Behind != nil || c.ETAMS != nil || c.LowMS != nil || c.CatchesUp != nil; known == (c.Member == "m2") {
			t.Errorf("%+v", c)
		}
	}
}

func TestSetLagThresholds(t *testing.T) {
	node := apitest.NewRing()
	s := serve(t, node)
	ms := func(n int64) *int64 { return &n }
	req := api.LagSetRequest{Throttle: &api.LagSetLevel{EnterMS: ms(5000), LeaveMS: ms(2000)}, Broken: &api.LagSetBroken{HoldMS: ms(9000)}, Why: "link"}
	plan, err := s.unix.PlanLagThresholds(t.Context(), req)
	if err != nil || plan.After.Throttle.EnterMS != 5000 || plan.Before.Throttle.EnterMS != 3000 || plan.After.Warn != plan.Before.Warn || len(node.Asked) != 0 {
		t.Fatalf("%+v %v %q", plan, err, node.Asked)
	}
	if set, err := s.unix.SetLagThresholds(t.Context(), req); err != nil || set != plan {
		t.Fatalf("%+v %v", set, err)
	}
	want := "dba@n1: set the lag thresholds: warn 1s/500ms (1s, 5s), throttle 5s/2s (1s, 10s), drain 30s/5s (5s, 30s), broken (9s, 5s), unknown (0s, 1s): link"
	if len(node.Asked) != 1 || node.Asked[0] != want {
		t.Errorf("got  %q\nwant %q", node.Asked, want)
	}
	if r, err := s.tcp.Lag(t.Context()); err != nil || r.Thresholds != plan.After {
		t.Errorf("%+v %v", r.Thresholds, err)
	}
	if set, err := s.unix.SetLagThresholds(t.Context(), api.LagSetRequest{Default: true}); err != nil || !set.After.Default || node.Snapshot().Ring.Lag != nil {
		t.Errorf("%+v %v", set, err)
	}
	var p *api.Problem
	_, err = s.unix.SetLagThresholds(t.Context(), api.LagSetRequest{Warn: &api.LagSetLevel{EnterMS: ms(50)}})
	if !errors.As(err, &p) || p.Kind() != api.ProblemRefused || !strings.Contains(p.Detail, "warn") {
		t.Errorf("%v", err)
	}
	node.Edit(func(n *apitest.Node) { n.Leading = "n2" })
	if _, err = s.unix.SetLagThresholds(t.Context(), req); !errors.Is(err, api.ErrNotLeader) {
		t.Errorf("%v", err)
	}
}

func TestObservedEventsStandBetweenTheAudit(t *testing.T) {
	node := apitest.NewRing()
	node.Moved = []lagguard.Transition{{
		At: apitest.Began().Add(2500 * time.Millisecond), Member: "m2", From: lagguard.LevelFresh, To: lagguard.LevelWarn, Why: "it lags", Evidence: []string{"behind m1"},
	}}
	s := serve(t, node)
	all, err := s.tcp.AllEvents(t.Context(), 100)
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v %v", all, err)
	}
	if e := all[1]; e.Index != 0 || e.Kind != "lag level" || e.By != "monitor@n1" || e.What != "m2: fresh -> warn" || e.Member != "m2" || e.Why != "it lags" || len(e.Evidence) != 1 {
		t.Errorf("%+v", e)
	}
	if newest, err := s.tcp.AllEvents(t.Context(), 1); err != nil || len(newest) != 1 || newest[0].Index == 0 {
		t.Errorf("%+v %v", newest, err)
	}
	if audit, err := s.tcp.Events(t.Context(), 0, 100); err != nil || len(audit) != 2 {
		t.Errorf("%+v %v", audit, err)
	}
}

func TestThrottleRules(t *testing.T) {
	node := apitest.NewRing()
	s := serve(t, node)
	req := api.ThrottleRequest{App: "archive", Ratio: 0.5, ForMS: 60_000, Why: "backup"}
	if _, err := s.unix.SetThrottle(t.Context(), req, true); err != nil || len(node.Asked) != 0 {
		t.Fatalf("%v %q", err, node.Asked)
	}
	if rules, err := s.unix.SetThrottle(t.Context(), req, false); err != nil || len(rules) != 1 || rules[0].App != "archive" || rules[0].EndsMS < 50_000 || rules[0].By != "dba@n1" {
		t.Fatalf("%+v %v", rules, err)
	}
	if rules, err := s.tcp.Throttles(t.Context()); err != nil || len(rules) != 0 {
		t.Errorf("the fake's clock is of long ago, so it is over: %+v %v", rules, err)
	}
	if rules, err := s.unix.ClearThrottle(t.Context(), api.ThrottleClearRequest{App: "archive"}, false); err != nil || len(rules) != 0 {
		t.Errorf("%+v %v", rules, err)
	}
	var p *api.Problem
	if _, err := s.unix.ClearThrottle(t.Context(), api.ThrottleClearRequest{App: "archive"}, false); !errors.As(err, &p) || p.Kind() != api.ProblemStale {
		t.Errorf("%v", err)
	}
	if _, err := s.unix.SetThrottle(t.Context(), api.ThrottleRequest{App: "a", Ratio: 1, ForMS: 1 << 60}, false); !errors.As(err, &p) || p.Kind() != api.ProblemRefused {
		t.Errorf("%v", err)
	}
	if _, err := s.tcp.SetThrottle(t.Context(), req, false); !errors.As(err, &p) || p.Kind() != api.ProblemReadOnly {
		t.Errorf("over TCP: %v", err)
	}
}

// The paths and codes of freno, by GET and HEAD, with its body.
func TestFreno(t *testing.T) {
	node := late(t)
	node.State.Throttles = []topology.ThrottleRule{{App: "archive", Ratio: 1, Until: time.Now().Add(time.Hour), Why: "backup"}}
	s := serve(t, node)
	for _, tt := range []struct {
		path string
		want int
		text string
	}{
		{"/check/app/mysql/demo", 429, "m2: it is throttle"},
		{"/freno/check/gh-ost/mysql/demo", 429, "m2"},
		{"/check/app/mysql/m1", 200, ""},
		{"/check/app/mysql/m2", 429, "m2"},
		{"/check/app/mysql/shop", 404, `no ring or member \"shop\"`},
		{"/check-if-exists/app/mysql/shop", 200, ""},
		{"/check-if-exists/app/mysql/m2", 429, ""},
		{"/check/app/memcache/demo", 404, "memcache"},
		{"/check/archive/mysql/m1", 417, "backup"},
		{"/check-read/app/mysql/demo/0.5", 200, ""},
		{"/check-read/app/mysql/demo/0.001", 429, "its lag behind"},
		{"/check-read/app/mysql/demo/-1", 500, "threshold"},
		{"/check-read/app/mysql/demo/NaN", 500, "threshold"},
		{"/check-read/app/mysql/demo/soon", 500, "threshold"},
		{"/check-read-if-exists/app/mysql/shop/1", 200, ""},
		{"/check/app/mysql", 404, "no such path"},
		{"/lb-check", 200, "OK"},
		{"/leader-check", 200, "OK"},
		{"/throttled-apps", 200, `"archive":{"ExpireAt"`},
		{"/throttle-app/archive/ttl/30", 403, "sqlring throttle set APP"},
		{"/unthrottle-app/archive", 403, "sqlring throttle clear APP"},
	} {
		status, body := s.get(t, tt.path)
		if status != tt.want || !strings.Contains(body, tt.text) {
			t.Errorf("GET %s: %d %s, want %d %q", tt.path, status, body, tt.want, tt.text)
		}
		if strings.Contains(tt.path, "/check/app/mysql/d") {
			var answer map[string]any
			if err := json.Unmarshal([]byte(body), &answer); err != nil || answer["StatusCode"] != float64(429) || answer["Threshold"] != float64(3) || answer["Value"] != 0.0065 || len(answer) != 4 {
				t.Errorf("%s: %v %v", body, answer, err)
			}
		}
		if head, _, body := s.send(t, request{method: http.MethodHead, path: tt.path}); head != tt.want || body != "" {
			t.Errorf("HEAD %s: %d %q, want %d", tt.path, head, body, tt.want)
		}
	}
	if len(node.Asked) != 0 {
		t.Errorf("a GET changed something: %q", node.Asked)
	}
	_, body := s.get(t, "/metrics")
	for _, line := range []string{`sqlring_throttle_checks_total{code="417"} 2`, `sqlring_throttle_rules 1`, `sqlring_lag_hop_seconds{from="m3",to="m2"} 4`} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("%s is missing: %s", line, grep(body, "sqlring_throttle"))
		}
	}
	node.Edit(func(n *apitest.Node) { n.Leading = "n2" })
	if status, _ := s.get(t, "/leader-check"); status != 404 {
		t.Errorf("leader-check of a follower: %d", status)
	}
	if status, _ := s.get(t, "/check/app/mysql/m1"); status != 200 {
		t.Errorf("a follower answers too: %d", status)
	}
	node.Edit(func(n *apitest.Node) { n.State = topology.NewSnapshot() })
	if status, body := s.get(t, "/check/app/mysql/demo"); status != 404 {
		t.Errorf("without a ring: %d %s", status, body)
	}
}

// A rule of half the checks meets about half of them.
func TestAPartialRule(t *testing.T) {
	node := apitest.NewRing()
	node.State.Throttles = []topology.ThrottleRule{{App: "*", Ratio: 0.5, Until: time.Now().Add(time.Hour)}}
	s := serve(t, node)
	count := map[int]int{}
	for range 400 {
		r, err := s.tcp.Check(t.Context(), api.CheckRequest{App: "app", Store: "demo"})
		if err != nil {
			t.Fatal(err)
		}
		count[r.StatusCode]++
	}
	if count[200]+count[417] != 400 || count[417] < 120 || count[417] > 280 { // 8 standard deviations
		t.Errorf("%v", fmt.Sprint(count))
	}
}

// BenchmarkCheck asks over HTTP, on one connection for each client, and reports the
// time of the slowest in a hundred.
func BenchmarkCheck(b *testing.B) {
	ids := make([]topology.MemberID, 16)
	for i := range ids {
		ids[i] = topology.MemberID(fmt.Sprintf("m%d", i+1))
	}
	node := apitest.NewRingOf(topology.InitRing{}, ids...)
	picture := node.Picture()
	for i := range picture.Members { // it is not replaced while this runs
		picture.Members[i].Seen = time.Now().Add(time.Hour)
	}
	s := api.New(api.Config{Listen: "127.0.0.1:0"}, fixedPicture{node, picture})
	if err := s.Listen(); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var mu sync.Mutex
	var took []time.Duration
	b.RunParallel(func(pb *testing.PB) {
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport}
		var mine []time.Duration
		for pb.Next() {
			began := time.Now()
			resp, err := client.Head("http://" + s.Addr() + "/check/gh-ost/mysql/demo")
			if err != nil || resp.StatusCode != http.StatusOK {
				b.Errorf("%v %v", resp, err)
				return
			}
			_ = resp.Body.Close()
			mine = append(mine, time.Since(began))
		}
		mu.Lock()
		took = append(took, mine...)
		mu.Unlock()
	})
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-us")
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}

// fixedPicture is a node that holds its picture ready, as the monitor does.
type fixedPicture struct {
	*apitest.Node

	picture *lagguard.Picture
}

func (f fixedPicture) Picture() *lagguard.Picture { return f.picture }
