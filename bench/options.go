package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options are what a run is told.
type options struct {
	Rounds     int
	Seconds    int           // of one measurement
	Window     time.Duration // of one by our own client; 0: Seconds
	Cases      []string
	Peers      []string
	Clients    []int  // of sysbench
	Storm      int    // clients that connect at the same time
	Idle       []int  // the largest is sqlring's alone if there is another
	Busy       []int  // the first is what the others are compared with
	Rows       int    // of each of sysbench's two tables
	BigRows    int    // of 1000 bytes
	Events     int    // end of a sysbench run after so many; 0: only Seconds
	PoolMiB    int    // InnoDB's buffer pool
	Durability string // of the ring
	Seed       uint64 // of the order of peers
	Pause      time.Duration
	Settle     time.Duration // until memory is read
	Ramp       time.Duration // until busy clients count
	Binary     string        // sqlring
	Unpacked   string        // HAProxy that scripts/install-bench.sh has unpacked
	Work       string        // where the servers live
	Out        string        // JSON
	Links      int           // connections of sqlring to one member, proxy.member_links; 0: what each case has
	NodeYAML   string        // further lines of the node's configuration
	Messages   io.Writer

	// Of tests: another command that becomes the node.
	NodeCommand, NodeEnv []string
}

// window is how long our own client measures.
func (o options) window() time.Duration {
	if o.Window > 0 {
		return o.Window
	}
	return o.seconds()
}

func (o options) seconds() time.Duration { return time.Duration(o.Seconds) * time.Second }

func (o options) say(format string, args ...any) {
	_, _ = fmt.Fprintf(o.Messages, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}

// standard is a full run.
func standard() options {
	return options{
		Rounds: 3, Seconds: 5, Clients: []int{1, 16, 64, 256}, Storm: 16, Idle: []int{9000, 15000}, Busy: []int{backends, 2000},
		Rows: 100_000, BigRows: 100_000, PoolMiB: 512, Durability: "async", Seed: 1,
		Pause: 3 * time.Second, Settle: 3 * time.Second, Ramp: 3 * time.Second,
		Peers: peerNames(), Binary: "bin/sqlring", Work: workDir(), Out: "bench/results/latest.json",
	}
}

// quick makes a run small: it shows that everything works, and its figures say
// nothing.
func (o options) quick() options {
	o.Rounds, o.Seconds, o.Events, o.Rows, o.BigRows, o.PoolMiB = 1, 1, 200, 500, 12_000, 64
	o.Clients, o.Storm, o.Idle, o.Busy = []int{2}, 2, []int{50}, []int{backends, 40}
	o.Window, o.Pause, o.Settle, o.Ramp = 250*time.Millisecond, 100*time.Millisecond, 50*time.Millisecond, 150*time.Millisecond
	return o
}

func parse(args []string, messages io.Writer) (options, error) {
	o := standard()
	if slices.Contains(args, "-quick") || slices.Contains(args, "--quick") {
		o = o.quick()
	}
	o.Messages = messages
	var names []string
	for _, b := range cases(o) {
		names = append(names, b.Name)
	}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(messages)
	f.Bool("quick", false, "one small round: does it work at all? The figures say nothing")
	f.IntVar(&o.Rounds, "rounds", o.Rounds, "how often everything is measured")
	f.IntVar(&o.Seconds, "seconds", o.Seconds, "how long one measurement takes")
	list := f.String("cases", strings.Join(names, ","), "what to measure")
	peers := f.String("peers", strings.Join(o.Peers, ","), "whom to measure; what is not installed is left out")
	clients := f.String("clients", numbers(o.Clients), "numbers of clients of sysbench")
	idle := f.String("idle", numbers(o.Idle), "numbers of idle clients; the last of several for sqlring alone")
	f.StringVar(&o.Durability, "durability", o.Durability, "of the ring: async (the second server idles) or semisync")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "of the order of peers in a round")
	f.StringVar(&o.Binary, "bin", o.Binary, "the sqlring to measure")
	f.StringVar(&o.Work, "work", o.Work, "directory for the servers while it runs")
	f.StringVar(&o.Out, "o", o.Out, "where to write the JSON; the table is written beside it")
	f.IntVar(&o.Links, "links", o.Links, "connections of sqlring to one member, in all cases; 0: 20 in busy, else one for each client, as the others have")
	f.StringVar(&o.NodeYAML, "node-yaml", "", "further lines of the node's configuration")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag", f.Arg(0))
	}
	o.Cases, o.Peers = strings.Split(*list, ","), strings.Split(*peers, ",")
	var err1, err2 error
	o.Clients, err1 = parseNumbers(*clients)
	o.Idle, err2 = parseNumbers(*idle)
	return o.complete(names, errors.Join(err1, err2))
}

// complete checks the options and makes paths absolute.
func (o options) complete(names []string, err error) (options, error) {
	for _, name := range o.Cases {
		if !slices.Contains(names, name) {
			err = errors.Join(err, fmt.Errorf("there is no case %q; there are %s", name, strings.Join(names, ",")))
		}
	}
	for _, name := range o.Peers {
		if !slices.Contains(peerNames(), name) {
			err = errors.Join(err, fmt.Errorf("there is no peer %q; there are %s", name, strings.Join(peerNames(), ",")))
		}
	}
	if o.Rounds < 1 || o.Seconds < 1 {
		err = errors.Join(err, errors.New("-rounds and -seconds are at least 1"))
	}
	if o.Durability != "async" && o.Durability != "semisync" {
		err = errors.Join(err, fmt.Errorf("-durability %q: use async or semisync", o.Durability))
	}
	if err != nil {
		return o, err
	}
	for _, path := range []*string{&o.Binary, &o.Out, &o.Work} {
		if *path, err = filepath.Abs(*path); err != nil {
			return o, err
		}
	}
	if _, err := os.Stat(o.Binary); err != nil {
		return o, fmt.Errorf("-bin: %w; `make build` makes it", err)
	}
	o.Unpacked, err = unpackedHAProxy()
	return o, err
}

// unpackedHAProxy is where scripts/install-bench.sh puts HAProxy.
func unpackedHAProxy() (string, error) {
	dir := os.Getenv("SQLRING_SERVERS_DIR")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".cache", "sqlring", "servers")
	}
	return filepath.Join(dir, "haproxy", "bin", "haproxy"), nil
}

// workDir is a directory in memory, if there is one: the disk is not measured.
func workDir() string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return memory
	}
	return os.TempDir()
}

func numbers(list []int) string {
	var words []string
	for _, n := range list {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ",")
}

func parseNumbers(text string) ([]int, error) {
	var list []int
	for _, word := range strings.Split(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number of clients", word)
		}
		list = append(list, n)
	}
	return list, nil
}
