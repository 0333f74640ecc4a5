package gate

// Pressure is what a member says of itself, and its peers of it. What is not known is 0.
type Pressure struct {
	RunningThreads int  // Threads_running
	RowLockWaits   int  // Innodb_row_lock_current_waits
	PeerLags       bool // one that applies what the member writes lags so far that it is to be slowed
}

// brake holds the limit down while the member says that it has too much to do: by a third
// at each word of it, and up again by a tenth.
type brake struct {
	at     float64 // the limit is not above this
	writes float64 // share of the places that are for writes; 0: no bound
}

const (
	brakeDown   = 0.7
	brakeUp     = 1.1
	fewestWrite = 0.125
)

// press takes in what was said.
func (l *limiter) press(p Pressure, s Settings) {
	over := s.RunningThreads > 0 && p.RunningThreads > s.RunningThreads || s.RowLockWaits > 0 && p.RowLockWaits > s.RowLockWaits
	if over {
		l.brake.at = max(l.floor, min(l.brake.at, l.limit)*brakeDown)
	} else {
		l.brake.at = min(l.ceilng, l.brake.at*brakeUp)
	}
	switch w := &l.brake.writes; {
	case p.PeerLags && *w == 0:
		*w = brakeDown
	case p.PeerLags:
		*w = max(fewestWrite, *w*brakeDown)
	case *w > 0:
		if *w *= brakeUp; *w >= 1 {
			*w = 0
		}
	}
}
