package lagguard

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Level is how far a member lags, as what follows from it. The zero value is
// LevelUnknown. The values are not in order of badness: see [Level.Worse].
type Level uint8

// The levels. A ring's thresholds say when each is entered and left.
const (
	LevelUnknown  Level = iota // the lag can not be bounded: not read from
	LevelFresh                 // read from
	LevelWarn                  // read from; people are told
	LevelThrottle              // not read from while another can be; bulk writers are held back
	LevelDrain                 // far behind: not read from while another can be
	LevelBroken                // replication stands still: a person, or the controller, is needed
)

var levelNames = [...]string{"unknown", "fresh", "warn", "throttle", "drain", "broken"}

// Levels returns every level, in order of declaration.
func Levels() []Level {
	return []Level{LevelUnknown, LevelFresh, LevelWarn, LevelThrottle, LevelDrain, LevelBroken}
}

func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("level %d", uint8(l))
}

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads a level's name.
func (l *Level) UnmarshalText(text []byte) error {
	for _, level := range Levels() {
		if level.String() == string(text) {
			*l = level
			return nil
		}
	}
	return fmt.Errorf("lag level %q is not one of %v", text, levelNames)
}

// Readable reports whether a member of that level is one that reads are spread over.
func (l Level) Readable() bool { return l == LevelFresh || l == LevelWarn }

// Lags reports whether the level is one that a lag alone has led to.
func (l Level) Lags() bool { return l == LevelWarn || l == LevelThrottle || l == LevelDrain }

// Worse reports whether l is worse than other. From best to worst: fresh, warn,
// throttle, drain, unknown, broken. What is not known is worse than any lag that is.
func (l Level) Worse(other Level) bool { return l.rank() > other.rank() }

func (l Level) rank() int {
	if l == LevelUnknown {
		return 2*int(LevelDrain) + 1
	}
	return 2 * int(l)
}

// Thresholds is when a level is entered and left. It is a setting of the ring, and
// therefore a type of package topology.
type Thresholds = topology.LagThresholds

// DefaultThresholds returns what holds for a ring that sets nothing else.
func DefaultThresholds() Thresholds { return topology.DefaultLagThresholds() }

// Sample is what one probe says of a member with respect to one origin.
type Sample struct {
	Lag Lag // unknown if the member did not answer, or can not be judged
	// Halted says that the member's receiver or applier stands still.
	Halted bool
	// Why says why Lag is not known, or what stands still.
	Why string
}

// State is the level of a member with respect to one origin, and what is needed to
// move it on. The zero value is LevelUnknown, of which nothing was ever seen. It is
// comparable, and changed by [Step] alone.
type State struct {
	Level Level
	Since time.Time // of Level; zero: since ever
	From  Level     // the level before; LevelUnknown at first
	Why   string    // what moved it to Level

	last   Sample
	over   [steps]time.Time // since when every sample was at or over Enter of warn, throttle, drain
	under  [steps]time.Time // since when every sample was under Leave of the same
	halted time.Time        // since when every sample was halted; zero: the last was not
	runs   time.Time        // since when none was
	known  time.Time        // since when every lag was known
}

// steps are the levels that a known lag decides: warn, throttle, drain.
const steps = 3

// Lag returns the lag of the last sample.
func (s State) Lag() Lag { return s.last.Lag }

// Worst returns the worse of two states; of two of the same level the one that is
// there for longer.
func Worst(a, b State) State {
	switch {
	case b.Level.Worse(a.Level):
		return b
	case a.Level == b.Level && b.Since.Before(a.Since):
		return b
	}
	return a
}

// Step returns the state that follows s by a sample taken at now. Samples are given
// in the order of their times; between two of them nothing is known, so a hold time
// is over at the first sample that finds it over.
//
// A level is entered when the lower bound of the lag has been at or over its
// threshold for its hold time, and left when the upper bound has been under another,
// lower threshold for its release time: a lag that swings about a threshold moves
// nothing. An unknown lag is LevelUnknown at once.
func Step(t Thresholds, s State, sample Sample, now time.Time) State {
	next := s.note(t, sample, now)
	level, why := next.decide(t, now)
	if level != s.Level || s.Since.IsZero() {
		next.Level, next.From, next.Since, next.Why = level, s.Level, now, why
	}
	return next
}

// note takes the sample in: since when the conditions hold.
func (s State) note(t Thresholds, sample Sample, now time.Time) State {
	s.last = sample
	lasts(&s.halted, sample.Halted, now)
	lasts(&s.runs, !sample.Halted, now)
	lasts(&s.known, sample.Lag.Known, now)
	for i, at := range thresholds(t) {
		lasts(&s.over[i], sample.Lag.Known && sample.Lag.Low >= at.Enter, now)
		lasts(&s.under[i], sample.Lag.Known && sample.Lag.High < at.Leave, now)
	}
	return s
}

// lasts keeps since up to date: the first moment of those at which holds was true
// without a break.
func lasts(since *time.Time, holds bool, now time.Time) {
	switch {
	case !holds:
		*since = time.Time{}
	case since.IsZero():
		*since = now
	}
}

func thresholds(t Thresholds) [steps]topology.LagThreshold {
	return [steps]topology.LagThreshold{t.Warn, t.Throttle, t.Drain}
}

// held reports whether a condition has lasted for d.
func held(since time.Time, d time.Duration, now time.Time) bool {
	return !since.IsZero() && now.Sub(since) >= d
}

func (s State) decide(t Thresholds, now time.Time) (Level, string) {
	switch {
	case held(s.halted, t.BrokenHold, now):
		return LevelBroken, s.last.Why
	case s.Level == LevelBroken && !held(s.runs, t.BrokenRelease, now):
		return LevelBroken, s.Why
	case !s.last.Lag.Known:
		return LevelUnknown, unknownWhy(s.last)
	}
	level, why := s.byLag(t, now)
	if s.Level == LevelUnknown && level.Readable() && !held(s.known, t.KnownHold, now) {
		return LevelUnknown, fmt.Sprintf("its lag has been known for less than %s", t.KnownHold)
	}
	return level, why
}

// byLag walks up from the present level as far as the lag proves, else down.
func (s State) byLag(t Thresholds, now time.Time) (Level, string) {
	at := 0 // of warn, throttle, drain: how many are entered
	switch s.Level {
	case LevelWarn, LevelThrottle, LevelDrain:
		at = int(s.Level - LevelFresh)
	case LevelUnknown, LevelBroken:
		return s.arrive(t)
	case LevelFresh:
	}
	limits := thresholds(t)
	for i := steps; i > at; i-- {
		if held(s.over[i-1], limits[i-1].Hold, now) {
			return LevelFresh + Level(i), fmt.Sprintf("its lag has been at least %s for %s: it is %s",
				limits[i-1].Enter, limits[i-1].Hold, s.last.Lag)
		}
	}
	top := at
	for at > 0 && held(s.under[at-1], limits[at-1].Release, now) {
		at--
	}
	if at == top {
		return s.Level, s.Why
	}
	return LevelFresh + Level(at), fmt.Sprintf("its lag has been below %s for %s: it is %s",
		limits[at].Leave, limits[at].Release, s.last.Lag)
}

// arrive judges a lag that has just become known: there is no level to stay in, so
// the threshold alone decides.
func (s State) arrive(t Thresholds) (Level, string) {
	limits := thresholds(t)
	for i := steps; i > 0; i-- {
		if s.last.Lag.Low >= limits[i-1].Enter {
			return LevelFresh + Level(i), fmt.Sprintf("its lag is known, and at least %s: %s", limits[i-1].Enter, s.last.Lag)
		}
	}
	return LevelFresh, "its lag is known: " + s.last.Lag.String()
}

func unknownWhy(sample Sample) string {
	if sample.Why != "" {
		return sample.Why
	}
	return "no heartbeat of this node has arrived yet"
}
