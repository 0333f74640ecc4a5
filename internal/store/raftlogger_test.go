package store

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestRaftLogger(t *testing.T) {
	var out bytes.Buffer
	options := &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	l := newRaftLogger(slog.New(slog.NewTextHandler(&out, options)))
	l.Error("no contact", "last-index", 7, "peer", hclog.Fmt("%s:%d", "n2", 1))
	l.With("server-id", "n3").Named("sub").Info("started", "odd")
	l.Trace("detail")
	want := `level=WARN msg="no contact" component=raft last_index=7 peer=n2:1
level=DEBUG msg=started component=raft server_id=n3 extra=odd
level=DEBUG msg=detail component=raft
`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestRaftLoggerKeepsToTheLevel(t *testing.T) {
	var out bytes.Buffer
	l := newRaftLogger(slog.New(slog.NewTextHandler(&out, nil)))
	l.Debug("x")
	l.Info("x")
	if out.Len() > 0 || l.IsInfo() || !l.IsWarn() || l.GetLevel() != hclog.Warn {
		t.Errorf("wrote %q, info %v, warn %v, level %v", out.String(), l.IsInfo(), l.IsWarn(), l.GetLevel())
	}
}
