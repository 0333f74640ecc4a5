package balancer

import "testing"

func TestChangesAccounts(t *testing.T) {
	for text, want := range map[string]bool{
		"CREATE USER a@'%' IDENTIFIED BY 'x'": true,
		"create /* a */ or replace user a":    true,
		"CREATE USER IF NOT EXISTS a":         true,
		" alter user a ACCOUNT LOCK":          true,
		"-- a\nDROP USER a":                   true,
		"RENAME USER a TO b":                  true,
		"GRANT ALL ON *.* TO a":               true,
		"REVOKE ALL ON *.* FROM a":            true,
		"SET PASSWORD FOR a = PASSWORD('x')":  true,
		"FLUSH PRIVILEGES":                    true,
		"FLUSH NO_WRITE_TO_BINLOG PRIVILEGES": true,
		"CREATE TABLE user (a INT)":           false,
		"ALTER TABLE user ADD b INT":          false,
		"DROP DATABASE user":                  false,
		"SET @user=1":                         false,
		"FLUSH TABLES":                        false,
		"SELECT 'CREATE USER'":                false,
		"":                                    false,
		"CREATE":                              false,
	} {
		if got := ChangesAccounts([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
