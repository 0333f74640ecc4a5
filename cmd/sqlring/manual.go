package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sqlring/sqlring/internal/api"
)

// manualCommand writes the manual pages; the packages are made with it.
func (c *cli) manualCommand() *cobra.Command {
	return &cobra.Command{
		Use: "manual DIR", Short: "Write the manual pages, one for each command", Hidden: true, Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, a []string) error {
			if err := os.MkdirAll(a[0], 0o755); err != nil {
				return fmt.Errorf("manual: %w", err)
			}
			return writeManual(cmd.Root(), a[0])
		},
	}
}

func writeManual(cmd *cobra.Command, dir string) error {
	if cmd.Hidden || cmd.IsAdditionalHelpTopicCommand() {
		return nil
	}
	name := manualName(cmd)
	if err := os.WriteFile(filepath.Join(dir, name+".1"), []byte(manualPage(cmd)), 0o644); err != nil { //nolint:gosec // a manual is for everybody
		return fmt.Errorf("manual of %s: %w", name, err)
	}
	for _, child := range cmd.Commands() {
		if err := writeManual(child, dir); err != nil {
			return err
		}
	}
	return nil
}

func manualName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manualPage returns the page of a command in the language of man(7).
func manualPage(cmd *cobra.Command) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	name := manualName(cmd)
	line(".TH %s 1 \"\" \"sqlring %s\" \"sqlring\"", strings.ToUpper(roff(name)), roff(api.BuildVersion().Version))
	line(".SH NAME\n%s \\- %s", roff(name), roff(cmd.Short))
	line(".SH SYNOPSIS\n.B %s", roff(cmd.UseLine()))
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	line(".SH DESCRIPTION\n%s", paragraphs(about))
	flagSection(&b, "OPTIONS", cmd.NonInheritedFlags())
	flagSection(&b, "GLOBAL OPTIONS", cmd.InheritedFlags())
	if cmd.Example != "" {
		line(".SH EXAMPLES\n.nf\n%s\n.fi", roff(cmd.Example))
	}
	line(".SH EXIT STATUS\n0 done, 1 error, 2 the ring is not well (status), 3 refused by a safety check.")
	var also []string
	if cmd.HasParent() {
		also = append(also, manualName(cmd.Parent()))
	}
	for _, child := range cmd.Commands() {
		if !child.Hidden && !child.IsAdditionalHelpTopicCommand() {
			also = append(also, manualName(child))
		}
	}
	for i, other := range also {
		also[i] = fmt.Sprintf(".BR %s (1)", roff(other))
	}
	if len(also) > 0 {
		line(".SH SEE ALSO\n%s", strings.Join(also, " ,\n"))
	}
	return b.String()
}

func flagSection(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		names := "--" + f.Name
		if f.Shorthand != "" {
			names = "-" + f.Shorthand + ", " + names
		}
		if kind != "" {
			names += " " + kind
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(names), roff(usage))
	})
}

// paragraphs keeps what is indented as it stands, and lets the rest flow.
func paragraphs(text string) string {
	var out []string
	for part := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(part, "  ") {
			out = append(out, ".nf\n"+roff(part)+"\n.fi")
			continue
		}
		out = append(out, roff(part))
	}
	return strings.Join(out, "\n.PP\n")
}

// roff writes text so that man(1) shows it as it is.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
