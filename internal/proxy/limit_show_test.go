package proxy

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// A DBA sees whether a rule bites: who counts in it, who waits, who did, who was refused, and
// for how long; and what it cost which digest.
func TestARuleTellsWhatItDoes(t *testing.T) {
	const text = "UPDATE t SET a=1"
	b := newBusy()
	f, _ := ruled(t, b, topology.LimitRule{Scope: "account:app", Concurrency: 1}, topology.LimitRule{Scope: "all", Concurrency: 5})
	first, second, gone := f.client(t), f.client(t), f.client(t)
	first.query("BEGIN")
	_ = gone.own.Send([]byte("\x03" + text))
	eventually(t, "it is held back", func() bool { l := f.Limits(); return l[0].Waiting == 1 && l[0].Held == 1 && l[0].Inside == 1 })
	time.Sleep(20 * time.Millisecond)
	_ = gone.conn.Close()
	eventually(t, "it has gone", func() bool { return f.Limits()[0].Waiting == 0 })
	if n, _ := second.query(text); n != 1041 {
		t.Errorf("it got %d", n)
	}
	first.query("COMMIT")
	l := f.Limits()
	if l[0].Scope != "account:app" || l[0].Inside != 0 || l[0].Held != 2 || l[0].Refused != 1 || l[0].Waited < 500*time.Millisecond || l[0].Waited > 5*time.Second {
		t.Errorf("%+v", l[0])
	}
	if l[1] != (Limit{Scope: "all"}) {
		t.Errorf("a rule that has held nobody back: %+v", l[1])
	}
	for _, d := range f.Digests(10) {
		if d.RuleWaits == 2 && d.RuleTime >= 500*time.Millisecond && d.QueueTime() == d.RuleTime && d.Shed == 1 && d.Gone == 1 && strings.HasPrefix(d.Text, "UPDATE") {
			return
		}
	}
	t.Errorf("what it cost its digest: %+v", f.Digests(10))
}

// Who is held back is held against the bounds of the queue, by account too.
func TestLinesOfRulesAreBounded(t *testing.T) {
	b := newBusy()
	rules := []topology.LimitRule{{Scope: "all", Concurrency: 1, Why: "night", Until: time.Now().Add(time.Hour)}}
	s := gate.Settings{MaxQueue: 4}
	f := startFaked(t, Config{Limited: func() []topology.LimitRule { return rules }, Gates: func() gate.Settings { return s }}, b.answer)
	t.Cleanup(b.release)
	eventually(t, "the rules are taken up", func() bool { return f.limited.Load() != nil })
	first := f.client(t)
	first.query("BEGIN")
	var all sync.WaitGroup
	for i := range 3 {
		c := f.client(t)
		all.Go(func() {
			if n, _ := c.query("UPDATE t SET a=1"); n != 0 {
				t.Errorf("one that had room got %d", n)
			}
		})
		eventually(t, "it waits", func() bool { return f.Limits()[0].Waiting == i+1 })
	}
	reply, err := f.client(t).do(wire.ComQuery, "UPDATE t SET a=1")
	if err != nil {
		t.Fatal(err)
	}
	if told := wire.ParseError(reply); told == nil || !strings.Contains(told.Error(), "1041") || !strings.Contains(told.Error(), "the account has its share of the queue") || !strings.Contains(told.Error(), "night") {
		t.Errorf("the fourth of an account that may have three of four: %v", told)
	}
	if l := f.Limits()[0]; l.Refused != 1 || l.Waiting != 3 || f.Stats().Refused["limit"] != 1 {
		t.Errorf("%+v, %v", l, f.Stats().Refused)
	}
	first.query("COMMIT")
	all.Wait()
	if n := f.held.Waiting(); n != 0 {
		t.Errorf("%d wait still, by its count", n)
	}
}
