package demo

import (
	"context"
	"errors"
	"syscall"
	"time"
)

const (
	stopGrace = 10 * time.Second // from SIGTERM to SIGKILL
	killGrace = 5 * time.Second  // from SIGKILL to the end
)

// Stop ends the server, whoever started it last, and returns when no process
// of it is left: in order if it can within 10 s and within ctx, else by
// SIGKILL, which loses nothing that was acknowledged. It may be called again.
//
// A server does not follow SIGTERM while a commit waits for a semi-sync
// acknowledgement, so those commits are let go first. They are answered OK: a
// planned stop is ordered only when no client waits for one.
func (s *Server) Stop(ctx context.Context) error {
	defer s.state.dropSocketDir()
	if s.state.signal(syscall.SIGCONT) > 0 {
		// No answer means that it hangs; then SIGKILL ends it below.
		_ = s.asRoot(ctx, "SET GLOBAL rpl_semi_sync_master_enabled=0")
		s.state.signal(syscall.SIGTERM)
		grace, cancel := context.WithTimeout(ctx, stopGrace)
		err := s.state.awaitEnd(grace)
		cancel()
		if err != nil {
			s.Kill()
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), killGrace)
	defer cancel()
	return errors.Join(s.state.awaitEnd(end), s.unwatch())
}

// Kill ends the server as a crash would (SIGKILL). It does not wait.
func (s *Server) Kill() { s.state.signal(syscall.SIGKILL) }

// Freeze stops the server without ending it (SIGSTOP): its connections stay,
// and nothing answers. It returns once every thread stands still: the kernel lets
// one thread take the signal, and until that one has run the others go on.
func (s *Server) Freeze() {
	const interval = time.Millisecond
	s.state.signal(syscall.SIGSTOP)
	for deadline := time.Now().Add(killGrace); !s.state.frozen() && time.Now().Before(deadline); {
		time.Sleep(interval)
	}
}

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.state.signal(syscall.SIGCONT) }

// Wait blocks until no process of the server is left, or ctx ends.
func (s *Server) Wait(ctx context.Context) error { return s.state.awaitEnd(ctx) }

// PID returns the id of the server's process, 0 if there is none. It changes
// with a restart.
func (s *Server) PID() int {
	if pids := s.state.processes(); len(pids) > 0 {
		return pids[0]
	}
	return 0
}
