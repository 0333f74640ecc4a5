package mysqld_test

import "strings"

// faithfulMySQL is faithful in MySQL's words, with what it alone has.
func faithfulMySQL() []string {
	var list []string
	for _, s := range faithful() {
		switch {
		case strings.HasPrefix(s, "CREATE SEQUENCE"), strings.HasPrefix(s, "SELECT NEXTVAL"):
			continue
		case strings.HasPrefix(s, "CREATE USER 'shop'"): // limits stand behind the account's TLS in both, roles have hosts here
			s = strings.Replace(s, "WITH MAX_USER_CONNECTIONS 7", "WITH MAX_USER_CONNECTIONS 7 ATTRIBUTE '{\"desk\": \"süd \\\\\"1\\\\\"\"}'", 1)
		case strings.HasPrefix(s, "SET DEFAULT ROLE"):
			s = "SET DEFAULT ROLE clerk TO 'shop'@'10.%'"
		}
		list = append(list, strings.NewReplacer(
			"u UUID, ip INET6", "u VECTOR(3), ip GEOMETRY", "PERSISTENT", "STORED", "hidden INT INVISIBLE DEFAULT 7", "hidden INT DEFAULT 7 INVISIBLE",
			"POINT(1.5,-2),UUID(),'2001:db8::1'", "POINT(1.5,-2),STRING_TO_VECTOR('[1,-2.5,3e10]'),ST_GeomFromText('LINESTRING(0 0,1 1)')",
			"JSON_OBJECT('a','\"\\\\')", "JSON_OBJECT('a','\"\\\\ü','n',1.5,'big',18446744073709551615,'l',JSON_ARRAY(true,null))",
		).Replace(s))
	}
	return append(list,
		"CREATE TABLE odd.expressed (id INT PRIMARY KEY, a VARCHAR(20) DEFAULT (CONCAT('x', 1)), n INT DEFAULT (1+1), KEY up ((UPPER(a))), CHECK (n > 0))",
		"INSERT INTO odd.expressed (id) VALUES (1),(2)",
		"SET SESSION sql_generate_invisible_primary_key=1; CREATE TABLE odd.secretly (a INT); SET SESSION sql_generate_invisible_primary_key=0",
		"INSERT INTO odd.secretly VALUES (7),(7)",
		"GRANT CONNECTION_ADMIN ON *.* TO 'shop'@'10.%'",
		"CREATE USER 'short'@'%' IDENTIFIED BY 'one' PASSWORD HISTORY 3 FAILED_LOGIN_ATTEMPTS 4 PASSWORD_LOCK_TIME 2",
	)
}

func sameOnMySQL() []string {
	return []string{
		"CHECKSUM TABLE odd.expressed", "SHOW CREATE TABLE odd.expressed", "SHOW CREATE TABLE odd.secretly", "SELECT my_row_id, a FROM odd.secretly ORDER BY 1",
		"SELECT j, JSON_TYPE(j->'$.big'), ST_AsText(ip), HEX(u) FROM odd.types ORDER BY a",
		"SELECT * FROM mysql.user WHERE User NOT IN ('sqlring','sqlring_repl','root') ORDER BY User, Host",
		"SELECT * FROM mysql.role_edges ORDER BY 1, 2, 3, 4", "SELECT * FROM mysql.default_roles ORDER BY 1, 2, 3, 4",
		"SELECT * FROM mysql.global_grants WHERE User NOT IN ('sqlring','sqlring_repl','root') ORDER BY 1, 2, 3",
		"SELECT * FROM mysql.password_history ORDER BY 1, 2, 3",
	}
}
