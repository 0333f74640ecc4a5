package demo

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sqlring/sqlring/internal/api"
)

const (
	drawEvery  = time.Second     // on a terminal
	printEvery = 5 * time.Second // elsewhere
	shownLog   = 8               // events on the screen
)

// watch runs the load and shows the ring until ctx ends or the node fails.
func (d *demo) watch(ctx context.Context) error {
	client, err := d.client()
	if err != nil {
		return err
	}
	defer client.Close()
	l, err := d.startLoad(ctx, d.LoadQPS)
	if err != nil {
		return err
	}
	defer l.end()
	failed := make(chan error, 1)
	wctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { failed <- d.node.Wait(wctx) }()

	d.say("%s", d.hints())
	every := printEvery
	if d.Interactive {
		every = drawEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	v := view{demo: d, client: client, load: l}
	v.show(ctx)
	for {
		select {
		case <-ctx.Done():
			d.say("\nstopping")
			cancel()
			return <-failed
		case err := <-failed:
			return err
		case <-ticker.C:
			v.show(ctx)
		}
	}
}

// view draws the ring; what it keeps is only what the next drawing needs.
type view struct {
	*demo

	client  *api.Client
	load    *load
	lines   int // that stand on the terminal and are drawn over
	events  uint64
	queries uint64
	at      time.Time
}

func (v *view) show(ctx context.Context) {
	status, err := v.client.Status(ctx)
	if err != nil {
		if ctx.Err() == nil {
			v.say("status: %v", err)
		}
		return
	}
	events, err := v.client.Events(ctx, v.events, shownLog)
	if err == nil {
		v.log(events)
	}
	lines := v.draw(status)
	if v.Interactive && v.lines > 0 {
		// ANSI: up over the last drawing, and clear to the end of the screen.
		_, _ = fmt.Fprintf(v.Out, "\x1b[%dA\x1b[J", v.lines)
	}
	v.say("%s", strings.Join(lines, "\n"))
	v.lines = len(lines)
}

// log prints the events that are new, above the status.
func (v *view) log(events []api.Event) {
	for _, e := range events {
		if v.Interactive && v.lines > 0 {
			_, _ = fmt.Fprintf(v.Out, "\x1b[%dA\x1b[J", v.lines)
			v.lines = 0
		}
		line := fmt.Sprintf("%s  %s", e.At.Local().Format("15:04:05.000"), e.What)
		if e.Why != "" {
			line += " (" + e.Why + ")"
		}
		v.say("%s", line)
		v.events = e.Index
		if e.Kind == "heal" && strings.Contains(e.What, "is taken out") {
			v.say("              to bring it back: %s", v.restartHint(e.Member))
		}
	}
}

func (v *view) restartHint(member string) string {
	i := slices.IndexFunc(v.servers, func(s *Server) bool { return s.Name == member })
	if i < 0 {
		return "start that server again"
	}
	return strings.Join(v.servers[i].Restart, " ")
}

func (v *view) draw(status api.Status) []string {
	now := time.Now()
	rate := 0.0
	if q := v.load.queries.Load(); !v.at.IsZero() {
		rate = float64(q-v.queries) / now.Sub(v.at).Seconds()
		v.queries = q
	}
	v.at = now
	head := fmt.Sprintf("ring %s: %s, led by %s; %.0f queries/s; cards sent %d, failed queries %d, outcome unknown %d",
		status.Ring, status.Health, orNobody(status.Leader), rate, v.load.sent.Load(), v.load.failed.Load(), v.load.unknown.Load())
	lines := []string{head}
	for _, u := range status.Units {
		lines = append(lines, fmt.Sprintf("  unit %s: owner %s, epoch %d", u.Name, orNobody(u.Owner), u.Epoch))
	}
	for _, m := range status.Members {
		lines = append(lines, "  "+memberLine(m, status.Stride))
	}
	if status.Operation != nil && status.Step != nil {
		lines = append(lines, fmt.Sprintf("  %s %s at %q: %s", status.Operation.ID, status.Operation.Kind, status.Operation.Cursor, status.Step.Why))
	}
	for _, reason := range status.Reasons {
		lines = append(lines, "  ! "+reason)
	}
	if text := v.load.lastError.Load(); text != nil {
		lines = append(lines, "  last error of the load: "+*text)
	}
	return lines
}

func memberLine(m api.Member, stride int) string {
	open := "state not known"
	if m.ReadOnly != nil {
		open = "open"
		if *m.ReadOnly {
			open = "read-only"
		}
	}
	line := fmt.Sprintf("%s %-21s %-11s slot %d/%d  %s", m.Name, m.Addr, m.State, m.Slot, stride, open)
	origins := make([]string, 0, len(m.LagMS))
	for origin := range m.LagMS {
		origins = append(origins, origin)
	}
	slices.Sort(origins)
	for _, origin := range origins {
		line += fmt.Sprintf("  lag from %s: %s", origin, lagText(m.LagMS[origin], m.LagErrMS[origin]))
	}
	return line
}

func lagText(low, err *int64) string {
	if low == nil || err == nil {
		return "unknown"
	}
	return fmt.Sprintf("%d ms (+%d)", *low, *err)
}

func orNobody(name string) string {
	if name == "" {
		return "nobody"
	}
	return name
}

// hints says what to type next.
func (d *demo) hints() string {
	host, port, err := net.SplitHostPort(d.node.ProxyAddr())
	if err != nil {
		host, port = d.node.ProxyAddr(), ""
	}
	self, err := os.Executable()
	if err != nil {
		self = "sqlring"
	}
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, self); err == nil && !strings.HasPrefix(rel, "..") {
			self = "./" + rel
		}
	}
	sqlring := self + " --api http://" + d.node.APIAddr()
	owner, heir := d.servers[0], d.servers[1]
	return strings.Join([]string{
		"",
		"what to type next, in another terminal:",
		fmt.Sprintf("  mariadb -h %s -P %s -u %s -p%s %s     one MySQL address for the whole ring", host, port, appUser, d.password, appDatabase),
		"      SELECT COUNT(*) FROM card; INSERT INTO card (sender, recipient, greeting) VALUES ('me', 'you', 'hello');",
		"  " + sqlring + " status --watch",
		"  " + sqlring + " lag",
		"  " + sqlring + " ring topology      and: why, event list, autoinc show, ring heal --dry-run",
		fmt.Sprintf("  %s --api unix:%s unit move '*' --to %s      changes go by the node's socket", self, filepath.Join(d.home, "n1", "api.sock"), heir.Name),
		fmt.Sprintf("  kill -9 %d                            the owner %s dies, and nobody notices", owner.PID(), owner.Name),
		"  " + strings.Join(owner.Restart, " ") + "     and comes back",
		"Ctrl-C stops everything that the demo started.",
		"",
	}, "\n")
}
