package demo

import (
	"fmt"
	"os"
	"strings"
)

const rootUser = "root"

// managerPrivileges are the global privileges of sqlring's account on a
// MariaDB member, each with its reason.
func managerPrivileges() []struct{ Privilege, Why string } {
	return []struct{ Privilege, Why string }{
		{"REPLICATION SLAVE", "read a member's binlog, and hand this privilege to the replication account"},
		{"REPLICATION SLAVE ADMIN", "CHANGE MASTER, START and STOP SLAVE, gtid_slave_pos, the acker's side of semi-sync"},
		{"REPLICATION MASTER ADMIN", "server_id, gtid_domain_id, semi-sync on and off"},
		{"SLAVE MONITOR", "SHOW SLAVE STATUS"},
		{"BINLOG MONITOR", "positions of the binlog, SHOW BINARY LOGS"},
		{"BINLOG ADMIN", "sql_log_bin=0, so that an action is never replicated"},
		{"READ_ONLY ADMIN", "open and close a member, and write heartbeats through read_only"},
		{"CONNECTION ADMIN", "end the connections of applications, and those of a deposed controller"},
		{"PROCESS", "see all connections"},
		{"RELOAD", "RESET MASTER on a new member"},
		{"SUPER", "auto_increment_* of the server, event_scheduler, the key cache that carries the boot token"},
		{"SHOW DATABASES", "see that a new member holds nobody's schema"},
		{"SELECT", "password hashes (mysql.global_priv), and the keys of tables in a returning member's tail"},
		{"SHOW VIEW", "what ties schemas together: views"},
		{"TRIGGER", "the same: triggers"},
		{"EVENT", "the same: events; and have them run at the owner alone"},
		{"CREATE USER", "make the replication account"},
		{"INSERT, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, EXECUTE, SET USER", "fill a new member with the ring's data"},
		{"LOCK TABLES", "copy tables that are not InnoDB, by an explicit word"},
	}
}

// accountSQL returns the statements that give a server its accounts: root with
// a password, sqlring's manager, and nobody else. They change this server only,
// and may run any number of times. One statement a line: that is the format of
// an init file.
func accountSQL(rootPassword, manager, managerPassword string, hosts []string) string {
	var privileges []string
	for _, p := range managerPrivileges() {
		privileges = append(privileges, p.Privilege)
	}
	lines := []string{
		"SET SESSION sql_log_bin=0",
		// A new data directory has root under every name of this host, without a password.
		"DELETE FROM mysql.global_priv WHERE Host NOT IN ('localhost','127.0.0.1','%') AND User='root' OR User=''",
		"FLUSH PRIVILEGES",
	}
	for _, host := range hosts {
		root, sqlring := account(rootUser, host), account(manager, host)
		lines = append(lines,
			"CREATE USER IF NOT EXISTS "+root,
			"ALTER USER "+root+" IDENTIFIED BY "+quote(rootPassword),
			"GRANT ALL PRIVILEGES ON *.* TO "+root+" WITH GRANT OPTION",
			"CREATE USER IF NOT EXISTS "+sqlring,
			"ALTER USER "+sqlring+" IDENTIFIED BY "+quote(managerPassword),
			"GRANT "+strings.Join(privileges, ", ")+" ON *.* TO "+sqlring+" WITH GRANT OPTION",
			"GRANT ALL PRIVILEGES ON sqlring.* TO "+sqlring,
		)
	}
	return strings.Join(lines, ";\n") + ";\n"
}

// writeAccounts writes the init file. It holds passwords, so it is removed as
// soon as the server answers.
func writeAccounts(path, rootPassword string, cfg ServerConfig) error {
	hosts := []string{"localhost", loopback}
	if cfg.Host != "" && cfg.Host != loopback {
		hosts = append(hosts, "%")
	}
	text := accountSQL(rootPassword, cfg.ManagerUser, cfg.ManagerPassword, hosts)
	if cfg.Binaries.MySQL {
		text = mysqlAccountSQL(rootPassword, cfg.ManagerUser, cfg.ManagerPassword, hosts)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write accounts of %s: %w", cfg.Name, err)
	}
	return nil
}

func account(user, host string) string { return quote(user) + "@" + quote(host) }

// quote returns text as a SQL string literal.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "\n", `\n`).Replace(text) + "'"
}
