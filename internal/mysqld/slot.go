package mysqld

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// A layout that changes while applications work. A server copies it into a session when
// that begins, and MariaDB shows a session's to nobody else: what a session counts by is
// told by its age alone. So the server's memory holds, beside the layout, the id of a
// connection that was begun after it was set: whoever has a lower one may be from before.

// The names of the key caches that carry that: the stride that was set, and the id in two
// parts. The second part is set last, and begins at 2: 0 is none, and 1 stands for one
// that is being set.
const (
	slotStrideCache = "sqlring_slot_stride"
	slotLowCache    = "sqlring_slot_low"
	slotHighCache   = "sqlring_slot_high"

	slotLow    = 1_000_000 // the first part is the id modulo this, and 1
	slotUnset  = 1
	slotOffset = 2
)

// slotNumbers are the columns that [readRenewal] reads, slotState those and hasSlots.
const (
	slotNumbers = `@@global.sqlring_slot_stride.key_cache_age_threshold, @@global.sqlring_slot_low.key_cache_age_threshold,
		@@global.sqlring_slot_high.key_cache_age_threshold`
	slotState = slotNumbers + ", " + hasSlots
)

// slotBelow is that id in SQL; 0 or less if there is none.
const slotBelow = `((CAST(@@global.sqlring_slot_high.key_cache_age_threshold AS SIGNED) DIV 100 - 2) * 1000000
		+ CAST(@@global.sqlring_slot_low.key_cache_age_threshold AS SIGNED) DIV 100 - 1)`

// appsCount counts the connections of applications in one look: all, the lowest and the
// highest id, those at work; and of all, those that log in among them, those from before
// the layout was set.
const appsCount = `SELECT COALESCE(SUM(user<>'unauthenticated user'), 0), COALESCE(MIN(IF(user<>'unauthenticated user', id, NULL)), 0),
		COALESCE(MAX(IF(user<>'unauthenticated user', id, NULL)), 0), COALESCE(SUM(user<>'unauthenticated user' AND command<>'Sleep'), 0),
		COALESCE(SUM(id < ` + slotBelow + `), 0) `

// readApps reads the row of appsCount.
func readApps(t table, o *topology.Observation) error {
	if len(t.rows) != 1 {
		return errors.New("the server does not count the connections of applications")
	}
	r := fieldReader{row: t.rows[0]}
	o.Apps, o.AppsFrom, o.AppsTo, o.Busy, o.Renewed.Older = int(r.number()), r.number(), r.number(), int(r.number()), int(r.number())
	if r.err != nil {
		return fmt.Errorf("connections of applications: %w", r.err)
	}
	return nil
}

// readRenewal reads the columns of slotNumbers.
func readRenewal(r *fieldReader) topology.Renewal {
	stride, low, high := r.number()/cacheUnit, r.number()/cacheUnit, r.number()/cacheUnit
	if high < slotOffset || low == 0 {
		return topology.Renewal{}
	}
	return topology.Renewal{Stride: int(stride), Below: (high-slotOffset)*slotLow + low - 1}
}

func lacksSlot(o topology.Observation, a topology.Action) string {
	switch {
	case o.Layout != a.Layout:
		return fmt.Sprintf("auto_increment is %s, not %s", o.Layout, a.Layout)
	case o.Renewed.Stride != a.Layout.Stride || o.Renewed.Below == 0:
		return "which connections are from before is not noted"
	}
	return ""
}

// refuseSlot refuses a layout that could meet another member's, as far as the server's own
// one tells.
func refuseSlot(o topology.Observation, a topology.Action) string {
	if err := a.Layout.Validate(); err != nil {
		return err.Error()
	}
	if why := identified(o, a); why != "" {
		return why
	}
	if !a.Layout.Within(o.Layout) && !o.Layout.Within(a.Layout) {
		return fmt.Sprintf("auto_increment is %s, of which %s is neither a part nor the whole: it has to be closed first", o.Layout, a.Layout)
	}
	return ""
}

// runSlot sets the layout, and then notes an id that was given out after that. The number
// of a thread is given out before its session copies the variables, so a higher one is of
// a session that has the new ones.
func runSlot(ctx context.Context, w work, _ topology.Observation, a topology.Action) error {
	if err := w.execute(ctx, setCache(slotHighCache, slotUnset)); err != nil {
		return fmt.Errorf("forget which connections are from before: %w", err)
	}
	if err := w.execute(ctx, setLayout(w.version.Flavour, a.Layout)); err != nil {
		return fmt.Errorf("set slot: %w", err)
	}
	probe, err := w.member.connect(ctx, forProbe)
	if err != nil {
		return err
	}
	id := probe.id
	probe.close()
	for _, set := range []string{
		setCache(slotStrideCache, uint64(a.Layout.Stride)),
		setCache(slotLowCache, id%slotLow+1), setCache(slotHighCache, id/slotLow+slotOffset),
	} {
		if err := w.execute(ctx, set); err != nil {
			return fmt.Errorf("note which connections are from before: %w", err)
		}
	}
	return nil
}

// setLayout returns the statement that gives l to whoever connects.
func setLayout(flavour topology.Flavour, l autoinc.Layout) string {
	scope := "GLOBAL"
	if flavour == topology.FlavourMySQL {
		scope = "PERSIST"
	}
	return fmt.Sprintf("SET %s auto_increment_increment=%d, auto_increment_offset=%d", scope, l.Stride, l.Offset)
}

func refuseEndOlder(o topology.Observation, a topology.Action) string {
	if a.Below == 0 {
		return "it is not said which connections are meant"
	}
	return stranger(o, a)
}

func runEndOlder(ctx context.Context, w work, _ topology.Observation, a topology.Action) error {
	return endBelow(ctx, w, a.Below, 0)
}

// isIdle is whether a connection does nothing and has no transaction.
const isIdle = "command='Sleep' AND id NOT IN (SELECT trx_mysql_thread_id FROM information_schema.innodb_trx)"

// endBelow ends the connections of applications with an id less than below, those that are
// still logging in among them, and sees them gone. Those that are at work have patience to
// end what they do.
func endBelow(ctx context.Context, w work, below uint64, patience time.Duration) error {
	left, began := "", time.Now()
	gone, err := until(ctx, patience+expelWait, func() (bool, error) {
		t, err := w.query(ctx, "SELECT id, "+isIdle+" "+w.connectedCondition()+" AND id < ? ORDER BY id", w.ours[0], w.ours[1], below)
		if err != nil {
			return false, err
		}
		for _, row := range t.rows {
			left = row[0]
			if row[1] != "1" && time.Since(began) < patience {
				continue // at work, or within a transaction: that may end first
			}
			if err := w.execute(ctx, "KILL CONNECTION "+row[0]); err != nil && !isNumber(err, errNoSuchThread) {
				return false, fmt.Errorf("end connection %s: %w", row[0], err)
			}
		}
		return len(t.rows) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("end the connections of before: %w", err)
	}
	if !gone {
		return fmt.Errorf("%w: connection %s is still there after %v", ErrNotVerified, left, patience+expelWait)
	}
	return nil
}
