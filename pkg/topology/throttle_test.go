package topology

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// opened is an open ring of two, and the time of its last command.
func opened(t *testing.T) (*Snapshot, time.Time) {
	t.Helper()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, err := Apply(NewSnapshot(), Command{Index: 1, At: at, Change: InitRing{Name: "demo", Members: []NewMember{
		{ID: "m1", Addr: "a:1", Site: "paris", Weight: 2}, {ID: "m2", Addr: "a:2"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return s, at
}

// through sends a change the way that it takes: encoded, decoded, applied.
func through(s *Snapshot, at time.Time, change Change) (*Snapshot, error) {
	data, err := EncodeCommand(Command{At: at, By: "dba@n1", Why: "backup", Change: change})
	if err != nil {
		return nil, err
	}
	c, err := DecodeCommand(data)
	if err != nil {
		return nil, err
	}
	c.Index = s.Index + 1
	return Apply(s, c)
}

func TestThrottleRules(t *testing.T) {
	s, at := opened(t)
	do := func(at time.Time, change Change) {
		t.Helper()
		next, err := through(s, at, change)
		if err != nil {
			t.Fatal(err)
		}
		data, _ := EncodeSnapshot(next)
		back, err := DecodeSnapshot(data)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := EncodeSnapshot(back)
		if !bytes.Equal(data, again) {
			t.Fatal("the state changes by being stored")
		}
		s = next
	}
	do(at, SetThrottle{App: "archive", Ratio: 0.5, For: time.Minute})
	do(at, SetThrottle{App: "*", Ratio: 1, For: time.Second})
	do(at, SetThrottle{App: "archive", Ratio: 0.9, For: time.Minute})
	if len(s.Throttles) != 2 || s.Throttles[0].App != "*" || s.Throttles[1].Ratio != 0.9 {
		t.Fatalf("%+v", s.Throttles)
	}
	if r, ok := s.Throttle("archive", at); !ok || r.Ratio != 0.9 || r.By != "dba@n1" || r.Why != "backup" {
		t.Errorf("its own rule comes before that of all: %+v", r)
	}
	if r, ok := s.Throttle("other", at); !ok || r.App != "*" {
		t.Errorf("%+v", r)
	}
	if _, ok := s.Throttle("other", at.Add(time.Second)); ok {
		t.Error("a rule that is over")
	}
	do(at.Add(2*time.Second), SetThrottle{App: "gh-ost", Ratio: 1, For: time.Hour}) // takes what is over away
	if len(s.Throttles) != 2 || s.Throttles[0].App != "archive" || s.Throttles[1].App != "gh-ost" {
		t.Errorf("%+v", s.Throttles)
	}
	do(at, ClearThrottle{App: "archive"})
	if _, ok := s.Throttle("archive", at); ok || len(s.Throttles) != 1 {
		t.Errorf("%+v", s.Throttles)
	}
	if e := s.Events[len(s.Events)-1]; e.Kind != "throttle" || e.What != "hold archive back no more" || e.Why != "backup" {
		t.Errorf("%+v", e)
	}
}

func TestThrottleRulesAreChecked(t *testing.T) {
	s, at := opened(t)
	for _, tt := range []struct {
		change Change
		want   error
		text   string
	}{
		{SetThrottle{App: "", Ratio: 1, For: time.Hour}, ErrLaw, "1 to 64 characters"},
		{SetThrottle{App: "a b", Ratio: 1, For: time.Hour}, ErrLaw, "use letters"},
		{SetThrottle{App: strings.Repeat("a", 65), Ratio: 1, For: time.Hour}, ErrLaw, "1 to 64"},
		{SetThrottle{App: "a", Ratio: 0, For: time.Hour}, ErrLaw, "ratio 0"},
		{SetThrottle{App: "a", Ratio: 1.1, For: time.Hour}, ErrLaw, "ratio 1.1"},
		{SetThrottle{App: "a", Ratio: 1}, ErrLaw, "more than 0 s"},
		{SetThrottle{App: "a", Ratio: 1, For: 31 * 24 * time.Hour}, ErrLaw, "at most 720h"},
		{ClearThrottle{App: "a"}, ErrStale, "no rule"},
		{SetLagThresholds{&LagThresholds{}}, ErrLaw, "warn"},
	} {
		if _, err := through(s, at, tt.change); !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v", tt.change, err)
		}
	}
	for _, change := range []Change{SetThrottle{App: "a", Ratio: 1, For: time.Hour}, SetLagThresholds{}} {
		if _, err := through(NewSnapshot(), at, change); !errors.Is(err, ErrLaw) {
			t.Errorf("%s without a ring: %v", change, err)
		}
	}
	for i := range MaxThrottles + 1 {
		next, err := through(s, at, SetThrottle{App: fmt.Sprintf("app%d", i), Ratio: 1, For: time.Hour})
		if (err != nil) != (i == MaxThrottles) {
			t.Fatalf("rule %d: %v", i, err)
		}
		if err == nil {
			s = next
		}
	}
}

func TestSetLagThresholds(t *testing.T) {
	s, at := opened(t)
	if s.LagThresholds() != DefaultLagThresholds() || NewSnapshot().LagThresholds() != DefaultLagThresholds() {
		t.Error("not the defaults")
	}
	if m, _ := s.Member("m1"); m.Site != "paris" || m.Weight != 2 {
		t.Errorf("%+v", m)
	}
	want := DefaultLagThresholds()
	want.Throttle.Enter = 7 * time.Second
	next, err := through(s, at, SetLagThresholds{&want})
	if err != nil || next.LagThresholds() != want || s.Ring.Lag != nil {
		t.Fatalf("%v %+v", err, next)
	}
	if e := next.Events[len(next.Events)-1]; e.Kind != "lag" || !strings.Contains(e.What, "throttle 7s/1.5s (1s, 10s)") {
		t.Errorf("%+v", e)
	}
	if next, err = through(next, at, SetLagThresholds{}); err != nil || next.LagThresholds() != DefaultLagThresholds() {
		t.Errorf("%v %+v", err, next)
	}
}
