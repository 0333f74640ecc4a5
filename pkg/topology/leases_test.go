package topology

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// The leader of three nodes moves a unit: who is waited for, and for how long.
func TestLeasesOfSeveralNodes(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	long, moment := 10*LeaseTTL, 100*time.Millisecond
	knows := func(node NodeID, epoch uint64, heard time.Duration) Writer {
		return Writer{Node: node, Unit: UnitRest, Epoch: epoch, At: ago(heard), Timed: true}
	}
	given := func(node NodeID, epoch uint64, left time.Duration) Grant {
		return Grant{Node: node, Unit: UnitRest, Epoch: epoch, Until: now.Add(left), Known: []UnitID{UnitRest}}
	}
	untimed := knows("n2", 4, 0)
	untimed.Timed = false
	tests := []struct {
		name string
		led  time.Duration
		who  []Writer
		gave []Grant
		wait string // the node that is waited for; empty: nobody
	}{
		{"all have taken the new epoch in", moment, []Writer{knows("n1", 5, 0), knows("n2", 5, 0), knows("n3", 5, long)}, nil, ""},
		{"one has not been heard of by a new leader", moment, []Writer{knows("n1", 5, 0), knows("n2", 5, 0)}, nil, "n3"},
		{"the same, after a while", LeaseTTL + 1, []Writer{knows("n1", 5, 0), knows("n2", 5, 0)}, nil, ""},
		{"at the very end of the while", LeaseTTL, []Writer{knows("n1", 5, 0), knows("n2", 5, 0)}, nil, "n3"},
		{"a lease of the silent one is alive", long, []Writer{knows("n1", 5, 0), knows("n2", 5, 0)}, []Grant{given("n3", 4, moment)}, "n3"},
		{"it ends this moment", long, []Writer{knows("n1", 5, 0), knows("n2", 5, 0)}, []Grant{given("n3", 4, 0)}, "n3"},
		{"it has ended", long, []Writer{knows("n1", 5, 0), knows("n2", 5, 0)}, []Grant{given("n3", 4, -1)}, ""},
		{"a lease of the new epoch does not count", long, []Writer{knows("n1", 5, 0), knows("n2", 5, 0)}, []Grant{given("n3", 5, moment)}, ""},
		{"one speaks, lags, and its lease has ended", long, []Writer{knows("n1", 5, 0), knows("n2", 4, 0), knows("n3", 5, 0)}, []Grant{given("n2", 4, -1)}, ""},
		{"one speaks, and needs no lease", long, []Writer{knows("n1", 5, 0), untimed, knows("n3", 5, 0)}, nil, "n2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &Snapshot{Ring: &Ring{}, Units: []Unit{{ID: UnitRest, Epoch: 5, Since: ago(-long)}}} // by a clock that goes wrong
			o := Observations{Nodes: []NodeID{"n1", "n2", "n3"}, Writers: tt.who, Grants: tt.gave, Led: ago(tt.led)}
			step, over := leasesOver(s, o, now)
			if over != (tt.wait == "") || !strings.Contains(step.Why, tt.wait) {
				t.Errorf("over %t, %q; want to wait for %q", over, step.Why, tt.wait)
			}
		})
	}
}

// A unit that was parted from "*" is held by whoever holds "*" and has not heard of it.
func TestLeaseOnARestThatWasLarger(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	shop := Unit{ID: "shop", Epoch: 2}
	for _, tt := range []struct {
		known []UnitID
		alive bool
	}{{[]UnitID{UnitRest}, true}, {[]UnitID{UnitRest, "shop"}, false}} {
		g := Grant{Node: "n2", Unit: UnitRest, Epoch: 9, Until: now.Add(time.Second), Known: tt.known}
		if got := (Observations{Led: now.Add(-time.Hour), Grants: []Grant{g}}).alive("n2", shop, now); got != tt.alive {
			t.Errorf("a proxy that knows of %v: alive %t", tt.known, got)
		}
	}
}

// Who joined after the grant may have acknowledged: its silence makes the mark
// unknown.
func TestMarkOfANodeThatJoinedLater(t *testing.T) {
	now, began := time.Unix(1_000_000, 0), time.Unix(1, 0)
	unit := Unit{ID: UnitRest, Proxies: []ProxyStart{{Node: "n1", Since: began}}}
	o := Observations{Nodes: []NodeID{"n1"}, Writers: []Writer{{Node: "n1", Unit: UnitRest, Since: began, At: now}}}
	if !remembered(unit, o, now) {
		t.Error("the only proxy speaks, and its word is not enough")
	}
	o.Nodes = append(o.Nodes, "n2")
	if remembered(unit, o, now) {
		t.Error("what n2 acknowledged is not known")
	}
}

// The other nodes have a say in whether a member is down (S19).
func TestOtherNodesHaveASay(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	m := Member{ID: "m1", Boot: 7}
	seen := Observation{Member: "m1", Reach: ReachSilent, Since: now.Add(-time.Second)}
	says := func(node NodeID, reach Reach, age time.Duration) Sighting {
		return Sighting{Node: node, Member: "m1", Reach: reach, Boot: 7, At: now.Add(-age)}
	}
	restarted := says("n2", ReachAnswers, 0)
	restarted.Boot = 8
	for _, tt := range []struct {
		name   string
		others []Sighting
		but    string
	}{
		{"a sole node", nil, ""},
		{"one more sees it down", []Sighting{says("n2", ReachSilent, 0)}, ""},
		{"one more has not looked again", []Sighting{says("n2", ReachAnswers, 1500*time.Millisecond)}, "only 1 of 2"},
		{"two of three", []Sighting{says("n2", ReachRefused, 0), says("n3", ReachAnswers, 1500*time.Millisecond)}, ""},
		{"two of four", []Sighting{says("n2", ReachRefused, 0), says("n3", ReachUnknown, 0), says("n4", ReachDenied, 0)}, "only 2 of 4"},
		{"a veto", []Sighting{says("n2", ReachSilent, 0), says("n3", ReachSilent, 0), says("n4", ReachAnswers, 0)}, "node n4 sees it answer"},
		{"another process answers", []Sighting{restarted, says("n3", ReachSilent, 0)}, ""},
		{"what was seen long ago", []Sighting{says("n2", ReachAnswers, MaxAge+1)}, ""},
		{"of another member", []Sighting{{Node: "n2", Member: "m2", Reach: ReachAnswers, At: now}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Observations{Others: tt.others}.outvoted(m, seen, false, now)
			if (got == "") != (tt.but == "") || !strings.Contains(got, tt.but) {
				t.Errorf("%q, want %q", got, tt.but)
			}
		})
	}
}

// Under isolation continue nothing is moved by itself, and after it nobody is excused
// by time before every proxy has said that it obeys again.
func TestIsolation(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := &Snapshot{Ring: &Ring{}, Units: []Unit{{ID: UnitRest, Epoch: 5}}, Outbox: &Outbox{Law: Law}}
	apply := func(i SetIsolation) error {
		next := s.clone()
		err := i.apply(next, Command{At: now, By: "dba@n1"})
		if err == nil {
			s = next
		}
		return err
	}
	if err := errors.Join(apply(SetIsolation{To: IsolationContinue}), apply(SetIsolation{To: IsolationFence})); err != nil {
		t.Fatal(err)
	}
	said := func(node NodeID, timed bool) Writer {
		return Writer{Node: node, Unit: UnitRest, Epoch: 4, At: now.Add(-time.Hour), Timed: timed, Isolations: 2}
	}
	o := Observations{Nodes: []NodeID{"n1", "n2"}, Led: now.Add(-time.Hour), Writers: []Writer{said("n1", true)}}
	if _, over := leasesOver(s, o, now); over {
		t.Error("n2 has not been heard of since")
	}
	o.Writers = append(o.Writers, said("n2", false))
	if _, over := leasesOver(s, o, now); over {
		t.Error("n2 goes on without a lease")
	}
	if _, ok := settleIsolation(s, o); ok {
		t.Error("settled before n2 obeys")
	}
	o.Writers[1].Timed = true
	for heard, why := range []string{"before it heard of continue", "as continue reached it"} {
		o.Writers[1].Isolations = uint64(heard)
		if _, ok := settleIsolation(s, o); ok {
			t.Errorf("settled by what n2 said %s", why)
		}
		if _, over := leasesOver(s, o, now); over {
			t.Errorf("its lease is over by what n2 said %s", why)
		}
	}
	o.Writers[1].Isolations = 2
	step, ok := settleIsolation(s, o)
	if _, over := leasesOver(s, o, now); !ok || !over {
		t.Errorf("n2 obeys: settled %t, over %t", ok, over)
	}
	if err := apply(step.Change.(SetIsolation)); err != nil || s.Ring.Unfenced {
		t.Errorf("%v, %+v", err, s.Ring)
	}
	if err := apply(step.Change.(SetIsolation)); !errors.Is(err, ErrStale) {
		t.Errorf("settled twice: %v", err)
	}
}

func TestTokens(t *testing.T) {
	s := NewSnapshot()
	hash := strings.Repeat("a", 64)
	apply := func(c Change) error {
		next, err := Apply(s, Command{Index: s.Index + 1, At: time.Unix(1, 0), By: "dba@n1", Change: c})
		if err == nil {
			s = next
		}
		return err
	}
	for _, bad := range []AddToken{{"Ann", "viewer", hash}, {"ann", "root", hash}, {"ann", "admin", "abc"}, {"", "admin", hash}} {
		if err := apply(bad); !errors.Is(err, ErrLaw) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if err := apply(AddToken{"ann", "admin", hash}); err != nil {
		t.Fatal(err)
	}
	if err := apply(AddToken{"ann", "viewer", hash}); !errors.Is(err, ErrLaw) {
		t.Errorf("twice: %v", err)
	}
	before := s
	if err := apply(RevokeToken{"ann"}); err != nil || len(s.Tokens) != 0 || len(before.Tokens) != 1 {
		t.Errorf("revoked: %v, %v; before %v", err, s.Tokens, before.Tokens)
	}
	if err := apply(RevokeToken{"ann"}); !errors.Is(err, ErrStale) {
		t.Errorf("revoked twice: %v", err)
	}
}

// What was given up with a member is asked of no later heir, whatever became of that member.
func TestWhatWasGivenUpIsNotAskedOfLaterHeirs(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	world := func() *Snapshot {
		s := &Snapshot{Ring: &Ring{Name: "demo", Stride: 16, Durability: DurabilitySemiSync, Degraded: DegradedAllow}, NextIdentity: 105, NextBoot: 10, Outbox: &Outbox{Law: Law}}
		for i, id := range []MemberID{"m1", "m2", "m3"} {
			s.Members = append(s.Members, Member{ID: id, Addr: string(id) + ":3306", Identity: uint32(101 + i), Slot: i + 1, Boot: uint64(i + 1), State: MemberActive})
		}
		s.Members[0].State, s.Members[0].Cut = MemberQuarantined, position(t, "101-101-7")
		s.Units = []Unit{{ID: UnitRest, Owner: "m2", Epoch: 3}}
		return s
	}
	apply := func(s *Snapshot, change Change) *Snapshot {
		t.Helper()
		next, err := Apply(s, Command{Index: s.Index + 1, At: now, By: "dba@n1", Change: change})
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	said := position(t, "101-101-9,102-102-30")
	capped, whole := "101-101-7,102-102-30", said.String()
	for name, c := range map[string]struct {
		become func(*Snapshot) *Snapshot
		lost   MemberID
		want   string
	}{
		"it is in quarantine":        {func(s *Snapshot) *Snapshot { return s }, "m2", capped},
		"it is the one that is lost": {func(s *Snapshot) *Snapshot { return s }, "m1", whole},
		"it was forgotten":           {func(s *Snapshot) *Snapshot { return apply(s, ForgetMember{Member: "m1"}) }, "m2", capped},
		"it is copied anew":          {func(s *Snapshot) *Snapshot { return apply(s, BeginReclone{Member: "m1"}) }, "m2", capped},
		"it was copied anew, and is in": {func(s *Snapshot) *Snapshot {
			s = apply(s, BeginReclone{Member: "m1"})
			s.Members[0].State = MemberActive
			return s
		}, "m2", capped},
		"it is lost under the identity that it got then": {func(s *Snapshot) *Snapshot { return apply(s, BeginReclone{Member: "m1"}) }, "m1", capped},
		"copied, then forgotten": {func(s *Snapshot) *Snapshot {
			s = apply(s, BeginReclone{Member: "m1"})
			s.Operations[0].State, s.Members[0].State = OperationDone, MemberDown
			return apply(s, ForgetMember{Member: "m1"})
		}, "m2", capped},
		"some node does not know that law": {func(s *Snapshot) *Snapshot { s.Outbox.Law = LawOfEmptied; return apply(s, BeginReclone{Member: "m1"}) }, "m2", whole},
		"a MySQL that has left is a member again": {func(s *Snapshot) *Snapshot {
			s.Members[0].Source, s.Members[0].Cut, s.Members[0].State = uuidA, nil, MemberActive
			s.Tombstones = []Tombstone{{Member: "m1", Slot: 1, Identity: 90, Last: Position{{Domain: SourceDomain(uuidA), Seq: 2, Source: uuidA}}}}
			return s
		}, "m2", whole},
	} {
		t.Run(name, func(t *testing.T) {
			s, mark := c.become(world()), said
			if s.Members[0].Source != "" {
				mark = mark.With(GTID{Domain: SourceDomain(uuidA), Seq: 5, Source: uuidA})
				c.want = mark.String()
			}
			if got := s.kept(mark, c.lost).String(); got != c.want {
				t.Errorf("asked of an heir: %s, want %s", got, c.want)
			}
		})
	}
}

// What was cut off and has flowed after all is asked of every later heir.
func TestWhatHasFlowedIsAskedAgain(t *testing.T) {
	m := Member{Cuts: position(t, "90-90-3,101-101-7")}
	m.flowed(&Tail{Cut: position(t, "101-101-7"), Verdict: TailEmpty})
	m.flowed(nil)
	if m.Cuts.String() != "90-90-3,101-101-7" {
		t.Errorf("nothing has flowed, and the cuts are %s", m.Cuts)
	}
	m.flowed(&Tail{Cut: position(t, "101-101-7"), Verdict: TailMayFlow})
	if m.Cuts.String() != "90-90-3" {
		t.Errorf("cuts %s, want 90-90-3", m.Cuts)
	}
}
