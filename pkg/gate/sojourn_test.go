package gate

import (
	"math/rand/v2"
	"testing"
	"time"
)

// crowdAt has clients come and be served one at a time at a steady pace, and reports how many
// had a place, how many were told that it took too long, and the longest wait of those who
// had one. Nobody leaves.
func crowdAt(t *testing.T, g *Gate, from Instant, lasts time.Duration, comes, serves func(now Instant) bool) (served, told int, longest time.Duration) {
	t.Helper()
	const step = time.Millisecond
	waiting := map[*Waiter]bool{}
	for now := from; now < from.Add(lasts); now = now.Add(step) {
		if comes(now) {
			w := &Waiter{Request: Request{Account: "web", Digest: 1}}
			if g.Wait(w, now) == Granted {
				waiting[w] = true
			} else {
				told++
			}
		}
		if serves(now) {
			g.Leave(Read)
			w := g.Next(now)
			for w != nil && w.Result != Granted {
				told++
				delete(waiting, w)
				w = g.Next(now)
			}
			if w == nil {
				g.Force(Read) // nobody is there: the place stays with who has it
			} else {
				served++
				longest = max(longest, w.Waited(now))
				delete(waiting, w)
			}
		}
		for w := range waiting {
			if now > w.Until && g.Drop(w, now, TimeOver) {
				told++
				delete(waiting, w)
			}
		}
		if now%Instant(100*step) == 0 {
			g.Tick(now, 1)
		}
	}
	return served, told, longest
}

// TestWhatIsKnownOfTheImpatientIsUnlearnt: clients of an account used to leave after 5 s; those
// of now do not. A backlog of ten seconds that the member works off is then first come, first
// served: in absorb nobody is told after 30 s that he waited for nothing.
func TestWhatIsKnownOfTheImpatientIsUnlearnt(t *testing.T) {
	g := New(fixed(1, Absorb), at(0))
	g.Enter(Read, false)
	for range 40 {
		w := mustWait(t, g, &Waiter{Request: Request{Account: "web"}}, at(0))
		g.Drop(w, at(5*time.Second), ClientGone)
	}
	every := func(d time.Duration) func(Instant) bool {
		return func(now Instant) bool { return now%Instant(d) == 0 }
	}
	began := at(10 * time.Second)
	comes := func(now Instant) bool { // 500 a second for 10 s, then 200
		if now.Sub(began) < 10*time.Second {
			return every(2 * time.Millisecond)(now)
		}
		return every(5 * time.Millisecond)(now)
	}
	served, told, longest := crowdAt(t, g, began, time.Minute, comes, every(4*time.Millisecond)) // 250 a second
	t.Logf("%d served, %d told that it took too long, longest wait %s", served, told, longest)
	if told > 0 || served < 14_900 {
		t.Errorf("%d served, %d were told that it took too long: there is nothing that can not be served within 15 s", served, told)
	}
}

// TestWhoLeavesIsStillFoundOut: one who waits for ever on the account of a crowd that leaves
// after 5 s takes nothing from what is known of that.
func TestWhoLeavesIsStillFoundOut(t *testing.T) {
	var p patiences
	for i := range 200 {
		p.left("web", 5*time.Second, at(0))
		if i%10 == 0 {
			p.stayed("web", 20*time.Second)
		}
	}
	if !p.exceeded("web", 6*time.Second, at(0)) {
		t.Error("nine of ten leave after 5 s, and it is not known")
	}
	p.stayed("web", 6*time.Second) // that is about its time
	for range 20 {
		p.stayed("web", 20*time.Second)
	}
	if p.exceeded("web", 6*time.Second, at(0)) || len(p.of) != 0 {
		t.Error("twenty have stayed for 20 s, and all are taken for ones who leave after 5 s")
	}
}

// TestAPauseOfTheMemberShedsFew: a member that is held to a share of its cores works for 20 ms
// and rests for 80. It can do 200 a second, nine tenths of that come, as they like: in shed few
// are to be told that it takes too long, since nobody has to wait for much more than a pause.
// At twice of what it can do the others are told, and soon.
func TestAPauseOfTheMemberShedsFew(t *testing.T) {
	for _, c := range []struct {
		name   string
		comes  float64 // a second
		served int     // at least, in 60 s
		told   int     // at most
	}{
		{"nine tenths of what it can do", 180, 10_600, 100},
		{"twice as much", 400, 11_500, 13_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := New(fixed(1, Shed), at(0))
			g.Enter(Read, false)
			r := rand.New(rand.NewPCG(1, 2))
			comes := func(Instant) bool { return r.Float64() < c.comes/1000 }
			works := func(now Instant) bool { return now%Instant(100*time.Millisecond) < Instant(20*time.Millisecond) }
			served, told, longest := crowdAt(t, g, at(0), time.Minute, comes, works)
			t.Logf("%d served, %d told, longest wait %s", served, told, longest)
			if served < c.served || told > c.told || longest > 350*time.Millisecond {
				t.Errorf("%d served, %d told, longest wait %s", served, told, longest)
			}
		})
	}
}
