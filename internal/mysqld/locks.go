package mysqld

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Any account may hold a user-level lock of any name, those by which nodes keep each other apart
// too. What waits for one waits for a bounded time, and says who holds it (S92).

// lockHolder is who holds a user-level lock. The zero value: nobody.
type lockHolder struct {
	lock, user, host string
	id               uint64
	busy             time.Duration // for how long it has been at its statement, or idle
}

// String says who it is, and the way out.
func (h lockHolder) String() string {
	return fmt.Sprintf("connection %d (%s@%s) holds the lock %s, which is the nodes' own: end it there (KILL CONNECTION %d), and have its application take another name", h.id, h.user, h.host, h.lock, h.id)
}

// holder returns who holds a lock.
func (c *conn) holder(ctx context.Context, lock string) (lockHolder, error) {
	t, err := c.query(ctx, c.holderStatement(lock))
	if err != nil {
		return lockHolder{}, err
	}
	return readHolder(t, lock)
}

func (c *conn) holderStatement(lock string) string {
	list, busy := "performance_schema.processlist", "time*1000"
	if c.version.Flavour == topology.FlavourMariaDB {
		list, busy = "information_schema.processlist", "time_ms"
	}
	return "SELECT id, user, IFNULL(host,''), CAST(" + busy + " AS SIGNED) FROM " + list + " WHERE id=IS_USED_LOCK(" + quote(lock) + ")"
}

func readHolder(t table, lock string) (lockHolder, error) {
	if len(t.rows) == 0 {
		return lockHolder{}, nil
	}
	row := t.rows[0]
	id, err := strconv.ParseUint(row[0], 10, 64)
	ms, _ := strconv.ParseInt(row[3], 10, 64) // what is no number is no time: he may be at anything
	return lockHolder{lock: lock, id: id, user: row[1], host: row[2], busy: time.Duration(ms) * time.Millisecond}, err
}

// strangerFor is for how long somebody must have done nothing else than to hold the position's
// lock before the position is read beside him.
const strangerFor = 500 * time.Millisecond

// appliedBesides reads gtid_slave_pos while somebody who is no node holds the lock of it: while
// he does, nobody sets it. Before and after it is read he holds it, and has done nothing else in
// between. It returns who that is, or errBeingSet.
func appliedBesides(ctx context.Context, c *conn) (topology.Position, lockHolder, error) {
	who := c.holderStatement(topology.PositionLock)
	read, err := c.batch(ctx, who+"; SELECT @@global.gtid_slave_pos; "+who)
	if err != nil || len(read) != 3 || len(read[1].rows) != 1 {
		return nil, lockHolder{}, errors.Join(err, errBeingSet)
	}
	before, err := readHolder(read[0], topology.PositionLock)
	if err != nil {
		return nil, lockHolder{}, err
	}
	after, err := readHolder(read[2], topology.PositionLock)
	switch {
	case err != nil:
		return nil, lockHolder{}, err
	case before.id == 0 || slices.Contains(c.ours[:], before.user):
		return nil, lockHolder{}, errBeingSet
	case after.id != before.id || after.busy < strangerFor:
		return nil, before, errBeingSet
	}
	p, err := topology.ParsePosition(read[1].value())
	return p, after, err
}

// heldFor is how long what an action said of a lock that somebody holds is told with what is
// seen: it is tried again meanwhile.
const heldFor = 10 * time.Second

// noteHeld notes that an action found a lock of the nodes held.
func (m *Member) noteHeld(err error) {
	if isNumber(err, errLockHeld) || errors.Is(err, ErrHandsBusy) {
		m.held.Store(&troubled{err.Error(), time.Now()})
	}
}

// tellHeld says who holds a lock of the nodes, as far as that is known.
func (m *Member) tellHeld(o *topology.Observation) {
	if note := m.held.Load(); o.Held == "" && note != nil && time.Since(note.at) < heldFor {
		o.Held = note.why
	}
}
