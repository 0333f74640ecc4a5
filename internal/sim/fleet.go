package sim

import (
	"context"
	"errors"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Deadlines of the hands, as the real ones have them.
const (
	actionLimit = 5 * time.Second
	seizeLimit  = 2 * time.Second
)

var errGone = errors.New("this node's leadership has ended")

// fleet executes actions for one leadership: each as a row of statements on the
// one connection that holds the member's hands.
type fleet struct {
	w     *World
	n     *node
	term  uint64
	over  bool // the leadership has ended: Execute returns at once
	dead  bool // the process has ended: no further statement is sent
	hands map[topology.MemberID]*conn
	tails map[topology.MemberID]*topology.Tail

	copies  map[topology.MemberID]*copyJob
	replays map[topology.MemberID]*topology.Replay
}

func newFleet(w *World, n *node) *fleet {
	w.log.term++
	return &fleet{w: w, n: n, term: w.log.term, hands: map[topology.MemberID]*conn{}, tails: map[topology.MemberID]*topology.Tail{}, copies: map[topology.MemberID]*copyJob{}, replays: map[topology.MemberID]*topology.Replay{}}
}

// deed is an action on its way.
type deed struct {
	f     *fleet
	s     *server
	m     topology.Member
	a     topology.Action
	c     *conn
	ended bool
	err   error
}

// Execute implements controller.Fleet. Virtual time passes inside.
func (f *fleet) Execute(_ context.Context, m topology.Member, a topology.Action) error {
	s := f.w.serverAt(m.Addr)
	d := &deed{f: f, s: s, m: m, a: a}
	f.w.say(string(f.n.id), "do %s on %s", a, m.ID)
	f.n.after(actionLimit, func() { d.finish(errSilent) })
	f.n.seam(d.takeHands)
	f.w.runWhile(func() bool { return !d.ended && !f.over })
	if f.over {
		return errGone
	}
	if d.err != nil {
		f.w.say(string(f.n.id), "%s on %s: %s", a, m.ID, d.err)
	}
	return d.err
}

func (d *deed) finish(err error) {
	if d.ended {
		return
	}
	d.ended, d.err = true, err
	if err != nil && !errors.Is(err, errRule) && !errors.Is(err, errLockWait) {
		delete(d.f.hands, d.m.ID) // a connection that failed is thrown away
	}
}

// takeHands sees to it that the connection that acts is the only one that can.
func (d *deed) takeHands() {
	if c := d.f.hands[d.m.ID]; c != nil {
		d.c = c
		d.run(0)
		return
	}
	d.f.w.dial(d.f.n.host(), d.s, false, actionLimit, func(c *conn, err error) {
		if err != nil || d.ended || d.f.dead {
			d.finish(err)
			return
		}
		d.c = c
		c.call(seizeLimit, func(respond func(reply)) { d.s.seize(c, d.f.term, func(err error) { respond(reply{err: err}) }) }, func(r reply) {
			switch {
			case r.err == nil:
				d.f.hands[d.m.ID] = c
				d.run(0)
			case d.a.Kind == topology.ActDisarm && errors.Is(r.err, errSilent):
				d.run(0) // works from any connection
			default:
				d.finish(r.err)
			}
		})
	})
}

// run sends the statements from number i on.
func (d *deed) run(i int) {
	statements := d.statements()
	if d.ended && !d.f.over || d.f.dead {
		return
	}
	if i == len(statements) {
		d.finish(nil)
		return
	}
	fate := d.f.w.nemesis.between(d)
	d.f.n.seam(func() {})
	if fate.err != nil {
		d.finish(fate.err)
		return
	}
	d.f.n.after(fate.pause, func() {
		if d.f.dead {
			return
		}
		d.c.call(actionLimit, func(respond func(reply)) {
			statements[i](d, func(err error) { respond(reply{err: err}) })
		}, func(r reply) {
			if r.err == nil && fate.replyLost {
				r.err = errSilent
			}
			if r.err != nil {
				d.finish(r.err)
				return
			}
			d.run(i + 1)
		})
	})
}

// seize kills the connection that holds the hands and waits until it is gone.
func (s *server) seize(c *conn, term uint64, then func(error)) {
	if term < s.mem.term {
		then(errKilled)
		return
	}
	old := s.mem.hands
	if old != nil && old != c && !old.killed {
		s.killConn(old)
	}
	if old != nil && old != c && old.busy > 0 {
		s.local(2*time.Millisecond, func() {
			if !c.killed {
				s.seize(c, term, then)
			}
		})
		return
	}
	s.mem.hands, s.mem.term = c, term
	if s.mem.replayer != nil {
		s.seizeReplay(c, term, func(err error) { s.mem.replayer = nil; then(err) })
		return
	}
	then(nil)
}
