package demo

import "strings"

// What differs for a server that is a MySQL. Nothing of the ring's rules stands in its
// file: what has to outlive a restart is persisted when it is made a member.

// mysqlInstall returns the arguments that make a data directory.
func mysqlInstall(dir, temp string) []string {
	return []string{"--no-defaults", "--initialize-insecure", "--datadir=" + dir, "--tmpdir=" + temp, "--innodb-redo-log-capacity=33554432"}
}

const smallMySQL = `
# MySQL 8.0 would be without GTIDs otherwise; later ones have this by default.
gtid_mode=ON
enforce_gtid_consistency=ON
log_bin=binlog
relay_log=relay
# What an application may expect.
max_allowed_packet=64M
local_infile=1
max_connections=500
secure_file_priv=
# Small, and without a name server.
mysqlx=0
skip_name_resolve=1
innodb_buffer_pool_size=64M
innodb_redo_log_capacity=32M
innodb_buffer_pool_dump_at_shutdown=OFF
innodb_buffer_pool_load_at_startup=OFF
`

// mysqlPrivileges are managerPrivileges on a MySQL member.
func mysqlPrivileges() []struct{ Privilege, Why string } {
	return []struct{ Privilege, Why string }{
		{"REPLICATION SLAVE", "read a member's binlog, and hand this privilege to the replication account"},
		{"REPLICATION CLIENT", "positions of the binlog, SHOW REPLICAS"},
		{"REPLICATION_SLAVE_ADMIN", "CHANGE REPLICATION SOURCE, START and STOP REPLICA"},
		{"SYSTEM_VARIABLES_ADMIN", "identity, slot, semi-sync, read_only, the key caches that carry tokens; sql_log_bin=0"},
		{"PERSIST_RO_VARIABLES_ADMIN", "have a member boot closed: skip_replica_start, super_read_only"},
		{"CONNECTION_ADMIN", "end connections, write heartbeats through read_only, set super_read_only"},
		{"SYSTEM_USER", "end the connections of accounts that have it"},
		{"XA_RECOVER_ADMIN", "see transactions that are prepared and undecided"},
		{"PROCESS", "see all connections"},
		{"RELOAD", "RESET BINARY LOGS AND GTIDS on a new member"},
		{"SHOW DATABASES", "see that a new member holds nobody's schema"},
		{"SELECT", "password hashes (mysql.user), performance_schema, the keys of tables in a returning member's tail"},
		{"SHOW VIEW", "what ties schemas together: views"},
		{"SHOW_ROUTINE", "the same: routines"},
		{"TRIGGER", "the same: triggers"},
		{"EVENT", "the same: events; and have them run at the owner alone"},
		{"SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER", "events keep their definers when they are switched"},
		{"CREATE USER", "make the replication account"},
		{"INSERT, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, EXECUTE, SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER", "fill a new member with the ring's data"},
		{"LOCK TABLES", "copy tables that are not InnoDB, by an explicit word"},
	}
}

// mysqlAccountSQL is accountSQL for MySQL. A server that boots closed is opened for its
// own changes, before it takes connections, and closed again.
func mysqlAccountSQL(rootPassword, manager, managerPassword string, hosts []string) string {
	var privileges []string
	for _, p := range mysqlPrivileges() {
		privileges = append(privileges, p.Privilege)
	}
	lines := []string{"SET SESSION sql_log_bin=0", "SET GLOBAL super_read_only=0"}
	for _, host := range hosts {
		root, sqlring := account(rootUser, host), account(manager, host)
		lines = append(lines,
			"CREATE USER IF NOT EXISTS "+root,
			"ALTER USER "+root+" IDENTIFIED BY "+quote(rootPassword),
			"GRANT ALL PRIVILEGES ON *.* TO "+root+" WITH GRANT OPTION",
			"CREATE USER IF NOT EXISTS "+sqlring,
			"ALTER USER "+sqlring+" IDENTIFIED BY "+quote(managerPassword),
			"GRANT "+strings.Join(privileges, ", ")+" ON *.* TO "+sqlring+" WITH GRANT OPTION",
			"GRANT INSERT ON mysql.plugin TO "+sqlring, // INSTALL PLUGIN, for semi-sync
			"GRANT ALL PRIVILEGES ON sqlring.* TO "+sqlring,
		)
	}
	lines = append(lines, "SET GLOBAL read_only=1",
		"SET GLOBAL super_read_only=(SELECT COUNT(*) FROM performance_schema.persisted_variables WHERE variable_name='super_read_only')")
	return strings.Join(lines, ";\n") + ";\n"
}
