package store

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestLeadSeesTheCurrentState(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, soleConfig(dir))
	awaitLeader(t, s)
	mustPropose(t, s, script(3)...)
	want := encoded(t, s.Snapshot())
	copied := mustOpen(t, soleConfig(copyDir(t, dir))) // as after a kill
	err := copied.Lead(testContext(t), func(ctx context.Context, term uint64) error {
		if got := encoded(t, copied.Snapshot()); got != want {
			t.Errorf("in the scope:\n%s\nwant:\n%s", got, want)
		}
		if term != copied.Stats().Term || ctx.Err() != nil {
			t.Errorf("term %d, stats %+v, context %v", term, copied.Stats(), ctx.Err())
		}
		return nil
	})
	if err != nil {
		t.Errorf("lead: %v", err)
	}
}

func TestLeadEnds(t *testing.T) {
	boom := errors.New("boom")
	untilDone := func(ctx context.Context, _ uint64) error { <-ctx.Done(); return boom }
	tests := []struct {
		name string
		end  func(s *Store, cancel func())
		f    func(context.Context, uint64) error
		want error
	}{
		{"f returns an error", nil, func(context.Context, uint64) error { return boom }, boom},
		{"f returns nil", nil, func(context.Context, uint64) error { return nil }, nil},
		{"the context ends", func(_ *Store, cancel func()) { cancel() }, untilDone, context.Canceled},
		{"the store stops", func(s *Store, _ func()) { _ = s.Stop() }, untilDone, ErrStopped},
		{"the store fails", func(s *Store, _ func()) { s.failure.set(boom) }, untilDone, ErrFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := mustOpen(t, soleConfig(t.TempDir()))
			ctx, cancel := context.WithCancel(testContext(t))
			defer cancel()
			done, running := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				<-running
				if tt.end != nil {
					tt.end(s, cancel)
				}
			}()
			err := s.Lead(ctx, func(ctx context.Context, term uint64) error {
				if again := s.Lead(ctx, tt.f); !errors.Is(again, ErrLeading) {
					t.Errorf("lead within lead: %v, want %v", again, ErrLeading)
				}
				close(running)
				return tt.f(ctx, term)
			})
			<-done
			if !errors.Is(err, tt.want) {
				t.Errorf("lead: %v, want %v", err, tt.want)
			}
		})
	}
}

// Stop waits for the leader's work before it closes what that work uses.
func TestStopWaitsForLead(t *testing.T) {
	s := mustOpen(t, soleConfig(t.TempDir()))
	running, finished := make(chan struct{}), make(chan time.Time, 1)
	go func() {
		_ = s.Lead(t.Context(), func(ctx context.Context, _ uint64) error {
			close(running)
			<-ctx.Done()
			time.Sleep(50 * time.Millisecond)
			finished <- time.Now()
			return nil
		})
	}()
	<-running
	mustStop(t, s)
	select {
	case <-finished:
	default:
		t.Error("Stop returned while the leader's work went on")
	}
}

func TestLeadWaitsForAnElection(t *testing.T) {
	cfg := soleConfig(t.TempDir())
	cfg.Bootstrap = false // nobody to elect
	s := mustOpen(t, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := s.Lead(ctx, func(context.Context, uint64) error { t.Error("a node without a cluster leads"); return nil })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("lead: %v", err)
	}
}
