package api

import (
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sqlring/sqlring/pkg/topology"
)

// metricsHandler serves /metrics from a registry of its own.
func (s *Server) metricsHandler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&collector{look: s.look, refused: &s.refused, checks: &s.checks, descs: newDescs(), tally: &tally{}, keys: &s.keys, pinned: s.node.Pinned, digests: s.node.Digests, hooks: s.node.Hooks},
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// descs are the metrics of a node. What is not known is absent.
type descs struct {
	build, leads, hasLeader, health, ready           *prometheus.Desc
	memberUp, memberAge, memberReadOnly, memberState *prometheus.Desc
	memberSlot, semiSyncArmed, semiSyncOn, ackers    *prometheus.Desc
	memberLost, semiSyncOrder                        *prometheus.Desc
	violations, index, apiFull                       *prometheus.Desc

	operationDescs
	lagDescs
	memberDescs
	proxyDescs
	keyDescs
	hookDescs
	gates gateDescs
}

func newDescs() descs {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("sqlring_"+name, help, labels, nil)
	}
	return descs{
		build:     d("build_info", "What is running; always 1.", "node", "version", "revision", "goversion"),
		leads:     d("raft_leader", "Whether this node leads the controllers."),
		hasLeader: d("raft_has_leader", "Whether this node knows a leader."),
		health:    d("ring_health", "1 for the verdict that holds, 0 for the others.", "health"),
		ready:     d("ready", "Whether this node can have reads and writes served."),

		memberUp:       d("member_up", "Whether the member answered within the last 2 s.", "member"),
		memberAge:      d("member_probe_age_seconds", "Age of the last probe.", "member"),
		memberReadOnly: d("member_read_only", "Whether the member is read-only; absent if not known.", "member"),
		memberState:    d("member_state", "1 for the state that the member is in.", "member", "state"),
		memberSlot:     d("member_slot", "auto_increment_offset that is meant for the member.", "member"),
		semiSyncArmed:  d("member_semi_sync_armed", "Whether commits are ordered to wait for an acker.", "member"),
		memberLost:     d("member_lost", "Whether this node, by what it sees, judges the member lost.", "member"),
		semiSyncOrder:  d("member_semi_sync_ordered", "1 for what is ordered of the member's commits, 0 for the others.", "member", "order"),
		semiSyncOn:     d("member_semi_sync_on", "Whether commits do wait for an acker; absent if not known.", "member"),
		ackers:         d("member_semi_sync_ackers", "Connected ackers; absent if not known.", "member"),

		violations: d("violations", "Ways in which what is seen breaks what is meant.", "severity"),
		index:      d("state_index", "Raft index of the last change applied here."),

		apiFull: d("api_refused_connections_total", "Connections closed because too many were open."),

		operationDescs: describeOperations(d),
		lagDescs:       describeLag(d),
		memberDescs:    describeMembers(d),
		proxyDescs:     describeProxy(d),
		keyDescs:       describeKeys(d),
		hookDescs:      describeHooks(d),
		gates:          describeGates(d),
	}
}

func (d descs) all() []*prometheus.Desc {
	return append(slices.Concat(d.operationDescs.all(), d.memberDescs.all(), d.proxyDescs.all(), d.keyDescs.all(), d.gates.all(), d.lagDescs.all(), d.hookDescs.all()),
		d.build, d.leads, d.hasLeader, d.health, d.ready, d.memberUp, d.memberAge, d.memberReadOnly, d.memberState,
		d.memberSlot, d.memberLost, d.semiSyncOrder, d.semiSyncArmed, d.semiSyncOn, d.ackers,
		d.violations, d.index, d.apiFull,
	)
}

// collector computes every metric at the scrape, from one look.
type collector struct {
	look    func() look
	refused *atomic.Uint64
	checks  *checkCounts
	descs   descs
	tally   *tally
	keys    *keyspace
	pinned  func() map[string]int
	digests func(most int) []DigestAt
	hooks   func() []Hook
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs.all() {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	l := c.look()
	e := emitter{out}
	c.collectNode(e, l)
	c.collectOperations(e, l)
	c.collectUnits(e, l)
	c.collectMembers(e, l)
	c.collectLinks(e, l)
	c.collectLags(e, l)
	c.collectProxy(e, l)
	c.collectGates(e, l)
	c.collectDigests(e)
	c.collectKeys(e, l)
	c.collectHooks(e, l)
}

// emitter writes samples.
type emitter struct{ out chan<- prometheus.Metric }

func (e emitter) gauge(d *prometheus.Desc, value float64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (e emitter) counter(d *prometheus.Desc, value uint64, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}

// seconds writes a counter of a time.
func (e emitter) seconds(d *prometheus.Desc, value time.Duration, labels ...string) {
	e.out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, value.Seconds(), labels...)
}

func (e emitter) flag(d *prometheus.Desc, on bool, labels ...string) {
	value := 0.0
	if on {
		value = 1
	}
	e.gauge(d, value, labels...)
}

func (c *collector) collectNode(e emitter, l look) {
	v := BuildVersion()
	e.gauge(c.descs.build, 1, string(l.node), v.Version, v.Revision, v.Go)
	e.flag(c.descs.leads, l.hasLeader && l.leader == l.node)
	e.flag(c.descs.hasLeader, l.hasLeader)
	health, _ := l.health()
	for _, h := range []Health{HealthOK, HealthDegraded, HealthDown} {
		e.flag(c.descs.health, h == health, string(h))
	}
	e.flag(c.descs.ready, len(l.unready()) == 0)
	count := map[string]int{topology.SeverityWarning.String(): 0, topology.SeverityBroken.String(): 0}
	for _, v := range l.violations() {
		count[v.Severity]++
	}
	for severity, n := range count {
		e.gauge(c.descs.violations, float64(n), severity)
	}
	e.gauge(c.descs.index, float64(l.snap.Index))
	e.counter(c.descs.apiFull, c.refused.Load())
}

func (c *collector) collectMembers(e emitter, l look) {
	for _, v := range l.verdicts() {
		e.flag(c.descs.memberLost, v.Lost, v.Member)
	}
	for _, m := range l.snap.Members {
		id := string(m.ID)
		seen, good := l.obs.Good(m.ID, l.now)
		e.flag(c.descs.memberUp, good, id)
		e.gauge(c.descs.memberState, 1, id, m.State.String())
		e.gauge(c.descs.memberSlot, float64(m.Slot), id)
		e.flag(c.descs.semiSyncArmed, m.SemiSync == topology.SemiSyncArmed, id)
		for _, order := range []topology.SemiSync{topology.SemiSyncOff, topology.SemiSyncArmed, topology.SemiSyncDegraded} {
			e.flag(c.descs.semiSyncOrder, m.SemiSync == order, id, order.String())
		}
		if !seen.At.IsZero() {
			e.gauge(c.descs.memberAge, l.now.Sub(seen.At).Seconds(), id)
		}
		if good {
			e.flag(c.descs.memberReadOnly, seen.ReadOnly, id)
			e.flag(c.descs.semiSyncOn, seen.SemiSync.On, id)
			e.gauge(c.descs.ackers, float64(seen.SemiSync.Ackers), id)
		}
	}
}
