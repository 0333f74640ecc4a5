package topology

import (
	"strings"
	"time"
)

// A member that comes and goes costs its clients a takeover each time that it goes
// as an owner, and its neighbours their links. A few losses happen; after that it
// is let back in later and later, or by the DBA's word, which counts as a look at
// its cause.
const (
	flapWindow  = 10 * time.Minute
	flapFree    = 3 // losses within flapWindow that delay nothing
	flapFirst   = 10 * time.Second
	flapLongest = 5 * time.Minute
)

// cooling returns how often a member was lost lately, and until when it is not let
// back in by itself; the zero time if it may come at once.
func cooling(s *Snapshot, id MemberID, now time.Time) (losses int, until time.Time) {
	var last time.Time
	for _, op := range s.Operations {
		switch {
		case op.Member != id || now.Sub(op.Began) > flapWindow:
		case op.Kind == OperationHeal:
			losses, last = losses+1, op.Began
		case op.Kind == OperationRejoin && !strings.HasPrefix(op.By, ByController):
			losses = 0
		}
	}
	if losses <= flapFree || len(s.ownerless()) > 0 { // writes that wait for it come first
		return losses, time.Time{}
	}
	pause := flapFirst
	for n := flapFree + 1; n < losses && pause < flapLongest; n++ {
		pause *= 2
	}
	until = last.Add(min(pause, flapLongest))
	if !now.Before(until) || last.After(now) { // or the clock of another leader said so
		return losses, time.Time{}
	}
	return losses, until
}

// ByController is how [Command.By] begins, before the node's name, for what no
// person has ordered.
const ByController = "controller@"
