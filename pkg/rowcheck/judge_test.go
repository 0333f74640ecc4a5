package rowcheck_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sqlring/sqlring/pkg/rowcheck"
)

// round is what members a and b show of row 1; "" is not there.
func round(a, b string) map[string]rowcheck.Reading {
	r := map[string]rowcheck.Reading{"a": {}, "b": {}}
	if a != "" {
		r["a"]["1"] = a
	}
	if b != "" {
		r["b"]["1"] = b
	}
	return r
}

func TestJudge(t *testing.T) {
	for name, c := range map[string]struct {
		rounds  [][2]string
		open    bool
		differs bool
	}{
		"equal at once":                    {rounds: [][2]string{{"x", "x"}}},
		"on its way, then equal":           {rounds: [][2]string{{"y", "x"}, {"y", "y"}}},
		"unequal once is not known":        {rounds: [][2]string{{"y", "x"}}, open: true},
		"twice is not known":               {rounds: [][2]string{{"y", "x"}, {"y", "x"}}, open: true},
		"three times the same differs":     {rounds: [][2]string{{"y", "x"}, {"y", "x"}, {"y", "x"}}, differs: true},
		"missing on one":                   {rounds: [][2]string{{"y", ""}, {"y", ""}, {"y", ""}}, differs: true},
		"extra on one":                     {rounds: [][2]string{{"", "x"}, {"", "x"}, {"", "x"}}, differs: true},
		"a hot row is never accused":       {rounds: [][2]string{{"2", "1"}, {"3", "2"}, {"4", "3"}, {"5", "4"}}, open: true},
		"a change begins the count anew":   {rounds: [][2]string{{"y", "x"}, {"y", "x"}, {"z", "x"}, {"z", "x"}}, open: true},
		"gone on both is equal":            {rounds: [][2]string{{"y", "x"}, {"", ""}}},
		"equal after it was long unequal":  {rounds: [][2]string{{"y", "x"}, {"y", "x"}, {"z", "z"}}},
		"once it differs it stays decided": {rounds: [][2]string{{"y", "x"}, {"y", "x"}, {"y", "x"}, {"z", "z"}}, differs: true},
	} {
		t.Run(name, func(t *testing.T) {
			j := rowcheck.NewJudge(round(c.rounds[0][0], c.rounds[0][1]))
			for _, r := range c.rounds[1:] {
				j.Add(round(r[0], r[1]))
			}
			if got := len(j.Open()) == 1; got != c.open {
				t.Errorf("open: %t, want %t", got, c.open)
			}
			if got := slices.Equal(j.Differ(), []string{"1"}); got != c.differs {
				t.Errorf("differs: %t, want %t", got, c.differs)
			}
		})
	}
}

// TestLaggingMembersAreNotAccused: a first member is written at random, two others apply
// what it wrote later, by random steps. Between rounds each reaches what all had at the
// end of the round before. One row is damaged on the last one.
func TestLaggingMembersAreNotAccused(t *testing.T) {
	const rows, seeds = 20, 2000
	for seed := range uint64(seeds) {
		draw := rand.New(rand.NewPCG(seed, 1))
		var log []int // row that each transaction changed
		applied := []int{0, 0, 0}
		value := func(member, row int) string { // how often the row was changed, as far as it is applied
			n := 0
			for _, r := range log[:applied[member]] {
				if r == row {
					n++
				}
			}
			if member == 2 && row == rows {
				return "damaged"
			}
			return fmt.Sprint(n)
		}
		step := func() {
			if draw.IntN(2) == 0 {
				log = append(log, draw.IntN(rows))
			}
			applied[0] = len(log)
			for m := 1; m < 3; m++ {
				applied[m] = min(len(log), applied[m]+draw.IntN(3))
			}
		}
		read := func() map[string]rowcheck.Reading {
			r := map[string]rowcheck.Reading{}
			for m := range 3 {
				one := rowcheck.Reading{}
				for row := range rows + 1 {
					one[fmt.Sprint(row)] = value(m, row)
				}
				r[fmt.Sprint(m)] = one
				for range draw.IntN(5) {
					step()
				}
			}
			return r
		}
		for range 50 {
			step()
		}
		j := rowcheck.NewJudge(read())
		for range 10 {
			goal := slices.Max(applied)
			for m := range 3 {
				applied[m] = max(applied[m], goal)
			}
			for range draw.IntN(20) {
				step()
			}
			j.Add(read())
		}
		if got := j.Differ(); !slices.Equal(got, []string{fmt.Sprint(rows)}) {
			t.Fatalf("seed %d: these differ: %q, want the damaged row %d alone", seed, got, rows)
		}
	}
}

func TestValuesAreShownOnOneLine(t *testing.T) {
	text := rowcheck.Column{Name: "t", Kind: rowcheck.KindText}
	for _, c := range []struct {
		column rowcheck.Column
		value  rowcheck.Value
		want   string
	}{
		{text, rowcheck.Value{Null: true}, "NULL"},
		{text, rowcheck.Value{Text: "C3A40A27"}, `"ä\n'"`},
		{text, rowcheck.Value{Text: "E4"}, "0xE4"},
		{rowcheck.Column{Kind: rowcheck.KindBinary}, rowcheck.Value{Text: "00FF"}, "0x00FF"},
		{rowcheck.Column{Kind: rowcheck.KindNumber}, rowcheck.Value{Text: "-7"}, "-7"},
		{rowcheck.Column{Kind: rowcheck.KindQuoted}, rowcheck.Value{Text: "2026-01-01"}, `"2026-01-01"`},
	} {
		if got := c.column.Show(c.value); got != c.want {
			t.Errorf("%+v of %+v: %s, want %s", c.value, c.column, got, c.want)
		}
	}
	if got := (rowcheck.Column{Kind: rowcheck.KindBinary}).Show(rowcheck.Value{Text: string(make([]byte, 5000))}); len(got) > 300 {
		t.Errorf("a long value is shown in %d bytes", len(got))
	}
	if a, b := (rowcheck.Key{`a","b`}).ID(), (rowcheck.Key{"a", "b"}).ID(); a == b {
		t.Errorf("two keys have one id: %s", a)
	}
}
