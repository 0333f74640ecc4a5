package proxy

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// What others look at of a session while it changes. These tests show something under the
// race detector only, which is told of each look.

// The watch looks whether a client is still there while its login waits for a link, and
// that client goes over to compression when it has one.
func TestACompressedClientIsLookedAtWhileItLogsIn(t *testing.T) {
	f := startFaked(t, Config{WatchInterval: time.Millisecond}, nil)
	f.fake.greetsAfter(4 * time.Millisecond)
	for range 60 {
		c := packedRaw(t, f.Proxy, wire.CompressionZlib, nil)
		if n, _ := c.query("DO 1"); n != 0 {
			t.Fatalf("error %d", n)
		}
		_ = c.conn.Close()
		f.fake.cut() // so that the next one has a link opened
	}
}

// Who ends what a session runs looks at its link, while the session may have gone on with
// its next command there, in another unit.
func TestWhatRunsIsEndedWhileItsSessionGoesOn(t *testing.T) {
	f := startTwoOwners(t, Config{})
	c, id := f.greeted(t)
	stop := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			switch err := f.EndQuery(context.Background(), id); {
			case err == nil, errors.Is(err, ErrNotRunning), errors.Is(err, ErrCommits):
			default:
				ended <- err
				return
			}
		}
	}()
	for range 300 {
		for _, text := range []string{"SELECT v FROM stock.t", "SELECT v FROM spare.t"} {
			if n, _ := c.query(text); n != 0 && n != interrupted { // that is what it asks for
				t.Fatalf("%s: error %d", text, n)
			}
		}
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
