package gate

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// settings of a gate with exactly n places.
func fixed(n int, mode Mode) Settings { return Settings{Mode: mode, Floor: n, Ceiling: n} }

func at(d time.Duration) Instant { return Instant(time.Hour).Add(d) }

func mustWait(t *testing.T, g *Gate, w *Waiter, now Instant) *Waiter {
	t.Helper()
	if r := g.Wait(w, now); r != Granted {
		t.Fatalf("%+v may not wait: %s", w.Request, r)
	}
	return w
}

// order leaves one place after the other and returns the accounts or digests of who gets it.
func order(g *Gate, now Instant, c Class, show func(*Waiter) string) (got string) {
	for g.Waiting() > 0 {
		g.Leave(c)
		w := g.Next(now)
		if w == nil {
			return got + "!"
		}
		if w.Result != Granted {
			g.take(c)
			got += "-" + show(w)
			continue
		}
		got += show(w)
	}
	return got
}

func TestWhoIsServedNext(t *testing.T) {
	type arrival struct {
		name     string
		account  string
		digest   uint64
		priority Priority
		many     int
	}
	cases := []struct {
		name string
		come []arrival
		want string
	}{
		{"first come, first served", []arrival{{name: "a"}, {name: "b"}, {name: "c"}}, "abc"},
		{"accounts in turn", []arrival{{name: "a", account: "x", many: 4}, {name: "b", account: "y", many: 2}}, "ababaa"},
		{"digests of an account in turn", []arrival{{name: "a", digest: 1, many: 4}, {name: "b", digest: 2, many: 2}}, "ababaa"},
		{"a quiet account does not wait behind a noisy one", []arrival{{name: "n", account: "noisy", many: 6}, {name: "q", account: "quiet"}}, "nqnnnnn"},
		{"a higher priority first", []arrival{{name: "a"}, {name: "b", priority: High}, {name: "c", priority: Urgent}}, "cba"},
		{"every eighth turn is that of a lower one", []arrival{{name: "u", priority: Urgent, many: 10}, {name: "b", priority: Background, many: 2}}, "uuuuuuubuuub"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := New(fixed(1, Absorb), at(0))
			if !g.Enter(Read, false) {
				t.Fatal("no place in an empty gate")
			}
			names := map[*Waiter]string{}
			for _, a := range c.come {
				for range max(1, a.many) {
					w := mustWait(t, g, &Waiter{Request: Request{Account: a.account, Digest: a.digest, Priority: a.priority}}, at(time.Millisecond))
					names[w] = a.name
				}
			}
			if got := order(g, at(2*time.Millisecond), Read, func(w *Waiter) string { return names[w] }); got != c.want {
				t.Errorf("served %s, want %s", got, c.want)
			}
		})
	}
}

// One that has been served comes after those that have not, however often it comes back.
func TestAskingOnceMoreGivesNoTurn(t *testing.T) {
	g := New(fixed(1, Absorb), at(0))
	g.Enter(Read, false)
	for range 6 {
		mustWait(t, g, &Waiter{Request: Request{Account: "many"}}, at(0))
	}
	back := &Waiter{Request: Request{Account: "one"}}
	mustWait(t, g, back, at(0))
	got := ""
	for range 6 {
		g.Leave(Read)
		w := g.Next(at(time.Millisecond))
		got += w.Account[:1]
		if w == back {
			mustWait(t, g, back, at(time.Millisecond))
		}
	}
	if got != "momomo" {
		t.Errorf("%s", got)
	}
}

func TestRefusals(t *testing.T) {
	g := New(Settings{Floor: 1, Ceiling: 1, MaxQueue: 4, QueueBytes: 1000, MaxWait: time.Second}, at(0))
	g.Enter(Write, false)
	come := func(account string, bytes int, deadline Instant) (*Waiter, Refusal) {
		w := &Waiter{Request: Request{Class: Write, Account: account, Bytes: bytes, Deadline: deadline}}
		return w, g.Wait(w, at(0))
	}
	if _, r := come("a", 2000, 0); r != FullQueue {
		t.Errorf("more bytes than there is room for: %s", r)
	}
	if _, r := come("a", 10, at(-time.Second)); r != PastDeadline {
		t.Errorf("a deadline that is over: %s", r)
	}
	w, _ := come("a", 10, at(300*time.Millisecond))
	if w.Until != at(300*time.Millisecond) {
		t.Errorf("until %d", w.Until)
	}
	come("a", 10, 0)
	third, _ := come("a", 10, 0)
	if _, r := come("a", 10, 0); r != FullAccount {
		t.Errorf("the account's share is full: %s", r)
	}
	come("b", 10, 0)
	if _, r := come("b", 10, 0); r != FullQueue {
		t.Errorf("four wait already: %s", r)
	}
	if !g.Drop(third, at(time.Millisecond), ClientGone) || g.Drop(third, at(time.Millisecond), ClientGone) {
		t.Error("who has gone leaves once")
	}
	g.Leave(Write)
	if got := g.Next(at(400 * time.Millisecond)); got != w || got.Result != PastDeadline {
		t.Errorf("its deadline is over: %+v", got)
	}
	if got := g.Next(at(1200 * time.Millisecond)); got == nil || got.Result != TooLong {
		t.Errorf("it has waited for longer than a second: %+v", got)
	}
	if c := g.State().Counts; c.Gone != 1 || c.Waits != 4 || c.Refused[FullQueue] != 2 || c.Refused[PastDeadline] != 2 {
		t.Errorf("%+v", c)
	}
}

// One account has at the most three quarters of the bytes, too. Of whom nobody waits yet may have
// one of any size, and who goes on with an errand is not told so in its midst.
func TestAnAccountHasItsShareOfTheBytes(t *testing.T) {
	g := New(Settings{Floor: 1, Ceiling: 1, MaxQueue: 100, QueueBytes: 1000}, at(0))
	g.Enter(Write, false)
	come := func(account string, bytes int, since Instant) (*Waiter, Refusal) {
		w := &Waiter{Request: Request{Class: Write, Account: account, Bytes: bytes, Since: since}}
		return w, g.Wait(w, at(0))
	}
	first, _ := come("a", 400, 0)
	if _, r := come("a", 350, 0); r != Granted {
		t.Errorf("750 of 1000: %s", r)
	}
	if _, r := come("a", 1, 0); r != FullAccount {
		t.Errorf("one byte more: %s", r)
	}
	if _, r := come("a", 1, at(-1)); r != Granted {
		t.Errorf("an errand that goes on: %s", r)
	}
	if _, r := come("b", 200, 0); r != Granted {
		t.Errorf("another account's: %s", r)
	}
	g.Drop(first, at(1), ClientGone)
	if _, r := come("a", 399, 0); r != Granted {
		t.Errorf("one has gone: %s", r)
	}
	empty := New(Settings{Floor: 1, Ceiling: 1, QueueBytes: 1000}, at(0))
	empty.Enter(Write, false)
	if r := empty.Wait(&Waiter{Request: Request{Class: Write, Account: "a", Bytes: 900}}, at(0)); r != Granted {
		t.Errorf("a large one, of an account of which nobody waits: %s", r)
	}
}

// What is served elsewhere if it gets no place is refused by nobody, whenever it is told.
func TestWhatIsServedElsewhereIsNotRefused(t *testing.T) {
	g := New(Settings{Floor: 1, Ceiling: 1, MaxQueue: 3, MaxWait: time.Second}, at(0))
	g.Enter(Read, false)
	come := func(deadline Instant) (*Waiter, Refusal) {
		w := &Waiter{Request: Request{Fallback: true, Deadline: deadline}}
		return w, g.Wait(w, at(0))
	}
	if _, r := come(at(-1)); r != PastDeadline {
		t.Errorf("at once: %s", r)
	}
	dropped, _ := come(0)
	if !g.Drop(dropped, at(time.Second), TimeOver) || dropped.Result != TooLong {
		t.Errorf("when it has waited: %+v", dropped)
	}
	late, _ := come(at(time.Millisecond))
	if g.Leave(Read); g.Next(at(2*time.Millisecond)) != late || late.Result != PastDeadline {
		t.Errorf("when it is its turn: %+v", late)
	}
	g.Enter(Read, false)
	overdue, _ := come(0)
	g.Set(Settings{Floor: 1, Ceiling: 1, MaxWait: 10 * time.Millisecond}, at(0))
	if g.Overdue(at(20*time.Millisecond)) != overdue || overdue.Result != TooLong {
		t.Errorf("when less is allowed: %+v", overdue)
	}
	if c := g.State().Counts; c.Refused != [refusals]uint64{} || c.Waits != 3 || g.state.shed != 0 {
		t.Errorf("%+v", c)
	}
}

// What usually takes 100 ms is not begun 50 ms before its deadline.
func TestADeadlineCountsTheStatementItself(t *testing.T) {
	g := New(fixed(1, Absorb), at(0))
	for range 50 {
		g.Sample(7, 100*time.Millisecond, at(0))
	}
	w := &Waiter{Request: Request{Digest: 7, Deadline: at(50 * time.Millisecond)}}
	if r := g.Wait(w, at(0)); r != PastDeadline {
		t.Errorf("%s", r)
	}
}

func TestShares(t *testing.T) {
	g := New(fixed(8, Absorb), at(0))
	enter := func(c Class, n int) (entered int) {
		for range n {
			if g.Enter(c, false) {
				entered++
			}
		}
		return entered
	}
	if n := enter(Heavy, 10); n != 6 {
		t.Errorf("%d heavy ones have places, three quarters are for them while nobody waits", n)
	}
	if n := enter(Read, 10); n != 2 {
		t.Errorf("%d reads have what is left", n)
	}
	if n := enter(Admin, 5); n != adminPlaces {
		t.Errorf("administration has %d places when all others are taken", n)
	}
	for range 5 {
		mustWait(t, g, &Waiter{Request: Request{Class: Heavy}}, at(0))
		mustWait(t, g, &Waiter{Request: Request{Class: Read}}, at(1))
	}
	for range 6 {
		g.Leave(Heavy)
		if w := g.Next(at(1)); w != nil && w.Class == Heavy && g.taken[Heavy] > 2 {
			t.Fatal("a heavy one while reads wait")
		}
	}
	if g.taken[Heavy] > 2 {
		t.Errorf("%d heavy ones beside reads that wait", g.taken[Heavy])
	}
}

func TestWritesAndReadsLeaveEachOtherAQuarter(t *testing.T) {
	g := New(fixed(8, Absorb), at(0))
	for range 8 {
		g.Enter(Read, false)
	}
	for range 8 {
		mustWait(t, g, &Waiter{Request: Request{Class: Read}}, at(0))
	}
	mustWait(t, g, &Waiter{Request: Request{Class: Write}}, at(5))
	for range 3 {
		g.Leave(Read)
		g.Next(at(6))
	}
	if g.taken[Write] != 1 {
		t.Error("the write has no place although reads have more than three quarters")
	}
}

func TestTheLagOfPeersHoldsWritesBack(t *testing.T) {
	g := New(fixed(16, Absorb), at(0))
	if s := g.State(); s.Writes != 16 || s.Braked {
		t.Errorf("nobody lags: %d places for writes", s.Writes)
	}
	for held, want := range map[float64]int{0.25: 12, 0.5: 8, 0.875: 2, 1: 2} {
		if g.Press(Pressure{HeldBack: held}); g.State().Writes != want || g.Limit() != 16 {
			t.Errorf("with %.3f held back there are %d places for writes of %d, want %d of 16", held, g.State().Writes, g.Limit(), want)
		}
	}
	g.Press(Pressure{HeldBack: 1})
	entered := 0
	for range 16 {
		if g.Enter(Write, false) {
			entered++
		}
	}
	if entered != 2 || !g.Enter(Read, false) || !g.State().Braked {
		t.Errorf("%d writes have places, an eighth is left to them; reads have theirs", entered)
	}
	g.Press(Pressure{})
	if !g.Enter(Write, false) {
		t.Error("the peers have caught up")
	}
}

func TestTheMembersOwnWordHoldsTheLimitDown(t *testing.T) {
	g := New(Settings{Floor: 4, Ceiling: 64, RunningThreads: 50, RowLockWaits: 10}, at(0))
	before := g.Limit()
	g.Press(Pressure{RunningThreads: 60})
	g.Press(Pressure{RowLockWaits: 11})
	if after := g.Limit(); after >= before/2+1 {
		t.Errorf("%d places, %d before", after, before)
	}
	for range 50 {
		g.Press(Pressure{RunningThreads: 51})
	}
	if g.Limit() != 4 {
		t.Errorf("%d places, the floor is 4", g.Limit())
	}
	for range 60 {
		g.Press(Pressure{RunningThreads: 3})
	}
	if g.Limit() != before {
		t.Errorf("%d places when it is well again, %d before", g.Limit(), before)
	}
}

func TestClientsThatAlwaysLeaveAreNotMadeToWait(t *testing.T) {
	g := New(fixed(1, Shed), at(0))
	g.Enter(Read, false)
	now := at(0)
	for range 20 { // ten places a second are given back
		g.Leave(Read)
		g.Enter(Read, false)
		now = now.Add(100 * time.Millisecond)
		g.Tick(now, 1)
	}
	for range 20 {
		w := mustWait(t, g, &Waiter{Request: Request{Account: "hasty"}}, now)
		g.Drop(w, now.Add(200*time.Millisecond), ClientGone)
	}
	for range 5 {
		mustWait(t, g, &Waiter{Request: Request{Account: "other"}}, now)
	}
	if r := g.Wait(&Waiter{Request: Request{Account: "hasty"}}, now); r != Impatient {
		t.Errorf("its turn would come after %s, its clients leave after 0.2 s: %s", g.Expected(), r)
	}
	if r := g.Wait(&Waiter{Request: Request{Account: "other"}}, now); r != Granted {
		t.Errorf("the others' clients have not left: %s", r)
	}
}

func TestSaturationIsEnteredAndLeft(t *testing.T) {
	g := New(fixed(1, Absorb), at(0))
	g.Enter(Read, false)
	now, w := at(0), &Waiter{}
	var seen []string
	tick := func() {
		now = now.Add(250 * time.Millisecond)
		switch g.Tick(now, 1) {
		case Entered:
			seen = append(seen, fmt.Sprint("entered ", now.Sub(at(0))))
		case Left:
			seen = append(seen, fmt.Sprint("left ", now.Sub(at(0))))
		case Unchanged:
		}
	}
	tick()
	mustWait(t, g, w, now)
	for range 6 {
		tick()
	}
	g.Leave(Read)
	g.Next(now)
	for range 30 {
		tick()
	}
	if got := fmt.Sprint(seen); got != "[entered 1.25s left 6.75s]" {
		t.Errorf("%s", got)
	}
	if e := g.State().Episode; e.Began.Sub(at(0)) != 250*time.Millisecond || e.Ended.Sub(at(0)) != 1750*time.Millisecond || e.Waits != 1 {
		t.Errorf("%+v", e)
	}
}

// An episode counts what came of those who wanted a place in it, and of nobody else.
func TestAnEpisodeCountsItsOwn(t *testing.T) {
	s := fixed(1, Shed)
	s.MaxQueue = 2
	g := New(s, at(0))
	g.Enter(Read, false)
	now := at(0)
	pass := func(d time.Duration) {
		for range d / (250 * time.Millisecond) {
			now = now.Add(250 * time.Millisecond)
			g.Tick(now, 1)
		}
	}
	wait := func() (w *Waiter) { w = &Waiter{}; g.Wait(w, now); return w }
	pass(time.Second)
	for range 2 { // the second time, all is counted anew
		first, second := wait(), wait()
		wait() // the queue is full
		pass(1500 * time.Millisecond)
		if e := g.State().Episode; !g.State().Saturated || e.Ended != 0 || e.Waits != 2 || e.Refused[FullQueue] != 1 {
			t.Errorf("while it lasts: %+v", e)
		}
		g.Drop(first, now, ClientGone)
		g.Drop(second, now, TimeOver)
		pass(7 * time.Second)
		if e := g.State().Episode; g.State().Saturated || e.Waits != 2 || e.Gone != 1 || e.Refused[TooLong] != 1 || e.Refused[FullQueue] != 1 || e.WaitTime != 3*time.Second {
			t.Errorf("once it is over: %+v", e)
		}
	}
}

// TestLawsHoldInAnyOrder calls a gate at random and looks after each call whether what
// doc.go promises holds.
func TestLawsHoldInAnyOrder(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 8))
		s := Settings{
			Mode: Mode(r.IntN(2)), Floor: 1 + r.IntN(3), Ceiling: 3 + r.IntN(10), MaxQueue: 5 + r.IntN(60), QueueBytes: 4000,
			MaxWait: time.Second, ShedWait: 100 * time.Millisecond, HeavyAfter: 20 * time.Millisecond,
		}
		g, now := New(s, at(0)), at(0)
		waiting := map[*Waiter]bool{}
		var taken [classes]int
		var line []*Visit // for a lane that others have
		g.Suspect(7, now)
		for range hotFrom + g.set.HotWidth - 1 {
			g.Visit(new(Visit), 1, now)
		}
		wake := func() {
			for w := g.Next(now); w != nil; w = g.Next(now) {
				if !waiting[w] {
					t.Fatalf("seed %d: woken twice, or after it was dropped", seed)
				}
				delete(waiting, w)
				if w.Result == Granted {
					taken[w.Class]++
				}
			}
		}
		for step := range 2000 {
			now = now.Add(time.Duration(r.IntN(3_000_000)))
			if r.IntN(50) == 0 { // somebody switches
				before := s.Longest()
				s.Mode, s.MaxWait = Mode(r.IntN(2)), time.Duration(1+r.IntN(1000))*time.Millisecond
				g.Set(s, now)
				for w := g.Overdue(now); w != nil; w = g.Overdue(now) {
					if !waiting[w] || w.Waited(now) <= s.Longest() || w.Result != TooLong {
						t.Fatalf("seed %d: %+v is overdue", seed, w)
					}
					delete(waiting, w)
				}
				for w := range waiting {
					if s.Longest() < before && w.Waited(now) > s.Longest() {
						t.Fatalf("seed %d: one waits for %s still, %s is set", seed, w.Waited(now), s.Longest())
					}
				}
			}
			switch r.IntN(9) {
			case 0, 1, 2, 3:
				w := &Waiter{Request: Request{
					Class: Class(r.IntN(Classes)), Priority: Priority(r.IntN(4) - 1), Account: fmt.Sprint(r.IntN(5)),
					Digest: uint64(r.IntN(6)), Bytes: r.IntN(200), Passes: r.IntN(20) == 0,
				}}
				w.Class = g.Class(w.Class, w.Digest)
				if r.IntN(4) == 0 {
					w.Since = now.Add(-time.Duration(r.IntN(50_000_000)))
				}
				if r.IntN(4) == 0 {
					w.Deadline = now.Add(time.Duration(r.IntN(50_000_000)))
				}
				if g.Enter(w.Class, w.Passes) {
					taken[w.Class]++
				} else if g.Wait(w, now) == Granted {
					waiting[w] = true
				}
			case 4, 5:
				c := Class(r.IntN(Classes))
				if taken[c] > 0 {
					taken[c]--
					g.Sample(uint64(r.IntN(6)), time.Duration(r.IntN(30_000_000)), now)
					g.Leave(c)
					wake()
				}
			case 6:
				for w := range waiting {
					if !g.Drop(w, now, Departure(r.IntN(3))) {
						t.Fatalf("seed %d: a waiter could not leave", seed)
					}
					delete(waiting, w)
					break
				}
			case 7:
				g.Press(Pressure{HeldBack: max(0, r.Float64()-0.7)})
				g.Tick(now, r.IntN(4))
			case 8:
				if v := (&Visit{Inside: true}); r.IntN(2) == 0 && len(line) < 10 {
					switch waits := g.Visit(v, 1, now); {
					case waits:
						line = append(line, v)
					case v.Result == Granted || len(line) < s.MaxQueue*3/4: // the line is not full
						t.Fatalf("seed %d: the lane is taken: %s", seed, v.Result)
					}
				} else if len(line) > 0 {
					g.GiveUp(line[0], now, TimeOver)
					g.Done(line[0], now)
					line = line[1:]
				}
			}
			wake()
			checkLaws(t, g, s.WithDefaults(), taken, waiting, fmt.Sprintf("seed %d, step %d", seed, step))
		}
	}
}

func checkLaws(t *testing.T, g *Gate, s Settings, taken [classes]int, waiting map[*Waiter]bool, where string) {
	t.Helper()
	bytes, laned := 0, 0
	for w := range waiting {
		bytes += w.Bytes
		if w.Passes {
			laned++
		}
	}
	switch {
	case laned != g.passing:
		t.Fatalf("%s: %d who have a lane wait, %d by its own count", where, laned, g.passing)
	case g.taken != taken:
		t.Fatalf("%s: %v places are taken, %v by its own count", where, taken, g.taken)
	case len(waiting) != g.Waiting() || bytes != g.line.bytes:
		t.Fatalf("%s: %d wait with %d bytes, %d with %d by its own count", where, len(waiting), bytes, g.Waiting(), g.line.bytes)
	case len(waiting) > s.MaxQueue || bytes > s.QueueBytes:
		t.Fatalf("%s: %d wait, with %d bytes", where, len(waiting), bytes)
	case g.Limit() < 1 || g.Limit() > s.Ceiling:
		t.Fatalf("%s: limit %d", where, g.Limit())
	case taken[Admin] > adminPlaces || g.Taken() > s.Ceiling:
		t.Fatalf("%s: %v places are taken", where, taken)
	}
	free := g.Limit() - g.Taken()
	mayWrite := g.lim.brake.writes == 0 && !g.crowded()
	if free > 0 && (g.queues[Read].count > 0 || g.queues[Write].count > 0 && mayWrite) {
		t.Fatalf("%s: %d places are free, and %d reads and %d writes wait", where, free, g.queues[Read].count, g.queues[Write].count)
	}
}

func BenchmarkIdleGate(b *testing.B) {
	g := New(Settings{}, at(0))
	b.ReportAllocs()
	for b.Loop() {
		c := g.Class(Read, 77)
		if !g.Enter(c, false) {
			b.Fatal("full")
		}
		g.Leave(c)
		if g.Waiting() > 0 {
			b.Fatal("somebody waits")
		}
	}
}

func BenchmarkSample(b *testing.B) {
	g, now := New(Settings{}, at(0)), at(0)
	b.ReportAllocs()
	for b.Loop() {
		now += 10_000
		g.Sample(77, 100*time.Microsecond, now)
	}
}

func TestIdleGateCostsNoMemory(t *testing.T) {
	g, now := New(Settings{}, at(0)), at(0)
	n := testing.AllocsPerRun(1000, func() {
		now += 10_000
		c := g.Class(Read, 5)
		g.Enter(c, false)
		g.Sample(5, time.Millisecond, now)
		g.Leave(c)
		g.Tick(now, 0)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestASlowMemberIsNotStarved: statements take four times as long whatever the number of
// places is, as beside a backup: the places come back.
func TestASlowMemberIsNotStarved(t *testing.T) {
	g, now := New(Settings{}, at(0)), at(0)
	for range 300 {
		g.Sample(1, time.Millisecond, now)
	}
	for g.Enter(Read, false) {
	}
	fewest := g.Limit()
	for range 4000 {
		now = now.Add(10 * time.Millisecond)
		g.lim.asked = true
		g.lim.peak = g.Limit()
		g.Sample(1, 4*time.Millisecond, now)
		fewest = min(fewest, g.Limit())
	}
	if fewest > 45 || g.Limit() < 60 {
		t.Errorf("the limit was %d at the least and is %d: it is lowered, and comes back when that was in vain", fewest, g.Limit())
	}
}

// TestAnErrandComesFirstWithinItsAccount: whose errand goes on is served before those of its
// account who came sooner and are new, but not before another account's.
func TestAnErrandComesFirstWithinItsAccount(t *testing.T) {
	g, now := New(Settings{Floor: 1, Ceiling: 1}, at(0)), at(0)
	g.Enter(Read, false)
	waiter := func(account string, since Instant) *Waiter {
		now = now.Add(time.Millisecond)
		w := &Waiter{Request: Request{Class: Read, Account: account, Digest: 1, Since: since}}
		mustWait(t, g, w, now)
		return w
	}
	first, second := waiter("crowd", 0), waiter("crowd", 0)
	on, also := waiter("crowd", at(0)+1), waiter("crowd", at(0)+1)
	quiet := waiter("quiet", 0)
	for i, want := range []*Waiter{on, quiet, also, first, second} {
		g.Leave(Read)
		if w := g.Next(now); w != want {
			t.Fatalf("turn %d is that of %+v, not of %+v", i, w, want)
		}
	}
}

// TestAnErrandEnds: with a write, with a pause, and after some statements.
func TestAnErrandEnds(t *testing.T) {
	var e Errand
	now := at(0)
	if since := e.Goes(now); since != 0 {
		t.Fatalf("the first statement goes on since %d", since)
	}
	began := now
	for i := range errandSteps {
		now = now.Add(time.Millisecond)
		e.Rests(Read, now)
		if since := e.Goes(now); since != began {
			t.Fatalf("statement %d: since %d, not %d", i, since, began)
		}
	}
	e.Rests(Read, now)
	if since := e.Goes(now); since != 0 {
		t.Errorf("it is served for ever")
	}
	e.Rests(Write, now)
	if since := e.Goes(now); since != 0 {
		t.Errorf("it goes on after a write")
	}
	e.Rests(Read, now)
	if since := e.Goes(now.Add(errandPause + 1)); since != 0 {
		t.Errorf("it goes on after a pause")
	}
}

// TestWhoHangsUpAtAnyTimeTeachesNothing: a crowd that leaves after any time has no time-out.
func TestWhoHangsUpAtAnyTimeTeachesNothing(t *testing.T) {
	var p patiences
	for i := range 100 {
		p.left("all", time.Duration(i%10)*time.Second, at(0))
		p.left("five", 5*time.Second+time.Duration(i%10)*10*time.Millisecond, at(0))
	}
	if p.exceeded("all", time.Minute, at(0)) {
		t.Error("clients that left after 0 to 9 s are taken for ones with a time-out")
	}
	if !p.exceeded("five", 6*time.Second, at(0)) || p.exceeded("five", 4*time.Second, at(0)) {
		t.Error("a time-out of 5 s is not found")
	}
	if p.exceeded("five", 6*time.Second, at(10*time.Minute)) {
		t.Error("a time-out is believed in of which nothing was seen for ten minutes")
	}
}

// TestANewcomerHasAnEighthOfHisAccountsTurns: whoever else is served in between.
func TestANewcomerHasAnEighthOfHisAccountsTurns(t *testing.T) {
	for name, others := range map[string]Request{
		"another account":   {Class: Read, Account: "b", Digest: 2},
		"a lower priority":  {Class: Read, Account: "b", Digest: 2, Priority: Background},
		"nobody else waits": {},
	} {
		g, now := New(Settings{Floor: 1, Ceiling: 1}, at(0)), at(0)
		g.Enter(Read, false)
		want := &Waiter{Request: Request{Class: Read, Account: "a", Digest: 1}}
		mustWait(t, g, want, now)
		turns := 0
		for served := (*Waiter)(nil); served != want; turns++ {
			if turns > 20 {
				t.Fatalf("%s: not served in %d turns", name, turns)
			}
			mustWait(t, g, &Waiter{Request: Request{Class: Read, Account: "a", Digest: 1, Since: at(0) + 1}}, now)
			if others.Account != "" {
				w := &Waiter{Request: others}
				mustWait(t, g, w, now)
			}
			g.Leave(Read)
			served = g.Next(now)
		}
	}
}

// An errand goes on where there are places, and from there to where there are none.
func TestAnErrandGoesOnElsewhere(t *testing.T) {
	ms := func(n int) Instant { return Instant(n) * Instant(time.Millisecond) }
	var e Errand
	e.Enters(ms(1))
	if e.GoesOn(ms(1)) || e.Goes(ms(1000)) != 0 {
		t.Fatal("nothing was waited for yet")
	}
	e.Rests(Read, ms(3000))
	e.Enters(ms(3005)) // at another member
	e.Rests(Read, ms(3010))
	if since := e.Goes(ms(3015)); since != ms(1000) {
		t.Errorf("it has waited since %d", since)
	}
	e.Rests(Read, ms(3020))
	if e.Enters(ms(3271)); e != (Errand{}) {
		t.Errorf("after a pause: %+v", e)
	}
}

// A ceiling that is raised again leaves no brake behind, which nobody has pulled.
func TestACeilingThatIsRaisedIsNoBrake(t *testing.T) {
	g := New(Settings{Ceiling: 100}, at(0))
	g.Set(Settings{Floor: 1, Ceiling: 1}, at(1))
	if s := g.State(); s.Limit != 1 || s.Braked {
		t.Errorf("ceiling 1: limit %d, braked %t", s.Limit, s.Braked)
	}
	g.Set(Settings{Ceiling: 100}, at(2))
	if s := g.State(); s.Braked {
		t.Errorf("ceiling 100: braked, limit %d", s.Limit)
	}
}
