package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/sqlring/sqlring/pkg/rowcheck"
)

// What a caller may have done too early. The API answers each as a refusal.
var (
	// ErrBusy: a comparison or a repair runs. Wait for it, or stop it.
	ErrBusy = errors.New("a comparison or a repair runs on this node")
	// ErrNothing: there is nothing to resume, or to repair. Run a comparison first.
	ErrNothing = errors.New("there is none on this node")
	// ErrSource: the member that is said to be right does not take part.
	ErrSource = errors.New("this member can not be the source")
)

// defaultChunk is how many rows a chunk has at most, unless said otherwise.
const defaultChunk = 2000

// settleWithin is how long one that is over may take to let go.
const settleWithin = 2 * time.Second

// Config is what a Verifier needs.
type Config struct {
	File   string       // keeps the last run; empty: it is kept in memory alone
	Logger *slog.Logger // default: discards
	// GiveUp is how long a run waits for members that can not be read, or that lag;
	// default 10 min.
	GiveUp time.Duration
}

// Verifier compares, one run at a time. Make it with New; its methods are safe for
// concurrent use.
type Verifier struct {
	cfg   Config
	world World

	mu   sync.Mutex // guards what follows
	last *rowcheck.Run
	stop context.CancelFunc // ends what runs, or ran last; nil: nothing did
	done chan struct{}      // closed when that has ended and is kept
}

// New returns a verifier that knows the last run of its file. A run that was under way
// when the node ended counts as stopped.
func New(cfg Config, world World) (*Verifier, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.GiveUp == 0 {
		cfg.GiveUp = 10 * time.Minute
	}
	v := &Verifier{cfg: cfg, world: world}
	if cfg.File == "" {
		return v, nil
	}
	data, err := os.ReadFile(cfg.File)
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	var run rowcheck.Run
	if err == nil {
		err = json.Unmarshal(data, &run)
	}
	if err != nil {
		return nil, fmt.Errorf("read the last comparison: %w: remove %s to begin anew", err, cfg.File)
	}
	if run.State == rowcheck.StateRunning {
		run.State, run.Why = rowcheck.StateStopped, "the node was stopped"
	}
	if run.Repair != nil && run.Repair.State == rowcheck.StateRunning {
		run.Repair.State, run.Repair.Error = rowcheck.StateStopped, "the node was stopped; what was written is right, and what was not differs still"
	}
	v.last = &run
	return v, nil
}

// Last returns the run that is under way, or the last one; false: there is none.
func (v *Verifier) Last() (rowcheck.Run, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.last == nil {
		return rowcheck.Run{}, false
	}
	return v.last.Clone(), true
}

// Start begins a run, or goes on with the last one where it stopped. It returns ErrBusy
// or ErrNothing, wrapped.
func (v *Verifier) Start(by string, o rowcheck.Options, resume bool) (rowcheck.Run, error) {
	v.settle()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.busyLocked() {
		return rowcheck.Run{}, fmt.Errorf("compare: %w: `sqlring ring verify --status` shows it, `--stop` ends it", ErrBusy)
	}
	now := time.Now().UTC()
	switch {
	case resume && (v.last == nil || v.last.State == rowcheck.StateDone):
		return rowcheck.Run{}, fmt.Errorf("resume a comparison: %w that was stopped", ErrNothing)
	case resume:
		next := v.last.Clone()
		next.State, next.Why, next.Ended, next.By = rowcheck.StateRunning, "", nil, by
		v.last = &next
	default:
		if o.Chunk <= 0 {
			o.Chunk = defaultChunk
		}
		v.last = &rowcheck.Run{
			ID: "v" + strconv.FormatInt(now.Unix(), 36), By: by, Options: o, Began: now, State: rowcheck.StateRunning,
			Members: []string{}, Differences: []rowcheck.Difference{}, Unsettled: []rowcheck.Aside{}, Skipped: []rowcheck.Aside{},
		}
	}
	v.background(v.compare)
	return v.last.Clone(), nil
}

// settle waits, for settleWithin at most, until what is over by its own word has let go of its
// connections and its file: who has seen its end may begin the next.
func (v *Verifier) settle() {
	v.mu.Lock()
	done := v.done
	over := v.last != nil && v.last.State != rowcheck.StateRunning && (v.last.Repair == nil || v.last.Repair.State != rowcheck.StateRunning)
	v.mu.Unlock()
	if done == nil || !over {
		return
	}
	timer := time.NewTimer(settleWithin)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// busyLocked reports whether something runs, or has its end still to be kept in the file.
func (v *Verifier) busyLocked() bool {
	select {
	case <-v.done:
		return false
	default:
		return v.done != nil
	}
}

// background runs work until it returns or is stopped. mu is held, and nothing runs.
func (v *Verifier) background(work func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	v.stop, v.done = cancel, done
	go func() {
		defer close(done)
		defer cancel()
		work(ctx)
		v.save()
	}()
}

// Stop ends what runs, and waits for it, and for what has just ended to be kept in the
// file, until ctx ends.
func (v *Verifier) Stop(ctx context.Context) error {
	v.mu.Lock()
	stop, done := v.stop, v.done
	v.mu.Unlock()
	if done == nil {
		return nil
	}
	stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop the comparison: %w", ctx.Err())
	}
}

// edit changes the run.
func (v *Verifier) edit(change func(r *rowcheck.Run)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(v.last)
}

// save writes the run to its file, whole or not at all.
func (v *Verifier) save() {
	run, ok := v.Last()
	if v.cfg.File == "" || !ok {
		return
	}
	data, err := json.Marshal(run)
	if err == nil {
		temporary := v.cfg.File + ".new"
		if err = os.WriteFile(temporary, data, 0o600); err == nil {
			err = os.Rename(temporary, v.cfg.File)
		}
	}
	if err != nil {
		v.cfg.Logger.Warn("the comparison's place could not be kept", "file", filepath.Base(v.cfg.File), "error", err)
	}
}
