package proxy

import (
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
)

func TestShowsStatus(t *testing.T) {
	for text, want := range map[string]bool{
		"SHOW STATUS": true, " show\tSESSION status like 'Ssl%'": true, "/* a */ SHOW /**/ GLOBAL STATUS;": true, "SHOW LOCAL STATUS": true,
		"SHOW TABLE STATUS": false, "SHOW STATUSES": false, "SHOW": false, "": false, "/*": false, "SELECT 'SHOW STATUS'": false, "SHOW MASTER STATUS": false,
		"SHOW SESSION GLOBAL STATUS": false,
	} {
		if got := showsStatus([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// SHOW STATUS tells a client of its own connection: what it agreed on with the proxy,
// whatever the link is.
func TestRealStatusTellsOfTheClientsTLS(t *testing.T) {
	a := newAuthority(t)
	for name, member := range map[string]MemberTLS{"link without": {}, "link with": {Mode: TLSRequired}} {
		t.Run(name, func(t *testing.T) {
			r := startReal(t, Config{TLS: a.clients(TLSPreferred), MemberTLS: member}, a.serverTLS("127.0.0.1")...)
			for _, secured := range []bool{false, true} {
				db := r.db(t, func(c *mysql.Config) {
					if secured {
						c.TLS = a.trust()
					}
				})
				for _, statement := range []string{"SHOW STATUS LIKE ", "SHOW SESSION STATUS LIKE ", "SHOW GLOBAL STATUS LIKE "} {
					for variable, prefix := range map[string]string{"Ssl_cipher": "TLS_", "Ssl_version": "TLSv1.3"} {
						var key, value string
						if err := db.QueryRowContext(t.Context(), statement+"'"+variable+"'").Scan(&key, &value); err != nil {
							t.Fatal(err)
						}
						if key != variable || secured && !strings.HasPrefix(value, prefix) || !secured && value != "" {
							t.Errorf("TLS %v, %s: %s=%q", secured, statement, key, value)
						}
						prepared, err := db.PrepareContext(t.Context(), statement+"'"+variable+"'")
						if err != nil {
							t.Fatal(err)
						}
						var again string
						if err := prepared.QueryRowContext(t.Context()).Scan(&key, &again); err != nil || again != value {
							t.Errorf("TLS %v, %s, prepared: %q, %v", secured, statement, again, err)
						}
						_ = prepared.Close()
					}
				}
				rows, err := db.QueryContext(t.Context(), "SHOW STATUS") // all of it arrives
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for rows.Next() {
					n++
				}
				if err := rows.Close(); err != nil || n < 300 {
					t.Errorf("%d variables, %v", n, err)
				}
			}
		})
	}
}
