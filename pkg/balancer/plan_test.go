package balancer

import (
	"fmt"
	"testing"
)

func TestPlanCache(t *testing.T) {
	c := NewPlanCache(64)
	var d Digester
	plan := func(text string) *Plan {
		d.Digest([]byte(text), mysql97)
		return c.Plan(&d, mysql97)
	}
	first := plan("select * from t where id = 1")
	if again := plan("SELECT * FROM t WHERE id = 'x' -- y"); again != first {
		t.Error("a statement with the same digest has a plan of its own")
	}
	if other := plan("select * from t where ID = 1"); other == first {
		t.Error("another statement has the same plan")
	}
	if got, want := string(first.AppendDigest(nil)), "SELECT * FROM `t` WHERE `id` = ?"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for i := range 1000 {
		plan(fmt.Sprintf("select c%d from t", i))
	}
	kept := 0
	for _, s := range c.sets {
		if s == nil {
			continue
		}
		for _, p := range s.plans {
			if p != nil {
				kept++
			}
		}
	}
	if kept > 64 || kept < 32 {
		t.Errorf("%d plans in a cache for 64", kept)
	}
	if p := plan("select c999 from t"); !p.IsRead() || p.Statements[0].Tables[0].Name != "t" {
		t.Errorf("%s", tell(p))
	}
}

// TestEqualHashesAreNoEqualDigests: a client can make two statements whose digests have
// one hash. Neither gets the other's plan.
func TestEqualHashesAreNoEqualDigests(t *testing.T) {
	read, write := planOf("select 1", mysql97), planOf("delete from t", mysql97)
	write.hash = read.hash
	s := (*PlanSet)(nil).With(read).With(write)
	if got := s.Find(read.hash, read.key); got != read {
		t.Errorf("got %v", got)
	}
	if got := s.Find(write.hash, write.key); got != write {
		t.Errorf("got %v", got)
	}
}

func TestPlanSet(t *testing.T) {
	var s *PlanSet
	var plans []*Plan
	for i := range planSetSize + 1 {
		plans = append(plans, planOf(fmt.Sprintf("select c%d", i), mysql97))
	}
	if s.Find(plans[0].hash, plans[0].key) != nil {
		t.Error("the empty set has a plan")
	}
	for _, p := range plans {
		s = s.With(p)
	}
	for i, p := range plans {
		if got := s.Find(p.hash, p.key) == p; got != (i > 0) {
			t.Errorf("plan %d: %v; the oldest is left out", i, got)
		}
	}
	again := planOf("select c2", mysql97)
	if s = s.With(again); s.Find(again.hash, again.key) != again || s.Find(plans[1].hash, plans[1].key) == nil {
		t.Error("a plan made twice takes another's place")
	}
}

func TestTruncatedIsNotCached(t *testing.T) {
	c := NewPlanCache(4)
	var d Digester
	text := []byte("select f(a)")
	for range 20_000 {
		text = append(text, ", f(a)"...)
	}
	d.Digest(text, mysql97)
	p := c.Plan(&d, mysql97)
	if p.IsRead() || !p.Effects.Has(EffectTruncated) || p.Statements[0].Complete {
		t.Errorf("%s", tell(p))
	}
	if c.Plan(&d, mysql97) == p {
		t.Error("it is cached")
	}
}

const pointSelect = "SELECT c FROM sbtest1 WHERE id=4711"

// TestPlanAllocatesNothing pins the hot path: lexer, digest and look-up.
func TestPlanAllocatesNothing(t *testing.T) {
	c := NewPlanCache(1024)
	var d Digester
	for _, text := range []string{pointSelect, "SELECT c FROM sbtest1 WHERE id=?", "UPDATE sbtest1 SET k=k+1 WHERE id=5", "BEGIN", "INSERT INTO sbtest1 (id, k, c, pad) VALUES (1, 2, 'a', 'b')"} {
		statement := []byte(text)
		if n := testing.AllocsPerRun(100, func() {
			d.Digest(statement, mysql97)
			if c.Plan(&d, mysql97) == nil {
				t.Fatal("no plan")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, text := range []string{
		pointSelect,
		"SELECT c FROM sbtest1 WHERE id=?",
		"SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN 4711 AND 4810 ORDER BY c",
		"INSERT INTO sbtest1 (id, k, c, pad) VALUES (4711, 5015, '68487932199-96439406143-93774651418-41631865787-96406072701', '22195207048-70116052123-74140395089')",
		"COMMIT",
	} {
		b.Run(text[:min(len(text), 12)], func(b *testing.B) {
			c := NewPlanCache(1024)
			var d Digester
			statement := []byte(text)
			b.ReportAllocs()
			for b.Loop() {
				d.Digest(statement, mysql97)
				c.Plan(&d, mysql97)
			}
		})
	}
}

func BenchmarkMakePlan(b *testing.B) {
	var d Digester
	d.Digest([]byte(pointSelect), mysql97)
	b.ReportAllocs()
	for b.Loop() {
		MakePlan(&d, mysql97)
	}
}
