package proxy

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/sqlring/sqlring/pkg/balancer"
)

// written is what a log has. The zero value is empty. It is safe for concurrent use.
type written struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

// take returns what it has, and empties it.
func (w *written) take() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.text.Reset()
	return w.text.String()
}

// What a trigger or a function behind a view sets is in no text. The member reports that
// something has changed: that keeps the connection, is told by its own name with the
// statement, is counted, and is logged once for each digest.
func TestRealAChangeThatNobodyNamesKeepsTheLink(t *testing.T) {
	var log written
	onBothAs(t, Config{Logger: slog.New(slog.NewTextHandler(&log, nil))}, func(t *testing.T, f *fronted) {
		log.take()
		f.exec(t, "CREATE TABLE shop.t (v INT); CREATE TABLE shop.plain (v INT)")
		f.exec(t, "CREATE TRIGGER shop.remembers BEFORE INSERT ON shop.t FOR EACH ROW SET @seen = NEW.v")
		db := f.app(t, nil)
		one, two := open(t, db, 1), open(t, db, 2)
		defer one.conn.Close()
		defer two.conn.Close()
		one.does(t, act{text: "INSERT INTO shop.plain (v) VALUES (1)"})
		if pins := f.Pins(); len(pins) != 0 {
			t.Errorf("what changes nothing: %v", pins)
		}
		for _, a := range []*actor{one, two, one} {
			a.does(t, act{text: "INSERT INTO shop.t (v) VALUES (7)"})
		}
		if got := one.does(t, act{text: "SELECT @seen"}); !strings.Contains(got, "{7 true}") {
			t.Errorf("the session has %s", got)
		}
		waitFor(t, "both have ended their commands", func() bool { return len(f.Pins()) == 2 })
		for _, p := range f.Pins() {
			if p.Effects != balancer.EffectsOf(balancer.EffectUnnamed) || p.Why != "a change that nobody names" || p.By != "INSERT INTO `shop` . `t` ( `v` ) VALUES (?)" || p.For < 0 {
				t.Errorf("pinned: %+v", p)
			}
		}
		if n := f.Pinned()[balancer.EffectUnnamed]; n != 2 {
			t.Errorf("%d are counted as pinned for it", n)
		}
		if n := f.Stats().Unnamed; n != 2 {
			t.Errorf("%d changes were counted", n)
		}
		if text := log.take(); strings.Count(text, "a change of state that nobody names") != 1 || !strings.Contains(text, "INSERT INTO `shop` . `t`") {
			t.Errorf("logged, and not once:\n%s", text)
		}
	})
}

// What a text names is told by that name, and nothing else, with the statement that gave the
// latest reason; a session that keeps nothing any more is not told of.
func TestRealPinsNameTheirStatement(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		one := open(t, f.app(t, nil), 1)
		defer one.conn.Close()
		for _, tt := range []struct{ text, why, by string }{
			{"SET @a=5", "user variables", "SET @? = ?"},
			{"SELECT 1", "user variables", "SET @? = ?"},
			{"CREATE TEMPORARY TABLE shop.tmp (v INT)", "user variables, a temporary table", "CREATE TEMPORARY TABLE `shop` . `tmp` ( `v` INTEGER )"},
		} {
			one.does(t, act{text: tt.text})
			rows := one.does(t, act{text: "SHOW SQLRING PINS"})
			if !strings.Contains(rows, "{"+tt.why+" true} {0 true} {") && !strings.Contains(rows, "{"+tt.why+" true} {1 true} {") {
				t.Errorf("%s: %s, wanted %q", tt.text, rows, tt.why)
			}
			if p := f.Pins(); len(p) != 1 || !strings.HasPrefix(p[0].By, tt.by[:7]) {
				t.Errorf("%s: pinned %+v, wanted by %q", tt.text, p, tt.by)
			}
		}
		if n := f.Stats().Unnamed; n != 0 {
			t.Errorf("%d changes were counted that have a name", n)
		}
	})
}
