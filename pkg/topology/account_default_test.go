package topology

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
)

func TestAccountDefaultsAreOfTheRing(t *testing.T) {
	s, at := opened(t)
	do := func(at time.Time, change Change) {
		t.Helper()
		next, err := through(s, at, change)
		if err != nil {
			t.Fatal(err)
		}
		data, _ := EncodeSnapshot(next)
		if s, err = DecodeSnapshot(data); err != nil {
			t.Fatal(err)
		}
	}
	do(at, SetAccount{User: "web", Priority: gate.High, Deadline: 2 * time.Second})
	do(at, SetAccount{User: "batch", Priority: gate.Background, For: time.Minute})
	do(at, SetAccount{User: "web", Priority: gate.Urgent})
	got := s.AccountsAt(at)
	if len(got) != 2 || got[0].User != "batch" || got[1].Priority != gate.Urgent || got[1].Deadline != 0 || !got[1].Until.IsZero() || got[1].By != "dba@n1" {
		t.Errorf("%+v", got)
	}
	later := at.Add(2 * time.Minute)
	if got := s.AccountsAt(later); len(got) != 1 || got[0].User != "web" {
		t.Errorf("what holds an account back ends by itself: %+v", got)
	}
	do(later, SetAccount{User: "app", Priority: gate.Normal, Deadline: time.Second})
	if len(s.Accounts) != 2 {
		t.Errorf("what is over is taken away: %+v", s.Accounts)
	}
	do(later, ClearAccount{User: "web"})
	if _, err := through(s, later, ClearAccount{User: "web"}); !errors.Is(err, ErrStale) {
		t.Errorf("%v", err)
	}
}

func TestAccountDefaultsThatAreRefused(t *testing.T) {
	s, at := opened(t)
	for _, c := range []struct {
		change SetAccount
		says   string
	}{
		{SetAccount{Priority: gate.High}, "1 to 128 bytes"},
		{SetAccount{User: strings.Repeat("x", 129), Priority: gate.High}, "1 to 128 bytes"},
		{SetAccount{User: "web"}, "what every account has"},
		{SetAccount{User: "web", Deadline: -time.Second}, "deadline"},
		{SetAccount{User: "web", Deadline: 2 * time.Hour}, "deadline"},
		{SetAccount{User: "web", Priority: gate.Background}, "has an end"},
		{SetAccount{User: "web", Priority: gate.High, For: -time.Second}, "at most"},
		{SetAccount{User: "web", Priority: gate.High, For: MaxThrottleTime + 1}, "at most"},
	} {
		if _, err := through(s, at, c.change); !errors.Is(err, ErrLaw) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.change, err, c.says)
		}
	}
	for i := range MaxAccountDefaults {
		next, err := through(s, at, SetAccount{User: fmt.Sprint("u", i), Priority: gate.High})
		if err != nil {
			t.Fatal(err)
		}
		s = next
	}
	if _, err := through(s, at, SetAccount{User: "more", Priority: gate.High}); !errors.Is(err, ErrLaw) {
		t.Errorf("%v", err)
	}
	if _, err := through(s, at, SetAccount{User: "u7", Priority: gate.Urgent}); err != nil {
		t.Errorf("one that is there can be changed: %v", err)
	}
}
