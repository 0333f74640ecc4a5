package gate

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

func TestColdKeysAreNotLookedAt(t *testing.T) {
	g := New(Settings{}, at(0))
	for range 100 {
		g.Sample(7, time.Millisecond, at(0))
	}
	if g.AnyWarm() || g.Warm(7) || g.Slow(7, 3*time.Millisecond) || !g.Slow(7, 5*time.Millisecond) {
		t.Error("nothing is hot yet, and only what takes four times as long as usual is a sign")
	}
	if !g.Suspect(7, at(0)) || g.Suspect(7, at(0)) || !g.Warm(7) || g.Warm(8) {
		t.Error("the digest is looked at from now on")
	}
	g.Tick(at(9*time.Second), 0)
	if !g.Warm(7) {
		t.Error("for ten seconds")
	}
	g.Tick(at(11*time.Second), 0)
	if g.AnyWarm() {
		t.Error("and no longer")
	}
}

// heated is a gate with a key that three transactions have used at once.
func heated(t *testing.T, s Settings) (*Gate, []*Visit) {
	t.Helper()
	g := New(s, at(0))
	g.Suspect(7, at(0))
	var users []*Visit
	for i := range 3 {
		v := new(Visit)
		if g.Visit(v, 1, at(0)) {
			t.Fatal("who comes first waits for nobody")
		}
		if v.Holds() != (i == 2) {
			t.Fatalf("user %d: holds %t", i, v.Holds())
		}
		if v.Unnamed() != (i == 2) {
			t.Fatalf("user %d: what is not hot, and not shown, needs no name; what is does: unnamed is %t", i, v.Unnamed())
		}
		if v.Unnamed() {
			v.Name("t.id")
		}
		users = append(users, v)
	}
	return g, users
}

func TestOneAtATime(t *testing.T) {
	g, users := heated(t, Settings{HotWidth: 1})
	var queue []*Visit
	for range 3 {
		v := new(Visit)
		if !g.Visit(v, 1, at(0)) {
			t.Fatal("the lane is taken")
		}
		queue = append(queue, v)
	}
	if g.Done(users[0], at(0)) != nil {
		t.Error("one that had no lane gives none back")
	}
	holder := users[2]
	if g.Visit(holder, 1, at(0)) {
		t.Error("who holds the lane does not wait for it")
	}
	for i := range queue {
		next := g.Done(holder, at(0))
		if next != queue[i] || !next.Holds() {
			t.Fatalf("turn %d", i)
		}
		holder = next
	}
	if k := g.HotKeys(); len(k) != 1 || k[0].Name != "t.id" || k[0].Waits != 3 || k[0].Using != 2 || !k[0].Laned {
		t.Errorf("%+v", k)
	}
	if g.Done(holder, at(0)) != nil {
		t.Error("nobody waits")
	}
	fresh := new(Visit)
	if g.Visit(fresh, 1, at(0)) || !fresh.Holds() {
		t.Error("the lane is free")
	}
}

// Who holds a lane and wants another row goes on without: the two could wait for each
// other.
func TestNobodyWaitsForASecondLane(t *testing.T) {
	g, users := heated(t, Settings{HotWidth: 1})
	var others []*Visit
	for range 3 {
		v := new(Visit)
		g.Visit(v, 2, at(0))
		others = append(others, v)
	}
	if !others[2].Holds() || g.Visit(users[2], 2, at(0)) || g.Visit(others[2], 1, at(0)) {
		t.Error("each holds one lane and wants the other's")
	}
	if k := g.HotKeys(); k[0].Passed+k[1].Passed != 2 {
		t.Errorf("%+v", k)
	}
	waits := &Visit{Passes: true}
	if !g.Visit(waits, 1, at(0)) || !g.GiveUp(waits, at(0), TimeOver) || g.GiveUp(waits, at(0), TimeOver) || waits.Holds() {
		t.Error("who has waited for long goes on without, once")
	}
	if g.Done(users[2], at(0)) != nil {
		t.Error("nobody waits any more")
	}
}

func TestDryRunMakesNobodyWait(t *testing.T) {
	g, _ := heated(t, Settings{Hot: HotDryRun, HotWidth: 1})
	for range 5 {
		if g.Visit(new(Visit), 1, at(0)) {
			t.Fatal("it waits")
		}
	}
	if k := g.HotKeys(); len(k) != 1 || k[0].Waits != 5 || k[0].Laned {
		t.Errorf("it tells how many would have: %+v", k)
	}
	g = New(Settings{Hot: HotOff}, at(0))
	if g.Suspect(7, at(0)) || g.AnyWarm() {
		t.Error("nobody looks")
	}
}

func TestSwitchingLanesOffWakesThoseWhoWait(t *testing.T) {
	g, _ := heated(t, Settings{HotWidth: 1})
	v := new(Visit)
	g.Visit(v, 1, at(0))
	if g.NextLane(at(0)) != nil {
		t.Error("the lane is taken")
	}
	g.Set(Settings{Hot: HotOff}, at(0))
	if g.Visit(new(Visit), 1, at(0)) {
		t.Error("there are no lanes any more, for who comes now")
	}
	if g.NextLane(at(0)) != v || v.Holds() || g.NextLane(at(0)) != nil {
		t.Error("there are no lanes any more")
	}
}

// While several stand in line for a lane with their places, no more transactions are let in:
// they would stand behind them. Reads are, and who has a lane.
func TestALineInsideKeepsOthersOut(t *testing.T) {
	g, users := heated(t, Settings{Floor: 50})
	second := new(Visit)
	if g.Visit(second, 1, at(0)) {
		t.Fatal("two at a time")
	}
	var line []*Visit
	for range 2 * lineInside {
		if !g.Enter(Write, false) {
			t.Fatalf("%d stand in line", len(line))
		}
		v := &Visit{Inside: true, Passes: true}
		if !g.Visit(v, 1, at(0)) {
			t.Fatal("the lane is taken")
		}
		line = append(line, v)
	}
	outside := new(Visit)
	if !g.Visit(outside, 1, at(0)) {
		t.Fatal("the lane is taken")
	}
	if g.Enter(Write, false) || !g.Enter(Read, false) || !g.Enter(Admin, false) || !g.Enter(Write, true) {
		t.Error("one that writes would stand behind them; no other would")
	}
	plain, laned := &Waiter{Request: Request{Class: Write, Account: "a"}}, &Waiter{Request: Request{Class: Write, Account: "a", Passes: true}}
	g.Wait(plain, at(0))
	if w := g.Next(at(0)); w != nil {
		t.Error("it waits")
	}
	if !g.Enter(Write, true) || g.Enter(Write, false) {
		t.Error("who has a lane is not to wait behind who is kept out until he is done")
	}
	g.Wait(laned, at(0))
	if g.Next(at(0)) != plain || g.Next(at(0)) != laned {
		t.Error("those in line wait for one who waits: nobody stands in his way")
	}
	g.Wait(plain, at(0))
	if !g.GiveUp(line[3], at(0), TimeOver) || g.Next(at(0)) != plain {
		t.Error("one in line went on without")
	}
	if g.Done(users[2], at(0)) != line[0] || !g.Enter(Write, false) {
		t.Error("the line is shorter")
	}
}

// A lane's line is in order of priority, then fair between accounts, first come, first served
// within one.
func TestWhoHasTheLaneNext(t *testing.T) {
	type arrival struct {
		name, account string
		priority      Priority
		many          int
	}
	for _, c := range []struct {
		name string
		come []arrival
		want string
	}{
		{"first come, first served", []arrival{{name: "a"}, {name: "b"}, {name: "c"}}, "abc"},
		{"accounts in turn", []arrival{{name: "a", account: "x", many: 4}, {name: "b", account: "y", many: 2}}, "ababaa"},
		{"a quiet account does not wait behind a noisy one", []arrival{{name: "n", account: "noisy", many: 6}, {name: "q", account: "quiet"}}, "nqnnnnn"},
		{"a higher priority first", []arrival{{name: "a"}, {name: "b", priority: High}, {name: "c", priority: Urgent}}, "cba"},
		{"every eighth turn is that of a lower one", []arrival{{name: "u", priority: Urgent, many: 10}, {name: "b", priority: Background, many: 2}}, "uuuuuuubuuub"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, users := heated(t, Settings{HotWidth: 1})
			for _, a := range c.come {
				for range max(1, a.many) {
					if !g.Visit(&Visit{Owner: a.name, Account: a.account, Priority: a.priority}, 1, at(0)) {
						t.Fatal("the lane is taken")
					}
				}
			}
			got := ""
			for v := g.Done(users[2], at(0)); v != nil; v = g.Done(v, at(0)) {
				got += v.Owner.(string)
			}
			if got != c.want {
				t.Errorf("they have it as %s, want %s", got, c.want)
			}
		})
	}
}

// Who waits for lanes is held against the bounds of the queue, in number, in bytes and by
// account; who may have locks goes on instead of being told so.
func TestLinesOfLanesAreBounded(t *testing.T) {
	g, users := heated(t, Settings{HotWidth: 1, MaxQueue: 8, QueueBytes: 1000})
	come := func(account string, bytes int) (v *Visit) {
		v = &Visit{Account: account, Bytes: bytes}
		if g.Visit(v, 1, at(0)) != (v.Result == Granted) || v.Any() != (v.Result == Granted) {
			t.Fatalf("%+v", v)
		}
		return v
	}
	first := come("a", 300)
	if r := come("a", 500).Result; r != FullAccount {
		t.Errorf("800 of 1000 bytes: %s", r)
	}
	if r := come("b", 800).Result; r != FullQueue {
		t.Errorf("more bytes than there is room for: %s", r)
	}
	for range 5 {
		come("a", 1)
	}
	if r := come("a", 1).Result; r != FullAccount {
		t.Errorf("the account has its share: %s", r)
	}
	come("b", 1)
	come("c", 1)
	if r := come("d", 1).Result; r != FullQueue {
		t.Errorf("eight wait: %s", r)
	}
	inside := &Visit{Account: "d", Passes: true}
	if g.Visit(inside, 1, at(0)) || inside.Result != Granted || inside.Holds() || g.HotKeys()[0].Passed != 1 {
		t.Error("who may have locks goes on without the lane")
	}
	if c := g.State().Counts; c.Refused[FullAccount] != 2 || c.Refused[FullQueue] != 2 || c.LaneWaits != 8 {
		t.Errorf("%+v", c)
	}
	if g.Done(users[2], at(0)) != first || come("a", 1).Result != Granted {
		t.Error("there is room for one again")
	}
}

// What becomes of those who wait for a row is counted as of those who wait for a place, and an
// episode in which nobody has to wait for a place is one.
func TestWhoWaitsForARowIsCounted(t *testing.T) {
	g, users := heated(t, Settings{HotWidth: 1})
	now := at(0)
	g.Tick(now, 1)
	var line []*Visit
	for i := range 5 {
		v := &Visit{Account: "web", Passes: i == 3}
		if !g.Visit(v, 1, now) {
			t.Fatal("the lane is taken")
		}
		line = append(line, v)
	}
	seen := ""
	for range 5 {
		now = now.Add(250 * time.Millisecond)
		if c := g.Tick(now, 1); c == Entered {
			seen += fmt.Sprint(now.Sub(at(0)))
		}
	}
	if s := g.State(); seen != "1s" || s.LaneWaiting != 5 || s.Counts.LaneWaits != 5 {
		t.Errorf("saturated after %q: %+v", seen, s)
	}
	for i, why := range []Departure{TimeOver, ClientGone, Elsewhere, TimeOver} {
		if !g.GiveUp(line[i], now, why) {
			t.Fatalf("%d has the lane", i)
		}
		g.Done(line[i], now)
	}
	if g.Done(users[2], now) != line[4] {
		t.Fatal("it is the last one's turn")
	}
	c := g.State().Counts
	if c.Refused[HotRow] != 1 || c.Gone != 1 || c.LaneTime != 5*1250*time.Millisecond || c.WaitTime != 0 || g.HotKeys()[0].Passed != 1 {
		t.Errorf("one was refused, one has gone, one went elsewhere, one passed: %+v", c)
	}
	for range 40 {
		now = now.Add(250 * time.Millisecond)
		g.Tick(now, 1)
	}
	if e := g.State().Episode; g.State().Saturated || e.Waits != 5 || e.Gone != 1 || e.Refused[HotRow] != 1 || e.WaitTime != c.LaneTime {
		t.Errorf("%+v", e)
	}
}

// That now and then somebody waits for a moment at a row is no saturation.
func TestAMomentAtARowIsNoSaturation(t *testing.T) {
	g, users := heated(t, Settings{HotWidth: 1})
	now, holder := at(0), users[2]
	for range 40 {
		v := new(Visit)
		if !g.Visit(v, 1, now) || g.Done(holder, now.Add(time.Millisecond)) != v {
			t.Fatal("it waits, and has the lane then")
		}
		holder = v
		now = now.Add(250 * time.Millisecond)
		if c := g.Tick(now, 1); c != Unchanged {
			t.Fatalf("change %d", c)
		}
	}
}

// How long clients wait before they go is learnt of those who wait for a row, too.
func TestPatienceIsLearntAtARow(t *testing.T) {
	g, _ := heated(t, Settings{HotWidth: 1})
	for range patienceSeen {
		v := &Visit{Account: "web", Before: time.Second}
		g.Visit(v, 1, at(0))
		g.GiveUp(v, at(time.Second), ClientGone)
		g.Done(v, at(time.Second))
	}
	if !g.patience.exceeded("web", 2100*time.Millisecond, at(time.Second)) || g.patience.exceeded("web", 1900*time.Millisecond, at(time.Second)) {
		t.Errorf("all of them went after two seconds: %+v", g.patience.of["web"])
	}
}

// TestLanesHoldInAnyOrder: never more holders than the width, nobody is woken twice, and
// when all have gone nothing is left.
func TestLanesHoldInAnyOrder(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 9))
		g := New(Settings{HotWidth: 1 + r.IntN(2), MaxQueue: 10 + r.IntN(40), QueueBytes: 2000}, at(0))
		g.Suspect(1, at(0))
		now := at(0)
		active, waiting := map[*Visit]bool{}, map[*Visit]bool{}
		woken := func(v *Visit) {
			if v == nil {
				return
			}
			if !waiting[v] || !v.Holds() {
				t.Fatalf("seed %d: woken without need", seed)
			}
			delete(waiting, v)
			active[v] = true
		}
		for range 800 {
			now = now.Add(time.Millisecond)
			switch r.IntN(6) {
			case 0, 1, 2:
				v := &Visit{Account: fmt.Sprint(r.IntN(3)), Priority: Priority(r.IntN(4) - 1), Bytes: r.IntN(100), Inside: r.IntN(2) == 0, Passes: r.IntN(4) == 0}
				switch {
				case g.Visit(v, Key(r.IntN(3)), now):
					waiting[v] = true
				case v.Result == Granted:
					active[v] = true
				case v.Any() || v.Passes:
					t.Fatalf("seed %d: who was told %s has something, or would have gone on", seed, v.Result)
				}
			case 3, 4:
				for v := range active {
					delete(active, v)
					woken(g.Done(v, now))
					break
				}
			case 5:
				for v := range waiting {
					delete(waiting, v)
					if r.IntN(2) == 0 {
						g.GiveUp(v, now, TimeOver)
						active[v] = true
					} else {
						woken(g.Done(v, now))
					}
					break
				}
			}
			inside, bytes := 0, 0
			for v := range waiting {
				bytes += v.Bytes
				if v.Inside {
					inside++
				}
			}
			if o := &g.lanes.line; len(waiting) != o.waiting || bytes != o.bytes || len(waiting) > g.set.MaxQueue || bytes > g.set.QueueBytes {
				t.Fatalf("seed %d: %d wait with %d bytes, it says %d with %d", seed, len(waiting), bytes, o.waiting, o.bytes)
			}
			if inside != g.lanes.inside {
				t.Fatalf("seed %d: %d wait with a place, it says %d", seed, inside, g.lanes.inside)
			}
			for _, l := range g.lanes.keys {
				if l.holders > g.set.HotWidth || l.line.count > 0 && l.holders < g.set.HotWidth {
					t.Fatalf("seed %d: %d hold it, %d wait", seed, l.holders, l.line.count)
				}
			}
		}
		for len(active)+len(waiting) > 0 {
			for v := range active {
				delete(active, v)
				woken(g.Done(v, now))
			}
			for v := range waiting {
				delete(waiting, v)
				woken(g.Done(v, now))
				break
			}
		}
		g.Tick(now.Add(time.Minute), 0)
		if len(g.lanes.keys) != 0 {
			t.Fatalf("seed %d: %s", seed, fmt.Sprint(g.HotKeys()))
		}
	}
}
