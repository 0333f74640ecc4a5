package gate

import "time"

// Counts is what a gate has counted since it was made.
type Counts struct {
	Granted    [classes]uint64  // places taken, by class
	Refused    [refusals]uint64 // by why; none of Granted
	Waits      uint64           // statements that waited
	Gone       uint64           // of them, and of those that waited for a lane, those whose client went away
	WaitTime   time.Duration    // in all
	Waited     [len(waitBounds) + 1]uint64
	Samples    uint64        // statements whose time at the member was measured
	ServerTime time.Duration // of these, in all
	Saturated  uint64        // how often it became saturated
	LaneWaits  uint64        // statements that waited for a lane
	LaneTime   time.Duration // in all, of those who wait no more
}

var waitBounds = [...]time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second}

// WaitBounds returns the upper bounds of the buckets of Counts.Waited; the last bucket has
// none.
func WaitBounds() []time.Duration { return waitBounds[:] }

func (c *Counts) waited(d time.Duration) {
	c.WaitTime += d
	for i, bound := range waitBounds {
		if d <= bound {
			c.Waited[i]++
			return
		}
	}
	c.Waited[len(waitBounds)]++
}

// State is a gate as it is at the moment.
type State struct {
	Settings Settings
	Limit    int
	Taken    [classes]int
	Waiting  [classes]int
	Bytes    int // of those who wait
	// LaneWaiting is how many wait for lanes; none of them is one of Waiting.
	LaneWaiting int
	Inflation   float64 // what statements take ÷ what is usual
	Braked      bool    // the member's own word, or the lag of others, holds it down
	Writes      int     // of the limit, how many are for writes: fewer while others lag
	Saturated   bool
	Expected    time.Duration // how long one who comes now would wait
	Counts      Counts
	Episode     Episode
}

// Episode is a time for which the gate was saturated: the one that lasts, or the last one.
// Its counts are those of that time.
type Episode struct {
	Began, Ended Instant       // Began 0: there was none; Ended 0: it lasts
	Waits, Gone  uint64        // for places and for lanes
	WaitTime     time.Duration // the same
	Refused      [refusals]uint64
}

// State returns the gate as it is.
func (g *Gate) State() State {
	s := State{
		Settings: g.set, Limit: g.lim.places(), Taken: g.taken, Bytes: g.line.bytes, LaneWaiting: g.lanes.line.waiting, Inflation: g.lim.inflation,
		Braked: g.lim.brake.writes > 0 || g.lim.brake.at < g.lim.ceilng, Saturated: g.state.saturated, Expected: g.Expected(), Counts: g.counts,
	}
	s.Writes = g.lim.writes()
	s.Episode = g.episode()
	for c := range classes {
		s.Waiting[c] = g.queues[c].count
	}
	return s
}

// Change is that a gate has become saturated, or is so no more.
type Change uint8

// The changes.
const (
	Unchanged Change = iota
	Entered          // for a second somebody has always had to wait, for a place or a lane
	Left             // for five seconds nobody has
)

// saturation is whether the gate has too little for those who come.
type saturation struct {
	saturated   bool
	waits, shed uint64 // since the last look; waits: for places, since at a row that is popular now and then somebody waits for a moment
	busy, quiet time.Duration
	looked      Instant
	atMember    int
	before      Counts  // when nobody waited last
	episode     Episode // its counts are there once it has ended
}

// episode returns the last episode, with what was counted in it so far.
func (g *Gate) episode() Episode {
	e := g.state.episode
	if !g.state.saturated {
		return e
	}
	was, now := &g.state.before, &g.counts
	e.Waits, e.Gone = now.Waits-was.Waits+now.LaneWaits-was.LaneWaits, now.Gone-was.Gone
	e.WaitTime = now.WaitTime - was.WaitTime + now.LaneTime - was.LaneTime
	for r := range e.Refused {
		e.Refused[r] = now.Refused[r] - was.Refused[r]
	}
	return e
}

// Strained reports whether statements take so long at the member that somebody who can be
// served elsewhere had better go there; was is what it said before, so that it does not
// change its mind all the time.
func (g *Gate) Strained(was bool) bool {
	const relieved = 1.2
	return g.lim.inflation > tolerance || was && g.lim.inflation > relieved
}

const (
	entersAfter = time.Second
	leavesAfter = 5 * time.Second
)

// Tick is to be called now and then, whether anything happens or not. atMember is how many
// statements are at the member now.
func (g *Gate) Tick(now Instant, atMember int) Change {
	s := &g.state
	s.atMember = atMember
	g.tick(now)
	g.lanes.cool(now)
	lasted := now.Sub(s.looked)
	if s.looked == 0 || lasted > time.Minute {
		lasted = 0
	}
	s.looked = now
	if s.waits+s.shed > 0 || g.line.waiting+g.lanes.line.waiting > 0 {
		s.busy, s.quiet = s.busy+lasted, 0
	} else {
		s.busy, s.quiet = 0, s.quiet+lasted
		if !s.saturated {
			s.before = g.counts
		}
	}
	s.waits, s.shed = 0, 0
	switch {
	case !s.saturated && s.busy >= entersAfter:
		s.saturated = true
		s.episode = Episode{Began: now.Add(-s.busy)}
		g.counts.Saturated++
		return Entered
	case s.saturated && s.quiet >= leavesAfter:
		s.episode = g.episode()
		s.episode.Ended = now.Add(-s.quiet)
		s.saturated = false
		return Left
	}
	return Unchanged
}
