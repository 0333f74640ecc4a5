package api

import (
	"context"
	"sync"
	"time"
)

// The history is for the page: ten minutes, so that who opens it at night sees
// what came before. It is of this process, and bounded: as many samples, and in
// each as many edges as the ring has members.
const (
	historyEvery = 2 * time.Second
	historyKept  = 300
)

// History is what this node has seen in the last ten minutes.
type History struct {
	Started time.Time `json:"started" doc:"when this process began to sample; seq counts from there"`
	EveryMS int64     `json:"every_ms" doc:"distance of two samples"`
	Samples []Sample  `json:"samples" doc:"oldest first, 300 at most"`
}

// Sample is one look at the ring and the proxy.
type Sample struct {
	Seq      uint64       `json:"seq" doc:"counts from 1"`
	At       time.Time    `json:"at"`
	Health   Health       `json:"health" enum:"ok,degraded,down"`
	Queries  uint64       `json:"queries" doc:"commands relayed since the start"`
	Errors   uint64       `json:"errors" doc:"error packets sent to clients since the start"`
	Sessions int          `json:"sessions" doc:"clients that were connected"`
	Queued   int          `json:"queued" doc:"statements that waited for admission"`
	Edges    []SampleEdge `json:"edges" doc:"one for each member that was meant to follow another"`
}

// SampleEdge is the lag of a member behind the one that it was meant to follow.
type SampleEdge struct {
	Origin string `json:"origin"`
	Member string `json:"member"`
	LowMS  *int64 `json:"low_ms" doc:"at least this; null: not known"`
	HighMS *int64 `json:"high_ms" doc:"at most this; null: not known"`
}

// sample makes one of a look.
func (l look) sample() Sample {
	s := Sample{
		At: l.now.UTC(), Queries: l.proxy.Queries, Errors: l.proxy.Errors,
		Sessions: l.proxy.Sessions, Queued: l.proxy.Queued, Edges: []SampleEdge{},
	}
	s.Health, _ = l.health()
	for _, m := range l.snap.Members {
		up, ok := l.snap.Upstream(m.ID)
		if !ok {
			continue
		}
		e := SampleEdge{Origin: string(up.ID), Member: string(m.ID)}
		if low, width := lagMillis(l.lag(up.ID, m.ID)); low != nil {
			high := *low + *width
			e.LowMS, e.HighMS = low, &high
		}
		s.Edges = append(s.Edges, e)
	}
	return s
}

// history keeps the newest samples. It is safe for concurrent use.
type history struct {
	mu      sync.Mutex
	started time.Time
	samples []Sample // oldest first
	seq     uint64
}

func (h *history) add(s Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.started.IsZero() {
		h.started = s.At
	}
	h.seq++
	s.Seq = h.seq
	if len(h.samples) == historyKept {
		h.samples = append(h.samples[:0:0], h.samples[1:]...)
	}
	h.samples = append(h.samples, s)
}

// since returns the samples above seq after. What it returns is not changed
// afterwards: add only appends, or copies.
func (h *history) since(after uint64) History {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := History{Started: h.started, EveryMS: historyEvery.Milliseconds(), Samples: []Sample{}}
	for i, s := range h.samples {
		if s.Seq > after {
			out.Samples = h.samples[i:len(h.samples):len(h.samples)]
			break
		}
	}
	return out
}

// sampling fills the history until ctx ends.
func (s *Server) sampling(ctx context.Context) {
	ticker := time.NewTicker(historyEvery)
	defer ticker.Stop()
	for {
		s.past.add(s.look().sample())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
