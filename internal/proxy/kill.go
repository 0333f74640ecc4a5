package proxy

import (
	"context"
	"strconv"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// threadAtMember translates a session's id, as its client knows it, to the
// connection id at the member that l leads to. Other numbers, and sessions that
// are elsewhere, are left as they are: the member says that it does not know them.
func (p *Proxy) threadAtMember(id uint32, l *link) uint32 {
	target := p.session(id)
	if target == nil {
		return id
	}
	at := target.atMember.Load()
	if at == nil || at.route.Member.Addr != l.route.Member.Addr {
		return id
	}
	return at.thread
}

// killByText passes a KILL with the number that the member knows. Whether the
// client may kill that session is for the member to say.
func (s *session) killByText(c command) error {
	text := c.payload()
	k, ok := balancer.ParseKill(text)
	if !ok || k.Thread > 1<<32-1 {
		return s.pass(c)
	}
	thread := s.p.threadAtMember(uint32(k.Thread), s.link)
	if uint64(thread) == k.Thread {
		return s.pass(c)
	}
	statement := append([]byte{byte(wire.ComQuery)}, text[:k.Start]...)
	statement = strconv.AppendUint(statement, uint64(thread), 10)
	statement = append(statement, text[k.End:]...)
	s.in.consume(len(c.packet))
	packet, _ := wire.AppendPacket(nil, 0, statement)
	c.packet, s.held = packet, 0
	s.p.count.queries.Add(1)
	s.delivered, s.midway, s.runs = false, true, maxRuns // no other member knows the thread
	s.response.Begin(c.code, s.caps, s)
	sent, err := s.link.stream.exchange(packet, &s.out)
	if err != nil {
		err = s.lost(c, sent, err)
	} else {
		err = s.answer(c)
	}
	s.midway = err != nil
	return err
}

// killStatement stops what runs on a link whose client has gone. Closing the
// connection would not: a server notices only when it has something to send.
//
// It kills the whole connection: that never makes a commit that waits for its
// replica answer OK to anybody.
func (p *Proxy) killStatement(l *link, as caller) {
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.BackendTimeout)
	defer cancel()
	_ = l.conn.SetDeadline(time.Unix(1, 0))
	other, err := p.dial(ctx, l.route, as, "")
	if err != nil {
		p.log.Warn("statement of a client that has gone could not be stopped",
			"member", string(l.route.Member.ID), "thread", l.thread, "error", err)
		return
	}
	defer other.close()
	err = other.within(ctx, p.cfg.BackendTimeout, func() error {
		if err := other.own.Send(wire.Query("KILL " + strconv.FormatUint(uint64(l.thread), 10))); err != nil {
			return err
		}
		_, _, err := other.own.Result(other.caps, setupBudget)
		return err
	})
	p.log.Debug("statement of a client that has gone was stopped",
		"member", string(l.route.Member.ID), "thread", l.thread, "error", err)
}
