package topology

import (
	"strings"
	"testing"
	"time"
)

func TestLagThresholdsValidate(t *testing.T) {
	if err := DefaultLagThresholds().Validate(); err != nil {
		t.Fatalf("the defaults: %v", err)
	}
	for _, tt := range []struct {
		name string
		edit func(*LagThresholds)
		want string
	}{
		{"nothing", func(t *LagThresholds) { *t = LagThresholds{} }, "warn: leave is 0s"},
		{"leave is enter", func(t *LagThresholds) { t.Warn.Leave = t.Warn.Enter }, "warn: leave (1s) is not below enter (1s)"},
		{"finer than can be told", func(t *LagThresholds) { t.Warn.Leave = 99 * time.Millisecond }, "warn: leave is 99ms"},
		{"a week", func(t *LagThresholds) { t.Drain.Enter = 7 * 24 * time.Hour }, "drain: enter is 168h0m0s"},
		{"levels out of order", func(t *LagThresholds) { t.Throttle.Enter = time.Second; t.Throttle.Leave = 600 * time.Millisecond }, "throttle (enter 1s"},
		{"left in the wrong order", func(t *LagThresholds) { t.Drain.Leave = time.Second }, "drain (enter 30s, leave 1s) is not above throttle"},
		{"a negative hold time", func(t *LagThresholds) { t.Throttle.Hold = -1 }, "throttle: hold: -1ns"},
		{"an endless release time", func(t *LagThresholds) { t.Throttle.Release = 2 * time.Hour }, "throttle: release: 2h0m0s"},
		{"broken for ever", func(t *LagThresholds) { t.BrokenRelease = 2 * time.Hour }, "broken: release"},
	} {
		thresholds := DefaultLagThresholds()
		tt.edit(&thresholds)
		if err := thresholds.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// A transaction of another member that only stands in the binlog is being committed:
// a read does not see it yet.
func TestVisible(t *testing.T) {
	parse := func(text string) Position {
		p, err := ParsePosition(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, tt := range []struct{ applied, binlog, want string }{
		{"101-101-7", "101-101-8,102-102-5", "101-101-7,102-102-5"},
		{"101-101-7,102-102-3", "102-102-5", "101-101-7,102-102-5"},
		{"", "101-101-8", ""},
		{"101-101-7", "", "101-101-7"},
	} {
		o := Observation{Domain: 102, Applied: parse(tt.applied), Binlog: parse(tt.binlog)}
		if got := o.Visible().String(); got != tt.want {
			t.Errorf("applied %q, binlog %q: %q, want %q", tt.applied, tt.binlog, got, tt.want)
		}
	}
}
