package hook

import (
	"context"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// pagerDutyURL takes events of version 2 of PagerDuty's Events API.
const pagerDutyURL = "https://events.pagerduty.com/v2/enqueue"

// pagerDuty triggers and resolves: what has the same dedup_key is one incident.
type pagerDuty struct {
	poster

	routingKey string
}

type pagerDutyEvent struct {
	RoutingKey  string            `json:"routing_key"`
	EventAction string            `json:"event_action"` // trigger or resolve
	DedupKey    string            `json:"dedup_key"`
	Client      string            `json:"client,omitempty"`
	Payload     *pagerDutyPayload `json:"payload,omitempty"` // of trigger
}

type pagerDutyPayload struct {
	Summary   string  `json:"summary"`  // 1024 characters
	Source    string  `json:"source"`   //
	Severity  string  `json:"severity"` // critical, error, warning or info
	Timestamp string  `json:"timestamp"`
	Component string  `json:"component"`
	Group     string  `json:"group"`
	Class     string  `json:"class"`
	Details   Message `json:"custom_details"`
}

// Limits of PagerDuty, in characters.
const (
	maxSummary  = 1024
	maxDedupKey = 255
)

// Send implements sender. The answer to what is taken is 202; 400 is for ever.
func (h pagerDuty) Send(ctx context.Context, m Message) error { return h.postJSON(ctx, h.event(m)) }

func (h pagerDuty) event(m Message) pagerDutyEvent {
	e := pagerDutyEvent{RoutingKey: h.routingKey, EventAction: "trigger", DedupKey: shorten("sqlring/"+m.Key, maxDedupKey), Client: "sqlring"}
	switch m.Status {
	case topology.PhaseResolved:
		e.EventAction = "resolve"
		return e
	case topology.PhaseTold: // an incident of its own: nothing resolves it but a person
		e.DedupKey = shorten("sqlring/"+m.ID, maxDedupKey)
	case topology.PhaseFiring:
	}
	component := string(m.Member)
	if component == "" {
		component = m.Subject
	}
	e.Payload = &pagerDutyPayload{
		Summary: shorten(m.title(), maxSummary), Source: "sqlring/" + m.Ring, Severity: m.Severity.String(), Timestamp: m.Since.UTC().Format(time.RFC3339Nano),
		Component: component, Group: m.Ring, Class: m.Topic.String(), Details: m,
	}
	return e
}

// shorten cuts text to limit characters.
func shorten(text string, limit int) string {
	if r := []rune(text); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return text
}
