package gate

import "time"

// Gate is what stands in front of one member. It is not safe for concurrent use.
type Gate struct {
	set    Settings
	lim    limiter
	usual  baselines
	taken  [classes]int
	queues [classes]queue
	turns  uint64

	line     Occupancy // who waits for a place
	passing  int       // of those who wait, those who pass a line
	outdated Instant   // until when somebody may wait by settings that were
	standing standing
	patience patiences
	state    saturation
	lanes    lanes
	counts   Counts
}

// adminPlaces is how many places administration has beside all others.
const adminPlaces = 2

// New returns a gate with free places. What is 0 in s is the default.
func New(s Settings, now Instant) *Gate {
	s = s.WithDefaults()
	return &Gate{set: s, lim: newLimiter(s, now)}
}

// Set changes what the gate was told. A shorter wait, and a switch to shed, hold for those
// who wait already: the caller asks Overdue who is to be woken. A longer one does not, for
// those have been told until when they wait.
func (g *Gate) Set(s Settings, now Instant) {
	longest := g.set.Longest()
	g.set = s.WithDefaults()
	if g.set.Longest() < longest {
		g.outdated = max(g.outdated, now.Add(longest))
	}
	g.lim.bounds(g.set)
}

// Overdue returns one who came when longer waits were set, and has waited for longer than
// is now: he is out of the queue, and to be woken. It returns nil if there is nobody.
func (g *Gate) Overdue(now Instant) *Waiter {
	if now > g.outdated {
		return nil
	}
	longest := g.set.Longest()
	for c := range g.queues {
		w := g.queues[c].find(func(w *Waiter) bool { return w.Waited(now)+w.Before > longest })
		if w == nil {
			continue
		}
		g.queues[c].remove(w)
		g.forget(w, now)
		w.Result = TooLong
		g.refused(w, TooLong)
		return w
	}
	return nil
}

// Settings returns what the gate was told, defaults filled in.
func (g *Gate) Settings() Settings { return g.set }

// Waiting returns how many wait.
func (g *Gate) Waiting() int { return g.line.waiting }

// Taken returns how many places are taken, those of administration aside.
func (g *Gate) Taken() int { return g.taken[Read] + g.taken[Write] + g.taken[Heavy] }

// Limit returns how many places there are now.
func (g *Gate) Limit() int { return g.lim.places() }

// Class returns the class of a statement that would be of class c by its text.
func (g *Gate) Class(c Class, digest uint64) Class {
	if c == Read && g.usual.heavy(digest, g.set.HeavyAfter) {
		return Heavy
	}
	return c
}

// Enter takes a place, and reports false if there is none: then the statement waits. passes
// is as in a [Request].
func (g *Gate) Enter(c Class, passes bool) bool {
	crowded := c == Write && g.crowded()
	if !g.room(c) || crowded && !passes || !crowded && g.queues[c].count > 0 { // he passes those who are kept out, too
		return false
	}
	g.take(c)
	return true
}

// crowded reports whether no more transactions are let in because of those that stand in line
// for a lane with a place: one more would have its own locks and stand behind them, and all of
// it costs the member (with 100 of them a MariaDB on two cores does a quarter less than with
// four). Who passes is let in; and so are all, while he waits.
func (g *Gate) crowded() bool { return g.passing == 0 && g.lanes.inside >= lineInside*g.set.HotWidth }

// lineInside is how many may stand in line for each that has the lane.
const lineInside = 2

// Force takes a place whether there is one or not, for who may not wait and will give it
// back.
func (g *Gate) Force(c Class) { g.take(c) }

func (g *Gate) take(c Class) {
	g.taken[c]++
	g.counts.Granted[c]++
	if c != Admin {
		g.lim.peak = max(g.lim.peak, g.Taken())
	}
}

// Leave gives a place back. The caller then asks Next who is to be woken, if anybody waits.
func (g *Gate) Leave(c Class) {
	g.taken[c]--
	g.lim.left++
}

// room reports whether there is a place for a class. A class that others wait beside has
// its share at the most: three quarters of the places for reads and writes each, a quarter
// for what is heavy.
func (g *Gate) room(c Class) bool {
	if c == Admin {
		return g.taken[Admin] < adminPlaces
	}
	limit := g.lim.places()
	if g.Taken() >= limit {
		return false
	}
	shared := max(1, limit-limit/4)
	switch c {
	case Heavy:
		if g.queues[Read].count+g.queues[Write].count > 0 {
			return g.taken[Heavy] < max(1, limit/4)
		}
		return g.taken[Heavy] < shared
	case Write:
		return g.mayWrite() && (g.queues[Read].count == 0 || g.taken[Write] < shared)
	case Read, Admin:
	}
	return g.queues[Write].count == 0 || !g.mayWrite() || g.crowded() || g.taken[Read] < shared // who may not have it is left no place
}

// mayWrite reports whether the lag of others leaves a place for one more write.
func (g *Gate) mayWrite() bool { return g.taken[Write] < g.lim.writes() }

// Wait has w wait for a place, or says why it may not. w.Until is set: the caller drops
// it then, if Next has not returned it.
func (g *Gate) Wait(w *Waiter, now Instant) Refusal {
	g.tick(now)
	w.At, w.Result = now, Granted
	if r := g.refuses(w, now); r != Granted {
		g.refused(w, r)
		return r
	}
	w.Until = now.Add(max(0, g.set.Longest()-w.Before))
	if w.Deadline != 0 {
		w.Until = min(w.Until, w.Deadline)
	}
	g.queues[w.Class].push(w)
	g.line.Join(w.Account, w.Bytes)
	if len(g.line.accounts) > 1 {
		g.lim.rivals = now
	}
	if w.Passes {
		g.passing++
	}
	if w.Class != Admin {
		g.lim.asked = true
	}
	g.counts.Waits++
	g.state.waits++
	g.standing.arrives(g.line.waiting, now)
	return Granted
}

// refuses says why w may not wait, or Granted.
func (g *Gate) refuses(w *Waiter, now Instant) Refusal {
	full := g.line.Refuses(&g.set, w.Account, w.Bytes)
	switch {
	case full == FullQueue, full == FullAccount && w.Since == 0:
		return full
	case g.past(w, now):
		return PastDeadline
	case w.Since == 0 && g.set.Mode == Shed && g.patience.exceeded(w.Account, g.Expected(), now):
		return Impatient
	}
	return Granted
}

// refused takes in that w gets no place. It is told to nobody if w is served elsewhere then.
func (g *Gate) refused(w *Waiter, why Refusal) {
	if w.Fallback {
		return
	}
	g.counts.Refused[why]++
	g.state.shed++
}

// past reports whether an answer to w would come after its deadline.
func (g *Gate) past(w *Waiter, now Instant) bool {
	return w.Deadline != 0 && now.Add(g.usual.usual(w.Digest)) > w.Deadline
}

// Expected returns how long somebody who comes now would wait if all went first come,
// first served; 0 if nothing is known of it.
func (g *Gate) Expected() time.Duration {
	if g.standing.rate <= 0 {
		return 0
	}
	return time.Duration(float64(g.line.waiting) / g.standing.rate * float64(time.Second))
}

// RetryAfter returns when one who was refused may come again, at the soonest.
func (g *Gate) RetryAfter() time.Duration {
	return min(max(g.Expected(), 50*time.Millisecond), 10*time.Second)
}

// Departure is why one leaves the queue that was not served.
type Departure uint8

// The departures.
const (
	TimeOver   Departure = iota // it has waited until w.Until
	Elsewhere                   // it is to be tried at another member, or ends for reasons of ours
	ClientGone                  // nobody is there to get an answer
)

// Drop takes w out of the queue. It reports false if Next has returned w before: then w has
// a place, if its Result is Granted.
func (g *Gate) Drop(w *Waiter, now Instant, why Departure) bool {
	if !w.queued {
		return false
	}
	g.queues[w.Class].remove(w)
	g.forget(w, now)
	switch {
	case why == Elsewhere:
		return true
	case why == ClientGone:
		g.counts.Gone++
		g.patience.left(w.Account, w.underWay(now), now)
		return true
	case w.Deadline != 0 && now >= w.Deadline:
		w.Result = PastDeadline
	default:
		w.Result = TooLong
	}
	g.patience.stayed(w.Account, w.underWay(now))
	g.refused(w, w.Result)
	return true
}

// forget does what is done for everybody who does not wait any more.
func (g *Gate) forget(w *Waiter, now Instant) {
	g.line.Part(w.Account, w.Bytes)
	if w.Passes {
		g.passing--
	}
	g.counts.waited(w.Waited(now))
	g.standing.departs(g.line.waiting)
}

// Next returns one who waits and is to be woken: with a place, or with the Result why he
// has none. It returns nil if nobody is.
func (g *Gate) Next(now Instant) *Waiter {
	if g.line.waiting == 0 {
		return nil
	}
	g.tick(now)
	c, w := g.pick()
	if w == nil {
		return nil
	}
	if c != Admin {
		g.standing.turn(w.Waited(now), g.set.Longest(), now)
	}
	q := &g.queues[c]
	if w.Result = g.late(w, now); w.Result != Granted {
		q.remove(w)
		g.forget(w, now)
		g.patience.stayed(w.Account, w.underWay(now))
		g.refused(w, w.Result)
		return w
	}
	if w.Since == 0 && g.hopeless(w, now) && g.turns%oldestEvery != 0 {
		w = w.flow.last // who came last may still be served in time
	}
	g.patience.stayed(w.Account, w.underWay(now))
	q.served(w)
	g.turns++
	g.forget(w, now)
	g.take(c)
	w.Result = Granted
	return w
}

// oldestEvery is at which turns who has waited for longest is served even where that is
// hopeless: it may be more patient than others of its account.
const oldestEvery = 32

// hopeless reports whether w and those who came with it are not to be expected to be there
// still when they have an answer.
func (g *Gate) hopeless(w *Waiter, now Instant) bool {
	if g.set.Mode == Shed {
		return g.standing.stands
	}
	return g.patience.exceeded(w.Account, w.underWay(now)*4/3, now)
}

// pick returns whose turn it is of those for whom there is a place: of a higher priority
// first, then who has waited for longer.
func (g *Gate) pick() (Class, *Waiter) {
	var class Class
	var found *Waiter
	for c := range classes {
		q := &g.queues[c]
		if q.count == 0 || !g.room(c) || Class(c) == Write && g.crowded() {
			continue
		}
		w := q.head()
		if found == nil || w.Priority > found.Priority && g.turns%8 != 7 || w.Priority == found.Priority && w.At < found.At {
			class, found = c, w
		}
	}
	return class, found
}

// late reports whether it is too late for w.
func (g *Gate) late(w *Waiter, now Instant) Refusal {
	switch {
	case g.past(w, now):
		return PastDeadline
	case g.set.Mode == Shed && w.Since == 0 && w.Waited(now) > g.standing.allows(g.set.ShedWait):
		return TooLong // who goes on with what was begun for him has all of the time
	case now > w.Until:
		return TooLong
	}
	return Granted
}

// Sample takes in that a statement took so long at the member, from when it was sent to
// when its answer began. A caller may sample.
func (g *Gate) Sample(digest uint64, took time.Duration, now Instant) {
	calm := g.lim.calm(g.Taken())
	usual, sure := g.usual.learn(digest, took, calm, g.lim.inflation, g.lim.sure.now(now))
	if time.Duration(usual) < g.set.HeavyAfter {
		g.lim.sample(took, usual, sure)
	}
	g.counts.Samples++
	g.counts.ServerTime += took
	g.tick(now)
}

// Usual returns what statements of a digest take at the member when it has little to do;
// 0: that is not known.
func (g *Gate) Usual(digest uint64) time.Duration { return g.usual.usual(digest) }

// Press takes in what the member says of itself.
func (g *Gate) Press(p Pressure) { g.lim.press(p, g.set) }

func (g *Gate) tick(now Instant) {
	if now.Sub(g.lim.began) >= window {
		g.standing.count(g.lim.left, now.Sub(g.lim.began))
		g.lim.close(now, g.Taken(), g.state.atMember)
	}
}
