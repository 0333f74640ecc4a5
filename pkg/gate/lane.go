package gate

import (
	"slices"
	"time"
)

// Key stands for a row: its table, the columns of a unique key, and their values as their
// collations compare them. It is a hash; two rows with one key would have one lane.
type Key uint64

// Visit is what a transaction has of hot keys. The zero value is nothing. The caller keeps
// it where it is from Visit to Done.
type Visit struct {
	Owner    any // the caller's own
	Account  string
	Priority Priority
	Bytes    int // of its command
	At       Instant
	Before   time.Duration // for which it has waited elsewhere
	Inside   bool          // it has a place already: who waits so keeps others out (see Gate.crowded)
	Passes   bool          // it may have locks already: it waits for a moment, and goes on without the lane then
	Result   Refusal       // of Gate.Visit

	lane  *lane
	holds bool
	wait  Waiter // its place in the lane's line
}

// Any reports whether there is something that Done has to give back.
func (v *Visit) Any() bool { return v.lane != nil }

// Holds reports whether the transaction has the lane.
func (v *Visit) Holds() bool { return v.holds }

// Unnamed reports whether the row that the transaction wants is hot, so that it is shown, and
// has no name yet.
func (v *Visit) Unnamed() bool { return v.lane != nil && v.lane.hot && v.lane.name == "" }

// Name says what people are to call that row.
func (v *Visit) Name(name string) { v.lane.name = name }

// HotKey is a key that several transactions have wanted at once.
type HotKey struct {
	Key     Key
	Name    string
	Laned   bool // as many transactions at a time have it as are set (Settings.HotWidth); else they only would
	Using   int  // transactions that have it, or wait for it
	Waiting int
	Uses    uint64 // since it is looked at
	Waits   uint64 // of them, those that waited, or would have
	Passed  uint64 // of those, the ones that went on without: they held another lane, or had waited for long enough
}

// lanes has what is known of keys. It looks at statements of warm digests only, so that
// keys cost nothing while nothing is hot.
type lanes struct {
	warm   map[uint64]Instant // digests, and until when they are
	keys   map[Key]*lane
	line   Occupancy // who waits for any of them
	inside int       // of those, who has a place
}

type lane struct {
	key         Key
	name        string
	using       int // visits, whether they wait or not
	holders     int
	hot         bool
	idle        Instant // since when nobody uses it
	line        queue   // who waits: as at the gate, but for digests
	uses, waits uint64
	passed      uint64
}

// Bounds and times of lanes.
const (
	hotFrom     = 3                // transactions that want a key at once, for it to be hot
	warmFor     = 10 * time.Second // after the last sign
	coldAfter   = 10 * time.Second
	maxWarm     = 64
	maxKeys     = 1024
	slowTimes   = 4 // what a statement takes ÷ what is usual, for a sign
	slowAtLeast = time.Millisecond
	manyWrite   = 8
)

// Suspect has statements of a digest looked at: something of it has waited in the member
// for others. It reports whether that is new.
func (g *Gate) Suspect(digest uint64, now Instant) bool {
	if g.set.Hot == HotOff {
		return false
	}
	l := &g.lanes
	_, known := l.warm[digest]
	if !known && len(l.warm) >= maxWarm {
		return false
	}
	if l.warm == nil {
		l.warm, l.keys = make(map[uint64]Instant), make(map[Key]*lane)
	}
	l.warm[digest] = now.Add(warmFor)
	return !known
}

// Slow reports whether a statement took so long that it may have waited for others: far
// longer than usual, or, since all that is known of it may be from when it waited too, a
// while when many write.
func (g *Gate) Slow(digest uint64, took time.Duration) bool {
	usual := g.usual.usual(digest)
	return took >= slowAtLeast && (usual > 0 && took > slowTimes*usual || g.taken[Write] >= manyWrite)
}

// Warm reports whether statements of a digest are looked at; AnyWarm, whether some are.
func (g *Gate) Warm(digest uint64) bool { _, ok := g.lanes.warm[digest]; return ok }

// AnyWarm reports whether statements of any digest are looked at.
func (g *Gate) AnyWarm() bool { return len(g.lanes.warm) > 0 }

// Visit takes in that a transaction wants a row, and reports whether it has to wait for its
// lane. If it would have to, and there is no room in the lines by the bounds that hold for the
// gate's queue, v.Result says why, and it has nothing then; but one that passes goes on. A transaction has one lane at the most: one that holds a lane and wants another
// row goes on without, so that two of them can not wait for each other here.
func (g *Gate) Visit(v *Visit, key Key, now Instant) (waits bool) {
	v.Result = Granted
	if v.lane != nil {
		switch {
		case v.lane.key == key:
			return false
		case v.holds:
			if l := g.lanes.keys[key]; l != nil && l.hot {
				l.passed++
			}
			return false
		}
		g.Done(v, now)
	}
	l := g.lanes.of(key)
	if l == nil {
		return false
	}
	v.lane, v.At = l, now
	l.using++
	l.uses++
	l.hot = l.hot || l.using >= hotFrom
	switch {
	case !l.hot:
		return false
	case l.holders < g.set.HotWidth:
		l.holders++
		v.holds = true
		return false
	case g.set.Hot != HotOn:
		l.waits++
		return false
	}
	l.waits++
	full := g.lanes.line.Refuses(&g.set, v.Account, v.Bytes)
	switch {
	case full == Granted:
		g.counts.LaneWaits++
		g.lanes.push(l, v)
		return true
	case v.Passes:
		l.passed++
	default:
		g.counts.Refused[full]++
		g.state.shed++
		g.Done(v, now)
		v.Result = full
	}
	return false
}

// of returns the lane of a key, nil if there is no room for another one.
func (ls *lanes) of(key Key) *lane {
	if l := ls.keys[key]; l != nil {
		return l
	}
	if ls.keys == nil {
		return nil
	}
	if len(ls.keys) >= maxKeys {
		for k, l := range ls.keys {
			if l.using == 0 {
				delete(ls.keys, k)
			}
		}
		if len(ls.keys) >= maxKeys {
			return nil
		}
	}
	l := &lane{key: key}
	ls.keys[key] = l
	return l
}

// Done ends what a transaction has of hot keys. It returns the next one that has the lane
// and is to be woken; nil: nobody is.
func (g *Gate) Done(v *Visit, now Instant) (next *Visit) {
	l := v.lane
	if l == nil {
		return nil
	}
	if v.wait.queued {
		g.unline(v, now)
	}
	held := v.holds
	v.lane, v.holds = nil, false
	if l.using--; l.using == 0 {
		l.idle = now
	}
	if !held {
		return nil
	}
	l.holders--
	return g.advance(l, now)
}

// GiveUp has a transaction wait no more. It goes on without the lane, if it passes; else its
// statement has got no place, and why is why. It reports false if it has the lane by now.
func (g *Gate) GiveUp(v *Visit, now Instant, why Departure) bool {
	if !v.wait.queued {
		return false
	}
	g.unline(v, now)
	waited := now.Sub(v.At) + v.Before
	switch {
	case why == Elsewhere:
	case why == ClientGone:
		g.counts.Gone++
		g.patience.left(v.Account, waited, now)
	case v.Passes:
		v.lane.passed++
	default:
		g.patience.stayed(v.Account, waited)
		g.counts.Refused[HotRow]++
		g.state.shed++
	}
	return true
}

// unline takes v out of its line, wherever it stands.
func (g *Gate) unline(v *Visit, now Instant) {
	v.lane.line.remove(&v.wait)
	g.waitedInLine(v, now)
}

// waitedInLine does what is done for everybody who stands in no line any more.
func (g *Gate) waitedInLine(v *Visit, now Instant) {
	g.lanes.line.Part(v.Account, v.Bytes)
	if v.Inside {
		g.lanes.inside--
	}
	g.counts.LaneTime += now.Sub(v.At)
}

// NextLane returns somebody who waits for a lane without need: hot keys have no lanes any
// more, or wider ones.
func (g *Gate) NextLane(now Instant) *Visit {
	for _, l := range g.lanes.keys {
		if l.line.count == 0 {
			continue
		}
		if g.set.Hot != HotOn {
			v := l.line.head().Owner.(*Visit)
			g.unline(v, now)
			return v
		}
		if v := g.advance(l, now); v != nil {
			return v
		}
	}
	return nil
}

// advance gives the lane to who is next, if it is free.
func (g *Gate) advance(l *lane, now Instant) *Visit {
	if l.line.count == 0 || l.holders >= g.set.HotWidth {
		return nil
	}
	w := l.line.head()
	v := w.Owner.(*Visit)
	l.line.served(w)
	g.waitedInLine(v, now)
	l.holders++
	v.holds = true
	return v
}

func (ls *lanes) push(l *lane, v *Visit) {
	v.wait = Waiter{Request: Request{Priority: v.Priority, Account: v.Account}, Owner: v}
	l.line.push(&v.wait)
	ls.line.Join(v.Account, v.Bytes)
	if v.Inside {
		ls.inside++
	}
}

// cool forgets digests and keys that are not hot any more.
func (ls *lanes) cool(now Instant) {
	for d, until := range ls.warm {
		if now > until {
			delete(ls.warm, d)
		}
	}
	for k, l := range ls.keys {
		if l.using == 0 && now.Sub(l.idle) > coldAfter {
			delete(ls.keys, k)
		}
	}
}

// HotKeys returns the keys that are hot, those with the most uses first.
func (g *Gate) HotKeys() []HotKey {
	var hot []HotKey
	for _, l := range g.lanes.keys {
		if l.hot {
			hot = append(hot, HotKey{
				Key: l.key, Name: l.name, Laned: g.set.Hot == HotOn, Using: l.using, Waiting: l.line.count, Uses: l.uses, Waits: l.waits, Passed: l.passed,
			})
		}
	}
	slices.SortFunc(hot, func(a, b HotKey) int {
		switch {
		case a.Uses != b.Uses && a.Uses > b.Uses, a.Uses == b.Uses && a.Key < b.Key:
			return -1
		}
		return 1
	})
	return hot
}
