package topology

import (
	"strings"
	"testing"
	"time"
)

// TestSevered: what tells two sites that do not reach each other from one that is dead.
func TestSevered(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	silent := Observation{Member: "m1", Reach: ReachSilent, At: now, Since: now.Add(-2 * time.Second)}
	hears := func(node, site string, age time.Duration, others ...Hearing) Place {
		return Place{Node: NodeID(node), Site: site, HeardAt: now.Add(-age), Hears: others}
	}
	n1 := Hearing{"n1", "north"}
	third := hears("n3", "third", 0, n1, Hearing{"n2", "south"})
	sees := Sighting{Node: "n3", Member: "m1", Reach: ReachAnswers, At: now}
	for _, tt := range []struct {
		name string
		edit func(*Observations)
		want bool
	}{
		{"a third one hears both", func(*Observations) {}, true},
		{"a third one sees its member answer", func(o *Observations) {
			o.Places[0].Hears, o.Others = nil, []Sighting{sees}
		}, true},
		{"nobody hears it: it may be dead", func(o *Observations) { o.Places[0].Hears = nil }, false},
		{"who heard it is silent", func(o *Observations) { o.Places[0].HeardAt = now.Add(-MaxAge - 1) }, false},
		{"who hears it stands at no site", func(o *Observations) { o.Places[0].Site = "" }, false},
		{"who hears it stands here", func(o *Observations) { o.Places[0].Site = "south" }, false},
		{"its node speaks to us", func(o *Observations) { o.Places = append(o.Places, hears("n1", "north", 0)) }, false},
		{"its node spoke to us before", func(o *Observations) { o.Places = append(o.Places, hears("n1", "north", MaxAge+1)) }, true},
		{"its node answers us", func(o *Observations) { o.Hears = []Hearing{n1} }, false},
		{"its member refuses us: it is reached", func(o *Observations) { o.Members[0].Reach = ReachRefused }, false},
		{"its member answers us", func(o *Observations) { o.Members[0].Reach = ReachAnswers }, false},
		{"it is silent for a moment only", func(o *Observations) { o.Members[0].Since = now }, false},
		{"we do not know where we stand", func(o *Observations) { o.Site = "" }, false},
		{"we stand there", func(o *Observations) { o.Site = "north" }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			place := third
			o := Observations{Site: "south", Members: []Observation{silent, {Member: "m2", Reach: ReachAnswers, At: now}}, Places: []Place{place}}
			tt.edit(&o)
			s := &Snapshot{Members: []Member{{ID: "m1", Site: "north"}, {ID: "m2", Site: "south"}}}
			cut, got := severed(s, "north", o, now)
			if got != tt.want || got != (len(checkSites(s, o, now)) == 1) {
				t.Errorf("severed %t, want %t", got, tt.want)
			}
			if got && !strings.Contains(cut.String(), "sites south and north do not reach each other, node n3 reaches both") {
				t.Errorf("it is said as %q", cut)
			}
		})
	}
}

// TestAThirdSiteHasNoVetoOverASeveredOne: a node that reaches both sites sees the member
// of the one answer, and can not bring that to the other one.
func TestAThirdSiteHasNoVetoOverASeveredOne(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	m := Member{ID: "m1", Boot: 7, Site: "north"}
	seen := Observation{Member: "m1", Reach: ReachSilent, Since: now.Add(-2 * time.Second)}
	answers := func(node NodeID) Sighting {
		return Sighting{Node: node, Member: "m1", Reach: ReachAnswers, Boot: 7, At: now}
	}
	o := Observations{
		Site: "south", Places: []Place{{Node: "n3", Site: "third"}, {Node: "n4", Site: "south"}},
		Others: []Sighting{answers("n3")},
	}
	if but := o.outvoted(m, seen, true, now); but != "" {
		t.Errorf("severed, and still %q", but)
	}
	if but := o.outvoted(m, seen, false, now); but == "" {
		t.Error("not severed, and no veto")
	}
	o.Others = append(o.Others, answers("n4"))
	if but := o.outvoted(m, seen, true, now); !strings.Contains(but, "n4") {
		t.Errorf("a node of this site sees it answer, and that is no veto: %q", but)
	}
}
