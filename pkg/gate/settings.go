package gate

import (
	"errors"
	"fmt"
	"time"
)

// Instant is a time on the caller's own monotonic clock, in nanoseconds. Its zero is of no
// meaning, except that 0 as a deadline is none.
type Instant int64

// Sub returns the time from u to t.
func (t Instant) Sub(u Instant) time.Duration { return time.Duration(t - u) }

// Add returns t+d.
func (t Instant) Add(d time.Duration) Instant { return t + Instant(d) }

// Mode is what becomes of those for whom there is no place.
type Mode uint8

// The two modes.
const (
	Absorb Mode = iota // everybody waits, up to a set time; the default
	Shed               // a short queue: who would wait for long is told so at once
)

// String returns the mode's name.
func (m Mode) String() string {
	if m == Shed {
		return "shed"
	}
	return "absorb"
}

// MarshalText writes the mode's name.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a mode's name.
func (m *Mode) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMode(string(text))
	return err
}

// ParseMode returns the mode of a name.
func ParseMode(name string) (Mode, error) {
	switch name {
	case "absorb":
		return Absorb, nil
	case "shed":
		return Shed, nil
	}
	return Absorb, fmt.Errorf("mode %q is not one of absorb, shed", name)
}

// Settings are what a gate is told. [Defaults] has what is used where a field is 0.
type Settings struct {
	Mode       Mode          `json:"mode"`
	Floor      int           `json:"floor,omitempty"`       // places that there are at the least
	Ceiling    int           `json:"ceiling,omitempty"`     // and at the most
	MaxWait    time.Duration `json:"max_wait,omitempty"`    // in absorb: nobody waits for longer
	ShedWait   time.Duration `json:"shed_wait,omitempty"`   // in shed: the same; a tenth of it while the queue does not get empty
	MaxQueue   int           `json:"max_queue,omitempty"`   // who may wait at once, of all classes; an account has three quarters of it
	QueueBytes int           `json:"queue_bytes,omitempty"` // of the commands of those who wait; the same
	// HeavyAfter is from which usual time at the member on a digest is heavy: at most a
	// quarter of the places are for those while others wait.
	HeavyAfter time.Duration `json:"heavy_after,omitempty"`
	// RunningThreads and RowLockWaits are from when on the member has too much to do, by
	// its own word. 0: it is not asked.
	RunningThreads int `json:"running_threads,omitempty"`
	RowLockWaits   int `json:"row_lock_waits,omitempty"`
	// HotWidth is how many transactions may have a hot key at once.
	HotWidth int `json:"hot_width,omitempty"`
	// Hot says what is done about hot keys.
	Hot HotMode `json:"hot"`

	floorIsDefault bool // nobody has set it, and means it
}

// Bounds of settings.
const (
	MaxPlaces  = 10_000
	MaxWaiting = 1_000_000
	LongestMax = 10 * time.Minute
)

// Defaults returns what is used where nothing is set:
//
//	mode      absorb, at most 30 s; shed, at most 500 ms
//	places    8 to 80
//	queue     20 000 statements, 64 MiB
//	heavy     from 1 s on
//	hot keys  two transactions at a time: as one commits, the next one is there
func Defaults() Settings {
	return Settings{
		Floor: 8, Ceiling: 80, MaxWait: 30 * time.Second, ShedWait: 500 * time.Millisecond,
		MaxQueue: 20_000, QueueBytes: 64 << 20, HeavyAfter: time.Second, HotWidth: 2,
	}
}

// WithDefaults returns s with what is 0 filled in, and the floor not above the ceiling.
func (s Settings) WithDefaults() Settings {
	d := Defaults()
	fill := func(v *int, by int) {
		if *v == 0 {
			*v = by
		}
	}
	s.floorIsDefault = s.floorIsDefault || s.Floor == 0
	fill(&s.Ceiling, d.Ceiling)
	fill(&s.Floor, min(d.Floor, s.Ceiling))
	fill(&s.MaxQueue, d.MaxQueue)
	fill(&s.QueueBytes, d.QueueBytes)
	fill(&s.HotWidth, d.HotWidth)
	if s.MaxWait == 0 {
		s.MaxWait = d.MaxWait
	}
	if s.ShedWait == 0 {
		s.ShedWait = d.ShedWait
	}
	if s.HeavyAfter == 0 {
		s.HeavyAfter = d.HeavyAfter
	}
	return s
}

// String says the settings in words, for example "absorb 30s, 8 to 80 places, …".
func (s Settings) String() string {
	s = s.WithDefaults()
	return fmt.Sprintf("%s %s, %d to %d places, queue %d (%d bytes), heavy from %s, hot keys %s (%d at once), running threads %d, row lock waits %d",
		s.Mode, s.Longest(), s.Floor, s.Ceiling, s.MaxQueue, s.QueueBytes, s.HeavyAfter, s.Hot, s.HotWidth, s.RunningThreads, s.RowLockWaits)
}

// Longest is how long a statement waits at the most before it is run, by rules of the DBA,
// for a lane and for a place together.
func (s Settings) Longest() time.Duration {
	s = s.WithDefaults()
	if s.Mode == Shed {
		return s.ShedWait
	}
	return s.MaxWait
}

// Validate returns all that is wrong with s, or nil. 0 is right everywhere.
func (s Settings) Validate() error {
	var errs []error
	within := func(name string, v, most int) {
		if v < 0 || v > most {
			errs = append(errs, fmt.Errorf("%s is %d: use 0 (the default) to %d", name, v, most))
		}
	}
	lasts := func(name string, d, most time.Duration) {
		if d < 0 || d > most || d > 0 && d < time.Millisecond {
			errs = append(errs, fmt.Errorf("%s is %s: use 0 (the default), or 1ms to %s", name, d, most))
		}
	}
	within("floor", s.Floor, MaxPlaces)
	within("ceiling", s.Ceiling, MaxPlaces)
	within("queue", s.MaxQueue, MaxWaiting)
	within("queue bytes", s.QueueBytes, 16<<30)
	within("running threads", s.RunningThreads, MaxPlaces)
	within("row lock waits", s.RowLockWaits, MaxPlaces)
	within("hot width", s.HotWidth, 64)
	lasts("max wait", s.MaxWait, LongestMax)
	lasts("shed wait", s.ShedWait, LongestMax)
	lasts("heavy after", s.HeavyAfter, time.Hour)
	if s.Floor > 0 && s.Ceiling > 0 && s.Floor > s.Ceiling {
		errs = append(errs, fmt.Errorf("floor %d is above ceiling %d", s.Floor, s.Ceiling))
	}
	if s.Mode > Shed {
		errs = append(errs, fmt.Errorf("mode %d is neither absorb nor shed", s.Mode))
	}
	if s.Hot > HotOff {
		errs = append(errs, fmt.Errorf("hot keys: %d is none of on, dry-run, off", s.Hot))
	}
	return errors.Join(errs...)
}
