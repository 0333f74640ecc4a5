package proxy

import (
	"strings"
	"testing"
)

// Who asks for warnings on a connection on which somebody else has left some has none, and
// keeps what he has there: user variables, locks, a transaction, what he has prepared. There
// is one connection, so that he does come to it.
func TestRealAskingForWarningsKeepsWhatASessionHas(t *testing.T) {
	onBothAs(t, Config{MemberLinks: 1}, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (id INT PRIMARY KEY)")
		db := f.through(t, person{user: "app", password: appPassword, schema: "shop"})
		db.SetMaxIdleConns(0)
		const probe = "SELECT @a, IS_USED_LOCK('x') = CONNECTION_ID()"
		for _, tt := range []struct{ state, probe, want string }{
			{"SET @a = 5", probe, "{5 true} { false}"},
			{"SELECT GET_LOCK('x', 1)", probe, "{ false} {1 true}"},
			{"START TRANSACTION READ ONLY", "INSERT INTO shop.t VALUES (1)", "1792"},
			{"SET TRANSACTION READ ONLY", "SELECT 1", ""},
		} {
			one := open(t, db, 1)
			one.does(t, act{text: "SELECT CAST('x' AS SIGNED)"})
			_ = one.conn.Close()
			eventually(t, "the link is given back", func() bool {
				pools := f.Pools()
				return len(pools) == 1 && pools[0].Taken == 0
			})
			two := open(t, db, 2)
			first, again := act{text: "SELECT 7 + ?", args: []any{1}, reused: true}, act{text: "SELECT 7 + ?", args: []any{2}, reused: true}
			two.does(t, first)
			two.does(t, act{text: tt.state})
			if got := two.does(t, act{text: "SHOW WARNINGS"}); got != "[Level Code Message]" {
				t.Errorf("%s: warnings %s", tt.state, got)
			}
			if got := two.does(t, act{text: tt.probe}); !strings.Contains(got, tt.want) {
				t.Errorf("%s, SHOW WARNINGS: %s", tt.state, got)
			}
			if got := two.does(t, again); !strings.Contains(got, "{9 true}") {
				t.Errorf("%s: what was prepared gives %s", tt.state, got)
			}
			_ = two.conn.Close()
		}
	})
}
