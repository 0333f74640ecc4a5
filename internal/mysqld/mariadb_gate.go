package mysqld

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// The gate: open, close, stamp, expel.

func lacksOpen(o topology.Observation, a topology.Action) string {
	if o.ReadOnly {
		return "it is read-only"
	}
	return lacksStamp(o, a)
}

func refuseOpen(o topology.Observation, a topology.Action) string {
	if why := identified(o, a); why != "" {
		return why
	}
	if err := o.Layout.Validate(); err != nil {
		return err.Error()
	}
	if missing := o.Position().Missing(a.Regain); len(missing) > 0 {
		return fmt.Sprintf("it has lost its own transactions up to %s and not got them back: it would give their numbers out again", missing)
	}
	return refuseStamp(o, a)
}

// runOpen stamps last: a process that carries the token has been opened, or
// admitted, after everything else was verified.
func runOpen(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	if !o.HasRing && w.version.Flavour == topology.FlavourMySQL { // it is a member no more: its boots are its owner's
		if err := w.execute(ctx, "RESET PERSIST IF EXISTS read_only; RESET PERSIST IF EXISTS super_read_only; RESET PERSIST IF EXISTS skip_replica_start; RESET PERSIST IF EXISTS event_scheduler"); err != nil {
			return fmt.Errorf("let it boot open: %w", err)
		}
	}
	if o.ReadOnly {
		if err := setReadOnly(ctx, w, o, false); err != nil {
			return err
		}
	}
	return runStamp(ctx, w, o, a)
}

func lacksClose(o topology.Observation, _ topology.Action) string {
	if !o.ReadOnly {
		return "it is not read-only"
	}
	return ""
}

func runClose(ctx context.Context, w work, o topology.Observation, _ topology.Action) error {
	return setReadOnly(ctx, w, o, true)
}

// setReadOnly waits behind commits that wait for an acknowledgement, and every
// new commit queues behind it; the session's lock_wait_timeout ends that.
//
// The server forgets that read_only came from its config file as soon as it is
// set by SQL. Whether it would boot closed is then told by fileCache.
func setReadOnly(ctx context.Context, w work, o topology.Observation, on bool) error {
	if o.Settings.ReadOnlyInFile && w.version.Flavour == topology.FlavourMariaDB {
		if err := w.execute(ctx, setCache(fileCache, 1)); err != nil {
			return fmt.Errorf("note where read_only comes from: %w", err)
		}
	}
	mysql := w.version.Flavour == topology.FlavourMySQL
	value := 0
	if on {
		value = 1
	}
	if mysql && on {
		if err := switchScheduler(ctx, w.conn, "GLOBAL", false); err != nil {
			return err
		}
	}
	if err := w.execute(ctx, fmt.Sprintf("SET GLOBAL read_only=%d", value)); err != nil {
		return fmt.Errorf("set read_only=%d: %w", value, err)
	}
	if mysql && !on && !o.HasRing {
		return switchScheduler(ctx, w.conn, "GLOBAL", true) // in a ring, by ActEvents
	}
	return nil
}

func lacksStamp(o topology.Observation, a topology.Action) string {
	if o.Boot != a.Boot {
		return fmt.Sprintf("its boot token is %d, not %d", o.Boot, a.Boot)
	}
	return ""
}

func refuseStamp(_ topology.Observation, a topology.Action) string {
	if a.Boot == 0 || a.Boot > cacheMax {
		return fmt.Sprintf("boot token %d is not in 1..%d", a.Boot, uint64(cacheMax))
	}
	return ""
}

func runStamp(ctx context.Context, w work, _ topology.Observation, a topology.Action) error {
	if err := w.execute(ctx, setCache(bootCache, a.Boot)); err != nil {
		return fmt.Errorf("set boot token: %w", err)
	}
	return nil
}

// expelWait bounds the wait for killed connections to be gone. One that commits
// and waits for an acknowledgement may stay.
const expelWait = 2 * time.Second

func runExpel(ctx context.Context, w work, _ topology.Observation, a topology.Action) error {
	return expel(ctx, w, a.Below)
}

// appsCondition selects the connections of applications: all but sqlring's own,
// those of replication in both directions, and the server's. Its arguments are
// the two accounts of sqlring.
const appsCondition = connectedCondition + loggedIn

// connectedCondition selects those that are still logging in, too.
const (
	connectedCondition = `FROM information_schema.processlist
	WHERE user NOT IN (?, ?, 'system user', 'event_scheduler')
	AND command NOT IN ('Binlog Dump', 'Daemon', 'Slave_IO', 'Slave_SQL')`
	loggedIn = ` AND user<>'unauthenticated user'`
)

// appsCondition is that of the flavour. MySQL's list in information_schema holds a
// lock that every login and every end of a session waits for.
func (c *conn) appsCondition() string {
	if c.version.Flavour == topology.FlavourMySQL {
		return mysqlAppsCondition
	}
	return appsCondition
}

// connectedCondition is that of the flavour.
func (c *conn) connectedCondition() string {
	if c.version.Flavour == topology.FlavourMySQL {
		return mysqlConnectedCondition
	}
	return connectedCondition
}

// expel ends the connections of applications, or those up to an id, if it is not 0.
func expel(ctx context.Context, w work, below uint64) error {
	if below == 0 {
		below = math.MaxInt64
	}
	var left []string
	gone, err := until(ctx, expelWait, func() (bool, error) {
		t, err := w.query(ctx, "SELECT id "+w.appsCondition()+" AND id <= ? ORDER BY id", w.ours[0], w.ours[1], below)
		left = left[:0]
		for _, row := range t.rows {
			left = append(left, row[0])
			if err := w.execute(ctx, "KILL CONNECTION "+row[0]); err != nil && !isNumber(err, errNoSuchThread) {
				return false, fmt.Errorf("end connection %s: %w", row[0], err)
			}
		}
		return len(left) == 0, err
	})
	if err != nil {
		return fmt.Errorf("end the connections of applications: %w", err)
	}
	if !gone {
		return fmt.Errorf("%w: connections %s are still there after %v", ErrNotVerified, strings.Join(left, ", "), expelWait)
	}
	return nil
}
