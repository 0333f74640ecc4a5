package mysqld

import (
	"slices"
	"strconv"
	"strings"
)

// The variables of an observation of MySQL. Named one by one they cost a tenth of a
// millisecond; performance_schema.global_variables costs two, as it makes all of its rows
// first. But to name one of a plugin that is not installed is an error.
var (
	mysqlSwitches = []string{
		"read_only", "super_read_only", "log_bin", "log_replica_updates", "replica_preserve_commit_order", "relay_log_recovery", "persisted_globals_load",
		"rpl_semi_sync_replica_enabled", "rpl_semi_sync_source_enabled", "rpl_semi_sync_source_wait_no_replica",
	}
	mysqlValues = []string{
		"server_id", "server_uuid", "auto_increment_offset", "auto_increment_increment", "binlog_format", "gtid_mode", "enforce_gtid_consistency",
		"replica_parallel_workers", "replica_exec_mode", "replica_net_timeout",
		"rpl_semi_sync_source_timeout", "rpl_semi_sync_source_wait_point", "rpl_semi_sync_source_wait_for_replica_count",
	}
	mysqlVariablesNamed  = nameVariables()
	mysqlVariablesListed = "SELECT variable_name, variable_value FROM performance_schema.global_variables WHERE variable_name IN ('" +
		strings.Join(slices.Concat(mysqlSwitches, mysqlValues), "','") + "')"
)

func nameVariables() string {
	columns := make([]string, 0, len(mysqlSwitches)+len(mysqlValues))
	for _, name := range mysqlSwitches {
		columns = append(columns, "IF(@@global."+name+",'ON','OFF') AS "+name)
	}
	for _, name := range mysqlValues {
		columns = append(columns, "@@global."+name+" AS "+name)
	}
	return "SELECT " + strings.Join(columns, ", ")
}

// variablesStatement reads the variables, by their names once both plugins were seen.
func (c *conn) variablesStatement() string {
	if c.hasSemiSync {
		return mysqlVariablesNamed
	}
	return mysqlVariablesListed
}

// readVariables reads the answer to variablesStatement.
func (c *conn) readVariables(t table) variableSet {
	v := variableSet{}
	if c.hasSemiSync && len(t.rows) == 1 {
		for i, name := range t.columns {
			v[name] = t.rows[0][i]
		}
		return v
	}
	for _, row := range t.rows {
		v[strings.ToLower(row[0])] = row[1]
	}
	_, source := v["rpl_semi_sync_source_enabled"]
	_, replica := v["rpl_semi_sync_replica_enabled"]
	c.hasSemiSync = source && replica
	return v
}

// variableSet is the server's variables by name; one of a plugin that is not installed is missing.
type variableSet map[string]string

func (v variableSet) is(name, value string) bool { return strings.EqualFold(v[name], value) }

func (v variableSet) number(name string) uint64 {
	n, _ := strconv.ParseUint(v[name], 10, 64) // 0 is what no variable of these may be
	return n
}
