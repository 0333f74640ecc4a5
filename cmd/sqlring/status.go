package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) statusCommand() *cobra.Command {
	var watch watchFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "How the ring is, what is wrong with it, and what to type",
		Long: `Shows the ring: its health, who leads, each member with its state, slot and lag,
the units and their owners, the operation that runs, and what is wrong.

LEVEL is the lag level: reads are spread over members that are fresh or warn (docs/lag.md).
LAG says for each origin how stale the member is: "3 ms (+4)" is at least 3 ms
and at most 3+4 ms. What is not known is shown as unknown, never as 0.

The exit code is 0 if the ring is well, and 2 if it is degraded or down.`,
		Example: `  sqlring status --watch
  sqlring status -o json | jq -r '.health'`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			return c.watch(cmd.Context(), watch, func(ctx context.Context) error { return c.showStatus(ctx, client) })
		},
	}
	watch.add(cmd)
	return cmd
}

func (c *cli) showStatus(ctx context.Context, client *api.Client) error {
	st, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if err := c.print(st, func(w io.Writer) { statusTable(w, st) }); err != nil {
		return err
	}
	if st.Health != api.HealthOK {
		return errDegraded
	}
	return nil
}

func statusTable(w io.Writer, st api.Status) {
	if st.Ring == "" {
		fmt.Fprintf(w, "no ring yet (node %s, %s)\n", st.Node, ledBy(st.Leader))
	} else {
		fmt.Fprintf(w, "ring %s is %s: %s, durability %s, stride %d\n\n", st.Ring, st.Health, ledBy(st.Leader), st.Durability, st.Stride)
		memberTable(w, st.Members, st.Stride)
		fmt.Fprintln(w)
		unitTable(w, st.Units)
	}
	p := st.Proxy
	if p.Listen != "" || p.Socket != "" {
		fmt.Fprintf(w, "\nproxy %s: %d sessions, %d queries, %d errors\n", proxyAddr(p), p.Sessions, p.Queries, p.Errors)
	}
	if op := st.Operation; op != nil {
		fmt.Fprintf(w, "\noperation %s has run %s, it is at %q%s\n", titleOf(*op), sinceText(st.At.Sub(op.Began)), op.Cursor, stepText(op.Step))
		if op.Doing != "" {
			fmt.Fprintf(w, "  %s: %s\n", op.Cursor, op.Doing)
		}
	}
	admissionText(w, st.Admissions)
	if len(st.Reasons) > 0 {
		fmt.Fprintf(w, "\nwhat is wrong:\n  %s\n", strings.Join(st.Reasons, "\n  "))
	}
	nextText(w, st.Next)
}

// nextText says what to type.
func nextText(w io.Writer, next []string) {
	if len(next) > 0 {
		fmt.Fprintf(w, "\nwhat to type:\n  %s\n", strings.Join(next, "\n  "))
	}
}

// titleOf names an operation: "op2 (heal m1)".
func titleOf(op api.Operation) string {
	if op.Unit != "" {
		return fmt.Sprintf("%s (%s %s)", op.ID, op.Kind, op.Unit)
	}
	if op.Member == "" {
		return fmt.Sprintf("%s (%s)", op.ID, op.Kind)
	}
	return fmt.Sprintf("%s (%s %s)", op.ID, op.Kind, op.Member)
}

func ledBy(leader string) string {
	if leader == "" {
		return "nobody leads"
	}
	return "led by " + leader
}

func proxyAddr(p api.ProxyStats) string {
	var where []string
	for _, addr := range []string{p.Listen, p.Socket} {
		if addr != "" {
			where = append(where, addr)
		}
	}
	return strings.Join(where, ", ")
}

// stepText says what a step is, as the end of a line.
func stepText(s *api.Step) string {
	switch {
	case s == nil:
		return ""
	case s.What != "" && s.Member != "":
		return fmt.Sprintf(": %s on %s: %s", s.What, s.Member, s.Why)
	case s.What != "":
		return fmt.Sprintf(": %s: %s", s.What, s.Why)
	}
	return fmt.Sprintf(": %s: %s", s.Kind, s.Why)
}

func memberTable(w io.Writer, members []api.Member, stride int) {
	rows := [][]string{{"MEMBER", "STATE", "REACH", "LEVEL", "OWNS", "SLOT", "READ-ONLY", "SEMI-SYNC", "FOLLOWS", "LAG", "ADDRESS"}}
	for _, m := range members {
		state := m.State
		if m.Drained {
			state += ", drained"
		}
		if m.Leaving != "" && m.State != "maintenance" {
			state += ", to leave: " + m.Leaving
		}
		rows = append(rows, []string{
			m.Name, state, m.Reach, m.Lag.Level, orDash(strings.Join(m.Owns, ",")), fmt.Sprintf("%d/%d", m.Slot, stride),
			yesNo(m.ReadOnly), semiSyncText(m.SemiSync), orDash(m.Upstream), lagText(m), m.Addr,
		})
	}
	table(w, rows)
}

// semiSyncText shows what is ordered, and that it is not so if it is not.
func semiSyncText(s api.SemiSync) string {
	switch {
	case s.Ordered == "armed" && s.On == nil:
		return "armed, not seen"
	case s.Ordered == "armed" && !*s.On:
		return "armed, not on"
	}
	return s.Ordered
}

func lagText(m api.Member) string {
	origins := make([]string, 0, len(m.LagMS))
	for origin := range m.LagMS {
		origins = append(origins, origin)
	}
	slices.Sort(origins)
	for i, origin := range origins {
		text := millis(m.LagMS[origin], m.LagErrMS[origin])
		if was, ok := m.LagWas[origin]; ok {
			text += fmt.Sprintf(" (was %d ms, %s)", was.LowMS, agoText(was.AgeMS))
		}
		origins[i] = origin + " " + text
	}
	return orDash(strings.Join(origins, ", "))
}

func unitTable(w io.Writer, units []api.Unit) {
	rows := [][]string{{"UNIT", "OWNER", "EPOCH"}}
	for _, u := range units {
		rows = append(rows, []string{u.Name, ownerText(u), fmt.Sprint(u.Epoch)})
	}
	table(w, rows)
}

// ownerText names the owner, or says that writes wait, since when, and for whom.
func ownerText(u api.Unit) string {
	switch {
	case u.Drains:
		return u.Owner + ", moving"
	case u.Owner != "" && u.Pinned:
		return u.Owner + ", pinned"
	case u.Owner != "":
		return u.Owner
	}
	text := "nobody, writes wait"
	if u.SinceMS != nil {
		text += " " + sinceText(time.Duration(*u.SinceMS)*time.Millisecond)
	}
	if u.Heir != "" {
		text += ", heir " + u.Heir
	}
	return text
}
