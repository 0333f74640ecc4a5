package api_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/topology"
)

func at(t *testing.T, text string) topology.Position {
	t.Helper()
	p, err := topology.ParsePosition(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// threeMembers is a ring of m1 (owner), m2 and m3; m2 has more of m1 than m3.
func threeMembers(t *testing.T, ring topology.InitRing) *apitest.Node {
	t.Helper()
	n := apitest.NewRingOf(ring, "m1", "m2", "m3")
	n.Has = map[topology.MemberID]topology.Position{"m2": at(t, "101-101-100"), "m3": at(t, "101-101-97")}
	n.Mark = at(t, "101-101-100")
	return n
}

// The whole way of a takeover, as scripts see it: what is known at which step.
func TestFailoverInTheAPI(t *testing.T) {
	node := threeMembers(t, topology.InitRing{})
	s := serve(t, node)
	look := func() (api.Status, api.HealReport) {
		t.Helper()
		st, err := s.tcp.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.tcp.Heal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return st, r
	}
	st, r := look()
	if r.Heal != nil || r.Operation != nil || len(r.Verdicts) != 3 || st.Health != api.HealthOK || len(st.Next) != 0 {
		t.Fatalf("well: %+v, %s, next %q", r, st.Health, st.Next)
	}

	node.Edit(func(n *apitest.Node) { n.Lose("m1") })
	st, r = look()
	if !r.Verdicts[0].Lost || r.Heal == nil || r.Heal.Operation != "" || r.Heal.Heir != "m2" || len(r.Heal.Survivors) != 2 {
		t.Fatalf("lost: %+v", r)
	}
	if st.Health != api.HealthDown || st.Members[0].State != "active" || st.Units[0].Since != nil {
		t.Errorf("lost, not out yet: %s %+v", st.Health, st.Units)
	}
	if node.Snapshot().Members[0].State != topology.MemberActive {
		t.Fatal("looking at the plan took the member out")
	}

	node.Edit(func(n *apitest.Node) { n.BeginHeal("m1", topology.HealDrain) })
	st, r = look()
	unit := st.Units[0]
	if unit.Owner != "" || unit.Heir != "" || unit.Since == nil || unit.SinceMS == nil || !strings.Contains(unit.Why, `op2 heals the loss of m1, it is at "drain"`) {
		t.Errorf("unit %+v", unit)
	}
	var states []string
	for _, step := range r.Heal.Steps {
		states = append(states, step.State)
	}
	if got := strings.Join(states, " "); got != "done done now to come to come" {
		t.Errorf("steps are %q", got)
	}
	op := st.Operation
	if op == nil || op.Mark != "101-101-100" || op.Armed == nil || !*op.Armed || op.Former != "m1" || op.Doing == "" || op.Heir != "" {
		t.Errorf("operation %+v", op)
	}
	if st.Health != api.HealthDown || !strings.HasPrefix(st.Reasons[0], "unit * has no owner for ") {
		t.Errorf("%s %q", st.Health, st.Reasons)
	}

	node.Edit(func(n *apitest.Node) { n.Finish() })
	st, _ = look()
	if st.Health != api.HealthDegraded || st.Units[0].Owner != "m2" || st.Members[1].SemiSync.Ordered != "degraded" || st.Members[0].Cut != "101-101-100" {
		t.Errorf("healed: %s %+v %+v", st.Health, st.Units, st.Members)
	}
	if op, err := s.tcp.Operation(t.Context(), "op2"); err != nil || op.Heir != "m2" || op.Cut != "101-101-100" || op.State != "done" {
		t.Errorf("operation %+v, %v", op, err)
	}

	node.Edit(func(n *apitest.Node) { n.BeginRejoin("m1", topology.RejoinCatchUp) })
	if st, _ = look(); st.Health != api.HealthDegraded || st.Members[0].State != "returning" || !strings.Contains(strings.Join(st.Reasons, "\n"), `op3 (rejoin m1) is at "catch up"`) {
		t.Errorf("returning: %s %q", st.Health, st.Reasons)
	}
	node.Edit(func(n *apitest.Node) { n.Finish() })
	if op, err := s.tcp.Operation(t.Context(), "op3"); err != nil || op.Tail == nil || op.Tail.Verdict != "empty" {
		t.Errorf("operation %+v, %v", op, err)
	}
	if op, err := s.tcp.Operation(t.Context(), "op2"); err != nil || op.Cut != "" {
		t.Errorf("the cut %q is shown of a member that is back, %v", op.Cut, err)
	}
}

func TestHealthOfUnusualStates(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ring   topology.InitRing
		edit   func(n *apitest.Node)
		health api.Health
		want   string // among the reasons
		heir   string
	}{
		{
			"withheld",
			topology.InitRing{Degraded: topology.DegradedRefuse},
			func(n *apitest.Node) { n.BeginHeal("m1", "") },
			api.HealthDown, "degraded is refuse: its writes wait until m2 has an acker", "m2",
		},
		{
			"restart",
			topology.InitRing{},
			func(n *apitest.Node) { n.BeginRestart(topology.RestartLink) },
			api.HealthDown, `op2 brings the ring up again, it is at "link"`, "m1",
		},
		{"restart out of a heal", topology.InitRing{}, func(n *apitest.Node) {
			n.BeginHeal("m1", topology.HealDrain)
			n.BeginRestart(topology.RestartLink)
		}, api.HealthDown, `op3 brings the ring up again`, "m1"},
		{"quarantine", topology.InitRing{}, func(n *apitest.Node) {
			n.BeginHeal("m1", "")
			n.Tail = topology.Tail{Verdict: topology.TailConflict, Why: "it updates rows", Transactions: 2, File: "/tail"}
			n.BeginRejoin("m1", "")
		}, api.HealthDegraded, "sqlring master rejoin m1 --let-flow", ""},
		{
			"semi-sync degraded",
			topology.InitRing{},
			func(n *apitest.Node) { n.BeginHeal("m1", "") },
			api.HealthDegraded, "its commits are not waiting for an acker, by order", "",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			node := threeMembers(t, tt.ring)
			node.Edit(tt.edit)
			st, err := serve(t, node).tcp.Status(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if reasons := strings.Join(st.Reasons, "\n"); st.Health != tt.health || !strings.Contains(reasons, tt.want) {
				t.Errorf("%s: %s\nwant %s: %s", st.Health, reasons, tt.health, tt.want)
			}
			if st.Units[0].Heir != tt.heir || (tt.heir != "") != (st.Units[0].Since != nil) {
				t.Errorf("unit %+v, want the heir %q", st.Units[0], tt.heir)
			}
			if len(st.Next) == 0 {
				t.Error("nothing to type")
			}
			if tt.name == "restart out of a heal" && !st.Units[0].Since.Equal(node.Snapshot().Operations[1].Began) {
				t.Errorf("writes wait since %s, not since the heal began", st.Units[0].Since)
			}
		})
	}
}

// The word is taken for what was shown, of a heal that needs it, and no other.
func TestAcceptLoss(t *testing.T) {
	node := threeMembers(t, topology.InitRing{})
	node.Edit(func(n *apitest.Node) {
		n.Mark = at(t, "101-101-103")
		n.BeginHeal("m1", topology.HealFreeze)
	})
	s := serve(t, node)
	refused := func(r api.AcceptLossRequest, kind api.ProblemKind, want string) {
		t.Helper()
		_, err := s.unix.AcceptLoss(t.Context(), "op2", r)
		if p := problemOf(t, err); p.Kind() != kind || !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %s, want %s: %q", p.Kind(), p.Detail, kind, want)
		}
		if len(node.Asked) != 0 {
			t.Fatalf("it was proposed: %q", node.Asked)
		}
	}
	refused(api.AcceptLossRequest{}, api.ProblemRefused, `refused by the check "stuck": op2 (heal m1) goes on without it`)

	node.Edit(func(n *apitest.Node) { n.Finish() }) // to where it is stuck
	r, err := s.tcp.Heal(t.Context())
	if err != nil || r.Heal == nil || r.Heal.Loss == nil {
		t.Fatalf("%+v, %v", r.Heal, err)
	}
	if l := r.Heal.Loss; l.Heir != "m2" || l.Missing != "101-101-103" || l.Transactions != 3 || r.Heal.Stuck == "" {
		t.Errorf("loss %+v", l)
	}
	refused(api.AcceptLossRequest{Missing: "101-101-102"}, api.ProblemStale, `"101-101-103" is missing now`)
	refused(api.AcceptLossRequest{Missing: "some"}, api.ProblemInvalid, "missing: gtid")
	if _, err := s.unix.AcceptLoss(t.Context(), "op9", api.AcceptLossRequest{}); problemOf(t, err).Kind() != api.ProblemNotFound {
		t.Errorf("op9: %v", err)
	}
	if _, err := s.unix.AcceptLoss(t.Context(), "op1", api.AcceptLossRequest{}); problemOf(t, err).Kind() != api.ProblemStale {
		t.Errorf("op1, which is over: %v", err)
	}
	if _, err := s.tcp.AcceptLoss(t.Context(), "op2", api.AcceptLossRequest{}); problemOf(t, err).Kind() != api.ProblemReadOnly {
		t.Errorf("over TCP: %v", err)
	}
	node.Edit(func(n *apitest.Node) { n.Leading = "n2" })
	if _, err := s.unix.AcceptLoss(t.Context(), "op2", api.AcceptLossRequest{}); !errors.Is(err, api.ErrNotLeader) {
		t.Errorf("on a follower: %v", err)
	}
	node.Edit(func(n *apitest.Node) { n.Leading = "n1" })

	op, err := s.unix.AcceptLoss(t.Context(), "op2", api.AcceptLossRequest{Missing: "101-101-103", Why: "its disk is gone"})
	if err != nil || !op.AcceptLoss {
		t.Fatalf("%+v, %v", op, err)
	}
	if want := "dba@n1: accept the loss in op2: its disk is gone"; node.Asked[0] != want {
		t.Errorf("asked %q, want %q", node.Asked, want)
	}
}

// Nobody is left: the plan says so, and promises nothing.
func TestHealWithoutSurvivors(t *testing.T) {
	node := threeMembers(t, topology.InitRing{})
	node.Edit(func(n *apitest.Node) {
		n.BeginHeal("m1", topology.HealDrain)
		n.Lose("m2", "m3")
		n.Finish()
	})
	r, err := serve(t, node).tcp.Heal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.Heal == nil || len(r.Heal.Survivors) != 0 || r.Heal.Heir != "" || r.Heal.Stuck == "" || r.Heal.Loss == nil || !strings.Contains(r.Heal.Loss.What, "nobody is left") {
		t.Errorf("heal %+v", r.Heal)
	}
}

func TestRejoin(t *testing.T) {
	node := threeMembers(t, topology.InitRing{})
	node.Edit(func(n *apitest.Node) { n.BeginHeal("m1", "") })
	s := serve(t, node)
	refused := func(name string, r api.RejoinRequest, kind api.ProblemKind, check, override string) {
		t.Helper()
		_, err := s.unix.Rejoin(t.Context(), name, r)
		if p := problemOf(t, err); p.Kind() != kind || p.Check != check || p.Override != override {
			t.Errorf("%s: %s (check %q, override %q), want %s %q %q", p.Kind(), p.Detail, p.Check, p.Override, kind, check, override)
		}
		if len(node.Asked) != 0 {
			t.Fatalf("it was proposed: %q", node.Asked)
		}
	}
	refused("m9", api.RejoinRequest{}, api.ProblemNotFound, "", "")
	refused("m2", api.RejoinRequest{}, api.ProblemStale, "", "")
	refused("m1", api.RejoinRequest{LetFlow: true}, api.ProblemRefused, "answers", "")

	node.Edit(func(n *apitest.Node) {
		n.Tail = topology.Tail{Verdict: topology.TailConflict, Why: "it updates rows", Transactions: 2, File: "/tail", End: at(t, "101-101-102")}
		n.BeginRejoin("m1", "")
	})
	refused("m1", api.RejoinRequest{}, api.ProblemRefused, "tail", "let_flow")
	base := func(p topology.Position) { // m1 was copied at p
		node.Edit(func(n *apitest.Node) {
			n.State.Members[0].Base = p
			n.Spoil = func(o *topology.Observation) {
				if o.Member == "m1" {
					o.Binlog = p
				}
			}
		})
	}
	base(at(t, "101-101-102")) // the ring has less
	refused("m1", api.RejoinRequest{LetFlow: true}, api.ProblemRefused, "copy", "")
	refused("m1", api.RejoinRequest{Discard: true}, api.ProblemRefused, "copy", "")
	base(nil)
	plan, err := s.unix.PlanRejoin(t.Context(), "m1", api.RejoinRequest{})
	if err != nil || plan.Judged != "op3" || plan.Tail == nil || plan.Tail.Transactions != 2 || plan.Tail.File != "/tail" || plan.Refused == "" || len(plan.Steps) != 5 {
		t.Errorf("plan %+v, %v", plan, err)
	}
	if plan, err = s.unix.PlanRejoin(t.Context(), "m1", api.RejoinRequest{LetFlow: true}); err != nil || plan.Refused != "" || !strings.Contains(plan.Steps[0], "whatever it is, it flows") {
		t.Errorf("plan with let_flow %+v, %v", plan, err)
	}
	if len(node.Asked) != 0 {
		t.Fatalf("a plan was proposed: %q", node.Asked)
	}
	out, err := s.unix.Rejoin(t.Context(), "m1", api.RejoinRequest{LetFlow: true, Why: "looked at"})
	if err != nil || out.Operation == nil || out.Operation.ID != "op4" || !out.Operation.LetFlow {
		t.Fatalf("%+v, %v", out.Operation, err)
	}
	if want := "dba@n1: begin to let m1 back in: looked at"; node.Asked[0] != want {
		t.Errorf("asked %q, want %q", node.Asked, want)
	}
}

// Each answer is about what was asked for, and nothing else.
func TestWhy(t *testing.T) {
	node := threeMembers(t, topology.InitRing{})
	node.Edit(func(n *apitest.Node) { n.BeginHeal("m1", "") })
	s := serve(t, node)
	for _, tt := range []struct{ about, kind, now, event string }{
		{"", "ring", "The ring demo is degraded.", "m1 is taken out"},
		{"m1", "member", "When it was taken out the survivors had its own transactions up to 101-101-100 (the cut).", "op2: m1 is taken out"},
		{"m2", "member", "semi-sync degraded", "m2 owns its units"},
		{"*", "unit", "It inherited from m1 in op2", "op2: m1 is out of the ring, m2 owns its units"},
		{"op2", "operation", "The heir is m2.", "op2: m1 is taken out"},
	} {
		t.Run(tt.about, func(t *testing.T) {
			why, err := s.tcp.Why(t.Context(), tt.about)
			if err != nil {
				t.Fatal(err)
			}
			if why.Kind != tt.kind || !strings.Contains(strings.Join(why.Now, "\n"), tt.now) {
				t.Errorf("%s %q, want %s: %q", why.Kind, why.Now, tt.kind, tt.now)
			}
			var told []string
			for _, e := range why.Decisions {
				told = append(told, e.What)
			}
			if !strings.Contains(strings.Join(told, "\n"), tt.event) {
				t.Errorf("decisions %q, want %q among them", told, tt.event)
			}
			for _, line := range why.Now {
				if !strings.HasSuffix(line, ".") {
					t.Errorf("%q is no sentence", line)
				}
			}
		})
	}
	if why, err := s.tcp.Why(t.Context(), "op1"); err != nil || strings.Contains(why.Decisions[len(why.Decisions)-1].What, "op2") {
		t.Errorf("op1: %+v, %v", why.Decisions, err)
	}
	if _, err := s.tcp.Why(t.Context(), "m9"); problemOf(t, err).Kind() != api.ProblemNotFound {
		t.Errorf("m9: %v", err)
	}
	node.Edit(func(n *apitest.Node) { n.Leading = "" })
	if why, err := s.tcp.Why(t.Context(), ""); err != nil || !strings.Contains(strings.Join(why.Now, "\n"), "No controller leads") {
		t.Errorf("%q, %v", why.Now, err)
	}
}

// The map says what is seen beside what is meant, and never takes one for the
// other.
func TestRingMap(t *testing.T) {
	node := threeMembers(t, topology.InitRing{})
	node.Edit(func(n *apitest.Node) {
		n.BeginHeal("m1", "")
		n.Spoil = func(o *topology.Observation) {
			if o.Member == "m2" {
				o.Link.Upstream = "127.0.0.1:13301" // still m1
			}
		}
	})
	s := serve(t, node)
	r, err := s.tcp.Topology(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(r.Linked, " ") != "m2 m3" || len(r.Edges) != 2 || len(r.Out) != 1 || r.Out[0].Name != "m1" {
		t.Fatalf("map %+v", r)
	}
	if e := r.Edges[0]; e.Member != "m2" || e.Meant != "m3" || e.Seen != "m1" || e.OK || !e.Known {
		t.Errorf("edge %+v", e)
	}
	if e := r.Edges[1]; e.Meant != "m2" || e.Seen != "m2" || !e.OK || e.LagMS == nil {
		t.Errorf("edge %+v", e)
	}
	node.Edit(func(n *apitest.Node) { n.Spoil = func(o *topology.Observation) { o.At = time.Now().Add(-time.Minute) } })
	if r, err = s.tcp.Topology(t.Context()); err != nil || r.Edges[1].OK || r.Edges[1].Known || r.Edges[1].Seen != "" || r.Edges[1].LagMS != nil {
		t.Errorf("what is not known: %+v, %v", r.Edges, err)
	}
}
