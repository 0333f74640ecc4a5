package topology

import (
	"strings"
	"testing"
	"time"
)

// TestWhatIsBeyondIsNotOfTheLostMember: what a member that is out has of the lost one's own is
// no tail; what it has of somebody else who is out is.
func TestWhatIsBeyondIsNotOfTheLostMember(t *testing.T) {
	now := time.Unix(1000, 0)
	lost, out, heir := Member{ID: "m1", Identity: 101}, Member{ID: "m2", Identity: 102}, Member{ID: "m3", Identity: 103}
	h := heal{
		s: &Snapshot{Ring: &Ring{}, Members: []Member{lost, out, heir}}, op: Operation{Mark: position(t, "101-101-44")}, lost: lost, alive: []Member{heir},
		o:   Observations{}.With(Observation{Member: "m3", Reach: ReachAnswers, Asked: now, At: now, Binlog: position(t, "101-101-40,104-104-7")}),
		now: now,
	}
	for has, want := range map[string]string{
		"101-101-45":            "",          // read from the owner, and not known to be acknowledged
		"101-101-45,103-103-9":  "",          // a survivor has all of its own
		"101-101-45,104-104-8":  "104-104-7", // of one that is out: it may have been given up
		"101-101-45,105-105-12": "105-105-0", // nobody else has any of it
	} {
		if got := h.beyond(out, Observation{Binlog: position(t, has)}); got.String() != want {
			t.Errorf("%s: beyond is %q, want %q", has, got, want)
		}
	}
}

// TestWhoBringsMoreOfWhatWasAcknowledged: a member that is out need not have all of it to be
// counted; but it is no gain if it lacks what a survivor has.
func TestWhoBringsMoreOfWhatWasAcknowledged(t *testing.T) {
	now := time.Unix(1000, 0)
	seen := func(id MemberID, binlog string) Observation {
		return Observation{Member: id, Reach: ReachAnswers, Asked: now, At: now, Binlog: position(t, binlog)}
	}
	heir, other := seen("m3", "101-101-40,103-103-9"), seen("m4", "101-101-38,104-104-5")
	h := heal{
		op: Operation{Mark: position(t, "101-101-44,104-104-6")}, alive: []Member{{ID: "m3"}, {ID: "m4"}},
		o: Observations{}.With(heir).With(other), now: now,
	}
	for has, want := range map[string]bool{
		"101-101-44,104-104-6": true,
		"101-101-43,104-104-5": true,  // the last is on no disk
		"101-101-40,104-104-5": true,  // of another owner
		"101-101-43,104-104-4": false, // m4 has more of that
		"101-101-39,104-104-6": false, // the heir has more of the lost one's
		"101-101-40,103-103-9": false, // no more than the heir
	} {
		if got := h.brings(seen("m2", has), heir, h.op.Mark); got != want {
			t.Errorf("%s: brings is %t, want %t", has, got, want)
		}
	}
}

// TestOwnTailIsReadBeforeItFlows: what a member that is out has of its own above its cut is read,
// and keeps it out if it is more than sqlring's own rows.
func TestOwnTailIsReadBeforeItFlows(t *testing.T) {
	m := Member{ID: "m2", Identity: 102, State: MemberDown, Cut: position(t, "102-102-14")}
	read := func(verdict TailVerdict, end string) *Tail {
		return &Tail{Cut: position(t, "102-102-14"), End: position(t, end), Verdict: verdict}
	}
	now := time.Unix(1000, 0)
	unread := func(ago time.Duration) *Tail {
		tail := read(TailConflict, "102-102-15")
		tail.Unread = now.Add(-ago)
		if tail.answers(tail.Cut, tail.End) {
			t.Error("what was not read answers nobody")
		}
		return tail
	}
	based := m
	based.Base = position(t, "102-102-15")
	for name, tt := range map[string]struct {
		m      Member
		binlog string
		tail   *Tail
		flows  bool
		reads  bool
	}{
		"nothing above the cut":        {m: m, binlog: "101-101-44,102-102-14", flows: true},
		"not read":                     {m: m, binlog: "102-102-15", reads: true},
		"read before it grew":          {m: m, binlog: "102-102-16", tail: read(TailEmpty, "102-102-15"), reads: true},
		"heartbeats":                   {m: m, binlog: "102-102-15", tail: read(TailEmpty, "102-102-15"), flows: true},
		"inserts":                      {m: m, binlog: "102-102-15", tail: read(TailMayFlow, "102-102-15")},
		"its binlog has not all of it": {m: based, binlog: "102-102-15"},
		"it could not be read":         {m: m, binlog: "102-102-15", tail: unread(time.Second)},
		"could not, a while ago":       {m: m, binlog: "102-102-15", tail: unread(2 * time.Minute), reads: true},
	} {
		step, flows := heal{s: &Snapshot{Ring: &Ring{}}, now: now}.ownTail(tt.m, Observation{Binlog: position(t, tt.binlog), Tail: tt.tail})
		if reads := step.Kind == StepDo && step.Action.Kind == ActReadTail; flows != tt.flows || reads != tt.reads {
			t.Errorf("%s: flows %t, reads %t (%s), want %t, %t", name, flows, reads, step, tt.flows, tt.reads)
		}
	}
}

// TestHandedComparesEachOwner: who inherits whatever else is lost reads from a survivor that has
// more of one owner's, though it lacks as many of another's.
func TestHandedComparesEachOwner(t *testing.T) {
	now := time.Unix(1000, 0)
	seen := func(id MemberID, binlog string) Observation {
		return Observation{Member: id, Reach: ReachAnswers, Asked: now, At: now, Binlog: position(t, binlog)}
	}
	m3, m4 := Member{ID: "m3", Addr: "m3:3306", Identity: 103}, Member{ID: "m4", Addr: "m4:3306", Identity: 104}
	for theirs, want := range map[string]bool{
		"101-101-44,102-102-6":  true,  // four behind, as the heir
		"101-101-40,102-102-10": false, // no more than the heir
		"101-101-39,102-102-9":  false,
	} {
		heir := seen("m3", "101-101-40,102-102-10")
		h := heal{
			s:  &Snapshot{Ring: &Ring{}, Members: []Member{m3, m4}},
			op: Operation{Mark: position(t, "101-101-44,102-102-10")}, lost: Member{ID: "m1", Identity: 101},
			alive: []Member{m3, m4}, o: Observations{}.With(heir).With(seen("m4", theirs)), now: now,
		}
		if step, found := h.handed("m3", heir); found != want {
			t.Errorf("m4 has %s: found %t, want %t: %s", theirs, found, want, step)
		}
	}
}

// TestWhatSurvivorsReceivedIsHeldAgainstTheDisk (S117): a member that comes back with an older
// disk is not prepared to be read from, though the survivor has applied even less.
func TestWhatSurvivorsReceivedIsHeldAgainstTheDisk(t *testing.T) {
	now := time.Unix(1000, 0)
	m1, m2 := Member{ID: "m1", Addr: "m1:3306", Identity: 101}, Member{ID: "m2", Addr: "m2:3306", Identity: 102}
	for received, reads := range map[string]bool{"101-101-126": true, "101-101-133": false} {
		back := Observation{Member: "m1", Reach: ReachAnswers, Asked: now, At: now, ReadOnly: true, Binlog: position(t, "101-101-126")}
		survivor := Observation{Member: "m2", Reach: ReachAnswers, Asked: now, At: now, Binlog: position(t, "101-101-115"), Applied: position(t, "101-101-115")}
		survivor.Link.Received = position(t, received)
		h := heal{
			s: &Snapshot{Ring: &Ring{}, Members: []Member{m1, m2}}, lost: m1, alive: []Member{m2},
			o: Observations{}.With(back).With(survivor), now: now,
		}
		if step, fed := h.feed(); fed == reads {
			t.Errorf("m2 has received up to %s: m1 is read from: %t, want %t: %s", received, !fed, reads, step)
		}
	}
}

// TestWhoCountsAgainAcknowledgedNothing: a member that this heal counts again may stand right
// after the lost one now, where the acker was; whether that survives is not changed by it, before
// its process is stamped, nor after.
func TestWhoCountsAgainAcknowledgedNothing(t *testing.T) {
	lost := Member{ID: "m3", Identity: 103, State: MemberDown}
	counted := Member{ID: "m1", Identity: 101, State: MemberActive, Boot: 9}
	acker := Member{ID: "m2", Identity: 102, State: MemberActive, Boot: 4}
	s := &Snapshot{Ring: &Ring{}, Members: []Member{counted, acker, lost}}
	for name, tt := range map[string]struct {
		alive []Member
		again []MemberID
		want  bool
	}{
		"the acker survives":                    {[]Member{acker}, []MemberID{"m1"}, true},
		"and the other one is stamped":          {[]Member{counted, acker}, []MemberID{"m1"}, true},
		"the acker is gone, the other stamped":  {[]Member{counted}, []MemberID{"m1"}, false},
		"the acker is gone, it was in the ring": {[]Member{counted}, nil, true},
	} {
		h := heal{s: s, op: Operation{Counted: tt.again}, lost: lost, alive: tt.alive}
		if got := h.ackerAlive(); got != tt.want {
			t.Errorf("%s: the acker survives: %t, want %t", name, got, tt.want)
		}
	}
}

// TestWhoHasMoreCountsThoughItIsNotKnownWhatIsAskedFor: where nobody is left who knows what a lost
// member acknowledged, whoever is out and has more of its own than the heir is counted first,
// by a word that accepts the loss or without one; who was in the ring, and restarted, is not: it
// may have been the acker.
func TestWhoHasMoreCountsThoughItIsNotKnownWhatIsAskedFor(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, tt := range map[string]struct {
		state   MemberState
		counted []MemberID
		word    bool
		has     string
		want    string
	}{
		"it is out":               {state: MemberDown, has: "101-101-49", want: "prepare"},
		"and the loss accepted":   {state: MemberDown, word: true, has: "101-101-49", want: "prepare"},
		"it has no more":          {state: MemberDown, has: "101-101-40", want: "no acker of m1 is left"},
		"it was in the ring":      {state: MemberActive, has: "101-101-49", want: "it was restarted"},
		"it counts, not stamped":  {state: MemberActive, counted: []MemberID{"m2"}, has: "101-101-49", want: "prepare"},
		"a survivor's own lacks":  {state: MemberDown, has: "101-101-49,103-103-1", want: "prepare"},
		"it has lost some of its": {state: MemberDown, has: "101-101-49,102-102-1", want: "and m3 has them up to 2"},
	} {
		lost, heir := Member{ID: "m1", Identity: 101, State: MemberDown}, Member{ID: "m3", Identity: 103, State: MemberActive, Boot: 3}
		m2 := Member{ID: "m2", Identity: 102, State: tt.state, Boot: 9, Cut: position(t, "102-102-2")}
		o := Observations{}
		for id, binlog := range map[MemberID]string{"m2": tt.has, "m3": "101-101-40,102-102-2,103-103-4"} {
			if id == "m2" && !strings.Contains(binlog, "102-102") {
				binlog += ",102-102-2"
			}
			o = o.With(Observation{Member: id, Reach: ReachAnswers, Asked: now, At: now, Binlog: position(t, binlog), Boot: 3, ReadOnly: true})
		}
		o = o.With(Observation{Member: "m1", Reach: ReachAnswers, Asked: now, At: now, Binlog: position(t, "101-101-45")})
		h := heal{
			s:  &Snapshot{Ring: &Ring{Durability: DurabilitySemiSync}, Members: []Member{lost, m2, heir}, Units: []Unit{{ID: UnitRest, Epoch: 4}}, Outbox: &Outbox{Law: Law}},
			op: Operation{ID: "op1", Counted: tt.counted, AcceptLoss: tt.word, MarkUnknown: true}, lost: lost, alive: []Member{heir}, o: o, now: now,
		}
		if step := h.chooseHeir(); !strings.Contains(step.String(), tt.want) {
			t.Errorf("%s: %s, want %q", name, step, tt.want)
		}
	}
}

// TestWhoInheritsBesidesHisOwnIsAskedForAll: units are withheld for two members, and one of them is
// lost with its acker. The other keeps his own; that he has what was acknowledged in those of the
// lost one is not known by that.
func TestWhoInheritsBesidesHisOwnIsAskedForAll(t *testing.T) {
	now := time.Unix(1000, 0)
	lost, acker, keeps := Member{ID: "m1", Identity: 101, State: MemberDown}, Member{ID: "m2", Identity: 102, State: MemberActive, Boot: 2}, Member{ID: "m3", Identity: 103, State: MemberActive, Boot: 3}
	h := heal{
		s: &Snapshot{
			Ring: &Ring{Durability: DurabilitySemiSync, Degraded: DegradedRefuse}, Members: []Member{lost, acker, keeps},
			Units: []Unit{{ID: UnitRest, Epoch: 4, Heir: "m1"}, {ID: "shop", Epoch: 4, Heir: "m3"}},
		},
		op: Operation{ID: "op1", Member: "m1", Heir: "m3", Former: "m3"}, lost: lost, alive: []Member{keeps},
		o:   Observations{}.With(Observation{Member: "m3", Reach: ReachAnswers, Asked: now, At: now, Boot: 3, ReadOnly: true, Binlog: position(t, "101-101-7,103-103-4")}),
		now: now,
	}
	if step := h.chooseHeir(); !strings.Contains(step.Why, "no acker of m1 is left") {
		t.Errorf("m3 gets the units of m1 unasked: %s", step)
	}
	h.s.Units[0].Heir = "m3"
	if step := h.chooseHeir(); step.Kind != StepCommit {
		t.Errorf("it is not left what is its own: %s", step)
	}
}
