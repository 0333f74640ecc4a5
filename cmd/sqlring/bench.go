package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/burst"
)

func (c *cli) benchCommand() *cobra.Command {
	return noun("bench", "Put a load on a MySQL address and see what becomes of it", c.benchBurst())
}

// burstFlags are the flags of `bench burst`.
type burstFlags struct {
	addr, against, user, passwordFile, shape, out string
	tls, tlsCA                                    string
	rate, scale                                   float64
	clients, retries, rounds                      int
	patience, good                                time.Duration
	angry, reconnect, keep, yes                   bool
	seed                                          uint64
}

func (c *cli) benchBurst() *cobra.Command {
	var f burstFlags
	cmd := &cobra.Command{
		Use: "burst", Short: "The greeting-card site at midnight, against any MySQL address", Args: args(cobra.NoArgs),
		Long: `Makes the schema ` + burst.Schema + ` at --addr, and has a crowd browse pictures, read cards, send cards
and look at one card that everybody looks at. Requests come when people want something,
whether others have been served or not (an open loop); who gets an error tries again
(--retries), and who has no answer after --patience goes.

--shape is ramp, step, midnight, or a file with a line for each phase: its duration and its
rate, or two between which it goes; "x10" is ten times --rate.

It writes burst.csv, burst.json and burst.svg into --out: what was wanted, what was good
(answered within --good), errors, and how long it took, second by second. With --against the
runs go to the two addresses in turn, --rounds times, and the medians are compared.

The schema is dropped first and at the end: use no server on which somebody else has it.`,
		Example: `  sqlring bench burst --addr 127.0.0.1:3406 --user app --password-file pw --rate 100 --shape midnight --yes
  sqlring bench burst --addr ring:3406 --against old:3306 --user app --password-file pw --rounds 3 --yes`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runBurst(cmd.Context(), f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.addr, "addr", "127.0.0.1:3406", "host:port, or the path of a socket")
	flags.StringVar(&f.against, "against", "", "another address, to compare with")
	flags.StringVar(&f.user, "user", "root", "account; it makes and drops the schema")
	flags.StringVar(&f.passwordFile, "password-file", "", "file with its password; empty: it has none")
	flags.StringVar(&f.tls, "tls", "off", "off; prefer: if the server has it; require: or no connection; verify: and it is who it says to be, by --tls-ca or the system's")
	flags.StringVar(&f.tlsCA, "tls-ca", "", "file with the authorities for --tls verify; empty: the system's")
	flags.BoolVar(&f.reconnect, "reconnect", false, "a connection for each request, as of PHP without pconnect")
	flags.StringVar(&f.shape, "shape", "step", "ramp, step, midnight, or a file")
	flags.Float64Var(&f.rate, "rate", 100, "requests per second that the site bears well")
	flags.Float64Var(&f.scale, "scale", 1, "of the shape's time: 0.2 is five times as fast")
	flags.IntVar(&f.clients, "clients", 200, "connections at the most")
	flags.IntVar(&f.retries, "retries", 3, "how often a client tries again after an error")
	flags.BoolVar(&f.angry, "angry", false, "it does so at once, by a new connection")
	flags.DurationVar(&f.patience, "patience", 5*time.Second, "after which a client goes")
	flags.DurationVar(&f.good, "good", time.Second, "within which an answer is good")
	flags.IntVar(&f.rounds, "rounds", 1, "runs at each address, in turn")
	flags.StringVar(&f.out, "out", ".", "directory for the results")
	flags.BoolVar(&f.keep, "keep", false, "do not drop the schema at the end")
	flags.Uint64Var(&f.seed, "seed", 1, "of who does what")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	return cmd
}

func (f burstFlags) options() (o burst.Options, err error) {
	o = burst.Options{User: f.user, Clients: f.clients, Patience: f.patience, Good: f.good, Retries: f.retries, Angry: f.angry, Reconnect: f.reconnect, Seed: f.seed}
	if f.passwordFile != "" {
		password, err := os.ReadFile(f.passwordFile)
		if err != nil {
			return o, fmt.Errorf("--password-file: %w", err)
		}
		o.Password = strings.TrimRight(string(password), "\r\n")
	}
	if wrong := f.wrong(); wrong != "" {
		return o, errUsage{"sqlring bench burst", wrong}
	}
	if o.TLS, err = burst.ParseTLS(f.tls); err != nil {
		return o, errUsage{"sqlring bench burst", "--tls: " + err.Error()}
	}
	if f.tlsCA != "" {
		if o.Authorities, err = os.ReadFile(f.tlsCA); err != nil {
			return o, fmt.Errorf("--tls-ca: %w", err)
		}
	}
	shape, named := burst.Named(f.shape, f.rate)
	if !named {
		file, err := os.Open(f.shape)
		if err != nil {
			return o, errUsage{"sqlring bench burst", fmt.Sprintf("--shape %s is not ramp, step or midnight, and no file: %v", f.shape, err)}
		}
		defer file.Close()
		if shape, err = burst.ParseShape(file, f.rate); err != nil {
			return o, fmt.Errorf("--shape %s: %w", f.shape, err)
		}
	}
	o.Shape = shape.Scaled(f.scale)
	return o, nil
}

// wrong says which number makes no sense, "" if none.
func (f burstFlags) wrong() string {
	switch {
	case !(f.rate > 0) || f.rate > 1e6:
		return fmt.Sprintf("--rate %g: above 0, and at most 1000000 a second", f.rate)
	case !(f.scale > 0) || f.scale > 1000:
		return fmt.Sprintf("--scale %g: above 0, and at most 1000", f.scale)
	case f.clients < 1 || f.clients > 100_000:
		return fmt.Sprintf("--clients %d: 1 to 100000", f.clients)
	case f.rounds < 1 || f.rounds > 1000:
		return fmt.Sprintf("--rounds %d: 1 to 1000", f.rounds)
	case f.retries < 0:
		return fmt.Sprintf("--retries %d: 0 or more", f.retries)
	case f.patience <= 0:
		return fmt.Sprintf("--patience %s: nobody would wait for an answer: above 0", f.patience)
	case f.tlsCA != "" && f.tls != string(burst.TLSVerify):
		return fmt.Sprintf("--tls-ca is for --tls verify: nobody is verified by --tls %s", f.tls)
	case f.good <= 0:
		return fmt.Sprintf("--good %s: no answer would be good: above 0", f.good)
	}
	return ""
}

func at(o burst.Options, addr string) burst.Options {
	o.Network, o.Addr = "tcp", addr
	if strings.HasPrefix(addr, "/") {
		o.Network = "unix"
	}
	return o
}

func (c *cli) runBurst(ctx context.Context, f burstFlags) error {
	o, err := f.options()
	if err != nil {
		return err
	}
	addrs := []string{f.addr}
	if f.against != "" {
		addrs = append(addrs, f.against)
	}
	if err := os.MkdirAll(f.out, 0o755); err != nil { //nolint:gosec // results are no secret
		return fmt.Errorf("--out: %w", err) // before the load, not after it
	}
	question := fmt.Sprintf("drop and make the schema %s at %s, and put %s of load on it, %d times?", burst.Schema, strings.Join(addrs, " and "), o.Shape.Lasts().Round(time.Second), f.rounds)
	if err := c.confirm(ctx, f.yes, question); err != nil {
		return err
	}
	var results []burst.Result
	for round := range f.rounds {
		for i := range addrs {
			addr := addrs[(round+i)%len(addrs)] // who comes first changes from round to round
			r, err := c.oneBurst(ctx, at(o, addr), f.keep)
			if err != nil && len(r.Seconds) == 0 {
				return err
			}
			results = append(results, r)
			name := "burst"
			if len(addrs) > 1 || f.rounds > 1 {
				name = fmt.Sprintf("burst-%d-%s", round+1, strings.Map(fileRune, addr))
			}
			if err := errors.Join(err, writeBurst(filepath.Join(f.out, name), r)); err != nil {
				return err // one that was broken off is written too
			}
		}
	}
	return c.print(results, func(w io.Writer) { burstTable(w, results) })
}

func fileRune(r rune) rune {
	if strings.ContainsRune("/:[]", r) {
		return '-'
	}
	return r
}

// oneBurst is one run, with the site made before it.
func (c *cli) oneBurst(ctx context.Context, o burst.Options, keep bool) (r burst.Result, err error) {
	db, err := burst.Open(o)
	if err != nil {
		return r, err
	}
	defer func() { _ = db.Close() }()
	if err := burst.Prepare(ctx, db); err != nil {
		return r, fmt.Errorf("%s: %w", o.Addr, err)
	}
	if !keep {
		defer func() {
			clearing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
			defer cancel()
			err = errors.Join(err, burst.Clear(clearing, db))
		}()
	}
	fmt.Fprintf(c.err, "%s: %s of load\n", o.Addr, o.Shape.Lasts().Round(time.Second))
	return burst.Run(ctx, o, func(s burst.Second) {
		if s.At%5 == 0 {
			fmt.Fprintf(c.err, "%4d s: %d wanted, %d good, %d late, %d errors, %d gave up, p99 %.0f ms\n", s.At, s.Offered, s.Good, s.Late, s.Errors, s.GaveUp, s.P99MS)
		}
	})
}

func writeBurst(name string, r burst.Result) error {
	for _, as := range []struct {
		ext   string
		write func(io.Writer) error
	}{{".csv", r.WriteCSV}, {".json", r.WriteJSON}, {".svg", r.WriteSVG}} {
		file, err := os.Create(name + as.ext)
		if err != nil {
			return err
		}
		if err := errors.Join(as.write(file), file.Close()); err != nil {
			return fmt.Errorf("write %s: %w", name+as.ext, err)
		}
	}
	return nil
}

func burstTable(w io.Writer, results []burst.Result) {
	rows := [][]string{{"ADDRESS", "WANTED", "GOOD", "LATE", "ERRORS", "GAVE UP", "LOST", "P50", "P99", "LONGEST", "MOST GOOD/S", "TRIES EACH"}}
	good := map[string][]float64{}
	for _, r := range results {
		t := r.Total
		rows = append(rows, []string{
			r.Addr, fmt.Sprint(t.Offered), fmt.Sprintf("%.1f %%", 100*float64(t.Good)/float64(max(t.Offered, 1))), fmt.Sprint(t.Late), fmt.Sprint(t.Errors),
			fmt.Sprint(t.GaveUp), fmt.Sprint(t.Lost), fmt.Sprintf("%.0f ms", t.P50MS), fmt.Sprintf("%.0f ms", t.P99MS), fmt.Sprintf("%.0f ms", t.MaxMS), fmt.Sprintf("%.0f", r.MaxGood), fmt.Sprintf("%.2f", r.Amplified),
		})
		good[r.Addr] = append(good[r.Addr], float64(t.Good))
	}
	table(w, rows)
	for _, r := range results {
		for _, name := range slices.Sorted(maps.Keys(r.ByAction)) {
			s := r.ByAction[name]
			fmt.Fprintf(w, "%s: %s: %.1f %% of %d good, p99 %.0f ms, longest %.0f ms\n", r.Addr, name, 100*float64(s.Good)/float64(max(s.Offered, 1)), s.Offered, s.P99MS, s.MaxMS)
		}
		for _, name := range slices.Sorted(maps.Keys(r.ByError)) {
			fmt.Fprintf(w, "%s: %s: %d times\n", r.Addr, name, r.ByError[name])
		}
	}
	if len(good) == 2 {
		a, b := results[0].Addr, results[1].Addr
		fmt.Fprintf(w, "\ngoodput of %s is %.2f of that of %s (median of the rounds)\n", a, median(good[a])/max(median(good[b]), 1), b)
	}
}

func median(v []float64) float64 {
	sorted := slices.Sorted(slices.Values(v))
	return sorted[len(sorted)/2]
}
