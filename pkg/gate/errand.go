package gate

import "time"

// Errand is what a client does by several statements, one right after the other and outside
// of a transaction: a page is made of twenty. Who has waited for the first one comes before
// those of his account who are new with the next ones, since what was done for him is wasted
// if he loses patience on the way (session-based admission control; Cherkasova and Phaal,
// 2002). An errand ends with a write, a pause, or after some statements: who never pauses is
// not to be served for ever. The zero value is a client that has asked for nothing; the
// caller sets it when a statement enters without waiting.
type Errand struct {
	since, left Instant
	steps       uint8
}

const (
	errandPause = 250 * time.Millisecond // who asks nothing for so long has begun something new
	errandSteps = 8                      // statements that do not wait with those who are new
)

// Rests takes in that a place of class c is given back while others wait.
func (e *Errand) Rests(c Class, now Instant) {
	e.left = now
	if c == Write {
		e.steps = errandSteps
	}
}

// GoesOn reports whether a statement that comes now belongs to it.
func (e *Errand) GoesOn(now Instant) bool {
	return e.since != 0 && e.steps < errandSteps && e.left >= e.since && now.Sub(e.left) <= errandPause
}

// Enters takes in that a statement does not have to wait now.
func (e *Errand) Enters(now Instant) {
	if e.GoesOn(now) {
		e.steps++
		return
	}
	*e = Errand{}
}

// Goes returns what Request.Since is of a statement that has to wait now.
func (e *Errand) Goes(now Instant) Instant {
	if e.GoesOn(now) {
		e.steps++
		return e.since
	}
	e.since, e.steps = now, 0
	return 0
}

// Lasts returns how long ago it began to wait; 0: it has not.
func (e *Errand) Lasts(now Instant) time.Duration {
	if e.since == 0 {
		return 0
	}
	return now.Sub(e.since)
}

// ClientLeft takes in that a client has gone while its statement was at the member: it could
// not wait any longer.
func (g *Gate) ClientLeft(account string, e *Errand, now Instant) {
	if lasted := e.Lasts(now); lasted > 0 {
		g.patience.left(account, lasted, now)
	}
}
