package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// options are what a run is told.
type options struct {
	Suites    []string
	Binary    string // sqlring
	Work      string // where servers live while it runs
	Results   string
	Cache     string         // what scripts/install-conformance.sh has unpacked
	Source    string         // this directory
	MysqlTest string         // mysql-test of mariadb-test
	Share     string         // Debian's /usr/share/mysql
	Only      string         // patterns of cases, by comma
	Spread    map[string]int // by suite: how many of its cases, evenly over all; not there: all
	Limit     time.Duration  // of each suite: afterwards no other case is begun; 0: none
	Fresh     bool
	Retry     bool // run what was settled again, if Only names it
	Churn     bool // no session gets its own connection back; see churn.go
	Hold      bool // run nothing; keep the servers until the end is asked for
	Out       io.Writer
}

func (o options) say(format string, args ...any) {
	_, _ = fmt.Fprintf(o.Out, "%s "+format+"\n", append([]any{time.Now().Format(time.TimeOnly)}, args...)...)
}

// wants reports whether a case is among those that were asked for.
func (o options) wants(name string) bool {
	if o.Only == "" {
		return true
	}
	for _, pattern := range strings.Split(o.Only, ",") {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

// bench runs one suite in a world.
type bench struct {
	o       options
	world   *world
	suite   string
	journal *journal
	known   *knownList
	build   string // fingerprint of the binary
}

// suites are what can be run, in this order.
func suites() []struct {
	name string
	run  func(*bench, context.Context) error
} {
	return []struct {
		name string
		run  func(*bench, context.Context) error
	}{
		{"clienttest", (*bench).clientTest},
		{"drivers", (*bench).drivers},
		{"dump", (*bench).dump},
		{"gosuite", (*bench).goSuite},
		{"wordpress", (*bench).wordpress},
		{"phpt", (*bench).phpt},
		{"mysqltest", (*bench).mysqlTest},
		{"mysqltest-ps", (*bench).mysqlTest},
		{"mysqltest-cursor", (*bench).mysqlTest},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func parse(args []string, out io.Writer) (options, error) {
	o := options{Out: out, Share: "/usr/share/mysql"}
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	list := flags.String("suite", "", "suites to run, by comma; default: all")
	flags.StringVar(&o.Binary, "bin", "bin/sqlring", "the sqlring to test")
	flags.StringVar(&o.Work, "work", workDir(), "directory for the servers while they run")
	flags.StringVar(&o.Results, "results", "bin/conformance", "directory for journals, differences and the summary")
	flags.StringVar(&o.Cache, "cache", "", "what scripts/install-conformance.sh has printed; required")
	flags.StringVar(&o.Source, "source", "conformance", "directory of the scenario files")
	flags.StringVar(&o.Only, "only", "", "patterns of the cases to run (path.Match), by comma")
	spread := flags.String("spread", "", "suite=cases,…: of these suites so many cases only, evenly over all")
	flags.DurationVar(&o.Limit, "limit", 0, "begin no other case of a suite after this time; 0: no limit")
	flags.BoolVar(&o.Fresh, "fresh", false, "forget earlier results")
	flags.BoolVar(&o.Retry, "retry", false, "with -only: run cases again that were settled")
	flags.BoolVar(&o.Churn, "churn", false, "have the proxy give no session its own connection back: what a session has is set again at every statement")
	flags.BoolVar(&o.Hold, "hold", false, "run no suite: start the servers, say where they are, and wait for Ctrl-C")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.Spread, err = parseSpread(*spread); err != nil {
		return o, err
	}
	if o.Cache == "" {
		return o, errors.New("-cache is required; scripts/install-conformance.sh prints it")
	}
	for _, dir := range []*string{&o.Binary, &o.Results, &o.Cache, &o.Source} {
		absolute, err := filepath.Abs(*dir)
		if err != nil {
			return o, err
		}
		*dir = absolute
	}
	o.MysqlTest = filepath.Join(o.Cache, "mariadb-test/usr/share/mysql/mysql-test")
	if *list != "" {
		o.Suites = strings.Split(*list, ",")
	}
	return o, nil
}

// workDir is a directory in memory, if there is one: the servers' files are many
// and of no worth.
func workDir() string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return memory
	}
	return os.TempDir()
}

// errDiffers ends a run that has found differences without a reason.
var errDiffers = errors.New("there are differences without a reason in conformance/known-differences.txt")

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args, out)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.Results, 0o777); err != nil {
		return err
	}
	known, err := readKnown(filepath.Join(o.Source, "known-differences.txt"))
	if err != nil {
		return err
	}
	build, err := fingerprint(o.Binary)
	if err != nil {
		return err
	}
	b := &bench{o: o, known: known, build: build}
	defer func() {
		if b.world != nil {
			b.world.stop()
		}
	}()
	if o.Hold {
		if err := b.renew(ctx); err != nil {
			return err
		}
		o.say("direct %s %s; proxy %s %s", b.world.Direct.Addr(), b.world.Direct.Socket, b.world.Proxy.Addr(), b.world.Proxy.Socket)
		<-ctx.Done()
		return nil
	}
	total := &summary{Suites: map[string]*suiteSummary{}}
	for _, name := range o.Suites {
		if !isSuite(name) {
			return fmt.Errorf("there is no suite %q", name)
		}
	}
	for _, s := range suites() {
		if len(o.Suites) > 0 && !contains(o.Suites, s.name) {
			continue
		}
		err := b.runSuite(ctx, s.name, s.run)
		if b.journal != nil {
			total.add(s.name, b.journal.done, known)
		}
		if err != nil { // what there is so far is worth reading
			return errors.Join(fmt.Errorf("suite %s: %w", s.name, err), total.write(o.Results, out))
		}
	}
	if !o.partial() {
		total.Stale = known.stale(total.Suites)
	}
	if err := total.write(o.Results, out); err != nil {
		return err
	}
	if total.Unexplained > 0 || len(total.Stale) > 0 {
		return errDiffers
	}
	return nil
}

func contains(list []string, name string) bool {
	for _, s := range list {
		if s == name {
			return true
		}
	}
	return false
}

func isSuite(name string) bool {
	for _, s := range suites() {
		if s.name == name {
			return true
		}
	}
	return false
}

func (b *bench) runSuite(ctx context.Context, name string, run func(*bench, context.Context) error) (err error) {
	b.suite = name
	b.journal, err = openJournal(b.o.Results, name, b.proxy(), b.o.Fresh)
	if err != nil {
		return err
	}
	defer func() { _ = b.journal.file.Close() }()
	if b.world == nil {
		if err := b.renew(ctx); err != nil {
			return err
		}
	}
	return run(b, ctx)
}

// renew starts a new world in place of the present one.
func (b *bench) renew(ctx context.Context) error {
	if b.world != nil {
		b.world.stop()
		b.world = nil
	}
	var err error
	const attempts = 3 // another process may take a port that was free a moment ago
	for range attempts {
		if b.world, err = startWorld(ctx, b.o); err == nil || ctx.Err() != nil {
			return err
		}
		b.o.say("%v; once more", err)
	}
	return err
}

// each judges the cases that are not settled, one after the other.
func (b *bench) each(ctx context.Context, names []string, prepare clean, of func(name string) client) error {
	var wanted, todo []string
	for _, name := range names {
		if b.o.wants(name) {
			wanted = append(wanted, name)
		}
	}
	for _, name := range spread(wanted, b.o.Spread[b.suite]) {
		if !b.journal.settled(name) || b.o.Retry {
			todo = append(todo, name)
		}
	}
	b.o.say("%s: %d cases, %d to run", b.suite, len(names), len(todo))
	p := progress{total: len(todo)}
	end := time.Now().Add(b.o.Limit)
	for i, name := range todo {
		if b.o.Limit > 0 && !time.Now().Before(end) {
			b.o.say("%s: ended after %v, %d cases were not begun", b.suite, b.o.Limit, len(todo)-i)
			break
		}
		began := time.Now()
		r := record{Suite: b.suite, Case: name, Verdict: notRunnable}
		if r.Why = b.known.find("skip", b.suite, name); r.Why == "" {
			var err error
			if r, err = b.judge(ctx, name, prepare, of(name)); err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				r.Verdict, r.Why = broken, err.Error()
			}
		}
		b.known.explain(&r)
		r.Seconds = float64(time.Since(began).Milliseconds()) / 1000
		if err := b.journal.add(r); err != nil {
			return err
		}
		p.add(b.o, b.suite, r)
	}
	return nil
}

// ready resets both endpoints, and starts a new world if that is not enough.
func (b *bench) ready(ctx context.Context) error {
	err := b.world.check(ctx)
	for _, e := range []endpoint{b.world.Direct, b.world.Proxy} {
		if err == nil {
			err = b.world.reset(ctx, e)
		}
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	b.o.say("a new world: %v", err)
	return b.renew(ctx)
}
