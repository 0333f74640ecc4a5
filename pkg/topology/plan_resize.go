package topology

import "time"

// The steps of operation resize, in order. Whatever else begins suspends it; upkeep
// resumes it at switch, where what was reached is found done. Two members never meet on
// the way: what a member gives out by the later stride is a part of what it gave out by
// the earlier. What could meet is a slot above the earlier stride and a session that
// still counts by that; so these slots are given away only after the end (S39).
const (
	ResizeSwitch Cursor = "switch" // each member gives the later stride to whoever connects
	ResizeSweep  Cursor = "sweep"  // no session from before that is left, on any member
	ResizeMark   Cursor = "mark"   // what the members have then
	ResizeSettle Cursor = "settle" // each member has all of that
)

func resizeCursors() []Cursor { return []Cursor{ResizeSwitch, ResizeSweep, ResizeMark, ResizeSettle} }

func nextResize(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	// The ring comes first: whatever it needs, this gives way to it.
	step := upkeep(s, o, now)
	if step.Kind == StepDo || step.Kind == StepCommit || waitsForWord(s, step, o, now) {
		return step
	}
	if why := s.notResizable(); why != "" {
		return wait("%s", why)
	}
	r := resizing{s: s, op: op, o: o, now: now}
	for _, m := range r.members() {
		seen, good := o.Good(m.ID, now)
		switch {
		case !good:
			return unheard(m.ID, seen, now)
		case seen.Boot != m.Boot:
			return wait("member %s was restarted", m.ID)
		}
	}
	switch op.Cursor {
	case ResizeSwitch:
		return r.switchOver()
	case ResizeSweep:
		return r.sweep()
	case ResizeMark:
		return r.mark()
	case ResizeSettle:
		return r.settle()
	}
	return stuck("operation %s stands at %q, which is not a step of resize", op.ID, op.Cursor)
}

// resizing is what the steps look at.
type resizing struct {
	s   *Snapshot
	op  Operation
	o   Observations
	now time.Time
}

// members are those of the ring: first those that own nothing, where nobody writes.
func (r resizing) members() []Member {
	var members []Member
	for _, owns := range []bool{false, true} {
		for _, m := range r.s.Members {
			if m.State == MemberActive && r.s.Owns(m.ID) == owns {
				members = append(members, m)
			}
		}
	}
	return members
}

// renewed reports whether a member gives the later stride to whoever connects, and says
// which connections are from before that.
func (r resizing) renewed(m Member) bool {
	seen, _ := r.o.Of(m.ID)
	target, _ := r.s.target(m)
	return seen.Layout == target && seen.Renewed.Stride == target.Stride && seen.Renewed.Below > 0
}

// switchOver has the server first, then what is meant for it: a proxy takes a session that
// counts by less than is meant, and need not set anything then.
func (r resizing) switchOver() Step {
	for _, m := range r.members() {
		target, _ := r.s.target(m)
		if !r.renewed(m) {
			return do(m.ID, Action{Kind: ActSlot, Identity: m.Identity, Layout: target}, "who connects to it from now on counts by %s, a part of what it gave out before", target)
		}
		if m.Stride != target.Stride {
			return commit(SwitchMember{Operation: r.op.ID, Member: m.ID}, "its server gives out %s", target)
		}
	}
	return advance(r.op, ResizeSweep, "every member gives stride %d to whoever connects", r.s.Ring.Resize.To)
}

// sweep waits for the sessions from before, and ends them when the grace is over. What it
// finds out again after a restart is no loss: then there are none.
func (r resizing) sweep() Step {
	left := r.op.Grace - r.now.Sub(r.s.Ring.Resize.Switched)
	for _, m := range r.members() {
		seen, _ := r.o.Of(m.ID)
		switch {
		case !r.renewed(m) || m.Stride != r.s.Ring.Resize.To:
			return commit(SwitchAgain{Operation: r.op.ID}, "member %s was restarted, or has come back", m.ID)
		case !seen.Asked.After(r.op.Moved):
			return wait("the sessions of %s were not counted since", m.ID)
		case seen.Renewed.Older > 0 && left > 0:
			return wait("%d connections to %s still count by stride %d; they are ended in %s", seen.Renewed.Older, m.ID, r.s.Ring.Stride, left.Round(time.Second))
		case seen.Renewed.Older > 0:
			return do(m.ID, Action{Kind: ActEndOlder, Identity: m.Identity, Below: seen.Renewed.Below}, "%d connections still count by stride %d", seen.Renewed.Older, r.s.Ring.Stride)
		}
	}
	return advance(r.op, ResizeMark, "no session of stride %d is left on any member", r.s.Ring.Stride)
}

// mark notes what the members have now: all that was given out by the earlier stride is in
// that.
func (r resizing) mark() Step {
	var mark Position
	for _, m := range r.members() {
		seen, _ := r.o.Of(m.ID)
		if !seen.Asked.After(r.op.Moved) {
			return wait("the position of %s was not read since", m.ID)
		}
		mark = mark.Union(seen.Position())
	}
	return commit(MarkResize{Operation: r.op.ID, Mark: mark}, "no session that could add to it by stride %d is left", r.s.Ring.Stride)
}

// settle waits until every member has all of it: whoever joins by one of the new slots gets
// his data from one of them, and goes on above it.
func (r resizing) settle() Step {
	for _, m := range r.members() {
		seen, _ := r.o.Of(m.ID)
		if missing := seen.Position().Missing(r.op.Mark); len(missing) > 0 {
			return wait("%s catches up: %d transactions to go", m.ID, seen.Position().Behind(r.op.Mark))
		}
	}
	return commit(EndResize{Operation: r.op.ID}, "every member has what was given out by stride %d", r.s.Ring.Stride)
}

// resumeResize goes on with a resize that has given way; ok is false if there is none.
func resumeResize(s *Snapshot) (Step, bool) {
	if s.Ring.Resize == nil {
		return Step{}, false
	}
	if why := s.notResizable(); why != "" {
		return wait("the resize to stride %d goes on later: %s", s.Ring.Resize.To, why), true
	}
	return commit(ResumeResize{To: s.Ring.Resize.To}, "nothing else is under way"), true
}
