package mysqld

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Member is a handle on one server. Make it with New; Close it when its calls
// have returned. Its methods are safe for concurrent use; calls of one purpose
// wait for each other, calls of different purposes do not.
type Member struct {
	cfg  Config
	id   topology.MemberID
	addr string

	probe lane
	beats lane
	hands lane

	waiting uint64 // connection of a heartbeat that was given up; guarded by beats

	term      atomic.Uint64
	tail      atomic.Pointer[topology.Tail]
	tailFails atomic.Int32                    // in a row
	last      atomic.Pointer[topology.Replay] // the last replay
	copy      copier

	events atomic.Pointer[troubled] // nil: what was ordered last was done
	slots  atomic.Pointer[troubled] // the same, of the table of slots
	held   atomic.Pointer[troubled] // who held a lock of the nodes when an action wanted it last
}

// New returns a handle on the member at addr (host:port). It opens no
// connection and starts no goroutine.
func New(cfg Config, id topology.MemberID, addr string) *Member {
	return &Member{
		cfg: cfg.withDefaults(), id: id, addr: addr,
		probe: newLane(), beats: newLane(), hands: newLane(),
	}
}

// Lead says in which term actions are done from now on: a number that rises with
// every change of the leader. The zero term is refused by a member that has seen
// any other. The hands of an earlier term are let go.
func (m *Member) Lead(term uint64) { m.term.Store(term) }

// Close ends the connections. The hands are free after it.
func (m *Member) Close() {
	m.StopCopy()
	for _, l := range []*lane{&m.probe, &m.beats, &m.hands} {
		if l.enter(context.Background()) == nil {
			l.drop()
			l.leave()
		}
	}
}

// Accounts returns the accounts of the member, over a connection of its own. It
// returns when ctx ends, or after Config.Act.
func (m *Member) Accounts(ctx context.Context) ([]topology.Account, error) {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.Act)
	defer cancel()
	c, err := m.connect(ctx, forProbe)
	if err != nil {
		return nil, fmt.Errorf("read accounts of %s: %w", m.id, err)
	}
	defer c.close()
	list, err := c.dialect.accounts(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("read accounts of %s: %w", m.id, err)
	}
	return list, nil
}

// lane is one purpose's connection, and the turn to use it.
type lane struct {
	turn chan struct{} // holds one token while nobody uses the connection
	conn *conn         // nil: none, or the last one broke
	term uint64        // hands: in whose name the connection was taken
}

func newLane() lane {
	l := lane{turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// enter waits for the turn.
func (l *lane) enter(ctx context.Context) error {
	select {
	case <-l.turn:
		return nil
	default:
	}
	select {
	case <-l.turn:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the call before it has not returned: %w", ctx.Err())
	}
}

// leave passes the turn on; a broken connection is dropped.
func (l *lane) leave() {
	if l.conn != nil && l.conn.broken {
		l.drop()
	}
	l.turn <- struct{}{}
}

func (l *lane) drop() {
	if l.conn != nil {
		l.conn.close()
		l.conn = nil
	}
}
