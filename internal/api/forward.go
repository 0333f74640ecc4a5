package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// ErrNotReached: the leader did not hear the request; nothing was done.
var ErrNotReached = errors.New("the leader is not reached")

// Forwarded is a request for a change that a node was asked for which does not lead. It
// is judged and done by the leader, from what that knows.
type Forwarded struct {
	Method string `json:"method"`
	Path   string `json:"path"` // with its query
	By     string `json:"by"`   // who asked, and where
	Body   []byte `json:"body"`
}

// Answered is what the leader answered.
type Answered struct {
	Status int    `json:"status"`
	Type   string `json:"type"` // its media type
	Body   []byte `json:"body"`
	Index  uint64 `json:"index"` // of the leader's state, by then
}

// catchUp is how long a node waits for a leader, and for its own state to show what that
// did.
const catchUp = 2 * time.Second

// forwarding has the leader answer what changes something, if another node leads.
func (s *Server) forwarding(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.cfg.Cluster == nil || r.Method == http.MethodGet || r.Method == http.MethodHead || ofThisNode(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		f, err := s.forwarded(w, r)
		if err != nil {
			writeProblem(w, newProblem(http.StatusBadRequest, ProblemInvalid, "%s %s: read the body: %v", r.Method, r.URL.Path, err))
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.cfg.Propose)
		defer cancel()
		got, here, err := s.atLeader(ctx, f)
		switch {
		case err != nil:
			writeProblem(w, unforwarded(s.look(), r, err))
			return
		case here:
			r.Body = io.NopCloser(bytes.NewReader(f.Body))
			next.ServeHTTP(w, r)
			return
		}
		for deadline := time.Now().Add(catchUp); s.node.Snapshot().Index < got.Index && time.Now().Before(deadline); {
			time.Sleep(2 * time.Millisecond)
		}
		w.Header().Set("Content-Type", got.Type)
		w.WriteHeader(got.Status)
		_, _ = w.Write(got.Body) // the client has gone; nobody to tell
	})
}

// ofThisNode reports whether a change is the own affair of the node that is asked: its
// sessions and hooks, and comparisons, which run where they were asked for.
func ofThisNode(path string) bool {
	return strings.HasPrefix(path, "/v1/sessions/") || strings.HasPrefix(path, "/v1/hooks/") || strings.HasPrefix(path, "/v1/verify") || path == "/v1/repair" || path == "/v1/repair/plan"
}

// forwarded is a request as the leader gets it.
func (s *Server) forwarded(w http.ResponseWriter, r *http.Request) (Forwarded, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	return Forwarded{Method: r.Method, Path: r.URL.RequestURI(), By: s.who(r.Context()), Body: body}, err
}

// atLeader has the leader answer. An election is short: as long as nobody leads, or who
// was asked does not any more and has done nothing, another one is looked for. here says
// that this node answers: it leads, or nobody does.
func (s *Server) atLeader(ctx context.Context, f Forwarded) (got Answered, here bool, err error) {
	for end := time.Now().Add(catchUp); ; {
		leader, known := s.node.Leader()
		late := !time.Now().Before(end) || ctx.Err() != nil
		switch {
		case known && leader == s.node.Name(), !known && late:
			return Answered{}, true, nil
		case known:
			got, err = s.cfg.Cluster.Forward(ctx, f)
			again := got.Status == http.StatusMisdirectedRequest || errors.Is(err, ErrNotReached)
			if !again || late {
				return got, false, err
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func unforwarded(l look, r *http.Request, err error) *Problem {
	what := r.Method + " " + r.URL.Path
	if errors.Is(err, ErrNotReached) {
		p := newProblem(http.StatusServiceUnavailable, ProblemNotLeader, "%s: nothing was done: %v: try again in a moment", what, err)
		p.Leader = string(l.leader)
		return p
	}
	return newProblem(http.StatusGatewayTimeout, ProblemOutcomeUnknown,
		"%s: the leader (%s) was asked and did not answer, it may or may not have happened: look at `sqlring operation list` before you try again (%v)", what, l.leader, err)
}

// Answer answers a request that another node forwards. Whether its sender may ask for
// it was judged there.
func (s *Server) Answer(ctx context.Context, f Forwarded) Answered {
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	if !s.answers.enter() {
		writeProblem(w, stopping(f.Method, f.Path))
		return s.answered(w)
	}
	defer s.answers.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.answers.ctx, cancel)()
	r, err := http.NewRequestWithContext(as(ctx, caller{by: f.By, role: roleAdmin}), f.Method, f.Path, bytes.NewReader(f.Body))
	if err != nil {
		return Answered{Status: http.StatusBadRequest}
	}
	if len(f.Body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	r.RequestURI = f.Path
	s.routes.ServeHTTP(w, r)
	return s.answered(w)
}

func (s *Server) answered(w *recorder) Answered {
	return Answered{Status: w.status, Type: w.header.Get("Content-Type"), Body: w.body.Bytes(), Index: s.node.Snapshot().Index}
}

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write implements http.ResponseWriter.
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
