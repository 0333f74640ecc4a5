package proxy

import (
	"context"
	"sync/atomic"
	"time"
)

// strikes says whether a KILL QUERY has hit, or may hit, what a session runs. A
// KILL never takes a commit back: one that comes while the server waits for a
// replica's acknowledgement makes it answer OK without that (MariaDB 10.11). So a
// COMMIT is never struck by us, and an OK to anything else that was is not believed.
//
// One strike is on its way at a time: who sends it holds turn. A session that has to
// know waits for its turn behind those who came before, and for nobody after. What the
// member refuses, since the client may not kill this session, is no strike.
//
// A KILL of the whole connection may hit a COMMIT: its client gets no answer then, as
// from the server. Nobody waits for it but who has lost its link, to know why.
type strikes struct {
	turns      atomic.Pointer[strikeTurns] // nil: nobody has struck yet, and it never waited
	coming     atomic.Int32                // who has the turn, or waits for it
	struck     atomic.Uint32               // that the member has accepted, ever
	committing atomic.Bool                 // a COMMIT is under way
	before     uint32                      // of struck, those at earlier commands; the session's own
	ending     atomic.Int32                // who has the last turn, or waits for it
	ended      atomic.Bool                 // the member has accepted one
}

// strikeTurns are made when somebody strikes, or the session waits: most sessions are never struck.
type strikeTurns struct {
	turn turn // of whoever has a KILL QUERY on its way
	last turn // of whoever has a KILL of the connection on its way
	call turn // wakes the session that waits
}

// turn holds one token.
type turn chan struct{}

func (k *strikes) made() *strikeTurns {
	if k.turns.Load() == nil {
		k.turns.CompareAndSwap(nil, &strikeTurns{make(turn, 1), make(turn, 1), make(turn, 1)})
	}
	return k.turns.Load()
}

// strikePatience is how long a session waits for a strike that is on its way.
const strikePatience = time.Second

// begin is called by the session when it begins with a command. Strikes that are over
// then were at an earlier one.
func (k *strikes) begin() {
	if struck := k.struck.Load(); struck != k.before && k.coming.Load() == 0 {
		k.before = struck
	}
}

// hit reports, to the session, whether the command under way was struck. A strike that
// takes long to be answered counts.
func (k *strikes) hit() bool {
	if k.coming.Load() > 0 {
		if !k.made().turn.take(strikePatience) {
			return true
		}
		<-k.made().turn
	}
	return k.struck.Load() != k.before
}

// commit is called by the session before it sends a COMMIT, and done after it. A
// strike that is on its way lands first.
func (k *strikes) commit() (done func()) {
	k.committing.Store(true)
	switch {
	case k.coming.Load() == 0: // who comes now sees that it commits
		k.before = k.struck.Load()
	case k.made().turn.take(strikePatience):
		k.before = k.struck.Load()
		<-k.made().turn
	}
	return func() { k.committing.Store(false) }
}

// called returns the channel on which a session that waits is woken by a strike. It looks
// at isStruck then, and before it waits: what it hears may be of an earlier command.
func (k *strikes) called() <-chan struct{} { return k.made().call }

// isStruck reports, to the session that waits, whether the command under way was struck.
func (k *strikes) isStruck() bool { return k.struck.Load() != k.before }

// calledOff is called by the session before it sends a command that is no COMMIT, and no
// ROLLBACK, which its client takes to be done whatever it is told. It reports whether the command
// was struck before: then nothing of it is to be run. A strike that is on its way lands first.
func (k *strikes) calledOff() bool {
	if k.coming.Load() > 0 && k.made().turn.take(strikePatience) {
		<-k.made().turn
	}
	return k.isStruck()
}

// land counts a strike, and wakes the session if that waits.
func (k *strikes) land() {
	k.struck.Add(1)
	select {
	case k.made().call <- struct{}{}:
	default: // it is about to look
	}
}

// strike announces a KILL QUERY, and reports whether it may be sent. landed is to be
// called when it was answered, and says whether the member has accepted it. A strike
// that waits for its turn ends with ctx.
func (k *strikes) strike(ctx context.Context) (landed func(accepted bool), ok bool) {
	k.coming.Add(1)
	select {
	case k.made().turn <- struct{}{}:
	case <-ctx.Done():
		k.coming.Add(-1)
		return nil, false
	}
	landed = func(accepted bool) {
		if accepted {
			k.land()
		}
		k.coming.Add(-1) // first: who gets the turn is to find it over
		<-k.made().turn
	}
	if k.committing.Load() {
		landed(false)
		return nil, false
	}
	return landed, true
}

// end announces a KILL of the connection, as strike does one of what runs.
func (k *strikes) end(ctx context.Context) (landed func(accepted bool), ok bool) {
	k.ending.Add(1)
	select {
	case k.made().last <- struct{}{}:
	case <-ctx.Done():
		k.ending.Add(-1)
		return nil, false
	}
	return func(accepted bool) {
		if accepted {
			k.ended.Store(true)
		}
		k.ending.Add(-1)
		<-k.made().last
	}, true
}

// over reports, to the session, whether its link is lost since it was killed. A KILL
// that takes long to be answered counts.
func (k *strikes) over() bool {
	if k.ending.Load() > 0 && !k.ended.Load() {
		if !k.made().last.take(strikePatience) {
			return true
		}
		<-k.made().last
	}
	return k.ended.Load()
}

// take takes the turn, if it comes within d.
func (t turn) take(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case t <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}
