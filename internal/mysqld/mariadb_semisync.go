package mysqld

import (
	"context"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// switchWait bounds the wait for semi-sync to be on or off once it was ordered:
// the state counts, not the reply.
const switchWait = time.Second

func lacksArm(o topology.Observation, _ topology.Action) string {
	s := o.SemiSync
	if s.Enabled && s.On && s.Ackers > 0 && o.Settings.EndlessWait && o.Settings.AfterSync {
		return ""
	}
	return fmt.Sprintf("semi-sync is enabled=%t on=%t with %d ackers", s.Enabled, s.On, s.Ackers)
}

// refuseArm knows this member only. Whether its acker is ahead, in which case it
// would never acknowledge, is the controller's to see.
func refuseArm(o topology.Observation, a topology.Action) string {
	if why := identified(o, a); why != "" {
		return why
	}
	switch {
	case o.SemiSync.Ackers == 0:
		return "no acker is connected: its commits would wait for ever"
	case !o.Settings.EndlessWait || !o.Settings.AfterSync:
		return "its semi-sync would give up by itself, or acknowledge too early: prepare it first"
	}
	return ""
}

func runArm(ctx context.Context, w work, _ topology.Observation, _ topology.Action) error {
	return switchSemiSync(ctx, w.conn, true)
}

func lacksDisarm(o topology.Observation, _ topology.Action) string {
	if o.SemiSync.Enabled || o.SemiSync.On {
		return fmt.Sprintf("semi-sync is enabled=%t on=%t", o.SemiSync.Enabled, o.SemiSync.On)
	}
	return ""
}

func runDisarm(ctx context.Context, w work, _ topology.Observation, _ topology.Action) error {
	return switchSemiSync(ctx, w.conn, false)
}

func (mariaDB) disarm(ctx context.Context, c *conn) error { return switchSemiSync(ctx, c, false) }

func switchSemiSync(ctx context.Context, c *conn, on bool) error {
	value, want := 0, "OFF"
	if on {
		value, want = 1, "ON"
	}
	name, status := "rpl_semi_sync_master_enabled", "SELECT variable_value FROM information_schema.global_status WHERE variable_name='RPL_SEMI_SYNC_MASTER_STATUS'"
	if c.version.Flavour == topology.FlavourMySQL {
		name, status = "rpl_semi_sync_source_enabled", mysqlSemiSyncStatus
	}
	if err := c.execute(ctx, fmt.Sprintf("SET GLOBAL %s=%d", name, value)); err != nil {
		if !on && isNumber(err, errUnknownVariable) {
			return nil // a MySQL without the plugin waits for nobody
		}
		return fmt.Errorf("switch semi-sync %s: %w", want, err)
	}
	var is string
	reached, err := until(ctx, switchWait, func() (bool, error) {
		t, err := c.query(ctx, status)
		is = t.value()
		return is == want, err
	})
	if err != nil {
		return fmt.Errorf("read semi-sync status: %w", err)
	}
	if !reached {
		return fmt.Errorf("%w: semi-sync is %s, not %s", ErrNotVerified, is, want)
	}
	return nil
}
