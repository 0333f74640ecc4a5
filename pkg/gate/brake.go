package gate

// Pressure is what a member says of itself, and its peers of it. What is not known is 0.
type Pressure struct {
	RunningThreads int // Threads_running
	RowLockWaits   int // Innodb_row_lock_current_waits
	// HeldBack is which share of the places for writes is to be left free, 0 to 1, because
	// who applies what the member writes lags; 0: none. FewestWrites is always there.
	HeldBack float64
}

// FewestWrites is the share of its places that a member gives to writes however far
// others lag; one place at least.
const FewestWrites = 0.125

// brake holds the limit down while the member says that it has too much to do: by a third
// at each word of it, and up again by a tenth. How many of the places are for writes
// follows the lag of others as it is.
type brake struct {
	at     float64 // the limit is not above this
	writes float64 // share of the places that are for writes; 0: no bound
}

const (
	brakeDown = 0.7
	brakeUp   = 1.1
)

// writes is how many of the places are for writes.
func (l *limiter) writes() int {
	places := l.places()
	if l.brake.writes == 0 {
		return places
	}
	return max(1, int(l.brake.writes*float64(places)))
}

// press takes in what was said.
func (l *limiter) press(p Pressure, s Settings) {
	over := s.RunningThreads > 0 && p.RunningThreads > s.RunningThreads || s.RowLockWaits > 0 && p.RowLockWaits > s.RowLockWaits
	if over {
		l.brake.at = max(l.floor, min(l.brake.at, l.limit)*brakeDown)
	} else {
		l.brake.at = min(l.ceilng, l.brake.at*brakeUp)
	}
	l.brake.writes = 0
	if p.HeldBack > 0 {
		l.brake.writes = max(FewestWrites, 1-p.HeldBack)
	}
}
