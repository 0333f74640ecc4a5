package mysqld

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// A copy fills a member with another one's data, over the MySQL protocol alone and
// without a lock on the source (docs/grow.md, docs/adr/0015). The files:
//
//   - copy.go: the job, its life and what is seen of it;
//   - copy_run.go: its steps;
//   - copy_snapshot.go: the snapshot of the source and its position;
//   - copy_objects.go: definitions: tables, views, routines, triggers, events;
//   - copy_accounts.go: accounts and grants;
//   - copy_columns.go: how a value is read, written and compared, by its type;
//   - copy_rows.go: rows, chunk by chunk;
//   - copy_mark.go: where it is written, and the mark that says that it is complete;
//   - copy_check.go: what is looked at before;
//   - mariadb_copy.go, mysql_copy.go: what flavours do not do alike.

// copyStall is how long a copy may go without any progress before it is given up.
const copyStall = 10 * time.Minute

// copyTakesOver bounds the wait for the end of the job that an order replaces.
const copyTakesOver = 3 * time.Second

// errCopyStalled is why a copy ends that nothing came of for copyStall.
var errCopyStalled = fmt.Errorf("nothing was copied for %s", copyStall)

// copier is the copy into one member that this handle makes. The zero value makes
// none. Who only looks takes no lock: probes go on while an end is waited for.
type copier struct {
	mu  sync.Mutex // held by who starts or stops a job, until the one before it has ended
	job atomic.Pointer[copyJob]
}

// copyJob is one attempt at a copy.
type copyJob struct {
	member   *Member
	order    topology.CopyOrder
	identity uint32
	term     uint64
	stop     context.CancelCauseFunc
	stall    *time.Timer
	ended    chan struct{}

	mu   sync.Mutex // guards what follows
	said topology.CopyProgress
}

// startCopy starts the copy of an order, unless it runs, or is done. One that reads another
// source is ended. It is called with the turn of the hands.
func (m *Member) startCopy(a topology.Action) error {
	m.copy.mu.Lock()
	defer m.copy.mu.Unlock()
	attempts := 1
	if old := m.copy.job.Load(); old != nil {
		said := old.progress()
		same := said.ID == a.Copy.ID && old.term == m.term.Load()
		if same && (said.State == topology.CopyRunning && said.From == a.Copy.Name || said.State == topology.CopyDone) {
			return nil
		}
		if said.ID == a.Copy.ID && said.From == a.Copy.Name {
			attempts = said.Attempts + 1
		}
		old.stop(ErrDeposed)
		select {
		case <-old.ended:
		case <-time.After(copyTakesOver):
			return fmt.Errorf("%w: the copy before it has not ended yet", ErrBlocked)
		}
	}
	ctx, stop := context.WithCancelCause(context.Background())
	now := time.Now()
	j := &copyJob{
		member: m, order: a.Copy, identity: a.Identity, term: m.term.Load(), stop: stop, ended: make(chan struct{}),
		said: topology.CopyProgress{ID: a.Copy.ID, From: a.Copy.Name, State: topology.CopyRunning, Began: now, At: now, Attempts: attempts, Doing: "connects"},
	}
	j.stall = time.AfterFunc(copyStall, func() { stop(errCopyStalled) })
	m.copy.job.Store(j)
	go j.run(ctx)
	return nil
}

// seen returns what is known of the copy, nil if there was none.
func (c *copier) seen() *topology.CopyProgress {
	job := c.job.Load()
	if job == nil {
		return nil
	}
	said := job.progress()
	return &said
}

// StopCopy ends the copy into the member that runs, if one does, and waits for its
// end. What is there is not marked; whoever begins anew drops it.
func (m *Member) StopCopy() {
	m.copy.mu.Lock()
	defer m.copy.mu.Unlock()
	if job := m.copy.job.Load(); job != nil {
		job.stop(context.Canceled)
		<-job.ended
		m.copy.job.Store(nil)
	}
}

// endCopy ends the copy that this handle makes, and the one of any earlier leader.
func (m *Member) endCopy(ctx context.Context) error {
	if job := m.copy.job.Load(); job != nil {
		job.stop(context.Canceled)
		select {
		case <-job.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c, err := m.connect(ctx, forCopy)
	if err != nil {
		return err
	}
	defer c.close()
	return seizeLock(ctx, c, copyLock, m.term.Load())
}

// run makes the copy and notes how it ended.
func (j *copyJob) run(ctx context.Context) {
	defer close(j.ended)
	defer j.stall.Stop()
	defer j.stop(nil)
	mark, err := j.make(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w (%w)", cause, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.said.At = time.Now()
	if err != nil {
		j.said.State, j.said.Error, j.said.Person = topology.CopyFailed, err.Error(), errors.Is(err, errCopyPerson)
		return
	}
	j.said.State, j.said.Position, j.said.Sum, j.said.Doing = topology.CopyDone, mark.position, mark.sum, ""
}

func (j *copyJob) progress() topology.CopyProgress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.said
}

// note changes what is said of the copy; it counts as progress.
func (j *copyJob) note(change func(*topology.CopyProgress)) {
	j.stall.Reset(copyStall)
	j.mu.Lock()
	defer j.mu.Unlock()
	change(&j.said)
	if j.said.State == topology.CopyRunning {
		j.said.At = time.Now()
	}
}

func (j *copyJob) doing(format string, args ...any) {
	j.note(func(p *topology.CopyProgress) { p.Doing = fmt.Sprintf(format, args...) })
}

// errCopyPerson marks what another attempt would meet as well.
var errCopyPerson = errors.New("a person is needed")

// personError says what is wrong, and is errCopyPerson.
type personError struct{ text string }

func (e personError) Error() string { return e.text }

func (e personError) Is(target error) bool { return target == errCopyPerson }

func person(format string, args ...any) error { return personError{fmt.Sprintf(format, args...)} }
