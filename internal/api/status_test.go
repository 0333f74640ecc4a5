package api_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// The JSON of issue and docs: the fields that scripts rely on, by name.
func TestStatusHasThePromisedFields(t *testing.T) {
	s := serve(t, apitest.NewRing())
	_, body := s.get(t, "/v1/status")
	var got struct {
		Ring, Leader, Health string
		Reasons              []string
		Members              []struct {
			Name, Addr, State string
			Slot              int
			LagMS             map[string]*int64 `json:"lag_ms"`
			LagErrMS          map[string]*int64 `json:"lag_err_ms"`
			ReadOnly          *bool             `json:"read_only"`
		}
		Units []struct {
			Name, Owner string
			Epoch       uint64
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Ring != "demo" || got.Leader != "n1" || got.Health != "ok" || len(got.Reasons) != 0 {
		t.Errorf("ring %q leader %q health %q reasons %q, want demo n1 ok and none", got.Ring, got.Leader, got.Health, got.Reasons)
	}
	if len(got.Members) != 2 || len(got.Units) != 1 {
		t.Fatalf("%d members and %d units, want 2 and 1: %s", len(got.Members), len(got.Units), body)
	}
	m2 := got.Members[1]
	if m2.Name != "m2" || m2.Addr != "127.0.0.1:13302" || m2.State != "active" || m2.Slot != 2 || m2.ReadOnly == nil || !*m2.ReadOnly {
		t.Errorf("second member is %+v", m2)
	}
	if lag := m2.LagMS["m1"]; lag == nil || *lag != 3 {
		t.Errorf("lag_ms.m1 of m2 is %v, want 3", lag)
	}
	if width := m2.LagErrMS["m1"]; width == nil || *width != 4 { // 3 ms to 6.5 ms, rounded outwards
		t.Errorf("lag_err_ms.m1 of m2 is %v, want 4", width)
	}
	if _, itself := m2.LagMS["m2"]; itself {
		t.Error("m2 has a lag behind itself")
	}
	if u := got.Units[0]; u.Name != "*" || u.Owner != "m1" || u.Epoch != 1 {
		t.Errorf("unit is %+v", u)
	}
	if strings.Contains(body, "$schema") {
		t.Error("the answer holds a $schema that is not ours")
	}
}

// What is not known is null or unknown, never 0, false or the last value.
func TestUnknownIsNull(t *testing.T) {
	for name, spoil := range map[string]func(n *apitest.Node){
		"lag unknown": func(n *apitest.Node) { n.Lag = lagguard.Lag{} },
		"lag too old": func(n *apitest.Node) { n.Lag.At = time.Now().Add(-time.Minute) },
		"member does not answer": func(n *apitest.Node) {
			n.Spoil = func(o *topology.Observation) {
				if o.Member == "m2" {
					o.Reach = topology.ReachSilent
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			node := apitest.NewRing()
			node.Edit(spoil)
			s := serve(t, node)
			st, err := s.tcp.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if lag, there := st.Members[1].LagMS["m1"]; !there || lag != nil {
				t.Errorf("lag_ms.m1 is %v (there: %t), want null", lag, there)
			}
			if reasons := strings.Join(st.Reasons, "\n"); st.Health != api.HealthDegraded ||
				!strings.Contains(reasons, "lag behind m1 is not known") && !strings.Contains(reasons, "m2: it does not answer") {
				t.Errorf("health %s %q, want degraded by what is not known", st.Health, st.Reasons)
			}
			report, err := s.tcp.Lag(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c := report.Cells[0]; c.LowMS != nil || c.HighMS != nil {
				t.Errorf("cell %+v has bounds", c)
			}
		})
	}
}

func TestAnswerThatIsTooOldIsNotShown(t *testing.T) {
	node := apitest.NewRing()
	node.Edit(func(n *apitest.Node) {
		n.Spoil = func(o *topology.Observation) {
			if o.Member == "m2" {
				o.At = time.Now().Add(-11 * time.Second)
			}
		}
	})
	st, err := serve(t, node).tcp.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m2 := st.Members[1]
	if m2.Reach != "unknown" || m2.ReadOnly != nil || m2.Link != nil || m2.SemiSync.On != nil || m2.Version != "" {
		t.Errorf("m2 is shown as %+v, nothing of it is known", m2)
	}
	if m2.AgeMS == nil || *m2.AgeMS < 10_000 {
		t.Errorf("age_ms is %v, want 10 s or more", m2.AgeMS)
	}
	if !strings.Contains(m2.Why, "last answer is") {
		t.Errorf("why is %q", m2.Why)
	}
}

func TestHealth(t *testing.T) {
	spoil := func(id topology.MemberID, f func(o *topology.Observation)) func(n *apitest.Node) {
		return func(n *apitest.Node) {
			n.Spoil = func(o *topology.Observation) {
				if o.Member == id {
					f(o)
				}
			}
		}
	}
	refused := func(o *topology.Observation) {
		*o = topology.Observation{Member: o.Member, At: o.At, Reach: topology.ReachRefused, Error: "connection refused"}
	}
	for _, tt := range []struct {
		name   string
		edit   func(n *apitest.Node)
		health api.Health
		first  string // of the reasons
		ready  bool
	}{
		{"all is well", func(*apitest.Node) {}, api.HealthOK, "", true},
		{"no leader", func(n *apitest.Node) { n.Leading = "" }, api.HealthDegraded, "no controller leads", true},
		{"replica gone", spoil("m2", refused), api.HealthDegraded, "member m2: it does not answer", true},
		{"owner gone", spoil("m1", refused), api.HealthDown, "owner m1 of unit * does not answer: connection refused", false},
		{"owner closed", spoil("m1", func(o *topology.Observation) { o.ReadOnly = true }), api.HealthDown, "owner m1 of unit * is read-only", false},
		{"config file", spoil("m2", func(o *topology.Observation) { o.Settings.ReadOnlyInFile = false }), api.HealthDegraded, "member m2: its config file lacks", true},
		{"stuck", func(n *apitest.Node) { n.Step = topology.Step{Kind: topology.StepStuck, Why: "m2 was restarted"} }, api.HealthDegraded, "the controller is stuck: m2 was restarted", true},
		{"no ring", func(n *apitest.Node) { n.State = topology.NewSnapshot() }, api.HealthDown, "there is no ring yet", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			node := apitest.NewRing()
			node.Edit(tt.edit)
			s := serve(t, node)
			st, err := s.tcp.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if st.Health != tt.health {
				t.Errorf("health %s, want %s: %q", st.Health, tt.health, st.Reasons)
			}
			if tt.first != "" && (len(st.Reasons) == 0 || !strings.HasPrefix(st.Reasons[0], tt.first)) {
				t.Errorf("reasons %q, the first should be %q", st.Reasons, tt.first)
			}
			code, body := s.get(t, "/readyz")
			if ready := code == 200; ready != tt.ready || code != 200 && code != 503 {
				t.Errorf("readyz %d, want ready %t: %s", code, tt.ready, body)
			}
			if code == 503 && !strings.HasPrefix(body, tt.first) {
				t.Errorf("readyz says %q, want %q", body, tt.first)
			}
			if code, _ := s.get(t, "/healthz"); code != 200 {
				t.Errorf("healthz %d: the process is alive", code)
			}
		})
	}
}

func TestAutoincShowsWhatIsSeenBesideWhatIsMeant(t *testing.T) {
	node := apitest.NewRing()
	node.Edit(func(n *apitest.Node) {
		n.Spoil = func(o *topology.Observation) {
			if o.Member == "m2" {
				o.Layout.Offset = 1
			}
		}
	})
	r, err := serve(t, node).tcp.Autoinc(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Stride != 16 || r.Free != 14 || r.Next != 3 {
		t.Errorf("stride %d free %d next %d, want 16 14 3", r.Stride, r.Free, r.Next)
	}
	m1, m2 := r.Members[0], r.Members[1]
	if m1.OK == nil || !*m1.OK || m2.OK == nil || *m2.OK || m2.Seen.Offset != 1 {
		t.Errorf("m1 %+v, m2 %+v: m2's offset is wrong, and m1's right", m1, m2)
	}
	if m2.Values[0] != 2 || m2.Values[1] != 18 {
		t.Errorf("values of m2 are %v, want 2, 18, …", m2.Values)
	}
}

// docs/api.md names every field of a status, and every kind of problem.
func TestDocsNameEveryField(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]any
			}
		}
	}
	_, body := serve(t, apitest.NewRing()).get(t, "/openapi.json")
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Components.Schemas) < 10 {
		t.Fatalf("only %d schemas in the OpenAPI document", len(doc.Components.Schemas))
	}
	for name, schema := range doc.Components.Schemas {
		if strings.HasPrefix(name, "Error") { // the framework's; ours is Problem
			continue
		}
		for field := range schema.Properties {
			if !strings.Contains(string(text), "`"+field+"`") && !strings.Contains(string(text), `"`+field+`"`) {
				t.Errorf("%s.%s is not in docs/api.md", name, field)
			}
		}
	}
}
