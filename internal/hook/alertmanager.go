package hook

import (
	"context"
	"maps"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// alertmanager speaks version 2 of its API: POST /api/v2/alerts takes a list of alerts,
// each known by its labels. One whose endsAt lies ahead fires, and is over by itself
// then: so what stands is sent again before.
type alertmanager struct {
	poster

	lasts time.Duration // how far ahead endsAt is
}

// alert is postableAlert of Alertmanager's openapi.yaml.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    time.Time         `json:"startsAt,omitzero"`
	EndsAt      time.Time         `json:"endsAt,omitzero"`
}

// toldFor is how long something that has happened, and does not last, fires.
const toldFor = 5 * time.Minute

// Send implements sender.
func (h alertmanager) Send(ctx context.Context, m Message) error {
	return h.postJSON(ctx, h.alerts(m, time.Now().UTC()))
}

func (h alertmanager) alerts(m Message, now time.Time) []alert {
	labels := map[string]string{
		"alertname": "SqlringEvent", "ring": m.Ring, "topic": m.Topic.String(), "subject": m.Subject, "severity": m.Severity.String(),
	}
	if m.Member != "" {
		labels["member"] = string(m.Member)
	}
	if m.Status == topology.PhaseTold {
		labels["state"] = m.To // two things that happen to one subject are two alerts
	}
	a := alert{
		Labels: labels, StartsAt: m.Since,
		Annotations: map[string]string{"summary": m.What, "id": m.ID, "why": m.Why, "runbook": m.Remedy, "state": m.To, "evidence": strings.Join(m.Evidence, "\n")},
	}
	maps.DeleteFunc(a.Annotations, func(_, text string) bool { return text == "" })
	switch m.Status {
	case topology.PhaseTold:
		a.EndsAt = m.At.Add(toldFor)
	case topology.PhaseResolved:
		a.StartsAt, a.EndsAt = m.Began, now
	case topology.PhaseFiring:
		a.EndsAt = now.Add(h.lasts)
		if m.Was > topology.UrgencyInfo && m.Was != m.Severity && m.Repeat == 0 {
			// With the severity its labels change: the alert with the old ones is over.
			before := alert{Labels: maps.Clone(labels), StartsAt: m.Began, EndsAt: now}
			before.Labels["severity"] = m.Was.String()
			return []alert{before, a}
		}
	}
	return []alert{a}
}
