package proxy

import (
	"context"
	"sync/atomic"
	"time"
)

// lifetime is a context without a deadline that many hold and few wait for: what is waited
// for, some 200 bytes, is made when somebody does. The zero value has not ended. It must not
// be copied, and is safe for concurrent use.
type lifetime struct {
	over  atomic.Bool
	waits atomic.Pointer[waitable] // nil: nobody has waited yet
}

// waitable is a context and what ends it.
type waitable struct {
	context.Context

	cancel context.CancelFunc
}

// end ends it. Whoever waits is woken.
func (l *lifetime) end() {
	l.over.Store(true)
	if w := l.waits.Load(); w != nil {
		w.cancel()
	}
}

func (l *lifetime) Err() error {
	if l.over.Load() {
		return context.Canceled
	}
	return nil
}

func (l *lifetime) Done() <-chan struct{} {
	if w := l.waits.Load(); w != nil {
		return w.Done()
	}
	w := &waitable{}
	w.Context, w.cancel = context.WithCancel(context.Background())
	if !l.waits.CompareAndSwap(nil, w) {
		w.cancel()
		return l.waits.Load().Done()
	}
	if l.over.Load() { // end may have come before there was something to be ended
		w.cancel()
	}
	return w.Done()
}

func (l *lifetime) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value lets contexts below find the one to hang on, so that none needs a goroutine.
func (l *lifetime) Value(key any) any {
	if w := l.waits.Load(); w != nil {
		return w.Value(key)
	}
	return nil
}
