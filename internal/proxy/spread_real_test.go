package proxy

import (
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/wire"
)

// A read at another member is answered as at the owner: by the schema and the settings that
// the session has by then, whatever it had when it read there before.
func TestRealReadsElsewhereSeeTheSessionAsItIs(t *testing.T) {
	replicatedOnBoth(t, Config{}, func(t *testing.T, p *replicated) {
		p.exec(t, "CREATE DATABASE other; CREATE TABLE shop.t (v TEXT); INSERT INTO shop.t VALUES ('of shop'); CREATE TABLE other.t (v TEXT); INSERT INTO other.t VALUES ('of other')")
		p.catchesUp(t)
		c := open(t, p.through(t, person{user: "app", password: appPassword, schema: "shop"}), 1)
		defer c.conn.Close()
		const read = "SELECT v, FROM_UNIXTIME(0), 'a\\\\b' FROM t"
		for _, tt := range []struct{ before, want string }{
			{"SET time_zone='+00:00'", `{of shop true} {1970-01-01 00:00:00 true} {a\b true}`},
			{"USE other", `{of other true} {1970-01-01 00:00:00 true} {a\b true}`},
			{"SET time_zone='+05:00'", `{of other true} {1970-01-01 05:00:00 true} {a\b true}`},
			{"SET sql_mode='NO_BACKSLASH_ESCAPES'", `{of other true} {1970-01-01 05:00:00 true} {a\\b true}`},
			{"SHOW VARIABLES LIKE 'session_track_schema'", `{of other true} {1970-01-01 05:00:00 true} {a\\b true}`},
			{"USE shop", `{of shop true} {1970-01-01 05:00:00 true} {a\\b true}`},
		} {
			spread := p.Stats().Spread
			if got := c.does(t, act{text: tt.before}); strings.Contains(got, "broken") {
				t.Fatalf("%s: %s", tt.before, got)
			}
			for range 2 {
				if got := c.does(t, act{text: read}); !strings.HasSuffix(got, "["+tt.want+"]") {
					t.Errorf("after %s:\n got %s\nwant %s", tt.before, got, tt.want)
				}
			}
			if p.Stats().Spread != spread+2 {
				t.Errorf("after %s: %d of 2 reads went to the other member", tt.before, p.Stats().Spread-spread)
			}
		}
	})
}

// The same of a session that was reset: it has the server's own settings there, too.
func TestRealReadsElsewhereSeeTheSessionReset(t *testing.T) {
	replicatedOnBoth(t, Config{}, func(t *testing.T, p *replicated) {
		p.exec(t, "CREATE TABLE shop.t (v TEXT); INSERT INTO shop.t VALUES ('x')")
		p.catchesUp(t)
		c := dialRaw(t, p.Addr())
		if err := c.login("app", appPassword, rawCaps); err != nil {
			t.Fatal(err)
		}
		c.runs(t, "SET time_zone='+05:00'")
		const read = "SELECT FROM_UNIXTIME(3600 * 24), v FROM shop.t"
		if got := c.result(t, read); !strings.Contains(got, "1970-01-02 05:00:00") {
			t.Errorf("got %q", got)
		}
		c.response(wire.ComResetConnection, "")
		if got := c.result(t, read); strings.Contains(got, "1970-01-02 05:00:00") {
			t.Errorf("reset, got %q", got)
		}
		if p.Stats().Spread != 2 {
			t.Errorf("%d of 2 reads went to the other member", p.Stats().Spread)
		}
	})
}
