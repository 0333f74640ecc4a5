package mysqltest

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// listener is a test that hears what it is told, and has not failed by that.
type listener struct {
	testing.TB

	errors, logs []string
	failed       bool
}

func (l *listener) Helper()      {}
func (l *listener) Failed() bool { return l.failed }
func (l *listener) Errorf(format string, args ...any) {
	l.errors = append(l.errors, fmt.Sprintf(format, args...))
}

func (l *listener) Logf(format string, args ...any) {
	l.logs = append(l.logs, fmt.Sprintf(format, args...))
}

// TestAServerThatEndsByItselfFailsItsTestWithItsLog: nobody has killed it, and its directory
// goes with the test.
func TestAServerThatEndsByItselfFailsItsTestWithItsLog(t *testing.T) {
	s := Start(t)
	hears := func(failed bool) *listener {
		l := &listener{TB: t, failed: failed}
		s.ending.tell(l, s.Name, s.PID() != 0, s.Log())
		return l
	}
	if l := hears(false); len(l.errors)+len(l.logs) > 0 {
		t.Errorf("of a server that runs: %q %q", l.errors, l.logs)
	}
	if l := hears(true); len(l.errors) > 0 || len(l.logs) != 1 || !strings.Contains(l.logs[0], "ready for connections") {
		t.Errorf("to a test that has failed: %q %q", l.errors, l.logs)
	}
	s.Exec(t, "SHUTDOWN")
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "its end stands in the log", func() error {
		if l := hears(false); len(l.errors) != 1 || !strings.Contains(l.errors[0], "server m1 has ended by itself") || !strings.Contains(l.errors[0], "has ended: exit status 0") {
			return fmt.Errorf("%q", l.errors)
		}
		return nil
	})
	s.RestartNow(t)
	if l := hears(false); len(l.errors) > 0 || len(l.logs) != 1 || !strings.Contains(l.logs[0], "has ended: exit status 0") {
		t.Errorf("after its restart: %q %q", l.errors, l.logs)
	}
}

// TestAServerThatIsKilledIsNotTold: that is what the test wanted.
func TestAServerThatIsKilledIsNotTold(t *testing.T) {
	s := Start(t)
	for range 2 {
		s.Kill()
		s.RestartNow(t)
	}
	s.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	l := &listener{TB: t}
	if s.ending.tell(l, s.Name, s.PID() != 0, s.Log()); len(l.errors)+len(l.logs) > 0 {
		t.Errorf("%q %q", l.errors, l.logs)
	}
}
