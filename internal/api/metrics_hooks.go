package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlring/sqlring/pkg/topology"
)

// hookDescs are the metrics of what is told. Their labels are bounded: severities, and
// the hooks of the node's file.
type hookDescs struct {
	standing, pending, dropped, suppressed               *prometheus.Desc
	delivered, failed, givenUp, silenced, waits, failing *prometheus.Desc
}

func describeHooks(d func(name, help string, labels ...string) *prometheus.Desc) hookDescs {
	return hookDescs{
		standing:   d("events_standing", "What is not as it should be, and lasts; absent until transitions are taken down.", "severity"),
		pending:    d("outbox_pending", "Transitions that some hook is still to be told."),
		dropped:    d("outbox_dropped_total", "Transitions that were not told to every hook since too many were pending.", "severity"),
		suppressed: d("outbox_suppressed_total", "Transitions that were not told since the thing flaps."),
		delivered:  d("hook_delivered_total", "Messages that a hook has taken from this node.", "hook"),
		failed:     d("hook_failed_attempts_total", "Attempts of this node that a hook has not taken.", "hook"),
		givenUp:    d("hook_given_up_total", "Messages that this node has given up.", "hook"),
		silenced:   d("hook_silenced_total", "Messages that were not sent by this node, by order.", "hook"),
		waits:      d("hook_waiting", "Transitions that a hook is still to be told.", "hook"),
		failing:    d("hook_failing", "Whether a hook does not work, as this node has found.", "hook"),
	}
}

func (d hookDescs) all() []*prometheus.Desc {
	return []*prometheus.Desc{d.standing, d.pending, d.dropped, d.suppressed, d.delivered, d.failed, d.givenUp, d.silenced, d.waits, d.failing}
}

func (c *collector) collectHooks(e emitter, l look) {
	for _, h := range c.hooks() {
		e.counter(c.descs.delivered, h.Delivered, h.Name)
		e.counter(c.descs.failed, h.Failed, h.Name)
		e.counter(c.descs.givenUp, h.GivenUp, h.Name)
		e.counter(c.descs.silenced, h.Silenced, h.Name)
		e.gauge(c.descs.waits, float64(h.Waiting), h.Name)
		e.flag(c.descs.failing, h.Failing, h.Name)
	}
	o := l.snap.Outbox
	if o == nil {
		return
	}
	e.gauge(c.descs.pending, float64(len(o.Pending)))
	e.counter(c.descs.suppressed, o.Suppressed)
	var standing [3]int
	for _, st := range o.Standing {
		standing[min(int(st.Notice.Severity), len(standing)-1)]++
	}
	for i, name := range topology.UrgencyNames() {
		e.counter(c.descs.dropped, o.Dropped[i], name)
		if i > 0 { // nothing that stands is of severity info
			e.gauge(c.descs.standing, float64(standing[i]), name)
		}
	}
}
