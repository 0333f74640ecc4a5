package balancer

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

var readsAt = time.Unix(1000, 0)

func position(t testing.TB, text string) topology.Position {
	t.Helper()
	p, err := topology.ParsePosition(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// three is a ring of three fresh members at two sites that have everything.
func three(t testing.TB) *Reads {
	r := &Reads{At: readsAt}
	for i, id := range []topology.MemberID{"m1", "m2", "m3"} {
		r.Members = append(r.Members, Readable{
			Member: Member{ID: id, Addr: string(id) + ":3306"}, Level: lagguard.LevelFresh, Why: "its lag is 3 ms", At: readsAt,
			Position: position(t, "101-101-50,102-102-50,103-103-50"), Domain: uint32(101 + i), Site: "paris", Weight: 1,
		})
	}
	r.Members[2].Site = "lyon"
	return r
}

func TestChoose(t *testing.T) {
	behind := topology.Position{{Domain: 101, Server: 101, Seq: 40}, {Domain: 102, Server: 102, Seq: 50}, {Domain: 103, Server: 103, Seq: 50}}
	for _, tt := range []struct {
		name string
		edit func(r *Reads, a *Ask)
		want string // member, or members among which is drawn; "-": none
		why  ReadWhy
	}{
		{"all qualify", func(*Reads, *Ask) {}, "m1 m2 m3", ReadAny},
		{"one's own site first", func(_ *Reads, a *Ask) { a.Site = "lyon" }, "m3", ReadNear},
		{"nobody at one's own site", func(_ *Reads, a *Ask) { a.Site = "nice" }, "m1 m2 m3", ReadAny},
		{"nobody fresh at one's own site", func(r *Reads, a *Ask) { a.Site, r.Members[2].Level = "lyon", lagguard.LevelThrottle }, "m1 m2", ReadAny},
		{"warn is read from", func(r *Reads, _ *Ask) { r.Members[1].Level = lagguard.LevelWarn }, "m1 m2 m3", ReadAny},
		{"throttle is not", func(r *Reads, _ *Ask) { r.Members[1].Level = lagguard.LevelThrottle }, "m1 m3", ReadAny},
		{"drain is not", func(r *Reads, _ *Ask) { r.Members[1].Level = lagguard.LevelDrain }, "m1 m3", ReadAny},
		{"broken is not", func(r *Reads, _ *Ask) { r.Members[1].Level = lagguard.LevelBroken }, "m1 m3", ReadAny},
		{"unknown is not", func(r *Reads, _ *Ask) { r.Members[1].Level = lagguard.LevelUnknown }, "m1 m3", ReadAny},
		{"seen too long ago", func(r *Reads, _ *Ask) { r.Members[1].At = readsAt.Add(-2001 * time.Millisecond) }, "m1 m3", ReadAny},
		{"seen just in time", func(r *Reads, _ *Ask) { r.Members[1].At = readsAt.Add(-2 * time.Second) }, "m1 m2 m3", ReadAny},
		{"a shorter deadline", func(r *Reads, a *Ask) {
			a.MaxAge, r.Members[1].At = 100*time.Millisecond, readsAt.Add(-101*time.Millisecond)
		}, "m1 m3", ReadAny},
		{"never seen", func(r *Reads, _ *Ask) { r.Members[1].At = time.Time{} }, "m1 m3", ReadAny},
		{"drained", func(r *Reads, _ *Ask) { r.Members[1].Drained = true }, "m1 m3", ReadAny},
		{"lacks the token", func(r *Reads, _ *Ask) { r.Members[1].Position = behind }, "m1 m3", ReadAny},
		{"has no transaction of the domain", func(r *Reads, _ *Ask) { r.Members[1].Position = behind[1:] }, "m1 m3", ReadAny},
		{"has nothing", func(r *Reads, _ *Ask) { r.Members[1].Position = nil }, "m1 m3", ReadAny},
		{"an eventual read needs no token", func(r *Reads, a *Ask) { a.Consistency, r.Members[1].Position = ConsistencyEventual, nil }, "m1 m2 m3", ReadAny},
		{"a session read does", func(r *Reads, a *Ask) { a.Consistency, r.Members[1].Position = ConsistencySession, nil }, "m1 m3", ReadAny},
		{"a strong read", func(_ *Reads, a *Ask) { a.Consistency = ConsistencyStrong }, "m1", ReadOwnerStrong},
		{"a strong read of what nobody owns", func(_ *Reads, a *Ask) { a.Consistency, a.Owner = ConsistencyStrong, "" }, "-", ReadOwnerStrong},
		{"the owner has what it has written, seen or not", func(r *Reads, a *Ask) {
			a.Token = topology.Position{{Domain: 101, Server: 101, Seq: 60}}
		}, "m1", ReadOwnerAhead},
		{"the owner alone is fresh", func(r *Reads, a *Ask) {
			a.Token = topology.Position{{Domain: 101, Server: 101, Seq: 60}}
			r.Members[1].Level, r.Members[2].Drained = lagguard.LevelDrain, true
		}, "m1", ReadAny},
		{"the owner lacks another's", func(_ *Reads, a *Ask) {
			a.Token = topology.Position{{Domain: 102, Server: 102, Seq: 60}}
		}, "m1", ReadOwnerToken},
		{"a token of a domain after all", func(_ *Reads, a *Ask) { a.Token = topology.Position{{Domain: 900, Server: 900, Seq: 1}} }, "m1", ReadOwnerToken},
		{"nobody is fresh", func(r *Reads, _ *Ask) {
			for i := range r.Members {
				r.Members[i].Level = lagguard.LevelThrottle
			}
		}, "m1", ReadOwnerLevel},
		{"nobody is known", func(r *Reads, _ *Ask) {
			for i := range r.Members {
				r.Members[i].Level = lagguard.LevelUnknown
			}
		}, "m1", ReadOwnerLevel},
		{"nobody is fresh, and the owner is lost", func(r *Reads, _ *Ask) {
			r.Members[0].At = readsAt.Add(-time.Minute)
			r.Members[1].Level, r.Members[2].Level = lagguard.LevelDrain, lagguard.LevelThrottle
		}, "m3", ReadLast},
		{"nobody is fresh, and there is no owner", func(r *Reads, a *Ask) {
			a.Owner = ""
			for i := range r.Members {
				r.Members[i].Level = lagguard.LevelBroken
			}
			r.Members[1].Level = lagguard.LevelDrain
		}, "m2", ReadLast},
		{"all drained, and there is no owner", func(r *Reads, a *Ask) {
			a.Owner = ""
			for i := range r.Members {
				r.Members[i].Drained = true
			}
		}, "m1", ReadLast},
		{"the last has to have the token too", func(r *Reads, a *Ask) {
			a.Owner, a.Token = "", topology.Position{{Domain: 101, Server: 101, Seq: 60}}
		}, "-", ReadOwnerToken},
		{"nobody is seen", func(r *Reads, a *Ask) { a.Now = readsAt.Add(time.Hour) }, "-", ReadOwnerLevel},
		{"no members", func(r *Reads, _ *Ask) { r.Members = nil }, "-", ReadOwnerLevel},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := three(t)
			ask := Ask{Token: position(t, "101-101-45,103-103-50"), Owner: "m1", Now: readsAt}
			tt.edit(r, &ask)
			drawn := map[topology.MemberID]bool{}
			for i := range uint64(60) {
				ask.Draws = [2]uint64{i, i / 7}
				m, why, ok := r.Choose(ask)
				if why != tt.why || ok == (tt.want == "-") {
					t.Fatalf("%s %v, %q, want %q of %s", m.ID, ok, why, tt.why, tt.want)
				}
				if ok && m.Addr != string(m.ID)+":3306" {
					t.Fatalf("member %+v", m)
				}
				drawn[m.ID] = true
			}
			got := "-"
			for _, id := range []topology.MemberID{"m1", "m2", "m3"} {
				if drawn[id] {
					got += " " + string(id)
				}
			}
			if got != tt.want && got != "- "+tt.want {
				t.Fatalf("drawn %s, want %s", got, tt.want)
			}
		})
	}
}

func TestChooseWithoutAPicture(t *testing.T) {
	var r *Reads
	if m, why, ok := r.Choose(Ask{Owner: "m1", Now: readsAt}); ok || why != ReadNoPicture || m.ID != "" {
		t.Fatalf("%+v %s %v", m, why, ok)
	}
	if e := r.Explain(Ask{}); e.Member != "" || len(e.Members) != 0 {
		t.Fatalf("%+v", e)
	}
}

// shares draws many times and counts who is chosen, in per cent.
func shares(r *Reads, ask Ask) map[topology.MemberID]int {
	rnd := rand.New(rand.NewPCG(1, 2))
	const draws = 100_000
	count := map[topology.MemberID]int{}
	for range draws {
		ask.Draws = [2]uint64{rnd.Uint64(), rnd.Uint64()}
		m, _, _ := r.Choose(ask)
		count[m.ID]++
	}
	for id := range count {
		count[id] = (count[id]*100 + draws/2) / draws
	}
	return count
}

func TestSharesFollowWeightAndLoad(t *testing.T) {
	load := map[topology.MemberID]int{}
	for _, tt := range []struct {
		name    string
		weights [3]int
		load    [3]int
		noLoad  bool
		want    string
	}{
		{"alike", [3]int{1, 1, 1}, [3]int{}, true, "map[m1:33 m2:33 m3:33]"},
		{"weights", [3]int{2, 1, 1}, [3]int{}, true, "map[m1:50 m2:25 m3:25]"},
		{"no weight counts as 1", [3]int{0, 1, 2}, [3]int{}, true, "map[m1:25 m2:25 m3:50]"},
		{"the busiest of three is never the less busy of two", [3]int{1, 1, 1}, [3]int{9, 0, 0}, false, "map[m2:50 m3:50]"},
		{"in balance by weight", [3]int{2, 1, 1}, [3]int{19, 9, 9}, false, "map[m1:50 m2:25 m3:25]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := three(t)
			for i := range r.Members {
				r.Members[i].Weight, load[r.Members[i].Member.ID] = tt.weights[i], tt.load[i]
			}
			ask := Ask{Now: readsAt, Owner: "m1", Load: func(id topology.MemberID) int { return load[id] }}
			if tt.noLoad {
				ask.Load = nil
			}
			if got := fmt.Sprint(shares(r, ask)); got != tt.want {
				t.Fatalf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestExplainSaysWhyOfEachMember(t *testing.T) {
	r := three(t)
	r.Members[0].At = readsAt.Add(-3 * time.Second)
	r.Members[1].Level, r.Members[1].Why = lagguard.LevelThrottle, "its lag has been at least 3s for 1s"
	ask := Ask{Token: position(t, "103-103-60"), Owner: "m1", Now: readsAt}
	e := r.Explain(ask)
	want := "[{m1 paris false it was seen 3000 ms ago, at most 2000 are allowed} " +
		"{m2 paris false it is throttle: its lag has been at least 3s for 1s} " +
		"{m3 lyon false it is not known to have 103-103-60}]"
	if got := fmt.Sprint(e.Members); got != want || e.Why != ReadOwnerToken || e.Member != "" || !e.Why.Owner() {
		t.Errorf("got  %s\nwant %s\n%+v", got, want, e)
	}
	r.Members[2].Drained = true
	ask.Token, ask.Consistency, r.Members[0].At = nil, ConsistencyEventual, readsAt
	e = r.Explain(ask)
	want = "[{m1 paris true it is fresh: its lag is 3 ms} " +
		"{m2 paris false it is throttle: its lag has been at least 3s for 1s} {m3 lyon false it is drained}]"
	if got := fmt.Sprint(e.Members); got != want || e.Member != "m1" || e.Why != ReadAny || e.Why.Owner() {
		t.Errorf("got  %s\nwant %s\n%+v", got, want, e)
	}
}

func TestConsistencyNames(t *testing.T) {
	for _, c := range []Consistency{ConsistencyAccount, ConsistencyEventual, ConsistencySession, ConsistencyStrong} {
		if got, err := ParseConsistency(c.String()); err != nil || got != c {
			t.Errorf("%s: %v %v", c, got, err)
		}
	}
	if c, err := ParseConsistency("stale"); err == nil || c != ConsistencyAccount {
		t.Errorf("%v %v", c, err)
	}
}

// hotAsk is the question of a session that has written, with a load to compare.
func hotAsk(t testing.TB) Ask {
	load := func(id topology.MemberID) int { return int(id[1]) }
	return Ask{
		Token: position(t, "101-101-45,102-102-50,103-103-50"), Site: "paris", Owner: "m1",
		Now: readsAt, Load: load, Draws: [2]uint64{7, 9},
	}
}

func TestChooseAllocatesNothing(t *testing.T) {
	r, ask := three(t), hotAsk(t)
	lost := *r
	lost.Members = append([]Readable(nil), r.Members...)
	for i := range lost.Members {
		lost.Members[i].Position = nil
	}
	for _, reads := range []*Reads{r, &lost} {
		if n := testing.AllocsPerRun(1000, func() { reads.Choose(ask) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

func BenchmarkChoose(b *testing.B) {
	r, ask := three(b), hotAsk(b)
	b.ReportAllocs()
	for b.Loop() {
		r.Choose(ask)
	}
}
