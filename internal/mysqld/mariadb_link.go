package mysqld

import (
	"context"
	"fmt"
	"net"

	"github.com/sqlring/sqlring/pkg/topology"
)

// The link to the upstream. MariaDB drops its relay log whenever both threads
// have been down at one moment, and then asks the upstream again, which may be
// dead: what was received and not applied is lost with it. So the receiver is
// stopped only while the applier runs, the applier only once nothing received is
// left, and a link that is to be kept is never stopped.

// linkWords are the statements of a link, which differ in nothing but their words.
type linkWords struct {
	start                       string // both threads
	startApplier, stopApplier   string
	startReceiver, stopReceiver string // the start of one that runs does nothing; to stop one takes 2 s if the upstream is frozen
	forget                      string
	acker                       string // the variable: whether it acknowledges; takes effect when the receiver starts
}

func (c *conn) link() linkWords {
	if c.version.Flavour == topology.FlavourMySQL {
		return linkWords{
			start:        "START REPLICA",
			startApplier: "START REPLICA SQL_THREAD", stopApplier: "STOP REPLICA SQL_THREAD",
			startReceiver: "START REPLICA IO_THREAD", stopReceiver: "STOP REPLICA IO_THREAD",
			forget: "RESET REPLICA ALL", acker: "rpl_semi_sync_replica_enabled",
		}
	}
	return linkWords{
		start:        "START SLAVE",
		startApplier: "START SLAVE SQL_THREAD", stopApplier: "STOP SLAVE SQL_THREAD",
		startReceiver: "START SLAVE IO_THREAD", stopReceiver: "STOP SLAVE IO_THREAD",
		forget: "RESET SLAVE ALL", acker: "rpl_semi_sync_slave_enabled",
	}
}

// setAcker returns the statement that says whether the member acknowledges to its
// upstream.
func (l linkWords) setAcker(on bool) string {
	return fmt.Sprintf("SET GLOBAL %s=%d", l.acker, btoi(on))
}

func lacksFollow(o topology.Observation, a topology.Action) string {
	link := o.Link
	switch {
	case link.Upstream != a.Upstream:
		return fmt.Sprintf("it follows %q, not %s", link.Upstream, a.Upstream)
	case link.Applier != topology.ThreadRunning:
		return fmt.Sprintf("its applier is %s, error %d %s", link.Applier, link.ApplierErrno, link.ApplierError)
	case link.Receiver != topology.ThreadRunning && link.Receiver != topology.ThreadConnecting:
		return fmt.Sprintf("its receiver is %s, error %d %s", link.Receiver, link.ReceiverErrno, link.ReceiverError)
	case o.Settings.AckerEnabled != a.Acker:
		return fmt.Sprintf("rpl_semi_sync_slave_enabled is %t", o.Settings.AckerEnabled)
	}
	return ""
}

func refuseFollow(o topology.Observation, a topology.Action) string {
	if err := topology.ValidAddr(a.Upstream); err != nil {
		return err.Error()
	}
	if why := identified(o, a); why != "" {
		return why
	}
	if o.Link.Upstream != "" && o.Link.Upstream != a.Upstream {
		return undrained(o)
	}
	return ""
}

// undrained says why the link cannot be changed, "" if it can (safety rule 1).
// Where both threads stand still already, what was not applied is lost, and
// nothing is saved by waiting.
func undrained(o topology.Observation) string {
	link := o.Link
	switch {
	case link.Receiver == topology.ThreadStopped && link.Applier == topology.ThreadStopped:
		return ""
	case link.Receiver != topology.ThreadStopped:
		return fmt.Sprintf("its receiver from %s is %s, it has to be stopped first", link.Upstream, link.Receiver)
	case !o.Drained():
		return fmt.Sprintf("it has received %s from %s and not applied it", o.Unapplied(), link.Upstream)
	}
	return ""
}

func runFollow(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	if o.Link.Upstream == a.Upstream {
		if o.Link.Receiver == topology.ThreadStopped && o.Link.Applier == topology.ThreadStopped {
			if err := claimOwn(ctx, w, o); err != nil {
				return err
			}
		}
		return startThreads(ctx, w, o, a)
	}
	if o.Link.Applier == topology.ThreadRunning {
		if err := w.execute(ctx, w.link().stopApplier); err != nil {
			return fmt.Errorf("stop the drained applier: %w", err)
		}
	}
	if err := claimOwn(ctx, w, o); err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(a.Upstream)
	if err != nil {
		return err
	}
	// slave_pos, not current_pos: that would ask for transactions of its own which
	// the upstream does not have yet.
	change := fmt.Sprintf(`CHANGE MASTER TO MASTER_HOST=%s, MASTER_PORT=%s, MASTER_USER=%s, MASTER_PASSWORD=%s,
		MASTER_USE_GTID=slave_pos, MASTER_HEARTBEAT_PERIOD=1, MASTER_CONNECT_RETRY=1`,
		quote(host), port, quote(w.member.cfg.ReplicationUser), quote(w.member.cfg.ReplicationPassword))
	return pointTo(ctx, w, a, change)
}

// pointTo changes the upstream by a flavour's statement, and starts both threads.
func pointTo(ctx context.Context, w work, a topology.Action, change string) error {
	if err := w.execute(ctx, change); err != nil {
		return fmt.Errorf("change upstream to %s: %w", a.Upstream, err)
	}
	if err := w.execute(ctx, w.link().setAcker(a.Acker)+"; "+w.link().start); err != nil {
		return fmt.Errorf("start following %s: %w", a.Upstream, err)
	}
	return nil
}

// claimOwn notes in the position that the member asks its upstream by that it has
// its own transactions. They stand there only once they have come round, and an
// upstream whose binlog begins later than that answers with error 1236. Both
// threads stand still, and everything that was received is applied.
func claimOwn(ctx context.Context, w work, o topology.Observation) error {
	own, ok := o.Binlog.Last(o.Domain)
	if !ok || o.Applied.Seq(o.Domain) >= own.Seq {
		return nil
	}
	if o.ReadOnly {
		if err := w.execute(ctx, setApplied(o.Applied.With(own))); err != nil {
			return fmt.Errorf("note its own transactions: %w", err)
		}
		return nil
	}
	return noteApplied(ctx, w, o.Applied.With(own)) // its binlog moves on meanwhile
}

// startThreads starts what does not run, the applier first. A receiver that runs
// and should acknowledge otherwise is started anew: the setting is changed while
// it is down, so that a setting which is right tells a receiver which is.
func startThreads(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	words := w.link()
	steps := []struct {
		what string
		skip bool
		sql  string
	}{
		{"start applier", o.Link.Applier == topology.ThreadRunning, words.startApplier},
		{"stop receiver", o.Link.Receiver == topology.ThreadStopped || o.Settings.AckerEnabled == a.Acker, words.stopReceiver},
		{"set whether it acknowledges", o.Settings.AckerEnabled == a.Acker, words.setAcker(a.Acker)},
		{"start receiver", false, words.startReceiver},
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

func lacksStopReceiver(o topology.Observation, _ topology.Action) string {
	if o.Link.Upstream != "" && o.Link.Receiver != topology.ThreadStopped {
		return fmt.Sprintf("its receiver is %s", o.Link.Receiver)
	}
	return ""
}

// refuseStopReceiver keeps both threads from standing still while anything that was
// received is in the relay log alone. What stands in the binlog of a member whose
// applier has ended is not: its own transactions that have come round, which a
// server that was restarted and carries no identity yet does not know for its own.
func refuseStopReceiver(o topology.Observation, a topology.Action) string {
	if o.Link.Applier == topology.ThreadRunning {
		return ""
	}
	unapplied := a.Elsewhere.Missing(o.Unapplied())
	if o.Link.Applier == topology.ThreadStopped {
		unapplied = o.Binlog.Missing(unapplied)
	}
	if len(unapplied) == 0 {
		return ""
	}
	return fmt.Sprintf("its applier is %s with %s unapplied, which would be lost", o.Link.Applier, unapplied)
}

func runStopReceiver(ctx context.Context, w work, _ topology.Observation, _ topology.Action) error {
	if err := w.execute(ctx, w.link().stopReceiver); err != nil {
		return fmt.Errorf("stop receiver: %w", err)
	}
	return nil
}

func lacksDetach(o topology.Observation, _ topology.Action) string {
	if o.Link.Upstream != "" {
		return "it follows " + o.Link.Upstream
	}
	return ""
}

func refuseDetach(o topology.Observation, a topology.Action) string {
	if a.Full {
		return "" // what it received is given up with the rest
	}
	return undrained(o)
}

func runDetach(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	if a.Full {
		if err := runStopReceiver(ctx, w, o, a); err != nil {
			return err
		}
	}
	return endLink(ctx, w)
}

// endLink stops the applier, which has nothing to do any more, and ends following.
func endLink(ctx context.Context, w work) error {
	if err := w.execute(ctx, w.link().stopApplier); err != nil {
		return fmt.Errorf("stop the drained applier: %w", err)
	}
	if err := w.execute(ctx, w.link().forget); err != nil {
		return fmt.Errorf("end following: %w", err)
	}
	return nil
}
