package lagguard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// lagging returns the pairs of a ring of n members whose links each add a delay, in
// ms: adds[i] is that of the link into member i. Bounds are 20 ms wide; a negative
// delay makes what passes the link unknown.
func lagging(adds ...int) ([]topology.MemberID, []PairLag) {
	n := len(adds)
	var order []topology.MemberID
	for i := range n {
		order = append(order, topology.MemberID(fmt.Sprintf("m%d", i+1)))
	}
	var pairs []PairLag
	for i := range n {
		sum, known := 0, true
		for j := 1; j < n; j++ {
			to := (i + j) % n
			sum += adds[to]
			known = known && adds[to] >= 0
			p := PairLag{Origin: order[i], Member: order[to]}
			if known {
				p.Lag = Lag{Known: true, Low: max(0, time.Duration(sum-10)*time.Millisecond), High: time.Duration(sum+10) * time.Millisecond}
			}
			pairs = append(pairs, p)
		}
	}
	return order, pairs
}

func TestBlame(t *testing.T) {
	for _, tt := range []struct {
		name string
		adds []int
		want string
	}{
		{"all is well", []int{5, 5, 5}, "none"},
		{"the link into m3", []int{5, 5, 4000}, "m2 -> m3 adds at least 3990 ms"},
		{"the link into m1", []int{4000, 5, 5}, "m3 -> m1 adds at least 3990 ms"},
		{"two of four", []int{5, 2000, 5, 9000}, "m3 -> m4 adds at least 8990 ms"},
		{"of two", []int{5, 3000}, "m1 -> m2 adds at least 2990 ms"},
		{"below what is asked for", []int{5, 5, 900}, "none"},
		{"nothing is known beyond m2", []int{5, -1, 3000}, "m2 -> m3 adds at least 2990 ms"},
		{"nobody is seen", []int{-1, -1, -1}, "none"},
	} {
		order, pairs := lagging(tt.adds...)
		if got := Blame(order, pairs, time.Second).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Several origins show the same hop: what is told of it is where most is on its way.
func TestBlameTellsTheFlowOfMost(t *testing.T) {
	order, pairs := lagging(5, 5, 4000)
	for i := range pairs {
		if pairs[i].Member == "m3" {
			behind := map[topology.MemberID]uint64{"m1": 900, "m2": 3}[pairs[i].Origin]
			pairs[i].Flow = Flow{Known: true, Behind: behind, Queued: behind}
		}
	}
	if h := Blame(order, pairs, time.Second); h.To != "m3" || h.Flow.Behind != 900 {
		t.Errorf("%+v", h)
	}
}

func TestHopSaysWhereTheTransactionsAre(t *testing.T) {
	hop := Hop{From: "m1", To: "m2", Origin: "m1", Adds: 3 * time.Second, Flow: Flow{Known: true, Behind: 100, Queued: 90}}
	if got := hop.String(); got != "m1 -> m2 adds at least 3000 ms: 90 transactions wait for its applier" {
		t.Error(got)
	}
	hop.Flow.Queued = 10
	if got := hop.String(); got != "m1 -> m2 adds at least 3000 ms: it has not received 90 transactions" {
		t.Error(got)
	}
}

// picture is that of a ring of three in which m3 has a level and a lag behind m1.
func picture(level Level, low, high int) *Picture {
	p := &Picture{At: at(0), Ring: "demo", Thresholds: DefaultThresholds()}
	for _, id := range []topology.MemberID{"m1", "m2", "m3"} {
		p.Members = append(p.Members, MemberLag{Member: id, Level: LevelFresh, Since: at(0), Why: "its lag is known", Seen: at(0)})
		for _, origin := range []topology.MemberID{"m1", "m2", "m3"} {
			if origin != id {
				lag := lagOf(0, 10).Lag
				p.Pairs = append(p.Pairs, PairLag{Origin: origin, Member: id, Lag: lag, State: State{Level: LevelFresh, last: Sample{Lag: lag}}})
			}
		}
	}
	lag := lagOf(low, high).Lag
	p.Members[2].Level, p.Members[2].Why, p.Members[2].Behind = level, "because", "m1"
	for i := range p.Pairs {
		if p.Pairs[i].Origin == "m1" && p.Pairs[i].Member == "m3" {
			p.Pairs[i].Lag, p.Pairs[i].State = lag, State{Level: level, last: Sample{Lag: lag}}
		}
	}
	return p
}

func TestTransitions(t *testing.T) {
	calm, late := picture(LevelFresh, 0, 10), picture(LevelThrottle, 4000, 4100)
	late.Hop = Hop{From: "m2", To: "m3", Adds: 4 * time.Second}
	moved := Transitions(calm, late)
	if len(moved) != 1 {
		t.Fatalf("%+v", moved)
	}
	got := fmt.Sprintf("%s %s %s %s %v", moved[0].Member, moved[0].From, moved[0].To, moved[0].Why, moved[0].Evidence)
	want := "m3 fresh throttle because [behind m1: 4000 ms (+100) behind m2: 0 ms (+10) the hop to blame: m2 -> m3 adds at least 4000 ms]"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if again := Transitions(late, late); again != nil {
		t.Errorf("no change, and %+v", again)
	}
	if first := Transitions(nil, calm); len(first) != 3 || first[0].From != LevelUnknown {
		t.Errorf("%+v", first)
	}
	if gone := Transitions(calm, nil); gone != nil {
		t.Errorf("%+v", gone)
	}
}

func TestCheck(t *testing.T) {
	rule := func(ratio float64) *topology.ThrottleRule {
		return &topology.ThrottleRule{App: "archive", Ratio: ratio, Until: at(60000), Why: "backup"}
	}
	for _, tt := range []struct {
		name string
		p    *Picture
		edit func(p *Picture, a *CheckAsk)
		want Verdict
		text string // in the message
	}{
		{"all is well", picture(LevelFresh, 0, 10), nil, CheckPass, ""},
		{"one warns", picture(LevelWarn, 1200, 1300), nil, CheckPass, ""},
		{"one throttles", picture(LevelThrottle, 4000, 4100), nil, CheckExceeded, "m3: it is throttle"},
		{"it has caught up, and its time is not over", picture(LevelThrottle, 0, 10), nil, CheckExceeded, "m3: it is throttle: because"},
		{"over the threshold, before its time", picture(LevelWarn, 3000, 3100), nil, CheckExceeded, "m3: its lag behind m1 is 3000 ms (+100)"},
		{"one drains", picture(LevelDrain, 40000, 40100), nil, CheckExceeded, "m3: it is drain"},
		{"one is not known", picture(LevelUnknown, 0, 0), nil, CheckUnsure, "m3: it is unknown"},
		{"one is broken", picture(LevelBroken, 0, 10), nil, CheckUnsure, "m3: it is broken"},
		{"another member is asked for", picture(LevelThrottle, 4000, 4100), func(_ *Picture, a *CheckAsk) { a.Store = "m2" }, CheckPass, ""},
		{"the member is asked for", picture(LevelThrottle, 4000, 4100), func(_ *Picture, a *CheckAsk) { a.Store = "m3" }, CheckExceeded, "m3"},
		{"no such store", picture(LevelFresh, 0, 10), func(_ *Picture, a *CheckAsk) { a.Store = "shop" }, CheckNoStore, `"shop"`},
		{"no ring", nil, nil, CheckNoStore, "no ring"},
		{"not seen in time", picture(LevelFresh, 0, 10), func(_ *Picture, a *CheckAsk) { a.Now = at(2001) }, CheckUnsure, "m1: it was not seen in time"},
		{"an own threshold, kept", picture(LevelThrottle, 4000, 4100), func(_ *Picture, a *CheckAsk) { a.AtMost = 5 * time.Second }, CheckPass, ""},
		{"an own threshold, not surely kept", picture(LevelFresh, 400, 600), func(_ *Picture, a *CheckAsk) { a.AtMost = 500 * time.Millisecond }, CheckExceeded, "m3"},
		{"the origin is not seen", picture(LevelFresh, 0, 9000), func(p *Picture, a *CheckAsk) {
			a.AtMost, a.Store = 500*time.Millisecond, "m3"
			p.Members[0].Level = LevelUnknown
		}, CheckPass, ""},
		{"a rule", picture(LevelFresh, 0, 10), func(_ *Picture, a *CheckAsk) { a.Rule = rule(1) }, CheckForbidden, "holds archive back until 1970-01-01T00:17:40Z: backup"},
		{"half a rule, met", picture(LevelFresh, 0, 10), func(_ *Picture, a *CheckAsk) { a.Rule, a.Draw = rule(0.5), 0.49 }, CheckForbidden, ""},
		{"half a rule, not met", picture(LevelFresh, 0, 10), func(_ *Picture, a *CheckAsk) { a.Rule, a.Draw = rule(0.5), 0.5 }, CheckPass, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ask := CheckAsk{App: "archive", Store: "demo", Now: at(1000)}
			if tt.edit != nil {
				tt.edit(tt.p, &ask)
			}
			a := tt.p.Check(ask)
			if a.Verdict != tt.want || !strings.Contains(a.Message, tt.text) || (a.Verdict == CheckPass) != (a.Message == "") {
				t.Fatalf("%+v", a)
			}
		})
	}
	a := picture(LevelThrottle, 4000, 4100).Check(CheckAsk{Store: "demo", Now: at(0)})
	if a.Value != 4100*time.Millisecond || a.Threshold != 3*time.Second {
		t.Errorf("%+v", a)
	}
	unknown := picture(LevelThrottle, 4000, 4100) // what is not known dominates
	unknown.Members[0].Level = LevelUnknown
	if a := unknown.Check(CheckAsk{Store: "demo", Now: at(0)}); a.Verdict != CheckUnsure {
		t.Errorf("%+v", a)
	}
}
