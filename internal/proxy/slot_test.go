package proxy

import (
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Where slots of clients are ignored, what sets nothing else leaves a warning and the
// member's slot; all else is refused as ever.
func TestASlotOfTheClientsIsIgnoredWithAWarning(t *testing.T) {
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) { ignoresSlots(t, inFrontOf(t, flavour, Config{IgnoreSlot: true})) })
	}
}

func ignoresSlots(t *testing.T, f *fronted) {
	db := f.app(t, func(c *mysql.Config) { c.MultiStatements = true })
	db.SetMaxOpenConns(1)
	run(t, db, "CREATE TABLE shop.ids (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
	for _, text := range []string{
		"SET auto_increment_increment=1", "SET SESSION auto_increment_offset := 7", "set @@auto_increment_increment = 2, @@session.auto_increment_offset = 2",
		"/* of a tool */ SET auto_increment_offset=1",
	} {
		run(t, db, text)
		var level, message string
		var code int
		if err := db.QueryRowContext(t.Context(), "SHOW WARNINGS").Scan(&level, &code, &message); err != nil || level != "Warning" || code != 1231 || !strings.HasPrefix(message, "sqlring: ignored: ") {
			t.Errorf("%s: %s %d %q %v", text, level, code, message, err)
		}
		if got := query[string](t, db, "SELECT CONCAT(@@auto_increment_offset, '/', @@auto_increment_increment)"); got != "3/16" {
			t.Fatalf("%s: the slot is %s", text, got)
		}
	}
	run(t, db, "INSERT INTO shop.ids (v) VALUES (1), (2)")
	if got := query[string](t, db, "SELECT GROUP_CONCAT(id ORDER BY id) FROM shop.ids"); got != "3,19" {
		t.Errorf("ids %s", got)
	}
	for _, text := range []string{
		"SET sql_mode='', auto_increment_increment=1", "SET GLOBAL auto_increment_increment=1", "SELECT /*+ SET_VAR(auto_increment_offset=1) */ 1",
		"SET auto_increment_increment=1; SELECT 1", "SET auto_increment_increment=(SELECT 1 FROM shop.ids LIMIT 1)", "SET auto_increment_offset=1, @x=2",
	} {
		if _, err := db.ExecContext(t.Context(), text); err == nil || !strings.Contains(err.Error(), "1231") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if got := query[string](t, db, "SELECT CONCAT(@@auto_increment_offset, '/', @@auto_increment_increment)"); got != "3/16" {
		t.Errorf("the slot is %s", got)
	}
	run(t, db, "BEGIN") // in a transaction, which goes on
	run(t, db, "INSERT INTO shop.ids (v) VALUES (3)")
	run(t, db, "SET auto_increment_increment=1")
	run(t, db, "INSERT INTO shop.ids (v) VALUES (4)")
	run(t, db, "COMMIT")
	if got := query[string](t, db, "SELECT GROUP_CONCAT(id ORDER BY id) FROM shop.ids"); got != "3,19,35,51" {
		t.Errorf("ids %s", got)
	}
}
