package proxy

import (
	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// showThreads has the result of the command under way speak of sessions by the ids
// that their clients were greeted with, where it speaks of connections in its first
// column.
func (s *session) showThreads(which balancer.Threads, prepared bool) {
	var to func(uint64) uint64
	switch which {
	case balancer.ThreadsNone:
		return
	case balancer.ThreadsOwn:
		to = func(thread uint64) uint64 {
			if l := s.link; l != nil && thread == uint64(l.thread) {
				return uint64(s.id)
			}
			return thread
		}
	case balancer.ThreadsAll:
		to = s.p.greeted(s.link)
	}
	s.renumber = &wire.Renumber{}
	s.renumber.Begin(prepared, s.caps, to)
}

// greeted returns a function from connection ids at the member of l to ids of
// sessions. Others' connections stay as they are.
func (p *Proxy) greeted(l *link) func(uint64) uint64 {
	ids := make(map[uint64]uint64)
	for _, s := range p.all() {
		if at := s.atMember.Load(); at != nil && at.route.Member.Addr == l.route.Member.Addr {
			ids[uint64(at.thread)] = uint64(s.id)
		}
	}
	return func(thread uint64) uint64 {
		if id, ok := ids[thread]; ok {
			return id
		}
		return thread
	}
}
