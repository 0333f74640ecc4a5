package api

import "github.com/prometheus/client_golang/prometheus"

// proxyDescs are the metrics of this node's proxy.
type proxyDescs struct {
	sessions, queued, queries, errors, refused    *prometheus.Desc
	sessionsAll, waited, received, sent           *prometheus.Desc
	links, linksLost, linksRefused, linksCut      *prometheus.Desc
	outcomeUnknown, repeated, abandoned, slowedBy *prometheus.Desc
	faults, unnamed                               *prometheus.Desc

	pinned, spread, awaited, awaitedInVain *prometheus.Desc
	linksNow, linksAwaited, linksAllowed   *prometheus.Desc
}

func describeProxy(d func(name, help string, labels ...string) *prometheus.Desc) proxyDescs {
	return proxyDescs{
		sessions:       d("proxy_sessions", "Clients that are connected."),
		queued:         d("proxy_queued_statements", "Statements that wait for admission."),
		queries:        d("proxy_queries_total", "Commands relayed."),
		errors:         d("proxy_errors_total", "Error packets sent to clients, refusals aside."),
		refused:        d("proxy_refused_total", "Refusals, by reason.", "reason"),
		sessionsAll:    d("proxy_sessions_total", "Clients that ever connected."),
		waited:         d("proxy_waits_total", "Statements that had to wait for admission."),
		received:       d("proxy_received_bytes_total", "Bytes from clients, after their login."),
		sent:           d("proxy_sent_bytes_total", "Bytes to clients, after their login."),
		links:          d("proxy_member_connections_total", "Connections opened to members."),
		linksLost:      d("proxy_member_connections_lost_total", "Connections to members that were lost without our doing."),
		linksRefused:   d("proxy_member_connections_refused_total", "Connections that a member did not take since it had as many as it may have (1040): statements waited instead."),
		linksCut:       d("proxy_member_connections_cut_total", "Connections to members that were cut at work since their member was no longer the owner."),
		outcomeUnknown: d("proxy_outcomes_unknown_total", "Statements answered 08007: they may or may not have happened."),
		repeated:       d("proxy_repeated_reads_total", "Reads run again on another member, of whose first run nothing was delivered."),
		abandoned:      d("proxy_abandoned_statements_total", "Clients that left while a statement ran."),
		slowedBy:       d("proxy_slowed_logins_total", "Logins made to wait since too many of their account had failed."),
		faults:         d("proxy_session_faults_total", "Sessions that ended by a fault of sqlring itself; its log has the stack."),
		unnamed:        d("proxy_unnamed_changes_total", "Changes of a session's state that its member reported and nothing has a name for: the session keeps its connection; the log has the statements."),

		pinned:        d("proxy_pinned_sessions", "Sessions that keep their connection to a member between their statements, by why; with several reasons, for each.", "reason"),
		spread:        d("proxy_spread_reads_total", "Reads run at other members than the owner."),
		awaited:       d("proxy_awaited_reads_total", "Reads whose member was asked to wait for what they had to see, and got it."),
		awaitedInVain: d("proxy_awaited_in_vain_reads_total", "Reads whose member was asked to wait, and did not get it in time: they went to the owner."),
		linksNow:      d("proxy_member_connections", "Open connections to a member: taken by a session, or idle.", "member", "state"),
		linksAwaited:  d("proxy_member_connection_waiters", "Sessions that wait for a connection to a member, since all are in use.", "member"),
		linksAllowed:  d("proxy_member_connections_limit", "Connections to a member that there may be: proxy.member_links.", "member"),
	}
}

func (d proxyDescs) all() []*prometheus.Desc {
	return []*prometheus.Desc{
		d.sessions, d.queued, d.queries, d.errors, d.refused, d.sessionsAll, d.waited, d.received, d.sent,
		d.links, d.linksLost, d.linksRefused, d.linksCut, d.outcomeUnknown, d.repeated, d.abandoned, d.slowedBy, d.faults, d.unnamed,
		d.pinned, d.spread, d.awaited, d.awaitedInVain, d.linksNow, d.linksAwaited, d.linksAllowed,
	}
}

func (c *collector) collectProxy(e emitter, l look) {
	d, p := c.descs, l.proxy
	e.gauge(d.sessions, float64(p.Sessions))
	e.gauge(d.queued, float64(p.Queued))
	e.counter(d.queries, p.Queries)
	e.counter(d.errors, p.Errors)
	for reason, n := range p.Refused {
		e.counter(d.refused, n, reason)
	}
	e.counter(d.sessionsAll, p.Traffic.Sessions)
	e.counter(d.waited, p.Traffic.Waited)
	e.counter(d.received, p.Traffic.ReceivedBytes)
	e.counter(d.sent, p.Traffic.SentBytes)
	e.counter(d.links, p.Traffic.Links)
	e.counter(d.linksLost, p.Traffic.LinksLost)
	e.counter(d.linksRefused, p.Traffic.LinksRefused)
	e.counter(d.linksCut, p.Traffic.LinksCut)
	e.counter(d.outcomeUnknown, p.Traffic.OutcomeUnknown)
	e.counter(d.repeated, p.Traffic.Repeated)
	e.counter(d.abandoned, p.Traffic.Abandoned)
	e.counter(d.slowedBy, p.Traffic.Slowed)
	e.counter(d.faults, p.Traffic.Faults)
	e.counter(d.unnamed, p.Traffic.Unnamed)
	e.counter(d.spread, p.Reads.Spread)
	e.counter(d.awaited, p.Reads.Awaited)
	e.counter(d.awaitedInVain, p.Reads.AwaitedInVain)
	for _, pool := range p.Pools {
		e.gauge(d.linksNow, float64(pool.Taken), pool.Member, "taken")
		e.gauge(d.linksNow, float64(max(0, pool.Open-pool.Taken)), pool.Member, "idle")
		e.gauge(d.linksAwaited, float64(pool.Queue), pool.Member)
		e.gauge(d.linksAllowed, float64(pool.Limit), pool.Member)
	}
	for reason, n := range c.pinned() {
		e.gauge(d.pinned, float64(n), reason)
	}
}
