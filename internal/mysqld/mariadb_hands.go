package mysqld

import (
	"context"
	"fmt"
	"strconv"
)

// handsWait bounds the wait for the lock: a killed holder lets go within 2 ms,
// unless it stands in a statement that cannot be ended.
const handsWait = 2 // s

// seize takes the lock of the hands. The holder's connection is killed, not its
// query: a statement that waits in its socket is then never run. But what the
// server was executing for it may still take effect, so the lock counts, not the
// KILL, and every action reads the state anew.
//
// The terms are compared under the lock, so the higher one stays in the server's
// memory whatever the order of two takers.
func (mariaDB) seize(ctx context.Context, c *conn, term uint64) error { return seize(ctx, c, term) }

// The locks by which one connection alone does something.
const (
	handsLock = "sqlring_hands"
	copyLock  = "sqlring_copy" // writes a copy into the member
)

// Who has the hands is the only one who replays there, too (S56): whoever does so in the
// name of an earlier leadership, or of an earlier connection, is ended.
func seize(ctx context.Context, c *conn, term uint64) error {
	if err := seizeLock(ctx, c, handsLock, term); err != nil {
		return err
	}
	held, err := c.query(ctx, "SELECT IFNULL(IS_USED_LOCK('"+replayLock+"'),0)")
	if err != nil || held.value() == "0" {
		return err
	}
	if err := seizeLock(ctx, c, replayLock, term); err != nil {
		return err
	}
	return c.execute(ctx, "DO RELEASE_LOCK('"+replayLock+"')")
}

func seizeLock(ctx context.Context, c *conn, lock string, term uint64) error {
	if term > cacheMax {
		return fmt.Errorf("term %d is above %d, the most that a member remembers", term, cacheMax)
	}
	held, err := c.query(ctx, "SELECT IFNULL(IS_USED_LOCK('"+lock+"'),0), @@global.sqlring_term.key_cache_age_threshold")
	if err != nil {
		return err
	}
	if err := checkTerm(held.rows[0][1], term); err != nil {
		return err
	}
	if holder := held.value(); holder != "0" {
		by, _ := c.holder(ctx, lock) // it is named only if it can not be ended
		if err := c.execute(ctx, "KILL CONNECTION "+holder); err != nil && !isNumber(err, errNoSuchThread) {
			if by.id == 0 {
				return fmt.Errorf("end connection %s, which holds %s: %w", holder, lock, err)
			}
			return fmt.Errorf("%w: %s: %w", ErrHandsBusy, by, err)
		}
	}
	got, err := c.query(ctx, fmt.Sprintf("SELECT GET_LOCK('%s', %d)", lock, handsWait))
	if err != nil {
		return err
	}
	if got.value() != "1" {
		if by, err := c.holder(ctx, lock); err == nil && by.id != 0 {
			return fmt.Errorf("%w: %s", ErrHandsBusy, by)
		}
		return fmt.Errorf("%w: connection %s", ErrHandsBusy, held.value())
	}
	// Somebody may have been faster between the first look and the lock.
	seen, err := c.query(ctx, "SELECT @@global.sqlring_term.key_cache_age_threshold")
	if err != nil {
		return err
	}
	if err := checkTerm(seen.value(), term); err != nil || seen.value() == strconv.FormatUint(term*cacheUnit, 10) {
		return err
	}
	return c.execute(ctx, setCache(termCache, term))
}

func checkTerm(stored string, term uint64) error {
	seen, err := strconv.ParseUint(stored, 10, 64)
	if err != nil {
		return fmt.Errorf("term of the hands: %w", err)
	}
	if seen/cacheUnit > term {
		return fmt.Errorf("%w: it acts in term %d, this node in %d", ErrDeposed, seen/cacheUnit, term)
	}
	return nil
}
