package topology

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	uuidA = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	uuidB = "3e11fa47-71ca-11e1-9e33-c80aa9429563"
)

func TestPositionOfMySQL(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"one", uuidA + ":7", uuidA + ":1-7"},
		{"from one", uuidA + ":1", uuidA + ":1"},
		{"none of it", uuidA + ":0", uuidA + ":0"},
		{"a call's range", uuidA + ":13-14", uuidA + ":1-14"},
		{"lines, as the server folds them", uuidA + ":1-5,\n" + uuidB + ":1-3", uuidA + ":1-5," + uuidB + ":1-3"},
		{"upper case", strings.ToUpper(uuidA) + ":1-5", uuidA + ":1-5"},
		{"tags", uuidA + ":1-5:tag:1-3", uuidA + ":1-5," + uuidA + ":tag:1-3"},
		{"a gap counts as had", uuidA + ":1-5:8-9", uuidA + ":1-9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := position(t, tt.text)
			again := position(t, p.String())
			if len(p) != strings.Count(tt.want, ",")+1 || !p.Covers(again) || !again.Covers(p) {
				t.Fatalf("%q reads as %q, and that as %q", tt.text, p, again)
			}
			for _, part := range strings.Split(tt.want, ",") {
				if !strings.Contains(","+p.String()+",", ","+part+",") {
					t.Errorf("%q reads as %q, want %q", tt.text, p, tt.want)
				}
			}
		})
	}
	for _, wrong := range []string{uuidA, uuidA + ":", uuidA + ":x-y", uuidA + ":5-3", "3e11:1", uuidA + ":tag", uuidA + ":1-2-3", ":1"} {
		if p, err := ParsePosition(wrong); err == nil && (strings.Contains(wrong, ":") || len(p) > 0) {
			t.Errorf("%q reads as %q", wrong, p)
		}
	}
	if p := position(t, uuidA+":1-9"); !p.Covers(position(t, uuidA+":7")) || p.Covers(position(t, uuidB+":1")) || p.Behind(position(t, uuidA+":12")) != 3 {
		t.Errorf("%q compares wrongly", p)
	}
	if SourceDomain(uuidA) == SourceDomain(uuidB) || SourceDomain(uuidA) < domainBit || SourceDomain("") != 0 {
		t.Error("digests are not above the identities, or equal")
	}
}

func TestSourcesThatCanNotBeToldApartAreRefused(t *testing.T) {
	seen := map[uint32]string{}
	for i := range 1 << 20 { // two tags whose digests are equal: a birthday in 2^31
		source := uuidA + ":t" + strings.Repeat("a", i&7) + tagOf(i)
		other, found := seen[SourceDomain(source)]
		seen[SourceDomain(source)] = source
		if !found || other == source {
			continue
		}
		if _, err := ParsePosition(source + ":1-3," + other + ":1-4"); err == nil || !strings.Contains(err.Error(), "new server_uuid") {
			t.Errorf("%s and %s: %v", source, other, err)
		}
		return
	}
	t.Fatal("no two digests are equal")
}

func tagOf(i int) string {
	var b []byte
	for ; i > 0; i /= 26 {
		b = append(b, byte('a'+i%26))
	}
	return string(b)
}

func TestFirstGap(t *testing.T) {
	for text, want := range map[string]string{
		"":                                     "",
		uuidA + ":1-5":                         "",
		uuidA + ":1-5:6":                       "",
		uuidA + ":2-5":                         uuidA + ":1-1",
		uuidA + ":1-5:8-9":                     uuidA + ":6-7",
		uuidA + ":1-5:tag:1-2:4":               uuidA + ":tag:3-3",
		uuidA + ":1-5,\n" + uuidB + ":1-2:5-9": uuidB + ":3-4",
	} {
		if got, err := FirstGap(text); err != nil || got != want {
			t.Errorf("%q: gap %q, want %q, %v", text, got, want, err)
		}
	}
	if _, err := FirstGap("x:1"); err == nil {
		t.Error("no set reads")
	}
}

func TestPositionOfMySQLIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Position
		for _, source := range []string{uuidA, uuidB, uuidA + ":tag"} {
			if seq := rapid.Uint64Range(0, 1<<60).Draw(t, source); rapid.Bool().Draw(t, "has "+source) {
				p = p.With(GTID{Domain: SourceDomain(source), Seq: seq, Source: source})
			}
		}
		got, err := ParsePosition(p.String())
		if err != nil || got.String() != p.String() {
			t.Fatalf("%q reads back as %q, %v", p, got, err)
		}
	})
}

// mysqlRing is a ring of two MySQL servers whose set-up has begun.
func mysqlRing(t *testing.T) *Snapshot {
	t.Helper()
	s := applied(t, NewSnapshot(), InitRing{Name: "r", Durability: DurabilitySemiSync, Members: []NewMember{{ID: "m1", Addr: "a:1"}, {ID: "m2", Addr: "b:1"}}})
	s = applied(t, s, NoteSource{Operation: "op1", Member: "m1", Source: uuidA})
	return applied(t, s, NoteSource{Operation: "op1", Member: "m2", Source: uuidB})
}

func applied(t *testing.T, s *Snapshot, c Change) *Snapshot {
	t.Helper()
	next, err := Apply(s, Command{At: time.Unix(1, 0), By: "test", Change: c})
	if err != nil {
		t.Fatalf("%s: %v", c, err)
	}
	return next
}

func TestSourcesAreNotedOnceEach(t *testing.T) {
	s := mysqlRing(t)
	if m, _ := s.Member("m1"); m.Source != uuidA || m.Domain() != SourceDomain(uuidA) || m.Identity != 101 {
		t.Errorf("m1 is %+v", m)
	}
	for name, c := range map[string]struct {
		change Change
		want   error
	}{
		"a copy":          {NoteSource{Operation: "op1", Member: "m1", Source: uuidB}, ErrLaw},
		"no uuid":         {NoteSource{Operation: "op1", Member: "m1", Source: "x"}, ErrLaw},
		"of nobody":       {NoteSource{Operation: "op1", Member: "m9", Source: uuidA}, ErrStale},
		"another time":    {NoteSource{Operation: "op9", Member: "m1", Source: uuidA}, ErrStale},
		"a later release": {NoteSource{}, ErrStale},
	} {
		if _, err := Apply(s, Command{At: time.Unix(1, 0), Change: c.change}); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// TestMySQLThatLostItsOwnIsNotedAndNotOpened: it would give the numbers out again.
func TestMySQLThatLostItsOwnIsNotedAndNotOpened(t *testing.T) {
	m := Member{ID: "m1", Addr: "a:1", Identity: 101, Source: uuidA, Unproven: true, Boot: 3, State: MemberReturning}
	other := Member{ID: "m2", Addr: "b:1", Identity: 102, Source: uuidB, Boot: 4}
	s := &Snapshot{Members: []Member{m, other}}
	now := time.Unix(100, 0)
	seen := func(id MemberID, text string) Observation {
		return Observation{Member: id, Reach: ReachAnswers, At: now, Asked: now, Version: ServerVersion{Flavour: FlavourMySQL}, Binlog: position(t, text), Applied: position(t, text)}
	}
	op := Operation{ID: "op1", Member: "m1"}
	o := Observations{}.With(seen("m1", uuidA+":1-5")).With(seen("m2", uuidA+":1-9"))
	step, ok := proven(s, op, m, o, now)
	renew, renews := step.Change.(RenewIdentity)
	if ok || !renews || renew.Regain.String() != uuidA+":1-9" {
		t.Fatalf("%+v", step)
	}
	m.Regain = renew.Regain
	if _, ok := proven(s, op, m, o, now); !ok {
		t.Error("what is noted is asked for again")
	}
	if got := openAction(m).Regain; !got.Covers(renew.Regain) {
		t.Errorf("it is opened with %q to regain", got)
	}
	o = Observations{}.With(seen("m1", uuidA+":1-9"))
	if step, ok := proven(s, op, Member{ID: "m1", Identity: 101, Source: uuidA}, o, now); ok || step.Kind != StepWait || !strings.Contains(step.Why, "m2 can not be asked") {
		t.Errorf("with m2 unheard of: %+v", step)
	}
	op.LetFlow = true
	if _, ok := proven(s, op, m, o, now); !ok {
		t.Error("the word of the DBA does not count")
	}
}

// TestMySQLOwnerStalls: what an owner waits for is not in its own position.
func TestMySQLOwnerStalls(t *testing.T) {
	owner, acker := Member{ID: "m1", Source: uuidA}, Member{ID: "m2", Source: uuidB}
	now := time.Unix(100, 0)
	for _, tt := range []struct {
		name        string
		own, theirs string
		waiting     int
		earlier     string
		still       time.Duration
		want        bool
	}{
		{"acker has what waits", uuidA + ":1-5", uuidA + ":1-6", 1, uuidA + ":1-5", 200 * time.Millisecond, true},
		{"nobody waits", uuidA + ":1-5", uuidA + ":1-6", 0, uuidA + ":1-5", 200 * time.Millisecond, false},
		{"the owner moves", uuidA + ":1-5", uuidA + ":1-6", 1, uuidA + ":1-4", 0, false},
		{"a slow acker", uuidA + ":1-5", uuidA + ":1-5", 1, uuidA + ":1-5", 5 * time.Second, false},
		{"the acker's own is to come, for a moment", uuidA + ":1-5", uuidA + ":1-5," + uuidB + ":1-2", 1, uuidA + ":1-5", 500 * time.Millisecond, false},
		{"the acker's own waits for the acker", uuidA + ":1-5", uuidA + ":1-5," + uuidB + ":1-2", 1, uuidA + ":1-5", 2 * time.Second, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := func(id MemberID, text string, when time.Time) Observation {
				return Observation{Member: id, Reach: ReachAnswers, At: when, Asked: when, Binlog: position(t, text), Version: ServerVersion{Flavour: FlavourMySQL}}
			}
			seen := at("m1", tt.own, now)
			seen.SemiSync = SemiSyncStatus{Enabled: true, On: true, Ackers: 1, Waiting: tt.waiting}
			seen.Earlier, seen.EarlierAt, seen.Still = position(t, tt.earlier), now.Add(-250*time.Millisecond), now.Add(-tt.still)
			o := Observations{}.With(seen).With(at("m2", tt.theirs, now.Add(-20*time.Millisecond)))
			if got := stalled(owner, acker, o); got != tt.want {
				t.Errorf("stalled: %t, want %t", got, tt.want)
			}
		})
	}
}

func TestMySQLThatLeavesIsRememberedByItsSource(t *testing.T) {
	m := Member{ID: "m1", Identity: 103, Retired: []uint32{101}, Source: uuidA}
	if got := m.own(position(t, uuidA+":1-9,"+uuidB+":1-3")).String(); got != uuidA+":1-9" {
		t.Errorf("of its own it has %q", got)
	}
	s := &Snapshot{Members: []Member{{ID: "m1", State: MemberQuarantined, Source: uuidA}}}
	if err := (BeginRejoin{Member: "m1", Discard: true, Same: true}).apply(s, Command{}); err != nil || !s.Members[0].Unproven {
		t.Errorf("discard: %v, %+v: it gives the numbers of what it drops out again, so all others are asked", err, s.Members[0])
	}
}

// TestMySQLApplierThatWasEndedInHalfIsStarted: an error that stands beside nothing unapplied
// is that of an applier which was ended while it waited for the rest of a transaction.
func TestMySQLApplierThatWasEndedInHalfIsStarted(t *testing.T) {
	now := time.Unix(100, 0)
	up, m := Member{ID: "m1", Addr: "m1:3306", State: MemberActive, Source: uuidA}, Member{ID: "m2", Addr: "m2:3306", State: MemberActive, Source: uuidB}
	for received, want := range map[string]StepKind{uuidA + ":1-5": StepDo, uuidA + ":1-6": StepStuck} {
		seen := Observation{Member: "m2", Reach: ReachAnswers, At: now, Asked: now, Version: ServerVersion{Flavour: FlavourMySQL}, Applied: position(t, uuidA+":1-5")}
		seen.Link = Link{Upstream: "m1:3306", Receiver: ThreadStopped, Applier: ThreadStopped, ApplierErrno: 13121, Received: position(t, received)}
		o := Observations{}.With(seen).With(Observation{Member: "m1", Reach: ReachAnswers, At: now, Asked: now})
		if step, _ := pull(&Snapshot{Members: []Member{up, m}}, m, up, false, o, now); step.Kind != want {
			t.Errorf("with %s received: %s", received, step)
		}
	}
}
