package api_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/api/apitest"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

func TestVerifyTellsWrongFromUnknown(t *testing.T) {
	node := apitest.NewRingOf(topology.InitRing{}, "m1", "m2", "m3")
	s := serve(t, node)
	verify := func() api.VerifyReport {
		t.Helper()
		r, err := s.tcp.VerifyAutoinc(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := verify(); r.OK == nil || !*r.OK || r.Members[0].SessionsSeen != nil || *r.Members[0].SessionsOpen != 2 {
		t.Errorf("a ring that is well: %+v", r)
	}
	node.Edit(func(n *apitest.Node) {
		n.Lost = map[topology.MemberID]bool{"m3": true}
		n.Counts = func(id topology.MemberID, c *api.Counting) {
			if id == "m2" {
				c.Global.Offset = 3
			}
		}
	})
	r := verify()
	if r.OK != nil {
		t.Errorf("one is not known, and all are %v", *r.OK)
	}
	if m := r.Members[1]; m.OK == nil || *m.OK || !strings.Contains(m.What, "3/16") {
		t.Errorf("m2: %+v", m)
	}
	if m := r.Members[2]; m.OK != nil || m.Global != nil || !strings.Contains(m.What, "refused") {
		t.Errorf("m3: %+v", m)
	}
	node.Edit(func(n *apitest.Node) {
		n.Lost = nil
		n.Counts = func(_ topology.MemberID, c *api.Counting) {
			c.Sessions = map[uint64]autoinc.Layout{5: c.Global}
			for id := range uint64(200) {
				c.Sessions[1000+id] = autoinc.Layout{Offset: 1, Stride: 1}
			}
		}
	})
	r = verify()
	if m := r.Members[0]; r.OK == nil || *r.OK || *m.SessionsSeen != 201 || len(m.Wrong) != 100 || m.Wrong[0].Connection != 1000 || !strings.Contains(m.What, "otherwise: 200") {
		t.Errorf("sessions of another layout: ok %v, %d listed, %q", r.OK, len(m.Wrong), m.What)
	}
}

func TestHeadroomAndItsMetrics(t *testing.T) {
	node := apitest.NewRing()
	orders := autoinc.Column{Schema: "shop", Table: "orders", Column: "id", Type: "int(11)", Max: math.MaxInt32, Next: 1 << 30}
	node.Edit(func(n *apitest.Node) {
		n.Columns = []autoinc.Column{{Schema: "shop", Table: "tiny", Column: "a", Type: "tinyint(3) unsigned", Max: 255, Next: 250}, orders}
	})
	s := serve(t, node)
	if _, body := s.get(t, "/metrics"); strings.Contains(body, "sqlring_autoinc_") {
		t.Error("columns that nobody has read have metrics")
	}
	r, err := s.tcp.Headroom(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if r.Total != 2 || len(r.Columns) != 1 || len(r.Unknown) != 0 || r.Stride != 16 {
		t.Fatalf("report: %+v", r)
	}
	// Slot 1 of 16 gives out 241 and then 257, which a TINYINT does not hold.
	if c := r.Columns[0]; c.Table != "tiny" || c.Owner != "m1" || c.Left != 0 || c.Level != "full" || c.RowsPerDay != nil || c.RunsOut != nil {
		t.Errorf("tiny: %+v", c)
	}
	_, body := s.get(t, "/metrics")
	for _, line := range []string{`sqlring_autoinc_columns 2`, `sqlring_autoinc_used_ratio{column="id",schema="shop",table="orders"} 0.4999`} {
		if !strings.Contains(body, line) {
			t.Errorf("%s is missing: %s", line, grep(body, "sqlring_autoinc"))
		}
	}
	node.Edit(func(n *apitest.Node) { n.Lost = map[topology.MemberID]bool{"m1": true} })
	if r, err = s.tcp.Headroom(t.Context(), 5); err != nil || len(r.Columns) != 0 || len(r.Unknown) != 1 {
		t.Errorf("an owner that does not answer: %+v, %v", r, err)
	}
}

func TestPlanOfAResize(t *testing.T) {
	node := apitest.NewRing()
	node.Edit(func(n *apitest.Node) {
		n.Columns = []autoinc.Column{{Schema: "shop", Table: "tiny", Column: "a", Type: "tinyint(3) unsigned", Max: 255, Next: 235}}
	})
	s := serve(t, node)
	p, err := s.tcp.PlanResize(t.Context(), 64)
	if err != nil {
		t.Fatal(err)
	}
	if p.From != 16 || p.FreeBefore != 14 || p.FreeAfter != 62 || p.Members[1].After != (autoinc.Layout{Offset: 2, Stride: 64}) || len(p.Conditions) != 3 {
		t.Errorf("plan: %+v", p)
	}
	if len(p.Columns) != 1 || p.Columns[0].LeftBefore != 1 || p.Columns[0].LeftAfter != 0 || p.Columns[0].LevelAfter != "full" {
		t.Errorf("columns: %+v", p.Columns)
	}
	if len(node.Asked) != 0 {
		t.Errorf("a plan changed something: %q", node.Asked)
	}
	problem := func(stride int) string {
		_, err := s.tcp.PlanResize(t.Context(), stride)
		if err == nil {
			return ""
		}
		return err.Error()
	}
	if got := problem(24); !strings.Contains(got, "not a multiple of 16") {
		t.Errorf("stride 24: %q", got)
	}
	if status, _ := s.get(t, "/v1/autoinc/plan"); status != 422 {
		t.Errorf("no stride: %d", status)
	}
}

// The pace is of values, and a row takes a whole stride of them.
func TestHeadroomForecast(t *testing.T) {
	began := time.Now().Add(-time.Hour)
	c := autoinc.Column{Schema: "shop", Table: "orders", Column: "id", Type: "int(11)", Max: math.MaxInt32, Next: 1 + 3600*160}
	line := api.HeadroomLineOf(apitest.NewRing(), c, autoinc.Growth{}.With(began, 1).With(began.Add(time.Hour), c.Next))
	if line.RowsPerDay == nil || math.Abs(*line.RowsPerDay-864000) > 1 || line.RunsOut == nil || *line.OverMS != 3600000 {
		t.Fatalf("line: %+v", line)
	}
	// (2^31-1-576001)/16 rows, ten a second: 155 days.
	if days := time.Until(*line.RunsOut).Hours() / 24; days < 154.5 || days > 156 {
		t.Errorf("it runs out in %.1f days", days)
	}
}

// A runway needs a past; an old reading is not shown as of now.
func TestMetricsOfKeysWithAPast(t *testing.T) {
	s := serve(t, apitest.NewRing())
	column := autoinc.Column{Schema: "shop", Table: "orders", Column: "id", Type: "int(11)", Max: math.MaxInt32, Next: 1}
	began := time.Now().Add(-2 * time.Hour)
	s.server.TakeColumns(began, []autoinc.Column{column})
	_, body := s.get(t, "/metrics")
	if strings.Contains(body, "sqlring_autoinc_used_ratio{") || !strings.Contains(body, "sqlring_autoinc_read_age_seconds 72") {
		t.Errorf("a reading of two hours ago: %s", grep(body, "sqlring_autoinc"))
	}
	column.Next = 1_000_001
	s.server.TakeColumns(time.Now(), []autoinc.Column{column})
	_, body = s.get(t, "/metrics")
	// (2^31-1-10^6)/10^6 times two hours.
	if !strings.Contains(body, `sqlring_autoinc_runway_seconds{column="id",schema="shop",table="orders"} 1.545`) {
		t.Errorf("the runway: %s", grep(body, "sqlring_autoinc"))
	}
}

// A member's copy of the table of slots is held against the state; what differs is said.
func TestVerifyHoldsTheCopiesAgainstTheState(t *testing.T) {
	node := apitest.NewRingOf(topology.InitRing{}, "m1", "m2", "m3")
	s := serve(t, node)
	verify := func(edit func(*apitest.Node)) api.VerifyReport {
		t.Helper()
		node.Edit(edit)
		r, err := s.tcp.VerifyAutoinc(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := verify(func(*apitest.Node) {})
	if m := r.Members[0]; r.Tables == nil || !*r.Tables || m.Table == nil || m.Table.State != "same" || m.Table.What != "" || len(m.Table.Differs) != 0 {
		t.Errorf("a ring that is well: %v, %+v", r.Tables, m.Table)
	}
	r = verify(func(n *apitest.Node) {
		n.Tables = func(id topology.MemberID, table *topology.SlotTable) {
			switch id {
			case "m2":
				table.Slots[0].Layout.Offset, table.Stride = 7, 8
			case "m3":
				*table = topology.SlotTable{}
			}
		}
	})
	if r.Tables == nil || *r.Tables || r.OK == nil || !*r.OK {
		t.Errorf("two copies differ, all count as meant: tables %v, counting %v", r.Tables, r.OK)
	}
	if c := r.Members[1].Table; c.State != "differs" || len(c.Differs) != 2 || !strings.Contains(c.Differs[0], "stride there is 8, not 16") ||
		!strings.Contains(c.Differs[1], "there m1 has slot 7/16") || c.What == "" {
		t.Errorf("m2: %+v", c)
	}
	if c := r.Members[2].Table; c.State != "missing" {
		t.Errorf("m3: %+v", c)
	}
	r = verify(func(n *apitest.Node) { n.Lost = map[topology.MemberID]bool{"m1": true} })
	if c := r.Members[0].Table; r.Tables != nil || c.State != "unknown" || !strings.Contains(c.What, "refused") {
		t.Errorf("m1 is not known, and all are %v: %+v", r.Tables, c)
	}
}
