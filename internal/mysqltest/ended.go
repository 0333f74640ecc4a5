package mysqltest

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
)

// ending is what is known of how a server's process ended, which a test may have wanted.
type ending struct {
	mu     sync.Mutex // guards what follows
	wanted bool       // the test has ended the process, or has seen that it had ended
	log    string     // of a process that ended by itself, as it was when that was seen; "": none
}

// want notes that the test ends the process from here on. If it has ended before, nobody
// wanted that: what its log says is kept, since a restart goes on in the same file.
func (e *ending) want(runs bool, file string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !runs && !e.wanted {
		e.log = logTail(file, lastWords)
	}
	e.wanted = true
}

// again notes that the process was started again.
func (e *ending) again() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.wanted = false
}

// lastWords and someWords are how many lines of a server's log a test shows: if it ended by
// itself, and if the test has failed for any reason.
const (
	lastWords = 120
	someWords = 12
)

// tell is called when the test ends: it shows the log of a process that ended by itself, which
// fails a test that has not seen it, and some of any other one's if the test has failed.
func (e *ending) tell(t testing.TB, name string, runs bool, file string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.log != "" {
		t.Logf("server %s had ended by itself before it was ended or started again; its log then:\n%s", name, e.log)
	}
	switch {
	case !runs && !e.wanted:
		t.Errorf("server %s has ended by itself; its log:\n%s", name, logTail(file, lastWords))
	case t.Failed():
		t.Logf("the end of the log of server %s:\n%s", name, logTail(file, someWords))
	}
}

// logTail returns the last lines of a file, or why there is none.
func logTail(file string, lines int) string {
	f, err := os.Open(file)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	const window = 64 << 10
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-window), io.SeekStart)
	}
	text, err := io.ReadAll(io.LimitReader(f, window))
	if err != nil {
		return fmt.Sprintf("%s: %v", file, err)
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
