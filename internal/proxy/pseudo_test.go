package proxy

import (
	"testing"
	"time"
)

// A variable for one statement is not set on another link: insert_id would be given out twice,
// and a clock that was set back to the server's would stand still. What is set still ends the
// session with its link.
func TestRealPseudoVariablesDoNotGoAlong(t *testing.T) {
	forBothFlavours(t, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.ids (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
		for _, tt := range []struct {
			name  string
			sets  []string
			probe string
			ends  bool
		}{
			{"a clock set back", []string{"SET timestamp=1000", "SET timestamp=DEFAULT"}, "SELECT ABS(UNIX_TIMESTAMP() - UNIX_TIMESTAMP(SYSDATE())) < 2", false},
			{"the same at once", []string{"SET timestamp=1000", "SET SESSION sql_mode='', timestamp=DEFAULT"}, "SELECT ABS(UNIX_TIMESTAMP() - UNIX_TIMESTAMP(SYSDATE())) < 2", false},
			{"a clock", []string{"SET timestamp=1000"}, "SELECT UNIX_TIMESTAMP() = 1000", true},
			{"an id that was used", []string{"SET insert_id=500", "INSERT INTO shop.ids (v) VALUES (1)", "DELETE FROM shop.ids"}, "SELECT 1", true},
		} {
			conn, err := f.through(t, person{user: "app", password: appPassword, schema: "shop"}).Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range tt.sets {
				run(t, conn, text)
			}
			f.loseLinks(t)
			time.Sleep(2200 * time.Millisecond) // a clock that stands still is behind
			var right bool
			switch err := conn.QueryRowContext(t.Context(), tt.probe).Scan(&right); {
			case (err != nil) != tt.ends:
				t.Errorf("%s: %v", tt.name, err)
			case err == nil && !right:
				t.Errorf("%s: it is not what it should be", tt.name)
			}
			_ = conn.Close()
		}
	})
}
