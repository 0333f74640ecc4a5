package proxy

import (
	"net"
	"time"
)

// lookAfterClients is called at every tick, from the watch's goroutine. It finds
// sessions whose client has gone while they are at work for it, and idle sessions
// whose link was closed by the member, and wakes them. It looks at sockets with
// calls that do not block; a session that is busy costs a look only if it has
// been at work on the same command since the tick before.
func (p *Proxy) lookAfterClients(sessions []*session) {
	now := time.Now().UnixNano()
	for _, s := range sessions {
		phase := s.phase.Load()
		same := phase == s.looked.Load()
		if waits := s.waitsHere(phase); !same || waits != s.seenWaiting() {
			s.seesWaiting(waits)
			s.lookedAt.Store(now)
			s.looked.Store(phase)
		}
		if !same || phase == 0 { // 0: not logged in; that has a deadline of its own
			continue
		}
		if phase&1 == 1 {
			if s.eye.Load()&(eyeWatched|eyeClosed) != eyeWatched {
				s.lookForHangup()
			}
			continue
		}
		if l := s.atMember.Load(); l != nil && l.stale() {
			s.wakeForStale(l)
		}
	}
}

// What is known of whether the client is still there, and what the watch has seen besides (session.eye).
const (
	eyeWatched    = 1 << iota // hangups tells when it closes its side
	eyeClosed                 // it has done so: what it sent may be read still
	eyeWaits                  // its command waits at a gate, or for a lane
	eyeGone                   // nobody is there
	eyeOverstayed             // a rule of the DBA has ended its idle transaction
	eyeWaited                 // of its command: at the watch's last look that waited, or was on its way to a member
)

// seenWaiting reports whether the session's command waited when the watch looked last.
func (s *session) seenWaiting() bool { return s.eye.Load()&eyeWaited != 0 }

func (s *session) seesWaiting(waits bool) {
	if waits {
		s.eye.Or(eyeWaited)
	} else {
		s.eye.And(^uint32(eyeWaited))
	}
}

// lookForHangup ends the session if its client has gone for good.
func (s *session) lookForHangup() {
	if _, gone := s.client.peek(); gone || hungUp(s.conn) {
		s.hangsUp()
	}
}

// hungUp reports whether the client has gone for good, behind something that was not
// read yet: its connection was reset, or what is left is its COM_QUIT. One that has
// sent commands ahead, and then closed, may want them to be run.
func hungUp(conn net.Conn) (gone bool) {
	const quit = "\x01\x00\x00\x00\x01"
	raw := rawOf(conn)
	if raw == nil {
		return false
	}
	err := raw.Control(func(fd uintptr) { gone = sysHungUp(fd, quit) })
	return gone || err != nil
}

// wakeForStale tells an idle session that its link was closed, unless it has
// begun with a command or has another link meanwhile.
func (s *session) wakeForStale(l *link) {
	if s.phase.Load()&1 == 1 || s.atMember.Load() != l || s.staled.Swap(true) {
		return
	}
	_ = s.conn.SetReadDeadline(time.Unix(1, 0))
}

// hangsUp ends a session whose client has gone, and counts it once: a session that ends may
// be looked at again.
func (s *session) hangsUp() {
	s.eye.Or(eyeGone)
	if !s.interrupted.Load() {
		s.p.count.hungUp.Add(1)
	}
	s.interrupt()
}

// interrupt wakes the session wherever it waits, to end. It may be called by
// anybody.
func (s *session) interrupt() {
	s.interrupted.Store(true)
	s.ctx.end()
	_ = s.conn.SetDeadline(time.Unix(1, 0))
	if l := s.atMember.Load(); l != nil {
		l.cut()
	}
}
