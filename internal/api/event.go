package api

import (
	"slices"
	"time"
)

// Event is one line of the audit.
type Event struct {
	Index    uint64    `json:"index" doc:"raft index of the command that made it; 0: it was seen by the node that answers, and is in its memory only"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Kind     string    `json:"kind"`
	Member   string    `json:"member"`
	What     string    `json:"what"`
	Why      string    `json:"why"`
	Evidence []string  `json:"evidence"`
}

// events returns the newest limit events above the raft index after, oldest
// first.
func (l look) events(after uint64, limit int) []Event {
	events := []Event{}
	for _, e := range l.snap.Events {
		if e.Index <= after {
			continue
		}
		events = append(events, Event{
			Index: e.Index, At: e.At, By: e.By, Kind: e.Kind, Member: string(e.Member), What: e.What, Why: e.Why,
			Evidence: append([]string{}, e.Evidence...),
		})
	}
	if n := len(events) - limit; n > 0 {
		events = events[n:]
	}
	return events
}

// withObserved adds what this node has seen to events of the audit, by time, and
// keeps the newest limit.
func (s *Server) withObserved(events []Event, limit int) []Event {
	for _, t := range s.node.Transitions() {
		events = append(events, Event{
			At: t.At.UTC(), By: "monitor@" + string(s.node.Name()), Kind: "lag level", Member: string(t.Member),
			What: string(t.Member) + ": " + t.From.String() + " -> " + t.To.String(), Why: t.Why,
			Evidence: append([]string{}, t.Evidence...),
		})
	}
	slices.SortStableFunc(events, func(a, b Event) int { return a.At.Compare(b.At) })
	return events[max(0, len(events)-limit):]
}
