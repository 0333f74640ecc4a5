package main

import (
	"errors"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
)

// A node that is being restarted is asked again every now and then, not as fast as it refuses.
func TestANodeThatIsAwayIsNotAskedWithoutAPause(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			asked.Add(1)
			_ = conn.Close()
		}
	}()
	client, err := api.NewClient("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	f := followFlags{pollInterval: 50 * time.Millisecond}
	if _, err := f.statusBy(t.Context(), client, time.Now().Add(300*time.Millisecond)); !errors.Is(err, api.ErrUnreachable) {
		t.Errorf("%v, want that it is away", err)
	}
	_ = listener.Close()
	<-ended
	if n := asked.Load(); n < 2 || n > 20 { // a client may try an idempotent request twice
		t.Errorf("asked %d times within 300 ms, every 50 ms", n)
	}
}

// What is turned back already is not to be given up once more: that would be refused.
func TestWhatIsTurnedBackIsNotGivenUpAgain(t *testing.T) {
	for cursor, abort := range map[string]bool{"copy": true, "splice": false, "back": false} {
		if said := goesOn(api.Operation{ID: "op2", Kind: "add", Cursor: cursor}); strings.Contains(said, "operation abort op2") != abort {
			t.Errorf("at %s: %s", cursor, said)
		}
	}
	if said := goesOn(api.Operation{ID: "op2", Kind: "move", Cursor: "back"}); strings.Contains(said, "abort") {
		t.Error(said)
	}
}
