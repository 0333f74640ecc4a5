package proxy

import "runtime/debug"

// faulted is called when code of ours has panicked in the session. Nothing is believed of
// what it has in hand: its link is closed, not given to anybody else, whatever runs there
// is killed, and what it was about counts as done or not, as when a client's connection is
// lost. What is shared is guarded by locks that are held for a few plain statements, none
// of which can panic (docs/adr/0023). A panic in here ends the node.
func (s *session) faulted(why any) {
	s.p.count.faults.Add(1)
	s.p.log.Error("a fault in sqlring ended this session; please report it", "session", s.id, "user", s.as.login.User, "from", s.host(),
		"fault", why, "stack", string(debug.Stack()))
	s.leaveQueue()
	if s.link != nil {
		s.midway, s.mem.violated = true, true
	}
}
