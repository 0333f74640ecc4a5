package api

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// answers are those that are under way: [http.Server] does not wait for them when it is
// closed, and what another node forwards it knows nothing of. It is safe for concurrent use.
type answers struct {
	ctx context.Context // ends when they are given no more time
	cut context.CancelFunc

	mu     sync.Mutex
	closed bool
	inside sync.WaitGroup
}

// enter reports whether one may begin; then leave is to be called behind it.
func (a *answers) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.inside.Add(1)
	}
	return !a.closed
}

func (a *answers) leave() { a.inside.Done() }

// end lets none begin any more, and returns when the last one has ended. After grace their
// contexts end.
func (a *answers) end(grace time.Duration) {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	timer := time.AfterFunc(grace, a.cut)
	defer timer.Stop()
	a.inside.Wait()
	a.cut()
}

// counted has what h answers counted.
func (a *answers) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.enter() {
			writeProblem(w, stopping(r.Method, r.URL.Path))
			return
		}
		defer a.leave()
		h.ServeHTTP(w, r)
	})
}

// stopping says that nothing was done since this node stops; who has forwarded it looks for
// another leader.
func stopping(method, path string) *Problem {
	return newProblem(http.StatusMisdirectedRequest, ProblemNotLeader, "%s %s: nothing was done: this node stops: try again in a moment", method, path)
}
