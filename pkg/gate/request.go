package gate

import (
	"fmt"
	"time"
)

// Class is what kind of work a statement is. Each class has a share of the places.
type Class uint8

// The classes.
const (
	Read    Class = iota // has its place for its statement
	Write                // has its place for its transaction
	Heavy                // a read whose digest usually takes long
	Admin                // looks at the member itself: has places of its own
	classes              // how many there are
)

// Classes is how many classes there are.
const Classes = int(classes)

// String returns the class as a label of metrics.
func (c Class) String() string {
	switch c {
	case Read:
		return "read"
	case Write:
		return "write"
	case Heavy:
		return "heavy"
	case Admin:
		return "admin"
	}
	return "unknown"
}

// Priority is who is served first of those who wait. The zero value is the usual one.
type Priority int8

// The priorities. Every eighth turn is given to a lower one that waits.
const (
	Background Priority = -1
	Normal     Priority = 0
	High       Priority = 1
	Urgent     Priority = 2
	levels              = 4
)

// level is the index of a priority, the first to be served at 0.
func (p Priority) level() int { return int(Urgent - min(max(p, Background), Urgent)) }

// String returns the priority's name.
func (p Priority) String() string {
	switch p {
	case Background:
		return "background"
	case Normal:
		return "normal"
	case High:
		return "high"
	case Urgent:
		return "urgent"
	}
	return "unknown"
}

// MarshalText writes the priority's name.
func (p Priority) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads a priority's name.
func (p *Priority) UnmarshalText(text []byte) error {
	known := false
	if *p, known = ParsePriority(string(text)); !known {
		return fmt.Errorf("priority %q is not one of background, normal, high, urgent", text)
	}
	return nil
}

// ParsePriority returns the priority of a name.
func ParsePriority(name string) (Priority, bool) {
	switch name {
	case "background", "low":
		return Background, true
	case "normal":
		return Normal, true
	case "high":
		return High, true
	case "urgent":
		return Urgent, true
	}
	return Normal, false
}

// Request is a statement that asks for a place.
type Request struct {
	Class    Class
	Priority Priority
	Account  string
	Digest   uint64
	Passes   bool          // it will not stand in line for a lane with its place: it has one, or is alone in its transaction
	Bytes    int           // of its command
	Deadline Instant       // it is of no use to be begun after this; 0: none
	Before   time.Duration // for which it has waited elsewhere: it may wait for so much less here
	Fallback bool          // it is served elsewhere if it gets no place here: then it is not refused
	Since    Instant       // of an errand that goes on: when its first statement began to wait; 0: it is the first
}

// Refusal is why a statement gets no place.
type Refusal uint8

// The refusals.
const (
	Granted      Refusal = iota // none: it has a place
	FullQueue                   // MaxQueue wait, or QueueBytes are waiting
	FullAccount                 // three quarters of the queue, or of its bytes, are the account's
	TooLong                     // it has waited for as long as the mode allows
	PastDeadline                // its own deadline would be over before it has an answer
	Impatient                   // its account's clients have always left before it would be its turn
	HotRow                      // it has waited for a hot row for as long as the mode allows
	refusals
)

// Refusals is how many values of Refusal there are.
const Refusals = int(refusals)

// String returns the refusal as a label of metrics.
func (r Refusal) String() string {
	switch r {
	case Granted:
		return "granted"
	case FullQueue:
		return "queue_full"
	case FullAccount:
		return "account_share"
	case TooLong:
		return "waited_too_long"
	case PastDeadline:
		return "deadline"
	case Impatient:
		return "client_timeout"
	case HotRow:
		return "hot_row"
	}
	return "unknown"
}

// Waiter is a statement that waits. The caller keeps it where it is until Next has
// returned it or Drop has taken it out; then it may be used again.
type Waiter struct {
	Request
	Owner  any     // the caller's own
	At     Instant // since when it waits
	Until  Instant // the caller calls Drop at this time at the latest
	Result Refusal // when Next has returned it

	queued     bool
	prev, next *Waiter
	flow       *flow
}

// Waited returns how long it has waited.
func (w *Waiter) Waited(now Instant) time.Duration { return now.Sub(w.At) }

// underWay returns since when its client waits for what it wants, the statements before this
// one included.
func (w *Waiter) underWay(now Instant) time.Duration {
	if w.Since != 0 {
		return now.Sub(w.Since)
	}
	return w.Waited(now) + w.Before
}
