package api

import "time"

// Event is one line of the audit.
type Event struct {
	Index    uint64    `json:"index" doc:"raft index of the command that made it"`
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
