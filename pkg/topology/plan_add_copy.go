package topology

import "time"

// prepare sets the server up and stamps it last.
func (a adding) prepare() Step {
	m := a.m
	if why := unprepared(a.s, m, a.seen); why != "" || !a.seen.ReadOnly {
		if why == "" {
			why = "it is open"
		}
		// Once a copy was begun its own mark says what it is worth: nothing is dropped here.
		action := prepareAction(a.s, m, m.Copy.From == "" && a.seen.ServerID != m.Identity)
		action.Full = action.Fresh && m.Copy.Discard
		return do(m.ID, action, "%s", why)
	}
	if a.seen.Boot != m.Boot {
		return do(m.ID, Action{Kind: ActStamp, Boot: m.Boot}, "what is filled is this process: another one would have to be prepared again")
	}
	if m.Copy.Done {
		return commit(Copied{Operation: a.op.ID, ID: m.Copy.ID, Position: m.Copy.Position, Sum: m.Copy.Sum}, "its copy of %s stands", m.Copy.From)
	}
	source := a.source()
	return commit(ChooseSource{Operation: a.op.ID, Source: source}, "%s is in the ring, and answers", source)
}

// source chooses whose data is copied: what was chosen before if that is still in
// the ring, else a member that owns nothing, the one before the new member first.
func (a adding) source() MemberID {
	if among(a.alive, a.m.Copy.From) {
		return a.m.Copy.From
	}
	for _, spared := range []bool{true, false} {
		for _, other := range append([]Member{a.upstream}, a.alive...) {
			if busy := a.s.Owns(other.ID) || a.s.Inherits(other.ID); busy != spared {
				return other.ID
			}
		}
	}
	return a.upstream.ID
}

// retryCopy is how long a copy that has failed is left alone at least; each failure
// in a row doubles it. After stuckAfter of them a person is asked.
const (
	retryCopy  = 2 * time.Second
	stuckAfter = 4
)

func (a adding) copy() Step {
	m, c := a.m, a.seen.Copy
	source, ok := a.s.Member(m.Copy.From)
	started := c != nil && c.ID == m.Copy.ID
	if (!started || c.State == CopyFailed) && (!ok || !among(a.alive, source.ID)) {
		next := a.source()
		return commit(ChooseSource{Operation: a.op.ID, Source: next}, "%s does not answer", m.Copy.From)
	}
	order := Action{Kind: ActCopy, Identity: m.Identity, Copy: CopyOrder{ID: m.Copy.ID, From: source.Addr, Name: source.ID, Lock: m.Copy.Lock}}
	switch {
	case !started:
		return do(m.ID, order, "it is prepared and closed")
	case c.State == CopyRunning && c.From != "" && c.From != m.Copy.From:
		return do(m.ID, order, "it is copied from %s, which may never end", c.From)
	case c.State == CopyRunning:
		return wait("%s is copied to %s: %s", m.Copy.From, m.ID, c)
	case c.State == CopyDone:
		if step, ok := a.within(); !ok {
			return step
		}
		return commit(Copied{Operation: a.op.ID, ID: c.ID, Position: c.Position, Sum: c.Sum}, "%s", c.Sum)
	}
	pause := retryCopy << min(max(c.Attempts-1, 0), 5)
	switch {
	case a.now.Sub(c.At) >= pause:
		return do(m.ID, order, "its last attempt failed: %s", c.Error)
	case c.Person || c.Attempts >= stuckAfter:
		return stuck("the copy of %s to %s has failed %d times: %s; mend that, it is tried again by itself; or give it up: sqlring operation abort %s", m.Copy.From, m.ID, c.Attempts, c.Error, a.op.ID)
	}
	return wait("the copy of %s to %s failed: %s; it is begun anew", m.Copy.From, m.ID, c.Error)
}
