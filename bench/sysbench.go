package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sysbenchArgs are the arguments of every call. Ids are the clients' own: the ring
// would hand out every sixteenth, and most selects would find nothing.
func (o options) sysbenchArgs(script, host, port, command string, more ...string) []string {
	args := []string{
		script, "--db-driver=mysql", "--mysql-host=" + host, "--mysql-port=" + port, "--mysql-user=" + benchUser,
		"--mysql-password=" + benchPassword, "--mysql-db=" + benchSchema, "--tables=2",
		"--table-size=" + strconv.Itoa(o.Rows), "--auto_inc=off", "--rand-type=uniform",
	}
	return append(append(args, more...), command)
}

// load is one kind of sysbench run.
type load struct {
	Script  string
	PSMode  string // --db-ps-mode: disable (text) or auto (prepared)
	Writing bool   // the second server has to catch up afterwards
}

// result is what sysbench prints at its end.
type result struct {
	Queries       float64
	Seconds       float64
	Errors        int
	P50, P95, P99 float64 // ms, of whole transactions
}

// runSysbench measures one run. CPU is counted from the moment when all clients are
// connected to the moment when the results appear.
func (w *world) runSysbench(ctx context.Context, l load, p *peer, s sample) sample {
	host, port, err := net.SplitHostPort(p.Addr)
	if err != nil {
		return s.fail(err)
	}
	limit := w.o.seconds() + 60*time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	more := []string{"--threads=" + strconv.Itoa(s.Clients), "--time=" + strconv.Itoa(w.o.Seconds), "--histogram=on", "--db-ps-mode=" + l.PSMode}
	if w.o.Events > 0 {
		more = append(more, "--events="+strconv.Itoa(w.o.Events))
	}
	cmd := exec.CommandContext(ctx, "sysbench", w.o.sysbenchArgs(l.Script, host, port, "run", more...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return s.fail(err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		return s.fail(err)
	}
	m := meter{Proxy: p.PID(), Server: w.servers.owner, Client: cmd.Process.Pid}
	m.Others = w.pids(m.Proxy, m.Server)
	u, text, merr := watch(out, m)
	werr := cmd.Wait()
	r, perr := parseSysbench(text)
	switch {
	case werr != nil:
		return s.fail(fmt.Errorf("sysbench: %w: %s", werr, lastLines(text+complaints.String())))
	case merr != nil:
		return s.fail(merr)
	case perr != nil:
		return s.fail(perr)
	}
	s.Rate, s.Errors = r.Queries/r.Seconds, r.Errors
	s.P50, s.P95, s.P99 = r.P50, r.P95, r.P99
	// On a crowded machine we may see the beginning late: what ran before is not in the
	// CPU time, so it must not be in the number either.
	s.count(u, r.Queries*min(1, u.Seconds/r.Seconds))
	if m.Proxy != 0 {
		if mem, err := processMemory(m.Proxy); err == nil {
			s.RSS = mem.RSS
		}
	}
	return s
}

// watch reads sysbench's output and takes the meter's readings at the two lines
// between which it works.
func watch(out io.Reader, m meter) (usage, string, error) {
	var text strings.Builder
	var first, last reading
	var begun, ended bool
	var err error
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		text.WriteString(line + "\n")
		switch {
		case err != nil:
		case strings.HasPrefix(line, "Threads started!"):
			first, err = m.read()
			begun = true
		case begun && !ended && strings.HasPrefix(line, "Latency histogram"), begun && !ended && strings.HasPrefix(line, "SQL statistics:"):
			last, err = m.read()
			ended = true
		}
	}
	if err == nil && !ended {
		err = fmt.Errorf("sysbench printed no results: %s", lastLines(text.String()))
	}
	return last.since(first), text.String(), err
}

// parseSysbench reads the results of sysbench 1.0.
func parseSysbench(text string) (result, error) {
	var r result
	var histogram []bucket
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		name, rest, _ := strings.Cut(line, ":")
		fields := strings.Fields(rest)
		switch {
		case name == "queries" && len(fields) > 0:
			r.Queries, _ = strconv.ParseFloat(fields[0], 64)
		case name == "total time" && len(fields) > 0:
			r.Seconds, _ = strconv.ParseFloat(strings.TrimSuffix(fields[0], "s"), 64)
		case name == "ignored errors" && len(fields) > 0:
			r.Errors, _ = strconv.Atoi(fields[0])
		default:
			if b, ok := parseBucket(line); ok {
				histogram = append(histogram, b)
			}
		}
	}
	if r.Queries == 0 || r.Seconds == 0 || len(histogram) == 0 {
		return r, fmt.Errorf("sysbench printed no results: %s", lastLines(text))
	}
	r.P50, r.P95, r.P99 = percentile(histogram, 0.50), percentile(histogram, 0.95), percentile(histogram, 0.99)
	return r, nil
}

// bucket is one line of sysbench's histogram: so many events took so long.
type bucket struct {
	Millis float64
	Count  int
}

// parseBucket reads "  0.102 |********* 5213".
func parseBucket(line string) (bucket, bool) {
	left, right, ok := strings.Cut(line, "|")
	if !ok {
		return bucket{}, false
	}
	millis, err1 := strconv.ParseFloat(strings.TrimSpace(left), 64)
	count, err2 := strconv.Atoi(strings.TrimLeft(right, "* "))
	return bucket{millis, count}, err1 == nil && err2 == nil
}

// percentile returns the value that the share q of all events did not exceed.
// Buckets ascend.
func percentile(histogram []bucket, q float64) float64 {
	total := 0
	for _, b := range histogram {
		total += b.Count
	}
	sum := 0
	for _, b := range histogram {
		if sum += b.Count; float64(sum) >= q*float64(total) {
			return b.Millis
		}
	}
	return 0
}
