package api

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// keyDescs are the metrics of AUTO_INCREMENT columns. Their labels are bounded:
// the columns that are used most, and no more than keysShown of them.
type keyDescs struct{ used, runsOut, columns, readAge *prometheus.Desc }

func describeKeys(d func(name, help string, labels ...string) *prometheus.Desc) keyDescs {
	return keyDescs{
		used:    d("autoinc_used_ratio", "Share of the key space that is gone, of the 20 columns that are used most.", "schema", "table", "column"),
		runsOut: d("autoinc_runway_seconds", "How long the keys of the column last at its pace and this stride; absent if not known, or longer than 100 years.", "schema", "table", "column"),
		columns: d("autoinc_columns", "AUTO_INCREMENT columns of the ring; absent if not read within 15 minutes."),
		readAge: d("autoinc_read_age_seconds", "Age of the last reading of the columns; absent: there was none."),
	}
}

func (d keyDescs) all() []*prometheus.Desc {
	return []*prometheus.Desc{d.used, d.runsOut, d.columns, d.readAge}
}

func (c *collector) collectKeys(e emitter, l look) {
	at, columns := c.keys.last()
	if at.IsZero() || l.snap.Ring == nil {
		return
	}
	age := max(0, l.now.Sub(at))
	e.gauge(c.descs.readAge, age.Seconds())
	if age > keysOldest {
		return
	}
	e.gauge(c.descs.columns, float64(len(columns)))
	for _, column := range columns[:min(len(columns), keysShown)] {
		labels := []string{column.Schema, column.Table, column.Column}
		e.gauge(c.descs.used, column.Used(), labels...)
		values, _, ok := c.keys.growthOf(column.Name()).PerSecond()
		if !ok {
			continue
		}
		layout, _ := l.layoutIn(column.Schema, l.snap.Ring.Stride)
		if runway := autoinc.Runway(column, layout, values/float64(l.snap.Ring.Stride)); l.after(runway) != nil {
			e.gauge(c.descs.runsOut, runway.Seconds(), labels...)
		}
	}
}
