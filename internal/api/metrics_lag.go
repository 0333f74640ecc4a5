package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlring/sqlring/pkg/lagguard"
)

// lagDescs are the metrics of lag and of what follows from it.
type lagDescs struct {
	lagLow, lagHigh, lagKnown              *prometheus.Desc
	lagLevel, lagBehind, lagQueued         *prometheus.Desc
	lagArrival, lagApply, lagETA, hop      *prometheus.Desc
	checks, throttleRules, levelTransition *prometheus.Desc
	admission                              *prometheus.Desc
}

func describeLag(d func(name, help string, labels ...string) *prometheus.Desc) lagDescs {
	return lagDescs{
		lagLow:   d("lag_low_seconds", "The member lags behind the origin by at least this; absent if not known.", "origin", "member"),
		lagHigh:  d("lag_high_seconds", "The member lags behind the origin by at most this; absent if not known.", "origin", "member"),
		lagKnown: d("lag_known", "Whether the lag is known.", "origin", "member"),

		lagLevel:   d("lag_level", "1 for the lag level that the member is in, 0 for the others.", "member", "level"),
		lagBehind:  d("lag_transactions", "Transactions of the origin that the member has not applied; absent if not known.", "origin", "member"),
		lagQueued:  d("lag_queued_transactions", "Of those, how many the member has received; absent if not known.", "origin", "member"),
		lagArrival: d("lag_arrival_rate", "Transactions per second that the origin commits; absent if not known.", "origin", "member"),
		lagApply:   d("lag_apply_rate", "Transactions per second of the origin that the member applies; absent if not known.", "origin", "member"),
		lagETA:     d("lag_catch_up_seconds", "Time until the member has caught up; absent if not known, or if it does not.", "origin", "member"),
		hop:        d("lag_hop_seconds", "What the hop to blame adds, at least; absent if there is none.", "from", "to"),

		admission: d("write_admission_ratio", "Share of its places for writes that the member gives away, 0.125 to 1: less while others lag behind it.", "member"),

		checks:          d("throttle_checks_total", "Checks of applications, by the answer's status.", "code"),
		throttleRules:   d("throttle_rules", "Rules that hold applications back now."),
		levelTransition: d("lag_level_seconds", "For how long the member has been of its lag level; absent if not known.", "member"),
	}
}

func (d lagDescs) all() []*prometheus.Desc {
	return []*prometheus.Desc{
		d.lagLow, d.lagHigh, d.lagKnown, d.lagLevel, d.lagBehind, d.lagQueued, d.lagArrival, d.lagApply, d.lagETA, d.hop,
		d.checks, d.throttleRules, d.levelTransition, d.admission,
	}
}

func (c *collector) collectLags(e emitter, l look) {
	for _, cell := range l.lags {
		lag := l.fresh(cell)
		labels := []string{string(cell.Origin), string(cell.Member)}
		e.flag(c.descs.lagKnown, lag.Known, labels...)
		if !lag.Known {
			continue
		}
		e.gauge(c.descs.lagLow, lag.Low.Seconds(), labels...)
		e.gauge(c.descs.lagHigh, lag.High.Seconds(), labels...)
		if p, ok := l.picture.Pair(cell.Origin, cell.Member); ok && p.Flow.Known {
			e.gauge(c.descs.lagBehind, float64(p.Flow.Behind), labels...)
			e.gauge(c.descs.lagQueued, float64(p.Flow.Queued), labels...)
			e.gauge(c.descs.lagArrival, p.Flow.Arrival, labels...)
			e.gauge(c.descs.lagApply, p.Flow.Apply, labels...)
			if p.Flow.ETA != lagguard.Never {
				e.gauge(c.descs.lagETA, p.Flow.ETA.Seconds(), labels...)
			}
		}
	}
	c.collectLevels(e, l)
}

func (c *collector) collectLevels(e emitter, l look) {
	e.gauge(c.descs.throttleRules, float64(len(l.throttles().Rules)))
	for verdict := range c.checks {
		e.counter(c.descs.checks, c.checks[verdict].Load(), frenoCode(lagguard.Verdict(verdict)))
	}
	if l.picture == nil {
		return
	}
	for _, m := range l.picture.Members {
		now := l.level(m.Member)
		for _, level := range lagguard.Levels() {
			e.flag(c.descs.lagLevel, level.String() == now.Level, now.Name, level.String())
		}
		if now.SinceMS != nil {
			e.gauge(c.descs.levelTransition, float64(*now.SinceMS)/1000, now.Name)
		}
	}
	for _, a := range l.picture.Admissions {
		e.gauge(c.descs.admission, a.Ratio(), string(a.Member))
	}
	if hop := l.picture.Hop; hop.To != "" {
		e.gauge(c.descs.hop, hop.Adds.Seconds(), string(hop.From), string(hop.To))
	}
}
