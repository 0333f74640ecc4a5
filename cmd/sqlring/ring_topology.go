package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

func (c *cli) ringTopology() *cobra.Command {
	return &cobra.Command{
		Use: "topology", Short: "The ring, drawn: who follows whom, as meant and as seen", Args: args(cobra.NoArgs),
		Long: `Draws the ring in ring order: each member is followed by the one below it, the
last by the first. Beside each arrow stands who follows whom, whether that is
seen, and how stale the follower is. An arrow that is not seen is dotted.
Members that are out stand below, with the reason.`,
		Example: "  sqlring ring topology\n  sqlring ring topology -o json | jq '.edges[] | select(.ok | not)'",
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			defer client.Close()
			ring, err := client.Topology(cmd.Context())
			if err != nil {
				return err
			}
			st, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			return c.print(ring, func(w io.Writer) { drawRing(w, ring, st) })
		},
	}
}

func drawRing(w io.Writer, ring api.RingMap, st api.Status) {
	if ring.Ring == "" {
		fmt.Fprintln(w, "no ring yet")
		return
	}
	fmt.Fprintf(w, "ring %s is %s\n", ring.Ring, ring.Health)
	for _, u := range st.Units {
		fmt.Fprintf(w, "writes of %s: %s\n", u.Name, ownerText(u))
	}
	fmt.Fprintln(w)
	n := len(ring.Linked)
	if n > 1 {
		fmt.Fprint(w, "  ┌─────┐\n  │     ▼\n")
	}
	left := "  │  "
	if n == 1 {
		left = "     "
	}
	for i, name := range ring.Linked {
		m := memberOf(st, name)
		fmt.Fprintf(w, "%s%s  %s\n", left, name, memberText(m))
		if n == 1 {
			fmt.Fprintf(w, "%s    it is alone in the ring%s\n", left, straysText(edgeOf(ring, name)))
			continue
		}
		edge := edgeOf(ring, ring.Linked[(i+1)%n])
		shaft := "│"
		if !edge.OK {
			shaft = "┊"
		}
		fmt.Fprintf(w, "%s   %s  %s\n", left, shaft, edgeText(edge))
		if i < n-1 {
			fmt.Fprintf(w, "%s   ▼\n", left)
		}
	}
	if n > 1 {
		fmt.Fprint(w, "  └─────┘\n")
	}
	if len(ring.Out) > 0 {
		fmt.Fprint(w, "\nout of the ring:\n")
	}
	for _, out := range ring.Out {
		m := memberOf(st, out.Name)
		fmt.Fprintf(w, "  %s  %s, %s: %s\n", out.Name, out.State, reachText(m), orDash(out.Why))
		if edge := edgeOf(ring, out.Name); edge.Seen != "" {
			fmt.Fprintf(w, "      it follows %s: receiver %s, applier %s\n", edge.Seen, edge.Receiver, edge.Applier)
		}
	}
}

func memberOf(st api.Status, name string) api.Member {
	for _, m := range st.Members {
		if m.Name == name {
			return m
		}
	}
	return api.Member{Name: name, Reach: "unknown"} // it was removed between the two answers
}

func edgeOf(ring api.RingMap, name string) api.Edge {
	for _, e := range ring.Edges {
		if e.Member == name {
			return e
		}
	}
	return api.Edge{Member: name}
}

// memberText says what a member is, on one line.
func memberText(m api.Member) string {
	parts := []string{m.State}
	if m.Reach != "answers" {
		parts = append(parts, reachText(m))
	}
	switch {
	case m.ReadOnly == nil:
	case *m.ReadOnly:
		parts = append(parts, "read-only")
	default:
		parts = append(parts, "open")
	}
	if len(m.Owns) > 0 {
		parts = append(parts, "owns "+strings.Join(m.Owns, " "))
	}
	if m.SemiSync.Ordered != "off" {
		parts = append(parts, "semi-sync "+semiSyncText(m.SemiSync))
	}
	return strings.Join(parts, ", ") + "  (" + m.Addr + ")"
}

// reachText says how a member answers, and for how long it has been so.
func reachText(m api.Member) string {
	if m.ReachSinceMS == nil || m.Reach == "answers" || m.Reach == "unknown" {
		return m.Reach
	}
	return m.Reach + " " + strings.TrimSuffix("for "+agoText(*m.ReachSinceMS), " ago")
}

// edgeText says how a member follows, beside what is meant.
func edgeText(e api.Edge) string {
	lag := "lag " + millis(e.LagMS, e.LagErrMS)
	switch {
	case e.OK:
		return fmt.Sprintf("%s follows %s, %s", e.Member, e.Meant, lag)
	case !e.Known:
		return fmt.Sprintf("%s is meant to follow %s; whom it follows is not known: %s", e.Member, e.Meant, e.Error)
	case e.Seen == "":
		return fmt.Sprintf("%s is meant to follow %s, and follows nobody", e.Member, e.Meant)
	case e.Seen != e.Meant:
		return fmt.Sprintf("%s is meant to follow %s, and follows %s: receiver %s, applier %s", e.Member, e.Meant, e.Seen, e.Receiver, e.Applier)
	}
	return strings.TrimSpace(fmt.Sprintf("%s follows %s: receiver %s, applier %s, %s %s", e.Member, e.Meant, e.Receiver, e.Applier, lag, e.Error))
}

// straysText says whom a member follows that is meant to follow nobody.
func straysText(e api.Edge) string {
	if e.Seen == "" {
		return ""
	}
	return fmt.Sprintf(", and follows %s: receiver %s, applier %s", e.Seen, e.Receiver, e.Applier)
}
