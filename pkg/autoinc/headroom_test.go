package autoinc

import (
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMaxOf(t *testing.T) {
	for _, tt := range []struct {
		kind string
		want uint64
		ok   bool
	}{
		{"tinyint(4)", 127, true},
		{"tinyint(3) unsigned", 255, true},
		{"smallint(6)", 32767, true},
		{"smallint(5) unsigned", 65535, true},
		{"mediumint(9)", 8388607, true},
		{"mediumint(8) unsigned", 16777215, true},
		{"int(11)", 2147483647, true},
		{"int", 2147483647, true},
		{"int(10) unsigned zerofill", 4294967295, true},
		{"bigint(20)", 9223372036854775807, true},
		{"BIGINT UNSIGNED", 18446744073709551615, true},
		{"float", 1 << 24, true},
		{"double", 1 << 53, true},
		{"varchar(10)", 0, false},
		{"", 0, false},
		{"decimal(10,0)", 0, false},
	} {
		if got, ok := MaxOf(tt.kind); got != tt.want || ok != tt.ok {
			t.Errorf("MaxOf(%q) = %d, %v; want %d, %v", tt.kind, got, ok, tt.want, tt.ok)
		}
	}
}

// Left is held to counting, and to the edges of 64 bits.
func TestLeftCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stride := rapid.IntRange(1, 20).Draw(t, "stride")
		l := Layout{rapid.IntRange(1, stride).Draw(t, "offset"), stride}
		c := Column{Max: rapid.Uint64Range(1, 300).Draw(t, "max"), Next: rapid.Uint64Range(0, 310).Draw(t, "next")}
		want := uint64(0)
		for v := max(c.Next, 1); v <= c.Max; v++ {
			if l.Produces(v) {
				want++
			}
		}
		if got := c.Left(l); got != want {
			t.Fatalf("%+v has %d left for %s, counted %d", c, got, l, want)
		}
	})
	whole := Column{Max: math.MaxUint64, Next: 1}
	if got := whole.Left(Layout{1, 1}); got != math.MaxUint64 {
		t.Errorf("of 64 bits %d are left", got)
	}
	for _, next := range []uint64{math.MaxUint64 - 3, math.MaxUint64} {
		if got := (Column{Max: math.MaxUint64, Next: next}).Left(Layout{3, 16}); got > 1 {
			t.Errorf("next %d: %d left", next, got)
		}
	}
	if got := whole.Left(Layout{}); got != 0 {
		t.Errorf("a layout that is not known leaves %d", got)
	}
}

func TestRunway(t *testing.T) {
	signed := Column{Max: math.MaxInt32, Next: 1}
	l := Layout{1, 16}
	day := 24 * time.Hour
	for _, tt := range []struct {
		name string
		c    Column
		rate float64
		want time.Duration
	}{
		// 2147483647 values, a sixteenth of them: 134 217 728 rows. At 134217728/86400 a day.
		{"a day", signed, 134217728.0 / 86400, day},
		{"nobody inserts", signed, 0, math.MaxInt64},
		{"no number", signed, math.NaN(), math.MaxInt64},
		{"longer than can be said", Column{Max: math.MaxUint64, Next: 1}, 1e-6, math.MaxInt64},
		{"past the end", Column{Max: 127, Next: 128}, 1, 0},
		{"past the end, nobody inserts", Column{Max: 127, Next: 128}, 0, 0},
		{"one left", Column{Max: 127, Next: 113}, 1, time.Second},
	} {
		if got := Runway(tt.c, l, tt.rate); got.Round(time.Second) != tt.want.Round(time.Second) && got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestLevel(t *testing.T) {
	l := Layout{1, 1}
	for next, want := range map[uint64]HeadroomLevel{1: HeadroomFine, 700: HeadroomFine, 701: HeadroomWatch, 851: HeadroomAct, 951: HeadroomUrgent, 1000: HeadroomUrgent, 1001: HeadroomFull} {
		c := Column{Max: 1000, Next: next}
		if got := c.Level(l); got != want {
			t.Errorf("next %d of 1000 (%.4f used): %s, want %s", next, c.Used(), got, want)
		}
	}
	// 121 of 127 are passed, and slot 9 has no value left, though slot 10 has.
	c := Column{Max: 127, Next: 122}
	if c.Level(Layout{9, 16}) != HeadroomFull || c.Level(Layout{10, 16}) != HeadroomUrgent {
		t.Errorf("slot 9: %s, slot 10: %s", c.Level(Layout{9, 16}), c.Level(Layout{10, 16}))
	}
}

func TestGrowth(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var g Growth
	if _, _, ok := g.PerSecond(); ok {
		t.Error("a growth without a past")
	}
	for m := 0; m <= 9; m++ { // 16 values a second
		g = g.With(began.Add(time.Duration(m)*time.Minute), uint64(1+m*60*16))
	}
	if _, over, ok := g.PerSecond(); ok || over != 9*time.Minute {
		t.Errorf("after nine minutes: %v, %s", ok, over)
	}
	for m := 10; m <= 60*24*7; m++ {
		g = g.With(began.Add(time.Duration(m)*time.Minute), uint64(1+m*60*16))
		if len(g.points) > growthKept {
			t.Fatalf("%d points are kept", len(g.points))
		}
	}
	rate, over, ok := g.PerSecond()
	if !ok || math.Abs(rate-16) > 1e-9 || over < 46*time.Hour || over > 50*time.Hour {
		t.Errorf("after a week: %v a second over %s, %v", rate, over, ok)
	}
	before := g
	late := g.With(began, 7)
	if r, _, _ := late.PerSecond(); r != rate {
		t.Error("an old reading changed it")
	}
	emptied := g.With(began.Add(8*24*time.Hour), 1)
	if _, _, ok := emptied.PerSecond(); ok {
		t.Error("a table that was emptied grows")
	}
	if r, _, _ := before.PerSecond(); r != rate {
		t.Error("With changed its receiver")
	}
}

// Nobody's old or new sessions meet those of another member, whatever moved
// already; a new slot meets its class's old sessions, and no others.
func TestResizeByMultiples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(1, 20).Draw(t, "from")
		to := from * rapid.IntRange(2, 5).Draw(t, "by")
		slots := rapid.SliceOfNDistinct(rapid.IntRange(1, from), 1, from, rapid.ID[int]).Draw(t, "slots")
		moves, fresh, err := Resize(from, to, slots)
		if err != nil || len(moves) != len(slots) || len(fresh) != to-from {
			t.Fatalf("Resize: %v %v %v", moves, fresh, err)
		}
		for _, a := range moves {
			for _, b := range moves {
				if a.Slot != b.Slot && (a.Before.Collides(b.After) || a.After.Collides(b.After)) {
					t.Fatalf("%+v meets %+v", a, b)
				}
			}
			for _, slot := range fresh {
				same := (slot-a.Slot)%from == 0
				if got := a.Before.Collides(Layout{slot, to}); got != same {
					t.Fatalf("new slot %d and old sessions of %+v: %v, want %v", slot, a, got, same)
				}
				if a.After.Collides(Layout{slot, to}) {
					t.Fatalf("new slot %d meets new sessions of %+v", slot, a)
				}
			}
		}
	})
	for _, tt := range []struct {
		from, to int
		want     error
	}{{16, 24, ErrResize}, {16, 16, ErrResize}, {16, 8, ErrResize}, {16, 65536, ErrResize}, {0, 16, ErrLayout}} {
		if _, _, err := Resize(tt.from, tt.to, nil); !errors.Is(err, tt.want) {
			t.Errorf("Resize(%d, %d): %v, want %v", tt.from, tt.to, err, tt.want)
		}
	}
}
