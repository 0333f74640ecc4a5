package topology

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
)

func TestGatesAndLimitsAreOfTheRing(t *testing.T) {
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
		s = back
	}
	if s.GateSettings() != (gate.Settings{}) {
		t.Errorf("%+v", s.GateSettings())
	}
	want := gate.Settings{Mode: gate.Shed, Ceiling: 32, Hot: gate.HotDryRun, ShedWait: time.Second}
	do(at, SetGates{Settings: &want})
	if s.GateSettings() != want {
		t.Errorf("%+v", s.GateSettings())
	}
	do(at, SetGates{})
	if s.Ring.Gates != nil {
		t.Error("the default ones are none")
	}
	do(at, SetLimit{Scope: "account:app", Concurrency: 2, For: time.Minute})
	do(at, SetLimit{Scope: "digest:00000000000000ff", Rate: 5, For: time.Second})
	do(at, SetLimit{Scope: "account:app", Concurrency: 3, IdleTransaction: time.Second, For: time.Minute})
	if got := s.LimitsAt(at); len(got) != 2 || got[0].Concurrency != 3 || got[0].By != "dba@n1" {
		t.Errorf("%+v", got)
	}
	if got := s.LimitsAt(at.Add(2 * time.Second)); len(got) != 1 {
		t.Errorf("one is over: %+v", got)
	}
	do(at.Add(2*time.Second), SetLimit{Scope: "all", LongStatement: time.Minute, For: time.Hour})
	if len(s.Limits) != 2 {
		t.Errorf("what is over is taken away: %+v", s.Limits)
	}
	do(at, ClearLimit{Scope: "account:app"})
	if _, err := through(s, at, ClearLimit{Scope: "account:app"}); !errors.Is(err, ErrStale) {
		t.Errorf("%v", err)
	}
}

func TestLimitsThatAreRefused(t *testing.T) {
	s, at := opened(t)
	for _, c := range []struct {
		change Change
		says   string
	}{
		{SetLimit{Scope: "user:app", Concurrency: 1, For: time.Hour}, "none of digest:HEX"},
		{SetLimit{Scope: "digest:12", Concurrency: 1, For: time.Hour}, "16 hexadecimal digits"},
		{SetLimit{Scope: "network:10.0.0.1/8", Concurrency: 1, For: time.Hour}, "192.0.2.0/24"},
		{SetLimit{Scope: "schema:", Concurrency: 1, For: time.Hour}, "none of"},
		{SetLimit{Scope: "all", For: time.Hour}, "without a limit"},
		{SetLimit{Scope: "all", Concurrency: -1, For: time.Hour}, "concurrency -1"},
		{SetLimit{Scope: "all", Rate: -1, For: time.Hour}, "rate -1"},
		{SetLimit{Scope: "all", LongStatement: time.Millisecond, For: time.Hour}, "long statement 1ms"},
		{SetLimit{Scope: "all", IdleTransaction: 25 * time.Hour, For: time.Hour}, "idle transaction 25h"},
		{SetLimit{Scope: "schema:shop", IdleTransaction: time.Minute, For: time.Hour}, "not for schema"},
		{SetLimit{Scope: "digest:00112233445566ff", LongStatement: time.Minute, For: time.Hour}, "not for digest"},
		{SetLimit{Scope: "all", Concurrency: 1, For: 31 * 24 * time.Hour}, "at most"},
		{SetGates{Settings: &gate.Settings{Floor: 9, Ceiling: 3}}, "floor 9 is above ceiling 3"},
		{SetGates{Settings: &gate.Settings{MaxWait: time.Hour}}, "max wait"},
	} {
		if _, err := through(s, at, c.change); !errors.Is(err, ErrLaw) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.change, err, c.says)
		}
	}
}
