package store

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// raftLogger lets raft speak through slog. raft's levels are put in our order:
// its Error is a state that it recovers from (Warn here), its Info is progress
// (Debug here); what an operator must know is logged by the store itself.
type raftLogger struct {
	to   *slog.Logger
	name string
	args []any // as With was given them
}

func newRaftLogger(to *slog.Logger) hclog.Logger {
	return &raftLogger{to: to.With("component", "raft")}
}

func slogLevel(level hclog.Level) slog.Level {
	if level >= hclog.Warn {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// Log implements hclog.Logger. It is safe for concurrent use.
func (l *raftLogger) Log(level hclog.Level, msg string, args ...any) {
	at := slogLevel(level)
	if l.to.Enabled(context.Background(), at) {
		l.to.Log(context.Background(), at, msg, slogArgs(args)...)
	}
}

// slogArgs turns raft's keys into snake case and resolves its lazy formats. An
// odd last argument has no key of its own.
func slogArgs(args []any) []any {
	out := make([]any, 0, len(args)+1)
	for i := 0; i+1 < len(args); i += 2 {
		value := args[i+1]
		if f, ok := value.(hclog.Format); ok && len(f) > 0 {
			value = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
		out = append(out, strings.ReplaceAll(fmt.Sprint(args[i]), "-", "_"), value)
	}
	if len(args)%2 == 1 {
		out = append(out, "extra", args[len(args)-1])
	}
	return out
}

func (l *raftLogger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }
func (l *raftLogger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }
func (l *raftLogger) Info(msg string, args ...any)  { l.Log(hclog.Info, msg, args...) }
func (l *raftLogger) Warn(msg string, args ...any)  { l.Log(hclog.Warn, msg, args...) }
func (l *raftLogger) Error(msg string, args ...any) { l.Log(hclog.Error, msg, args...) }

func (l *raftLogger) enabled(level hclog.Level) bool {
	return l.to.Enabled(context.Background(), slogLevel(level))
}

func (l *raftLogger) IsTrace() bool { return l.enabled(hclog.Trace) }
func (l *raftLogger) IsDebug() bool { return l.enabled(hclog.Debug) }
func (l *raftLogger) IsInfo() bool  { return l.enabled(hclog.Info) }
func (l *raftLogger) IsWarn() bool  { return l.enabled(hclog.Warn) }
func (l *raftLogger) IsError() bool { return l.enabled(hclog.Error) }

func (l *raftLogger) ImpliedArgs() []any { return l.args }
func (l *raftLogger) Name() string       { return l.name }

func (l *raftLogger) With(args ...any) hclog.Logger {
	all := append(append([]any(nil), l.args...), args...)
	return &raftLogger{to: l.to.With(slogArgs(args)...), name: l.name, args: all}
}

func (l *raftLogger) Named(name string) hclog.Logger      { return l.ResetNamed(name) }
func (l *raftLogger) ResetNamed(name string) hclog.Logger { c := *l; c.name = name; return &c }

// SetLevel does nothing: the level is the slog handler's.
func (l *raftLogger) SetLevel(hclog.Level) {}

func (l *raftLogger) GetLevel() hclog.Level {
	if l.enabled(hclog.Debug) {
		return hclog.Debug
	}
	return hclog.Warn
}

func (l *raftLogger) StandardLogger(*hclog.StandardLoggerOptions) *log.Logger {
	return slog.NewLogLogger(l.to.Handler(), slog.LevelWarn)
}

func (l *raftLogger) StandardWriter(o *hclog.StandardLoggerOptions) io.Writer {
	return l.StandardLogger(o).Writer()
}
