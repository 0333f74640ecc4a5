package api

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlring/sqlring/pkg/gate"
)

// gateDescs are the metrics of the gates of this node's proxy. Queue time is apart from
// the time at the member.
type gateDescs struct {
	limit, taken, waiting, idle, saturated, inflation *prometheus.Desc
	granted, refused, gone, queueTime, serverTime     *prometheus.Desc
	saturations, hotKeys, laneWaits, limitRules       *prometheus.Desc
	braked, laneTime                                  *prometheus.Desc
	limitWaiting, limitWaited, limitRefused           *prometheus.Desc

	digestStatements, digestServer, digestQueue, digestShed *prometheus.Desc
}

func describeGates(d func(name, help string, labels ...string) *prometheus.Desc) gateDescs {
	return gateDescs{
		limit:       d("gate_limit", "Places that there are at the member now.", "member"),
		taken:       d("gate_taken", "Places that are taken.", "member", "class"),
		waiting:     d("gate_waiting_statements", "Statements that wait for a place.", "member", "class"),
		idle:        d("gate_idle_places", "Places whose transaction waits for its client.", "member"),
		saturated:   d("gate_saturated", "Whether statements have always had to wait for a second.", "member"),
		braked:      d("gate_braked", "Whether the member's own word, or the lag of others, holds the places down.", "member"),
		inflation:   d("gate_inflation", "What statements take at the member now, divided by what is usual.", "member"),
		granted:     d("gate_granted_total", "Places given.", "member", "class"),
		refused:     d("gate_refused_total", "Statements that got an error instead of a place or a hot row, by reason.", "member", "reason"),
		gone:        d("gate_gone_total", "Statements whose client went while they waited for a place or a hot row.", "member"),
		queueTime:   d("gate_queue_seconds", "How long statements waited that had to.", "member"),
		serverTime:  d("gate_server_seconds", "How long statements were at the member until their answer began; some are measured.", "member"),
		saturations: d("gate_saturations_total", "How often the member became saturated.", "member"),
		hotKeys:     d("gate_hot_keys", "Keys that have lanes.", "member"),
		laneWaits:   d("gate_lane_waits_total", "Statements that waited for the one before them at a hot key.", "member"),
		laneTime:    d("gate_lane_seconds_total", "How long they did; not in gate_queue_seconds.", "member"),

		digestStatements: d("digest_statements_total", "Statements of the 20 digests that have taken the most time, estimated.", "member", "digest"),
		digestServer:     d("digest_server_seconds_total", "How long they were at the member until their answer began, estimated.", "member", "digest"),
		digestQueue:      d("digest_queue_seconds_total", "How long they waited before, for a place, for a hot row or by a rule.", "member", "digest"),
		digestShed:       d("digest_shed_total", "Those of them that got an error instead of a place.", "member", "digest"),

		limitRules:   d("limit_rules", "Rules that hold statements back now."),
		limitWaiting: d("limit_waiting", "Statements that a rule holds back now.", "scope"),
		limitWaited:  d("limit_wait_seconds_total", "How long statements were held back by a rule.", "scope"),
		limitRefused: d("limit_refused_total", "Statements that got an error by a rule, since it held them back for too long or too many waited.", "scope"),
	}
}

func (d gateDescs) all() []*prometheus.Desc {
	return []*prometheus.Desc{
		d.limit, d.taken, d.waiting, d.idle, d.saturated, d.braked, d.inflation, d.granted, d.refused, d.gone, d.queueTime, d.serverTime,
		d.saturations, d.hotKeys, d.laneWaits, d.laneTime, d.limitRules, d.limitWaiting, d.limitWaited, d.limitRefused,
		d.digestStatements, d.digestServer, d.digestQueue, d.digestShed,
	}
}

func (c *collector) collectGates(e emitter, l look) {
	d := c.descs.gates
	e.gauge(d.limitRules, float64(len(l.limits().Limits)))
	for _, r := range l.proxy.Limits {
		e.gauge(d.limitWaiting, float64(r.Waiting), r.Scope)
		e.seconds(d.limitWaited, r.Waited, r.Scope)
		e.counter(d.limitRefused, r.Refused, r.Scope)
	}
	for _, g := range l.proxy.Gates {
		m := string(g.Member)
		e.gauge(d.limit, float64(g.Limit), m)
		e.gauge(d.idle, float64(g.Idle), m)
		e.flag(d.saturated, g.Saturated, m)
		e.flag(d.braked, g.Braked, m)
		e.gauge(d.inflation, g.Inflation, m)
		for class := range gate.Class(gate.Classes) {
			e.gauge(d.taken, float64(g.Taken[class]), m, class.String())
			e.gauge(d.waiting, float64(g.Waiting[class]), m, class.String())
			e.counter(d.granted, g.Counts.Granted[class], m, class.String())
		}
		for r := gate.Granted + 1; int(r) < gate.Refusals; r++ {
			e.counter(d.refused, g.Counts.Refused[r], m, r.String())
		}
		e.counter(d.gone, g.Counts.Gone, m)
		e.counter(d.saturations, g.Counts.Saturated, m)
		e.counter(d.laneWaits, g.Counts.LaneWaits, m)
		e.seconds(d.laneTime, g.Counts.LaneTime, m)
		laned := 0
		for _, h := range g.Hot {
			if h.Laned {
				laned++
			}
		}
		e.gauge(d.hotKeys, float64(laned), m)
		buckets, sum := map[float64]uint64{}, uint64(0)
		for i, bound := range gate.WaitBounds() {
			sum += g.Counts.Waited[i]
			buckets[bound.Seconds()] = sum
		}
		sum += g.Counts.Waited[len(gate.WaitBounds())]
		e.out <- prometheus.MustNewConstHistogram(d.queueTime, sum, g.Counts.WaitTime.Seconds(), buckets, m)
		e.out <- prometheus.MustNewConstSummary(d.serverTime, g.Counts.Samples, g.Counts.ServerTime.Seconds(), nil, m)
	}
}

// collectDigests are counters of the digests that have cost most: at most 20 values of the
// label at a time.
func (c *collector) collectDigests(e emitter) {
	d := c.descs.gates
	for _, t := range c.digests(shownDigests) {
		labels := []string{string(t.Member), fmt.Sprintf("%016x", t.Tally.Digest)}
		e.counter(d.digestStatements, t.Statements, labels...)
		e.counter(d.digestShed, t.Shed, labels...)
		e.seconds(d.digestServer, t.ServerTime, labels...)
		e.seconds(d.digestQueue, t.QueueTime(), labels...)
	}
}
