package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/pkg/ringcheck"
)

// errCritical ends `ring check` and `doctor` with exitRefused; the findings have been
// printed.
var errCritical = errors.New("something critical was found")

// checkFlags are the flags of `ring check` and `doctor`.
type checkFlags struct {
	members, only []string
	list, brief   bool
	address       string
	config        string
}

func (c *cli) ringCheck() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use: "check", Short: "Look for what will hurt: settings, accounts, tables, binlogs, …", Args: args(cobra.NoArgs),
		Long: `Has the node read all members anew, and holds what it finds against named checks.
Each finding says where, what, why it matters, and the line that mends it. Nothing
is changed. docs/checks.md lists the checks, and so does --list.

With --address a server that is no member yet is checked beside the members: the
node logs in there by its manager's account, which has to be made first
(docs/accounts.md).

The exit code is 0 if nothing worse than a notice was found, 2 if there are warnings
or something could not be looked at, and 3 if something critical was found.`,
		Example: `  sqlring ring check
  sqlring ring check --member m2 --only primary-keys,engines
  sqlring --api unix:/run/sqlring/api.sock ring check --address db3.example:3306
  sqlring ring check -o json | jq '.findings[] | select(.severity == "critical")'`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.runChecks(cmd.Context(), f, false) },
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.address, "address", "", "host:port of a server that is no member yet; over the unix socket, or https as operator")
	return cmd
}

func (f *checkFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.members, "member", nil, "only these members")
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "only these checks")
	cmd.Flags().BoolVar(&f.list, "list", false, "list the checks, and look at nothing")
	cmd.Flags().BoolVar(&f.brief, "brief", false, "a line for each finding, without why and how to mend it")
}

func (c *cli) doctorCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use: "doctor", Short: "All checks, of the members and of the node, and what to do first", Args: args(cobra.NoArgs),
		Long: `Runs the checks of "ring check", and those of the node that answers: its file,
raft and the other nodes, clocks, certificates, disk, open files, lag, pools, errors.
It ends with the three most important things to do first. Nothing is changed.

With --config the node's file is read here, as it is now: would the node start again?
Exit codes are those of "ring check".`,
		Example: "  sqlring doctor\n  sqlring doctor --config /etc/sqlring/sqlring.yaml --brief",
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runChecks(cmd.Context(), f, true) },
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.config, "config", "", "the node's file, to be checked too")
	return cmd
}

func (c *cli) runChecks(ctx context.Context, f checkFlags, doctor bool) error {
	checks, err := ringcheck.Named(f.only)
	if err != nil {
		return errUsage{"sqlring ring check", err.Error()}
	}
	if f.list {
		return c.listChecks(checks, doctor)
	}
	r, err := c.askChecks(ctx, f, doctor)
	if err != nil {
		return err
	}
	if doctor && f.config != "" {
		r.Findings = append(configFindings(checks, f.config), r.Findings...)
		r.First = r.Report.First(3)
	}
	if err := c.print(r, func(w io.Writer) { checkText(w, r, f.brief, doctor) }); err != nil {
		return err
	}
	switch r.Verdict() {
	case exitRefused:
		return errCritical
	case exitDegraded:
		return errDegraded
	}
	return nil
}

func (c *cli) askChecks(ctx context.Context, f checkFlags, doctor bool) (api.CheckReport, error) {
	if f.address != "" {
		client, err := c.changer(ctx, "ring check --address "+f.address)
		if err != nil {
			return api.CheckReport{}, err
		}
		defer client.Close()
		return client.CheckCandidate(ctx, api.CandidateRequest{Address: f.address, Only: f.only})
	}
	client, err := c.client()
	if err != nil {
		return api.CheckReport{}, err
	}
	defer client.Close()
	return client.RingCheck(ctx, f.members, f.only, doctor)
}

// configFindings reads the node's file, here.
func configFindings(checks []ringcheck.Check, file string) []ringcheck.Finding {
	_, err := app.LoadConfig(file)
	i := slices.IndexFunc(checks, func(c ringcheck.Check) bool { return c.Name == "node-config" })
	if err == nil || i < 0 {
		return nil
	}
	return []ringcheck.Finding{{
		Check: checks[i].Name, Severity: checks[i].Severity, Object: file, Found: err.Error(), Why: checks[i].Why,
		Mend: "sqlring config check " + file,
	}}
}

// listed is a check for --list.
type listedCheck struct {
	Name     string `json:"name"`
	Severity string `json:"severity"`
	Scope    string `json:"scope"`
	Looks    string `json:"looks"`
	Why      string `json:"why"`
}

func (c *cli) listChecks(checks []ringcheck.Check, doctor bool) error {
	found := []listedCheck{}
	for _, check := range checks {
		if check.Scope() != "node" || doctor {
			found = append(found, listedCheck{check.Name, check.Severity.String(), check.Scope(), check.Looks, check.Why})
		}
	}
	return c.print(found, func(w io.Writer) {
		rows := [][]string{{"CHECK", "SEVERITY", "SCOPE", "LOOKS AT"}}
		for _, l := range found {
			rows = append(rows, []string{l.Name, l.Severity, l.Scope, l.Looks})
		}
		table(w, rows)
	})
}

func checkText(w io.Writer, r api.CheckReport, brief, doctor bool) {
	rows := [][]string{}
	for _, f := range r.Findings {
		if brief {
			rows = append(rows, []string{f.Severity.String(), f.Check, orDash(f.Member), orDash(f.Object), f.Found})
			continue
		}
		fmt.Fprintf(w, "%s %s: %s\n", f.Severity, f.Check, where(f))
		fmt.Fprintf(w, "  found: %s\n  why:   %s\n  mend:  %s\n\n", f.Found, f.Why, f.Mend)
	}
	if len(rows) > 0 {
		table(w, append([][]string{{"SEVERITY", "CHECK", "MEMBER", "OBJECT", "FOUND"}}, rows...))
		fmt.Fprintln(w)
	}
	unknownText(w, r.Unknown, brief)
	if len(r.Members) == 0 {
		fmt.Fprintln(w, "there is no member yet; to look at a server that is to be one: sqlring ring check --address HOST:PORT")
	}
	count := map[ringcheck.Severity]int{}
	for _, f := range r.Findings {
		count[f.Severity]++
	}
	fmt.Fprintf(w, "%d checks of %s: %d critical, %d warnings, %d notices, %d could not look\n",
		r.Ran, orDash(strings.Join(r.Members, ", ")), count[ringcheck.Critical], count[ringcheck.Warning], count[ringcheck.Notice], len(r.Unknown))
	if doctor && len(r.First) > 0 {
		fmt.Fprintln(w, "\nfirst:")
		for i, f := range r.First {
			fmt.Fprintf(w, "%d. %s, %s: %s\n   %s\n", i+1, f.Check, where(f), f.Found, f.Mend)
		}
	}
}

func where(f ringcheck.Finding) string {
	switch {
	case f.Member == "":
		return f.Object
	case f.Object == "":
		return f.Member
	}
	return f.Member + ", " + f.Object
}

// unknownText says what could not be read, and, unless brief, which checks could not look. A
// server that does not answer is one line, not one for each of its parts.
func unknownText(w io.Writer, unknown []ringcheck.Unread, brief bool) {
	type group struct{ parts, checks []string }
	var whys []string
	by := map[string]*group{}
	for _, u := range unknown {
		part, why := u.Why, ""
		if read, of, ok := strings.Cut(strings.TrimPrefix(u.Why, "read "), " of "); ok && strings.HasPrefix(u.Why, "read ") {
			part, why = read, " of "+of
		}
		key := why
		if key == "" {
			key = u.Why
		}
		g := by[key]
		if g == nil {
			g = &group{}
			by[key] = g
			whys = append(whys, key)
		}
		if !slices.Contains(g.parts, part) {
			g.parts = append(g.parts, part)
		}
		g.checks = append(g.checks, u.Check)
	}
	for _, why := range whys {
		g := by[why]
		if why == g.parts[0] { // it is no part of a server
			fmt.Fprintf(w, "unknown: %s\n", why)
		} else {
			fmt.Fprintf(w, "unknown: %s%s\n", strings.Join(g.parts, ", "), why)
		}
		if brief {
			fmt.Fprintf(w, "  so %d checks could not look\n\n", len(g.checks))
			continue
		}
		fmt.Fprintf(w, "  so these could not look: %s\n\n", strings.Join(g.checks, ", "))
	}
}
