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
	turn       chan struct{} // holds one token of whoever has a KILL on its way
	coming     atomic.Int32  // who has turn, or waits for it
	struck     atomic.Uint32 // that the member has accepted, ever
	committing atomic.Bool   // a COMMIT is under way
	before     uint32        // of struck, those at earlier commands; the session's own

	last   chan struct{} // holds one token of whoever has a KILL of the connection on its way
	ending atomic.Int32  // who has last, or waits for it
	ended  atomic.Bool   // the member has accepted one
}

// strikePatience is how long a session waits for a strike that is on its way.
const strikePatience = time.Second

func newStrikes() strikes {
	return strikes{turn: make(chan struct{}, 1), last: make(chan struct{}, 1)}
}

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
		if !takeTurn(k.turn, strikePatience) {
			return true
		}
		<-k.turn
	}
	return k.struck.Load() != k.before
}

// commit is called by the session before it sends a COMMIT, and done after it. A
// strike that is on its way lands first.
func (k *strikes) commit() (done func()) {
	k.committing.Store(true)
	if k.coming.Load() > 0 && takeTurn(k.turn, strikePatience) {
		k.before = k.struck.Load()
		<-k.turn
	}
	return func() { k.committing.Store(false) }
}

// strike announces a KILL QUERY, and reports whether it may be sent. landed is to be
// called when it was answered, and says whether the member has accepted it. A strike
// that waits for its turn ends with ctx.
func (k *strikes) strike(ctx context.Context) (landed func(accepted bool), ok bool) {
	k.coming.Add(1)
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		k.coming.Add(-1)
		return nil, false
	}
	landed = func(accepted bool) {
		if accepted {
			k.struck.Add(1)
		}
		<-k.turn
		k.coming.Add(-1)
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
	case k.last <- struct{}{}:
	case <-ctx.Done():
		k.ending.Add(-1)
		return nil, false
	}
	return func(accepted bool) {
		if accepted {
			k.ended.Store(true)
		}
		<-k.last
		k.ending.Add(-1)
	}, true
}

// over reports, to the session, whether its link is lost since it was killed. A KILL
// that takes long to be answered counts.
func (k *strikes) over() bool {
	if k.ending.Load() > 0 && !k.ended.Load() {
		if !takeTurn(k.last, strikePatience) {
			return true
		}
		<-k.last
	}
	return k.ended.Load()
}

// takeTurn takes a turn, if it comes within d.
func takeTurn(turn chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case turn <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}
