package mysqld

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// The member's own copy of the table of slots: sqlring.slots has a row for each member and
// each that has left, sqlring.layout one row about the ring. They are written on each
// member by itself, in one transaction that is not logged: what is not replicated stops no
// applier where a table is missing, waits for no acknowledgement, and gets no GTID (S61).

// slotTables makes them. All text is ASCII: names, numbers, positions.
const slotTables = `CREATE TABLE IF NOT EXISTS sqlring.layout (
		only TINYINT NOT NULL PRIMARY KEY,
		ring VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
		stride INT UNSIGNED NOT NULL,
		next_identity INT UNSIGNED NOT NULL,
		sum BIGINT UNSIGNED NOT NULL,
		written DATETIME NOT NULL) ENGINE=InnoDB;
	CREATE TABLE IF NOT EXISTS sqlring.slots (
		identity INT UNSIGNED NOT NULL PRIMARY KEY,
		member VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
		slot INT UNSIGNED NOT NULL,
		stride INT UNSIGNED NOT NULL,
		state VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
		retired TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
		unread TINYINT NOT NULL,
		last_gtid TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
		left_at VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL) ENGINE=InnoDB`

// What a probe asks: whether there is a copy, as a part of its first round trip, and then
// which one.
const (
	hasSlots        = "(SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='sqlring' AND table_name='layout')"
	layoutStatement = "SELECT ring, stride, next_identity, sum FROM sqlring.layout"
	slotsStatement  = "SELECT identity, member, slot, stride, state, retired, unread, last_gtid, left_at FROM sqlring.slots ORDER BY identity"
)

// The words of the column state.
const (
	slotOfMember = "member"
	slotThatLeft = "left"
)

// readLayout reads the answer to layoutStatement.
func readLayout(t table) (topology.SlotsSeen, error) {
	seen := topology.SlotsSeen{Looked: true}
	if len(t.rows) == 0 {
		return seen, nil // emptied by somebody: it is written anew
	}
	r := fieldReader{row: t.rows[0]}
	seen.Ring, seen.Stride, seen.Next, seen.Sum = r.next(), int(r.number()), uint32(r.number()), r.number()
	if r.err != nil {
		return topology.SlotsSeen{}, fmt.Errorf("sqlring.layout: %w", r.err)
	}
	return seen, nil
}

func lacksSlots(o topology.Observation, a topology.Action) string {
	if o.Slots.Sum != a.Slots.Sum() {
		return "its table of slots is not the one that is meant"
	}
	return ""
}

func refuseSlots(o topology.Observation, a topology.Action) string {
	if !o.HasRing {
		return "it has no schema sqlring"
	}
	if why := a.Slots.Strange(o.Slots); why != "" {
		return why
	}
	return stranger(o, a)
}

// slotsPatience bounds the wait for rows that somebody has locked.
const slotsPatience = 1 // s

func runSlots(ctx context.Context, w work, _ topology.Observation, a topology.Action) error {
	if err := writeSlots(ctx, w.conn, a.Slots); err != nil {
		return fmt.Errorf("write sqlring.slots: %w", err)
	}
	return nil
}

// noteSlots notes why the copy could not be written, wherever that failed: what is not
// noted is tried again at the next tick. Who gives it up for something more urgent, or no
// longer leads, has found no trouble there.
func (m *Member) noteSlots(ctx context.Context, err error) {
	switch {
	case err == nil:
		m.slots.Store(nil)
	case !errors.Is(ctx.Err(), context.Canceled) && !errors.Is(err, ErrDeposed):
		m.slots.Store(&troubled{err.Error(), time.Now()})
	}
}

// writeSlots leaves the hands as it found them: what they do else may wait for a row as
// long as the server has it.
func writeSlots(ctx context.Context, c *conn, t topology.SlotTable) (err error) {
	if err := c.execute(ctx, slotTables); err != nil {
		return err
	}
	if err := c.execute(ctx, fmt.Sprintf("SET SESSION innodb_lock_wait_timeout=%d", slotsPatience)); err != nil {
		return err
	}
	defer func() {
		if !c.broken {
			err = errors.Join(err, c.execute(ctx, "SET SESSION innodb_lock_wait_timeout=DEFAULT"))
		}
	}()
	text := "START TRANSACTION; DELETE FROM sqlring.slots"
	for i, l := range t.Slots {
		head := ","
		if i == 0 {
			head = "; INSERT INTO sqlring.slots VALUES "
		}
		text += head + slotRow(l)
	}
	text += fmt.Sprintf("; REPLACE INTO sqlring.layout VALUES (1,%s,%d,%d,%d,UTC_TIMESTAMP()); COMMIT", quote(t.Ring), t.Stride, t.Next, t.Sum())
	err = c.execute(ctx, text)
	if err != nil && !c.broken {
		err = errors.Join(err, c.execute(ctx, "ROLLBACK"))
	}
	return err
}

func slotRow(l topology.SlotLine) string {
	state, left, unread := slotOfMember, "", 0
	if l.Left {
		state, left = slotThatLeft, l.At.UTC().Format(time.RFC3339)
	}
	if l.Unread {
		unread = 1
	}
	retired := make([]string, 0, len(l.Retired))
	for _, id := range l.Retired {
		retired = append(retired, strconv.FormatUint(uint64(id), 10))
	}
	return fmt.Sprintf("(%d,%s,%d,%d,%s,%s,%d,%s,%s)", l.Identity, quote(string(l.Member)), l.Layout.Offset, l.Layout.Stride,
		quote(state), quote(strings.Join(retired, ",")), unread, quote(l.Last), quote(left))
}

// SlotTable reads the member's copy of the table of slots, over a connection of its own.
// The zero table: there is none. It returns an error if what is there can not be read.
func (m *Member) SlotTable(ctx context.Context) (topology.SlotTable, error) {
	var found topology.SlotTable
	err := m.asking(ctx, "read the table of slots of", func(ctx context.Context, c *conn) error {
		results, err := c.batch(ctx, layoutStatement+"; "+slotsStatement)
		if isNumber(err, errNoSuchTable, errUnknownSchema) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(results) != 2 {
			return fmt.Errorf("the server answered %d results", len(results))
		}
		found, err = readSlots(results[0], results[1])
		return err
	})
	return found, err
}

func readSlots(layout, slots table) (topology.SlotTable, error) {
	seen, err := readLayout(layout)
	if err != nil {
		return topology.SlotTable{}, err
	}
	t := topology.SlotTable{Ring: seen.Ring, Stride: seen.Stride, Next: seen.Next}
	for _, row := range slots.rows {
		r := fieldReader{row: row}
		l := topology.SlotLine{Identity: uint32(r.number()), Member: topology.MemberID(r.next())}
		l.Layout = autoinc.Layout{Offset: int(r.number()), Stride: int(r.number())}
		l.Left = r.next() == slotThatLeft
		retired := r.next()
		l.Unread, l.Last = r.flag(), r.next()
		left := r.next()
		for id := range strings.SplitSeq(retired, ",") {
			if n, err := strconv.ParseUint(id, 10, 32); err == nil {
				l.Retired = append(l.Retired, uint32(n))
			} else if retired != "" {
				r.err = errors.Join(r.err, fmt.Errorf("retired identity %q: %w", id, err))
			}
		}
		if left != "" {
			at, err := time.Parse(time.RFC3339, left)
			l.At, r.err = at, errors.Join(r.err, err)
		}
		if r.err != nil {
			return topology.SlotTable{}, fmt.Errorf("sqlring.slots, identity %d: %w", l.Identity, r.err)
		}
		t.Slots = append(t.Slots, l)
	}
	return t, nil
}

// SlotTable reads m's copy of the table of slots: see [Member.SlotTable].
func (f *Fleet) SlotTable(ctx context.Context, m topology.Member) (topology.SlotTable, error) {
	return f.Member(m).SlotTable(ctx)
}

// observeBeats reads the heartbeats of all, and which copy of the table of slots there
// is. What has been dropped since the first round trip is not there.
func observeBeats(ctx context.Context, c *conn, o *topology.Observation, hasLayout bool) error {
	statements := beatsStatement
	if hasLayout {
		statements += "; " + layoutStatement
	}
	results, err := c.batch(ctx, statements)
	if hasLayout && isNumber(err, errNoSuchTable) { // the heartbeats may be there still
		hasLayout = false
		results, err = c.batch(ctx, beatsStatement)
	}
	switch {
	case isNumber(err, errNoSuchTable, errUnknownSchema):
		o.HasRing = false
		return nil
	case err != nil:
		return err
	case len(results) == 0 || hasLayout && len(results) < 2:
		return fmt.Errorf("the server answered %d results about sqlring's schema", len(results))
	}
	if o.Beats, err = readBeats(results[0]); err != nil {
		return err
	}
	o.Slots = topology.SlotsSeen{Looked: true}
	if hasLayout {
		if o.Slots, err = readLayout(results[1]); err != nil {
			return err
		}
	}
	return nil
}

// slotTrouble says of o why the copy could not be written.
func (m *Member) slotTrouble(o *topology.Observation) {
	if trouble := m.slots.Load(); trouble != nil {
		o.Slots.Trouble, o.Slots.TroubleAt = trouble.why, trouble.at
	}
}
