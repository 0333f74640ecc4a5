package proxy

import (
	"errors"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/pkg/topology"
)

// A statement that the member could not parse leaves nothing behind, and keeps no
// session on its connection. An error of the same number that stored code has raised
// says nothing of what that has done before.
func TestRealWhatWasNotParsedKeepsNothing(t *testing.T) {
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) {
			f := inFrontOf(t, flavour, Config{})
			f.exec(t, "SET GLOBAL log_bin_trust_function_creators=1; GRANT ALL ON *.* TO app@'%'")
			const raise = "SET @a=5; SIGNAL SQLSTATE '42000' SET MYSQL_ERRNO=1064, MESSAGE_TEXT='not of the parser'; "
			f.exec(t, "CREATE PROCEDURE shop.p() BEGIN "+raise+"END")
			f.exec(t, "CREATE FUNCTION shop.f() RETURNS INT BEGIN "+raise+"RETURN 1; END")
			dollars := uint16(1064)
			if flavour == topology.FlavourMariaDB {
				dollars = 1054 // a name
			}
			for _, tt := range []struct {
				before, text string
				number       uint16
				pinned       bool
			}{
				{"", "SELECT $$", dollars, false},
				{"", "SELECT 'its", 1064, false},
				{"", "SELECT @a := 5, 'its", 1064, false},
				{"", "SELECT @a := 5", 0, true},
				{"SET @a=1", "SELECT 'its", 1064, true}, // what was before stays
				{"SELECT 'its", "SET @a=1", 0, true},
				{"", "CALL shop.p()", 1064, true},
				{"", "SELECT shop.f()", 1064, true},
				{"", "EXECUTE IMMEDIATE 'SELECT (;'", 1064, true},
			} {
				db := f.through(t, person{user: "app", password: appPassword, schema: "shop", change: func(c *mysql.Config) { c.MultiStatements = true }})
				conn, err := db.Conn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if tt.before != "" {
					_, _ = conn.ExecContext(t.Context(), tt.before)
				}
				var e *mysql.MySQLError
				if _, err := conn.ExecContext(t.Context(), tt.text); tt.number == 0 && err != nil || tt.number != 0 && (!errors.As(err, &e) || e.Number != tt.number) {
					t.Errorf("%s: %v, want error %d", tt.text, err, tt.number)
				}
				for range 2 { // what was before is noted
					_ = conn.PingContext(t.Context())
				}
				if pins := f.Pins(); len(pins) > 0 != tt.pinned {
					t.Errorf("%s; %s: %+v", tt.before, tt.text, pins)
				}
				_ = conn.Close()
				_ = db.Close()
				waitFor(t, "it has gone", func() bool { return len(f.Pins()) == 0 })
			}
		})
	}
}
