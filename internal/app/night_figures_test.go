package app_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/burst"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// night is a ring of two whose members have a fifth of a core each, so that they are what is
// saturated, and neither the crowd nor the proxy; and the same without a proxy.
type night struct {
	r    *rig
	rate float64 // requests per second that it can do at the most
}

// perRequest is how many statements a request of the site means on average: 60 browse with
// three, 20 read and 12 look at a card with one, 8 send one with four.
const perRequest = 0.60*3 + 0.20 + 0.12 + 0.08*4

func startNight(t *testing.T) *night {
	t.Helper()
	if os.Getenv("SQLRING_NIGHT") == "" {
		t.Skip("figures for docs/performance.md: make night")
	}
	r := &rig{servers: mysqltest.StartRing(t, 2, "max_connections=200")}
	r.cfg = nodeConfig(t)
	r.cfg.Proxy.Limits.Sessions = 8192
	r.startNode(t)
	r.initRing(t)
	pool := r.pool(t, nil)
	for _, statement := range []string{"CREATE USER site@'%' IDENTIFIED BY 'of cards'", "GRANT ALL ON *.* TO site@'%'"} { // root's password is another one at each member
		if _, err := pool.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := burst.Prepare(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	r.untilHealthy(t, 30*time.Second)
	percent, err := strconv.Atoi(cmp.Or(os.Getenv("SQLRING_NIGHT_CPU"), "20"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.servers {
		s.Hold(t, percent)
	}
	time.Sleep(2 * time.Second)
	n := &night{r: r}
	if n.rate, err = strconv.ParseFloat(cmp.Or(os.Getenv("SQLRING_NIGHT_RATE"), "0"), 64); err != nil {
		t.Fatal(err)
	}
	if n.rate == 0 {
		n.saturate(t, percent)
	}
	time.Sleep(3 * time.Second)
	return n
}

// saturate finds out the most that the ring does for longer than a moment, by an open loop whose
// rate rises until what is answered in time rises no more, twice. Each rate is held for a while:
// what is done in a moment is still to be replicated. What was the most is then kept up for half
// a minute, and less, until nearly all is answered. Fewer clients than it takes, or rates that end
// where it could do more yet, would show too little.
func (n *night) saturate(t *testing.T, percent int) {
	t.Helper()
	const lasts, keeps, steps, more, nearly = 10, 30, 10, 1.03, 0.9
	peak := n.run(t, n.options(n.r.proxyAddr(), burst.Shape{{For: 20 * time.Second, From: 20, To: 1500}})).MaxGood
	rate, flat := 0.7*peak, 0
	for step := 0; step < steps && flat < 2; step++ {
		time.Sleep(2 * time.Second)
		held := good(n.run(t, n.options(n.r.proxyAddr(), burst.Shape{{For: lasts * time.Second, From: rate, To: rate}})), 2, lasts)
		t.Logf("held: %.0f/s of %.0f/s wanted", held, rate)
		if flat++; held > more*n.rate {
			flat = 0
		}
		n.rate = max(n.rate, held)
		rate *= 1.3
	}
	if flat < 2 {
		t.Errorf("at %.0f/s it still did more than at less: %.0f/s is not the most", rate, n.rate)
	}
	for kept := false; !kept; { // what is not answered of that is left out, until nearly all is
		time.Sleep(2 * time.Second)
		wanted := n.rate
		n.rate = good(n.run(t, n.options(n.r.proxyAddr(), burst.Shape{{For: keeps * time.Second, From: wanted, To: wanted}})), 5, keeps)
		t.Logf("kept up: %.0f/s of %.0f/s", n.rate, wanted)
		kept = n.rate > nearly*wanted
	}
	t.Logf("FIGURE night  %d %% of a core for each member: %.0f requests/s at the most (%.1f statements each), a peak of %.0f/s", percent, n.rate, perRequest, peak)
}

func (n *night) options(addr string, shape burst.Shape) burst.Options {
	return burst.Options{Addr: addr, User: "site", Password: "of cards", Shape: shape, Clients: 4000, Patience: 5 * time.Second, Good: 5 * time.Second, Retries: 3, Waiting: 50_000, Seed: 1}
}

// crowdEnv has the load of a process of clients, as JSON.
const crowdEnv = "SQLRING_NIGHT_CROWD"

// run has the crowd come, from a process of its own: the node's is not to wait behind thousands
// of clients in one scheduler, and the kernel shares the cores out among processes.
func (n *night) run(t *testing.T, o burst.Options) (result burst.Result) {
	t.Helper()
	of, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestFigureCrowd$", "-test.v")
	cmd.Env = append(os.Environ(), crowdEnv+"="+string(of))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, line, _ := strings.Cut(string(out), "RESULT ")
	line, _, _ = strings.Cut(line, "\n")
	if err := json.Unmarshal([]byte(line), &result); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return result
}

// TestFigureCrowd is a process of clients.
func TestFigureCrowd(t *testing.T) {
	of := os.Getenv(crowdEnv)
	if of == "" {
		t.Skip("a process of make night")
	}
	var o burst.Options
	if err := json.Unmarshal([]byte(of), &o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	result, err := burst.Run(ctx, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\nRESULT %s\n", told)
}

// cpu is the CPU time that a process has used (proc(5): fields 14 and 15, in hundredths of a
// second).
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, errUser := strconv.Atoi(fields[11])
	system, errSystem := strconv.Atoi(fields[12])
	if errUser != nil || errSystem != nil {
		t.Fatalf("/proc/%d/stat: %s", pid, text)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// asked is how many statements both members were asked by anybody.
func (n *night) asked(t *testing.T) (sum int) {
	t.Helper()
	for _, s := range n.r.servers {
		v, err := strconv.Atoi(s.Query(t, "SELECT variable_value FROM information_schema.global_status WHERE variable_name='Questions'"))
		if err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	return sum
}

// reads is how many reads have had a place at each member.
func (n *night) reads(t *testing.T) []uint64 {
	t.Helper()
	report, err := n.r.client.Gates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counts := make([]uint64, len(n.r.servers))
	for _, g := range report.Gates {
		if i, err := strconv.Atoi(strings.TrimPrefix(g.Member, "m")); err == nil && i <= len(counts) {
			counts[i-1] = g.Granted["read"]
		}
	}
	return counts
}

// good is what was answered in time, per second, of what was wanted in those seconds.
func good(r burst.Result, from, to int) float64 {
	sum := 0
	for _, s := range r.Seconds[from:min(to, len(r.Seconds))] {
		sum += s.Good
	}
	return float64(sum) / float64(to-from)
}

// TestFigureOpenLoop is an open loop at 1, 2, 4 and 10 times of what the ring can do, through
// the proxy in both modes and past it; and what is left of it 10 s after ten times.
func TestFigureOpenLoop(t *testing.T) {
	n := startNight(t)
	began, idle := n.asked(t), 5*time.Second
	time.Sleep(idle)
	background := float64(n.asked(t)-began) / idle.Seconds()
	for _, times := range []float64{1, 2, 4, 10} {
		for _, way := range strings.Split(cmp.Or(os.Getenv("SQLRING_NIGHT_WAYS"), "absorb,shed,direct"), ",") {
			addr := n.r.proxyAddr()
			if way == "direct" {
				addr = n.r.servers[0].Addr
			} else {
				n.mode(t, way)
			}
			const lasts = 12 * time.Second
			reads, before, at := n.reads(t), n.asked(t), time.Now()
			worked := make([]time.Duration, len(n.r.servers))
			for i, server := range n.r.servers {
				worked[i] = cpu(t, server.PID())
			}
			result := n.run(t, n.options(addr, burst.Shape{{For: lasts, From: times * n.rate, To: times * n.rate}}))
			reached := float64(n.asked(t)-before) - background*time.Since(at).Seconds()
			t.Logf("FIGURE open loop %2.0f times %-6s goodput %4.0f/s (%.2f), p99 %5.0f ms, the longest wait %5.0f ms, errors %4d, gave up %5d, statements that reached members %.2f of those meant",
				times, way, good(result, 3, 11), good(result, 3, 11)/n.rate, result.Total.P99MS, result.Total.MaxMS, result.Total.Errors, result.Total.GaveUp, reached/perRequest/float64(result.Total.Offered))
			for i, was := range reads {
				t.Logf("reads at m%d: %d", i+1, n.reads(t)[i]-was)
			}
			t.Logf("by error %v; %s", result.ByError, ofEach(result))
			for i, server := range n.r.servers {
				t.Logf("m%d was at work for %.1f s of %s", i+1, (cpu(t, server.PID()) - worked[i]).Seconds(), lasts)
			}
			for _, series := range []string{"sqlring_proxy_spread_reads_total", "sqlring_proxy_awaited_reads_total", "sqlring_proxy_awaited_in_vain_reads_total"} {
				t.Logf("%s %s", series, n.r.metric(t, series))
			}
			time.Sleep(2 * time.Second)
		}
	}
	calm := 0.7 * n.rate
	for _, way := range []string{"absorb", "shed"} {
		n.mode(t, way)
		result := n.run(t, n.options(n.r.proxyAddr(), burst.Shape{{For: 8 * time.Second, From: calm, To: calm}, {For: 8 * time.Second, From: 10 * n.rate, To: 10 * n.rate}, {For: 16 * time.Second, From: calm, To: calm}}))
		was, is := good(result, 2, 8), good(result, 26, 31)
		t.Logf("FIGURE after the burst %-6s %4.0f/s before, %4.0f/s 10 s after it: %.2f", way, was, is, is/was)
	}
}

func (n *night) mode(t *testing.T, mode string) {
	t.Helper()
	if _, err := n.r.client.SetGates(t.Context(), api.GateSetRequest{Mode: &mode}, false); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
}

// TestFigureMidnight is the site's midnight over a ring of two in absorb, and at one server,
// scaled to the machine: the rate goes up to 1.2 times of what the ring can do, and for a moment
// to six times, or by less, so that who is served in the order in which they came waits for half
// of the set time at the most. Whoever waits for longer then has been passed over.
func TestFigureMidnight(t *testing.T) {
	n := startNight(t)
	const scale, longest = 0.4, 30 * time.Second
	rate := 0.12 * n.rate
	shape, _ := burst.Named("midnight", rate)
	for shape.Scaled(scale).LongestWait(n.rate) > longest/2 {
		rate *= 0.95
		shape, _ = burst.Named("midnight", rate)
	}
	t.Logf("FIGURE midnight: up to %.2f and %.2f times of what the ring can do; in order, and at that rate, the longest wait is %s", 10*rate/n.rate, 50*rate/n.rate, shape.Scaled(scale).LongestWait(n.rate).Round(100*time.Millisecond))
	for _, way := range []string{"ring", "direct"} {
		addr := n.r.proxyAddr()
		if way == "direct" {
			addr = n.r.servers[0].Addr
		}
		o := n.options(addr, shape.Scaled(scale))
		o.Patience, o.Good, o.Clients, o.Waiting = 40*time.Second, 40*time.Second, 8000, 100_000
		result := n.run(t, o)
		worst := 0.0
		for _, s := range result.Seconds {
			worst = max(worst, s.P99MS)
		}
		t.Logf("FIGURE midnight %-6s wanted %d, served %d, errors %d, gave up %d, lost %d; p50 %.0f ms, p99 %.0f ms, the longest wait %.0f ms, the worst second's p99 %.0f ms; errors on the way: %s; %s",
			way, result.Total.Offered, result.Total.Good, result.Total.Errors, result.Total.GaveUp, result.Total.Lost, result.Total.P50MS, result.Total.P99MS, result.Total.MaxMS, worst, fmt.Sprint(result.ByError), ofEach(result))
		if dir := os.Getenv("SQLRING_NIGHT_OUT"); dir != "" {
			draw(t, dir+"/midnight-"+way+".svg", result)
		}
		time.Sleep(3 * time.Second)
	}
}

// ofEach says what became of each kind of request.
func ofEach(r burst.Result) string {
	var each []string
	for _, name := range slices.Sorted(maps.Keys(r.ByAction)) {
		s := r.ByAction[name]
		each = append(each, fmt.Sprintf("%s: %d of %d, p99 %.0f ms, longest %.0f ms", name, s.Good, s.Offered, s.P99MS, s.MaxMS))
	}
	return strings.Join(each, "; ")
}

func draw(t *testing.T, path string, result burst.Result) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := result.WriteSVG(f); err != nil {
		t.Fatal(err)
	}
}
