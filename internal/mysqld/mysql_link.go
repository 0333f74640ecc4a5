package mysqld

import (
	"context"
	"errors"
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
	if why := identified(o, a); why != "" {
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
		return startThreads(ctx, w, o, a)
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
	return pointTo(ctx, w, a, change)
}

// leave has everything applied that was received, and stops the applier. What takes
// longer goes on after it: the next look finds the applier running.
func leave(ctx context.Context, w work, o topology.Observation) error {
	if o.Link.Upstream == "" {
		return nil
	}
	if len(o.Unapplied()) > 0 {
		const wait = 2 * time.Second
		if err := w.execute(ctx, w.link().startApplier); err != nil {
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
	return haltApplier(ctx, w)
}

// haltApplier stops an applier that has done all that it is to do, while the receiver
// stands still. Where that was stopped, or its upstream died, in the midst of a
// transaction, the applier waits for the rest, which does not come from there any more: the
// server lets it do so for a minute after STOP, and all that has to do with replication
// waits as long. So its coordinator is ended, the half is rolled back, and the link is
// forgotten together with the error that this leaves, by whoever had it ended (S71, S83): it
// is about to be changed anyway.
func haltApplier(ctx context.Context, w work) error {
	const patience = 200 * time.Millisecond
	beside, err := w.member.connect(ctx, forProbe)
	if err != nil {
		return err
	}
	defer beside.close()
	stopped := make(chan error, 1)
	go func() { stopped <- w.execute(ctx, w.link().stopApplier) }()
	for tries := 1; ; tries++ {
		select {
		case err := <-stopped:
			if err == nil {
				err = forgetFailed(ctx, w)
			}
			if err != nil {
				return fmt.Errorf("stop the drained applier: %w", err)
			}
			return nil
		case <-time.After(patience):
			_, _ = endHalf(ctx, beside, tries > 5) // if that fails, STOP says how it ended, within ctx
		}
	}
}

// forgetFailed forgets a link whose applier, which stands still and has done all that it
// is to do, has left an error.
func forgetFailed(ctx context.Context, w work) error {
	failed, err := w.query(ctx, `SELECT (SELECT COUNT(*) FROM performance_schema.replication_applier_status_by_coordinator WHERE last_error_number<>0)
		+(SELECT COUNT(*) FROM performance_schema.replication_applier_status_by_worker WHERE last_error_number<>0)`)
	if err != nil || failed.value() == "0" {
		return err
	}
	return w.execute(ctx, w.link().forget)
}

// endHalf ends an applier that is in the midst of a transaction, while its receiver stands
// still. A coordinator that has read no more than the beginning has given it to no worker. With
// anyway it is ended whatever it says of itself: it has had a second, and nothing whole to apply.
func endHalf(ctx context.Context, c *conn, anyway bool) (bool, error) {
	t, err := c.query(ctx, `SELECT t.processlist_id FROM performance_schema.replication_applier_status_by_coordinator c
		JOIN performance_schema.replication_connection_status s ON s.channel_name=c.channel_name AND s.service_state='OFF'
		JOIN performance_schema.threads t ON t.thread_id=c.thread_id
		WHERE ? OR c.processing_transaction<>'' OR EXISTS (SELECT 1 FROM performance_schema.replication_applier_status_by_worker w
			WHERE w.channel_name=c.channel_name AND w.applying_transaction<>'')`, anyway)
	if err != nil || len(t.rows) == 0 {
		return false, err
	}
	err = c.execute(ctx, "KILL "+t.value())
	return err == nil, err
}

// seize takes the hands also of who died, or was deposed, in the midst of haltApplier: its
// connection is ended by then, but STOP goes on in the server, and holds the lock, for a
// minute. The server says what it stands in, and that nothing which was received whole is
// left to apply: so the applier is ended in its place (S83).
func (mySQL) seize(ctx context.Context, c *conn, term uint64) error {
	busy := seize(ctx, c, term)
	if !errors.Is(busy, ErrHandsBusy) {
		return busy
	}
	applier, err := c.query(ctx, `SELECT t.processlist_id FROM performance_schema.processlist p
		JOIN performance_schema.replication_connection_status s ON s.service_state='OFF' AND GTID_SUBSET(s.received_transaction_set, @@global.gtid_executed)
		JOIN performance_schema.replication_applier_status_by_coordinator c ON c.channel_name=s.channel_name
		JOIN performance_schema.threads t ON t.thread_id=c.thread_id
		WHERE p.id=IS_USED_LOCK('`+handsLock+`') AND p.info=?`, c.link().stopApplier)
	if err != nil || len(applier.rows) == 0 {
		return busy
	}
	// Its id is read with the proofs, and is not given out again: whoever was paused here kills nobody else.
	if err := c.execute(ctx, "KILL "+applier.value()); err != nil {
		return busy
	}
	return seize(ctx, c, term)
}

func runDetachMySQL(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	if a.Full { // what it received is given up with the rest
		if err := runStopReceiver(ctx, w, o, a); err != nil {
			return err
		}
		if err := haltApplier(ctx, w); err != nil {
			return err
		}
	} else if err := leave(ctx, w, o); err != nil {
		return err
	}
	return endLink(ctx, w)
}
