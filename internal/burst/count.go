package burst

import (
	"errors"
	"math"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/go-sql-driver/mysql"
)

// outcome is what became of one request.
type outcome struct {
	action       string
	took, waited time.Duration
	attempts     int
	err          error
	gaveUp, lost bool
}

// Second is what became of the requests that were wanted in one second.
type Second struct {
	At       int     `json:"at"` // from the beginning
	Offered  int     `json:"offered"`
	Good     int     `json:"good"`    // answered in time
	Late     int     `json:"late"`    // answered, but later
	Errors   int     `json:"errors"`  // answered by an error in the end
	GaveUp   int     `json:"gave_up"` // the client's patience was over
	Lost     int     `json:"lost"`    // too many were under way
	Attempts int     `json:"attempts"`
	WaitMS   float64 `json:"wait_ms"` // for a connection, on average
	P50MS    float64 `json:"p50_ms"`  // of what was answered
	P99MS    float64 `json:"p99_ms"`
	// MaxMS is the longest that anybody waited for an answer, an error, or until he went: exact, and not
	// of what was lost. 0: nobody did.
	MaxMS float64 `json:"max_ms"`
}

// Result is a run.
type Result struct {
	Addr    string   `json:"addr"`
	Seconds []Second `json:"seconds"`
	Total   Second   `json:"total"`
	// ByAction is what became of each kind of request: who only looks may be served while who
	// writes is not.
	ByAction  map[string]Second `json:"by_action"`
	ByError   map[string]int    `json:"by_error"`  // errors that clients got, retried or not, numbers in their text left out
	MaxGood   float64           `json:"max_good"`  // a second's most, over five seconds
	Amplified float64           `json:"amplified"` // attempts ÷ requests
}

// counts is what became of all, by the second in which it was wanted.
type counts struct {
	mu      sync.Mutex
	good    time.Duration // within which an answer is good
	seconds []tally
	actions map[string]*tally
	byError map[string]int
}

type tally struct {
	Second
	waited  time.Duration
	longest time.Duration
	answers histogram
}

func newCounts(lasts, good time.Duration) *counts {
	return &counts{good: good, seconds: make([]tally, int(lasts.Seconds())+2), actions: map[string]*tally{}, byError: map[string]int{}}
}

func (c *counts) at(wanted time.Duration) *tally {
	return &c.seconds[min(max(int(wanted.Seconds()), 0), len(c.seconds)-1)]
}

func (c *counts) offered(wanted time.Duration) {
	c.mu.Lock()
	c.at(wanted).Offered++
	c.mu.Unlock()
}

// failed counts an error by what clients see of it.
func (c *counts) failed(err error) {
	name := "connection"
	var told *mysql.MySQLError
	if errors.As(err, &told) {
		name = kindOf(told.Error())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.byError[name]; !known && len(c.byError) >= kinds {
		name = "other errors"
	}
	c.byError[name]++
}

const (
	kinds   = 50  // errors that are told apart
	legible = 160 // bytes of one's text
)

// kindOf is an error's text but for what differs from one to the next: the numbers behind
// its own number and state.
func kindOf(text string) string {
	text = text[:min(len(text), legible)]
	own, what, ok := strings.Cut(text, ": ")
	if !ok {
		return text
	}
	return own + ": " + strings.Join(strings.FieldsFunc(what, unicode.IsDigit), "N")
}

func (c *counts) ended(wanted time.Duration, o outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at(wanted).ended(o)
	if o.action == "" {
		return
	}
	a := c.actions[o.action]
	if a == nil {
		a = new(tally)
		c.actions[o.action] = a
	}
	a.Offered++
	a.ended(o)
}

func (t *tally) ended(o outcome) {
	t.Attempts += o.attempts
	t.waited += o.waited
	if !o.lost {
		t.longest = max(t.longest, o.took)
	}
	switch {
	case o.lost:
		t.Lost++
	case o.gaveUp:
		t.GaveUp++
	case o.err != nil:
		t.Errors++
	default:
		t.answers.add(o.took)
	}
}

func (c *counts) second(n int) Second {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seconds[min(n, len(c.seconds)-1)].shown(n, c.good)
}

// shown is the tally with its figures.
func (t *tally) shown(at int, good time.Duration) Second {
	s := t.Second
	s.At = at
	answered := t.answers.count()
	s.Good = t.answers.within(good)
	s.Late = answered - s.Good
	s.P50MS, s.P99MS = t.answers.quantile(0.5), t.answers.quantile(0.99)
	s.MaxMS = math.Round(t.longest.Seconds()*1e6) / 1e3
	if ended := answered + s.Errors + s.GaveUp; ended > 0 {
		s.WaitMS = t.waited.Seconds() * 1000 / float64(ended)
	}
	return s
}

func (c *counts) result(o Options) Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := Result{Addr: o.Addr, ByAction: make(map[string]Second, len(c.actions)), ByError: c.byError}
	for name, a := range c.actions {
		r.ByAction[name] = a.shown(0, o.Good)
	}
	var total tally
	for i := range c.seconds {
		t := &c.seconds[i]
		if t.Offered == 0 {
			continue
		}
		r.Seconds = append(r.Seconds, t.shown(i, o.Good))
		total.Offered += t.Offered
		total.Errors += t.Errors
		total.GaveUp += t.GaveUp
		total.Lost += t.Lost
		total.Attempts += t.Attempts
		total.waited += t.waited
		total.longest = max(total.longest, t.longest)
		total.answers.merge(&t.answers)
	}
	r.Total = total.shown(0, o.Good)
	if r.Total.Offered > 0 {
		r.Amplified = float64(r.Total.Attempts) / float64(r.Total.Offered)
	}
	for i := range r.Seconds {
		sum := 0
		for j := max(0, i-4); j <= i; j++ {
			sum += r.Seconds[j].Good
		}
		r.MaxGood = max(r.MaxGood, float64(sum)/float64(min(i+1, 5)))
	}
	return r
}

// histogram has times in classes of 5 percent.
type histogram struct{ buckets [buckets]int }

const buckets = 400 // from 0.01 ms on

func (h *histogram) add(d time.Duration) { h.buckets[bucketOf(d)]++ }

func bucketOf(d time.Duration) int {
	ms := d.Seconds() * 1000
	if ms <= 0.01 {
		return 0
	}
	return min(int(math.Log(ms/0.01)/math.Log(1.05)), buckets-1)
}

func (h *histogram) count() (n int) {
	for _, b := range h.buckets {
		n += b
	}
	return n
}

func (h *histogram) within(d time.Duration) (n int) {
	for _, b := range h.buckets[:bucketOf(d)+1] {
		n += b
	}
	return n
}

func (h *histogram) quantile(q float64) float64 {
	want, sum := q*float64(h.count()), 0
	for i, b := range h.buckets {
		if sum += b; sum > 0 && float64(sum) >= want {
			return math.Round(0.01*math.Pow(1.05, float64(i+1))*1000) / 1000
		}
	}
	return 0
}

func (h *histogram) merge(other *histogram) {
	for i, b := range other.buckets {
		h.buckets[i] += b
	}
}
