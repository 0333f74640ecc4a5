package mysqld

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// The link to the upstream of a MySQL. Its relay log outlives a stop of both threads
// and a restart; only CHANGE throws it away (and relay_log_recovery, which is off). So
// where both stand still the applier is started, and what was received applied, before
// the link is changed.

func refuseFollowMySQL(o topology.Observation, a topology.Action) string {
	if err := topology.ValidAddr(a.Upstream); err != nil {
		return err.Error()
	}
	if why := identified(o); why != "" {
		return why
	}
	if o.Link.Upstream != "" && o.Link.Upstream != a.Upstream && o.Link.Receiver != topology.ThreadStopped {
		return undrained(o)
	}
	return ""
}

func refuseDetachMySQL(o topology.Observation, a topology.Action) string {
	if !a.Full && o.Link.Receiver != topology.ThreadStopped {
		return undrained(o)
	}
	return ""
}

func runFollowMySQL(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	if o.Link.Upstream == a.Upstream {
		return startThreadsMySQL(ctx, w, o, a)
	}
	if err := leave(ctx, w, o); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(a.Upstream)
	if err != nil {
		return err
	}
	// Retries never end, in any release. The key of the upstream is asked for, since
	// the account's plugin sends no password in clear without TLS.
	change := fmt.Sprintf(`CHANGE REPLICATION SOURCE TO SOURCE_HOST=%s, SOURCE_PORT=%s, SOURCE_USER=%s, SOURCE_PASSWORD=%s,
		SOURCE_AUTO_POSITION=1, SOURCE_HEARTBEAT_PERIOD=1, SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=0, GET_SOURCE_PUBLIC_KEY=1`,
		quote(host), port, quote(w.member.cfg.ReplicationUser), quote(w.member.cfg.ReplicationPassword))
	if err := w.execute(ctx, change); err != nil {
		return fmt.Errorf("change upstream to %s: %w", a.Upstream, err)
	}
	if err := w.execute(ctx, setAckerMySQL(a.Acker)+"; START REPLICA"); err != nil {
		return fmt.Errorf("start following %s: %w", a.Upstream, err)
	}
	return nil
}

// leave has everything applied that was received, and stops the applier. What takes
// longer goes on after it: the next look finds the applier running.
func leave(ctx context.Context, w work, o topology.Observation) error {
	if o.Link.Upstream == "" {
		return nil
	}
	if len(o.Unapplied()) > 0 {
		const wait = 2 * time.Second
		if err := w.execute(ctx, "START REPLICA SQL_THREAD"); err != nil {
			return fmt.Errorf("start applier: %w", err)
		}
		done, err := until(ctx, wait, func() (bool, error) {
			now, err := w.member.ask(ctx, w.conn, topology.Observation{Member: w.member.id})
			o = now
			return err == nil && len(now.Unapplied()) == 0, err
		})
		if err != nil {
			return fmt.Errorf("apply what was received: %w", err)
		}
		if !done {
			return fmt.Errorf("%w: it has received %s from %s and not applied it; its applier is %s, error %d %s", ErrPrecondition,
				o.Unapplied(), o.Link.Upstream, o.Link.Applier, o.Link.ApplierErrno, o.Link.ApplierError)
		}
	}
	if err := w.execute(ctx, "STOP REPLICA SQL_THREAD"); err != nil {
		return fmt.Errorf("stop the drained applier: %w", err)
	}
	return nil
}

func setAckerMySQL(on bool) string {
	value := 0
	if on {
		value = 1
	}
	return fmt.Sprintf("SET GLOBAL rpl_semi_sync_replica_enabled=%d", value)
}

// startThreadsMySQL is startThreads.
func startThreadsMySQL(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	steps := []struct {
		what string
		skip bool
		sql  string
	}{
		{"start applier", o.Link.Applier == topology.ThreadRunning, "START REPLICA SQL_THREAD"},
		{"stop receiver", o.Link.Receiver == topology.ThreadStopped || o.Settings.AckerEnabled == a.Acker, "STOP REPLICA IO_THREAD"},
		{"set whether it acknowledges", o.Settings.AckerEnabled == a.Acker, setAckerMySQL(a.Acker)},
		{"start receiver", false, "START REPLICA IO_THREAD"}, // does nothing if it runs
	}
	for _, step := range steps {
		if step.skip {
			continue
		}
		if err := w.execute(ctx, step.sql); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

func runStopReceiverMySQL(ctx context.Context, w work, _ topology.Observation, _ topology.Action) error {
	if err := w.execute(ctx, "STOP REPLICA IO_THREAD"); err != nil {
		return fmt.Errorf("stop receiver: %w", err)
	}
	return nil
}

func runDetachMySQL(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	if a.Full { // what it received is given up with the rest
		if err := w.execute(ctx, "STOP REPLICA"); err != nil {
			return fmt.Errorf("stop replication: %w", err)
		}
	} else if err := leave(ctx, w, o); err != nil {
		return err
	}
	if err := w.execute(ctx, "RESET REPLICA ALL"); err != nil {
		return fmt.Errorf("end following: %w", err)
	}
	return nil
}
