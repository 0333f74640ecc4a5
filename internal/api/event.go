package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Event is one line of what happened: of the audit (a change, by whom and why), or a
// transition (from, to), which hooks are told.
type Event struct {
	Index    uint64    `json:"index" doc:"raft index of the command that made it; 0: it was seen by the node that answers, and is in its memory only"`
	Seq      uint64    `json:"seq" doc:"of a transition: its number, for event ack; 0: a line of the audit"`
	ID       string    `json:"id" doc:"of a transition: what hooks are told it by; empty: a line of the audit"`
	At       time.Time `json:"at"`
	By       string    `json:"by" doc:"who ordered it"`
	Kind     string    `json:"kind" doc:"of a transition: lag, member, ring, unit, raft, node, semi-sync, headroom, operation or hook"`
	Subject  string    `json:"subject" doc:"what of that kind it is about; empty: a line of the audit"`
	Member   string    `json:"member"`
	From     string    `json:"from"`
	To       string    `json:"to"`
	Status   string    `json:"status" doc:"told: it has happened; firing: it lasts; resolved: it is over"`
	Severity string    `json:"severity" doc:"info, warning or critical; of what is over, if resolved"`
	Since    time.Time `json:"since" doc:"when it was found to be so"`
	What     string    `json:"what"`
	Why      string    `json:"why"`
	Remedy   string    `json:"remedy" doc:"what to do"`
	Evidence []string  `json:"evidence"`
	Acked    *Acked    `json:"acked" doc:"who has seen it; null: nobody has said so"`
}

// Acked says that somebody has seen an event.
type Acked struct {
	By  string    `json:"by"`
	At  time.Time `json:"at"`
	Why string    `json:"why"`
}

// auditEvent is a line of the audit.
func auditEvent(e topology.Event) Event {
	return Event{
		Index: e.Index, At: e.At, By: e.By, Kind: e.Kind, Member: string(e.Member), What: e.What, Why: e.Why,
		Status: topology.PhaseTold.String(), Severity: topology.UrgencyInfo.String(), Since: e.At, Evidence: append([]string{}, e.Evidence...),
	}
}

// noticeEvent is a transition.
func noticeEvent(n topology.Notice) Event {
	e := Event{
		Index: n.Index, Seq: n.Seq, ID: n.ID(), At: n.At, By: n.By, Kind: n.Topic.String(), Subject: n.Subject, Member: string(n.Member),
		From: n.From, To: n.To, Status: n.Phase.String(), Severity: n.Severity.String(), Since: n.Since,
		What: n.What, Why: n.Why, Remedy: n.Remedy, Evidence: append([]string{}, n.Evidence...),
	}
	if n.Phase == topology.PhaseResolved {
		e.Severity = n.Was.String()
	}
	if n.Acked != nil {
		e.Acked = &Acked{n.Acked.By, n.Acked.At, n.Acked.Why}
	}
	return e
}

// events returns the newest limit lines of the audit above the raft index after, oldest
// first.
func (l look) events(after uint64, limit int) []Event {
	events := []Event{}
	for _, e := range l.snap.Events {
		if e.Index > after {
			events = append(events, auditEvent(e))
		}
	}
	return events[max(0, len(events)-limit):]
}

// observed returns the transitions above the raft index after: those of raft, or, until
// it keeps them, what this node has seen of lag levels.
func (s *Server) observed(l look, after uint64) []Event {
	events := []Event{}
	if l.snap.Outbox != nil {
		for _, n := range l.snap.Outbox.History {
			if n.Index > after {
				events = append(events, noticeEvent(n))
			}
		}
		return events
	}
	if after > 0 {
		return events // what has no index is not after one
	}
	for _, t := range s.node.Transitions() {
		events = append(events, Event{
			At: t.At.UTC(), By: "monitor@" + string(s.node.Name()), Kind: "lag level", Subject: string(t.Member), Member: string(t.Member),
			From: t.From.String(), To: t.To.String(), Status: topology.PhaseTold.String(), Severity: topology.UrgencyInfo.String(), Since: t.At.UTC(),
			What: string(t.Member) + ": " + t.From.String() + " -> " + t.To.String(), Why: t.Why,
			Evidence: append([]string{}, t.Evidence...),
		})
	}
	return events
}

// matches reports whether an event is asked for.
func (q eventQuery) matches(e Event, now time.Time) bool {
	order := topology.UrgencyNames()
	switch {
	case e.Kind == "step" && !q.Observed && q.Kind == "", // of an operation: for who wants all
		q.Kind != "" && e.Kind != q.Kind,
		q.Member != "" && e.Member != q.Member,
		q.Severity != "" && slices.Index(order, e.Severity) < slices.Index(order, q.Severity),
		q.SinceMS > 0 && e.At.Before(now.Add(-milliseconds(q.SinceMS))):
		return false
	}
	return true
}

// list returns what is asked for, oldest first.
func (s *Server) list(q eventQuery) (l look, events []Event) {
	l = s.look()
	events = l.events(q.After, len(l.snap.Events))
	if q.Observed {
		events = append(events, s.observed(l, q.After)...)
	}
	events = slices.DeleteFunc(events, func(e Event) bool { return !q.matches(e, l.now) })
	slices.SortStableFunc(events, func(a, b Event) int {
		if a.Index > 0 && b.Index > 0 {
			return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Seq, b.Seq))
		}
		return a.At.Compare(b.At)
	})
	return l, events[max(0, len(events)-q.Limit):]
}

// await returns what list does, once there is something, or the time that the query
// gives is over. A request that waits costs a look for each change of the state.
func (s *Server) await(ctx context.Context, q eventQuery) eventList {
	timer := time.NewTimer(milliseconds(int64(q.WaitMS)))
	defer timer.Stop()
	for {
		l, events := s.list(q)
		out := eventList{Events: events, Index: l.snap.Index}
		if len(events) > 0 || q.WaitMS == 0 {
			return out
		}
		select {
		case <-ctx.Done():
			return out
		case <-timer.C:
			return out
		case <-s.node.Changed(l.snap.Index):
		}
	}
}

type eventQuery struct {
	After uint64 `query:"after" doc:"only events above this raft index"`
	Limit int    `query:"limit" minimum:"1" maximum:"1024" default:"100" doc:"at most so many, the newest"`

	Observed bool   `query:"observed" doc:"with the transitions that hooks are told, not the audit alone"`
	Kind     string `query:"kind" maxLength:"32" doc:"only of this kind"`
	Member   string `query:"member" maxLength:"32" doc:"only about this member"`
	Severity string `query:"severity" enum:"info,warning,critical" doc:"only of this severity or a worse one"`
	SinceMS  int64  `query:"since_ms" minimum:"0" doc:"only of the last so many milliseconds"`
	WaitMS   int    `query:"wait_ms" minimum:"0" maximum:"25000" doc:"wait so long for the first, if there is none yet: to follow, ask again with after = index"`
}

// StandingEvent is something that is not as it should be, and lasts.
type StandingEvent struct {
	Event

	Began time.Time    `json:"began" doc:"when all was well last"`
	Told  []ToldOfHook `json:"told" doc:"which hooks were told, and when last"`
}

// ToldOfHook is when a hook was told of what stands.
type ToldOfHook struct {
	Hook     string    `json:"hook"`
	At       time.Time `json:"at"`
	Repeats  int       `json:"repeats" doc:"how often it was told again"`
	Silenced bool      `json:"silenced" doc:"it was not told, by order"`
}

type standingList struct {
	Standing []StandingEvent `json:"standing"`
}

func (l look) standing() standingList {
	list := standingList{Standing: []StandingEvent{}}
	if l.snap.Outbox == nil {
		return list
	}
	for _, st := range l.snap.Outbox.Standing {
		e := StandingEvent{Event: noticeEvent(st.Notice), Began: st.Began, Told: []ToldOfHook{}}
		for _, s := range st.Sent {
			e.Told = append(e.Told, ToldOfHook{s.Hook, s.At, s.Repeats, s.Silenced})
		}
		list.Standing = append(list.Standing, e)
	}
	return list
}

type ackInput struct {
	Seq    uint64 `path:"seq" doc:"of the transition"`
	DryRun bool   `query:"dry_run" doc:"only check it"`
	Body   struct {
		Why string `json:"why,omitempty" maxLength:"200" doc:"for whoever looks later"`
	}
}

func (s *Server) eventRoutes(api huma.API) {
	huma.Register(api, huma.Operation{
		Method: http.MethodGet, Path: "/v1/events", OperationID: "get-events", Summary: "The audit, and the transitions, oldest first",
	}, func(ctx context.Context, in *eventQuery) (*answer[eventList], error) {
		return &answer[eventList]{s.await(ctx, *in)}, nil
	})
	get(s, api, "/v1/standing", "What is not as it should be, and lasts", look.standing)
	huma.Register(api, huma.Operation{
		Method: http.MethodPost, Path: "/v1/events/{seq}/ack", OperationID: "ack-event", MaxBodyBytes: maxBody,
		Summary: "Say that somebody has seen it: what stands is not told again until it changes",
	}, func(ctx context.Context, in *ackInput) (*answer[Event], error) {
		next, err := s.commit(ctx, "acknowledge an event", topology.AckNotice{Seq: in.Seq}, commitment{in.Body.Why, in.DryRun})
		if err != nil {
			return nil, err
		}
		for _, n := range next.Outbox.History {
			if n.Seq == in.Seq {
				return &answer[Event]{noticeEvent(n)}, nil
			}
		}
		for _, st := range next.Outbox.Standing {
			if st.Notice.Seq == in.Seq {
				return &answer[Event]{noticeEvent(st.Notice)}, nil
			}
		}
		return nil, newProblem(http.StatusNotFound, ProblemNotFound, "event %d is not remembered", in.Seq)
	})
}
