package sim

import (
	"fmt"
	"strings"
	"time"
)

// transcript is what happened, a line each. While it is off it costs nothing: a
// run that fails is run again with it on, which is the same run.
type transcript struct {
	on    bool
	lines []string
}

func (t *transcript) say(now time.Duration, who, format string, args ...any) {
	if !t.on {
		return
	}
	t.lines = append(t.lines, fmt.Sprintf("%9.4f %-8s %s", now.Seconds(), who, fmt.Sprintf(format, args...)))
}

// last returns the last n lines.
func (t *transcript) last(n int) string {
	from := max(0, len(t.lines)-n)
	return strings.Join(t.lines[from:], "\n")
}
