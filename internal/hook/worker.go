package hook

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// The pauses between two attempts: the first, and the longest.
const (
	firstPause = 500 * time.Millisecond
	lastPause  = time.Minute
	// failingAfter is how many attempts in a row have to fail before a hook is said not
	// to work.
	failingAfter = 3
	// stuckFor is how long after its timeout an attempt may last before the hook is said
	// not to work.
	stuckFor = 5 * time.Second
	// lookAgain bounds how long a worker trusts that nothing is due.
	lookAgain = 10 * time.Second
)

// worker delivers to one hook. Its methods but status and alarms are of its own goroutine.
type worker struct {
	d    *Dispatcher
	spec Spec
	to   sender
	sent string // id of the message that was sent last: it is only noted again

	alarm chan topology.Message // of this node alone; capacity 1: the newest counts

	mu    sync.Mutex
	stats Status
	busy  time.Time // since when an attempt is under way; zero: none is
	bad   int       // attempts in a row that have failed
}

// Status is how a hook is. It has no secrets.
type Status struct {
	Name, Type, Target string
	Severity           topology.Urgency
	Match              []string
	Repeat             time.Duration
	Unresolved         bool

	Waiting   int    // notices that it is still to be told
	Delivered uint64 // messages, since the start of the node
	Failed    uint64 // attempts
	GivenUp   uint64 // messages
	Silenced  uint64 // messages

	LastAt       time.Time // of the last attempt that ended; zero: none did
	LastError    string    // empty: it worked
	Failing      bool
	FailingSince time.Time
}

func (w *worker) status() Status {
	w.mu.Lock()
	s, busy := w.stats, w.busy
	w.mu.Unlock()
	r := w.spec.Route
	s.Name, s.Type, s.Target, s.Severity, s.Match, s.Repeat, s.Unresolved = r.Hook, w.spec.Type, w.spec.target(), r.Least, w.spec.Match, r.Repeat, r.Unresolved
	if o := w.d.log.Snapshot().Outbox; o != nil {
		for _, p := range o.Pending {
			if r.Wants(p) {
				s.Waiting++
			}
		}
	}
	if !busy.IsZero() && time.Since(busy) > w.spec.Timeout+stuckFor {
		s.Failing, s.LastError = true, "an attempt does not end: its process can not be killed"
		s.FailingSince = busy
	}
	return s
}

// run delivers what is due, while this node leads, until ctx ends.
func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		scope, moved := w.d.leading()
		if scope == nil {
			select {
			case <-ctx.Done():
			case <-moved:
			}
			continue
		}
		both, cancel := context.WithCancel(scope)
		stop := context.AfterFunc(ctx, cancel)
		w.lead(both)
		stop()
		cancel()
		select { // the leadership is over, and that is not written down yet
		case <-ctx.Done():
		case <-moved:
		}
	}
}

// lead delivers until the leadership of scope ends.
func (w *worker) lead(scope context.Context) {
	for scope.Err() == nil {
		snap := w.d.log.Snapshot()
		m, later, due := snap.Outbox.Due(w.spec.Route, time.Now())
		if due {
			w.deliver(scope, m)
			continue
		}
		wait := lookAgain
		if !later.IsZero() {
			wait = min(wait, max(time.Until(later), time.Millisecond))
		}
		timer := time.NewTimer(wait)
		select {
		case <-scope.Done():
		case <-timer.C:
		case <-w.d.log.Changed(snap.Index):
		}
		timer.Stop()
	}
}

// deliver sends one message, unless it was sent already, and has raft note it.
func (w *worker) deliver(scope context.Context, m topology.Message) {
	if !m.Quiet && w.sent != m.ID {
		text := messageOf(w.d.ring(), w.d.cfg.Node, m)
		if !w.insist(scope, text, func() bool { return w.obsolete(text) }) {
			return
		}
		w.sent = m.ID
	}
	told := topology.Told{Hook: w.spec.Route.Hook, Seq: m.Notice.Seq, Repeats: m.Repeats, Silenced: m.Quiet}
	if err := w.d.mark(scope, topology.MarkTold{Told: []topology.Told{told}}); err != nil {
		w.d.cfg.Logger.Debug("a delivery is not noted yet", "hook", told.Hook, "error", err)
		pause(scope, firstPause)
		return
	}
	if m.Quiet {
		w.mu.Lock()
		w.stats.Silenced++
		w.mu.Unlock()
	}
}

// insist sends a message until that works, is given up, or it is obsolete. It returns
// false if scope ended before: the next leader sends it.
func (w *worker) insist(scope context.Context, m Message, obsolete func() bool) (done bool) {
	deadline, wait := time.Now().Add(w.spec.GiveUp), firstPause
	for {
		m.SentAt = time.Now().UTC()
		err := w.attempt(scope, m)
		switch {
		case err == nil:
			return true
		case scope.Err() != nil:
			return false
		}
		next := wait + time.Duration(rand.Int64N(int64(wait)/2)) //nolint:gosec // jitter
		var after laterError
		if errors.As(err, &after) {
			next = max(next, min(after.after, lastPause))
		}
		if errors.Is(err, errRefused) || time.Now().Add(next).After(deadline) {
			w.giveUp(m, err)
			return true
		}
		if !pause(scope, next) {
			return false
		}
		if obsolete() {
			return true
		}
		wait = min(2*wait, lastPause)
	}
}

// obsolete reports whether nobody has to be told any more: it was dropped, or told by
// another leader in between.
func (w *worker) obsolete(m Message) bool {
	o := w.d.log.Snapshot().Outbox
	if m.Repeat > 0 {
		st, stands := o.Stands(m.Topic.String() + "/" + m.Subject)
		return !stands || st.Notice.Seq != m.Seq
	}
	return !slices.ContainsFunc(o.Pending, func(p topology.Pending) bool { return p.Notice.Seq == m.Seq && w.spec.Route.Wants(p) })
}

func (w *worker) attempt(scope context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(scope, w.spec.Timeout)
	defer cancel()
	w.mu.Lock()
	w.busy = time.Now()
	w.mu.Unlock()
	err := w.to.Send(ctx, m)
	if err != nil && scope.Err() != nil {
		w.mu.Lock()
		w.busy = time.Time{}
		w.mu.Unlock()
		return err // nothing is said of the hook
	}
	w.note(m, err)
	return err
}

// note counts an attempt, and logs when a hook ceases to work, or works again.
func (w *worker) note(m Message, err error) {
	was, is := w.count(err)
	switch {
	case was && !is:
		w.d.cfg.Logger.Info("hook works again", "hook", w.spec.Route.Hook)
	case is && !was:
		w.d.cfg.Logger.Warn("hook does not work", "hook", w.spec.Route.Hook, "event", m.ID, "error", err)
	}
}

// count returns whether the hook was said not to work before, and is now.
func (w *worker) count(err error) (was, is bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.stats
	was = s.Failing
	w.busy, s.LastAt = time.Time{}, time.Now().UTC()
	if err == nil {
		s.Delivered++
		w.bad, s.LastError, s.Failing, s.FailingSince = 0, "", false, time.Time{}
		return was, false
	}
	s.Failed++
	w.bad++
	s.LastError = err.Error()
	s.Failing = was || w.bad >= failingAfter || errors.Is(err, errRefused)
	if s.Failing && !was {
		s.FailingSince = s.LastAt
	}
	return was, s.Failing
}

func (w *worker) giveUp(m Message, err error) {
	w.mu.Lock()
	w.stats.GivenUp++
	w.stats.Failing = true
	if w.stats.FailingSince.IsZero() {
		w.stats.FailingSince = time.Now().UTC()
	}
	w.mu.Unlock()
	w.d.cfg.Logger.Warn("an event is not told to a hook", "hook", w.spec.Route.Hook, "event", m.ID, "error", err)
}

// pause waits for d; false: ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
