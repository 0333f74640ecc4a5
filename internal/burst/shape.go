package burst

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Phase is a while in which the rate goes from one value to another.
type Phase struct {
	For      time.Duration
	From, To float64 // requests per second
}

// Shape is how many requests come when.
type Shape []Phase

// Named returns a shape by name, for a rate that the site bears well:
//
//	ramp      from a tenth of the rate to ten times, in a minute, and a minute at the rate
//	step      10 s at the rate, 20 s each at 2, 4 and 10 times, then a minute at the rate
//	midnight  the rate, a minute's rise to ten times, half a minute there, fifty times for
//	          a moment, and a minute at the rate
func Named(name string, rate float64) (Shape, bool) {
	switch name {
	case "ramp":
		return Shape{{time.Minute, rate / 10, 10 * rate}, {time.Minute, rate, rate}}, true
	case "step":
		s := Shape{{10 * time.Second, rate, rate}}
		for _, times := range []float64{2, 4, 10} {
			s = append(s, Phase{20 * time.Second, times * rate, times * rate})
		}
		return append(s, Phase{time.Minute, rate, rate}), true
	case "midnight":
		return Shape{
			{20 * time.Second, rate, rate},
			{time.Minute, rate, 10 * rate},
			{30 * time.Second, 10 * rate, 10 * rate},
			{3 * time.Second, 50 * rate, 50 * rate},
			{time.Minute, rate, rate},
		}, true
	}
	return nil, false
}

// ParseShape reads a shape file: a line for each phase, its duration and its rate, or two
// rates between which it goes; "x2" is twice the rate that the run is given. What follows
// "#" is a remark.
//
//	10s  100
//	30s  100 x10
func ParseShape(r io.Reader, rate float64) (Shape, error) {
	var s Shape
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if len(words) > 3 || len(words) < 2 {
			return nil, fmt.Errorf("line %d: a duration and one or two rates are expected, not %q", n, text)
		}
		lasts, err := time.ParseDuration(words[0])
		if err != nil || lasts <= 0 {
			return nil, fmt.Errorf("line %d: %q is no duration, as 10s or 1m", n, words[0])
		}
		var rates []float64
		for _, word := range words[1:] {
			number, times := strings.CutPrefix(word, "x")
			v, err := strconv.ParseFloat(number, 64)
			if err != nil || !(v >= 0 && v <= 1e6) {
				return nil, fmt.Errorf("line %d: %q is no rate, as 100 or x10", n, word)
			}
			if times {
				v *= rate
			}
			rates = append(rates, v)
		}
		s = append(s, Phase{lasts, rates[0], rates[len(rates)-1]})
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(s) == 0 {
		return nil, fmt.Errorf("no phase in it")
	}
	return s, nil
}

// Lasts returns how long the shape goes on.
func (s Shape) Lasts() (sum time.Duration) {
	for _, p := range s {
		sum += p.For
	}
	return sum
}

// Rate returns the rate at a time from the beginning; 0 after the end.
func (s Shape) Rate(at time.Duration) float64 {
	for _, p := range s {
		if at < p.For {
			return p.From + (p.To-p.From)*at.Seconds()/p.For.Seconds()
		}
		at -= p.For
	}
	return 0
}

// Scaled returns the shape in another time: half as long by 0.5.
func (s Shape) Scaled(by float64) Shape {
	scaled := make(Shape, len(s))
	for i, p := range s {
		scaled[i] = Phase{time.Duration(float64(p.For) * by), p.From, p.To}
	}
	return scaled
}

// LongestWait returns for how long somebody waits at the most if capacity requests a second are
// served, in the order in which they came. It is 0 if there never are more than that.
func (s Shape) LongestWait(capacity float64) (longest time.Duration) {
	const step = 10 * time.Millisecond
	backlog := 0.0
	for at, lasts := time.Duration(0), s.Lasts(); at < lasts; at += step {
		backlog = max(0, backlog+(s.Rate(at)-capacity)*step.Seconds())
		longest = max(longest, time.Duration(backlog/capacity*float64(time.Second)))
	}
	return longest
}
