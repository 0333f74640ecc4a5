package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
)

// The exit codes. They are documented and stable.
const (
	exitOK       = 0
	exitError    = 1
	exitDegraded = 2 // status: the ring is not well
	exitRefused  = 3 // a safety check refused the change; throttle check: the answer is no
)

// errDegraded ends `status` with exitDegraded; the status itself has been
// printed, so nothing more is said.
var errDegraded = errors.New("the ring is not well")

// errUsage marks a command line that makes no sense.
type errUsage struct {
	command string
	what    string
}

func (e errUsage) Error() string {
	return fmt.Sprintf("%s: see `%s --help`", e.what, e.command)
}

// report says what went wrong and returns the exit code.
func report(w io.Writer, err error) int {
	var p *api.Problem
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errDegraded):
		return exitDegraded
	case errors.Is(err, errCritical), errors.Is(err, errDiffer):
		return exitRefused
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(w, "sqlring: interrupted")
		return exitError
	}
	fmt.Fprintf(w, "sqlring: %v\n", err)
	if held := (errHeldBack{}); errors.As(err, &held) || errors.Is(err, app.ErrHasState) {
		return exitRefused
	}
	if errors.As(err, &p) && (p.Kind() == api.ProblemRefused || p.Kind() == api.ProblemStale) {
		return exitRefused
	}
	return exitError
}
