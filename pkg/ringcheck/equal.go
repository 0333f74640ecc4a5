package ringcheck

import "fmt"

// equality is a rule about a variable that has one value on all members.
type equality struct {
	name     string
	severity Severity
	variable string
	restart  bool
	why      string
}

func equalities() []equality {
	return []equality{
		{"case-of-names", Critical, "lower_case_table_names", true, "a statement or row for table Card does not find card elsewhere: the applier stops, or another table is written"},
		{"sql-mode", Warning, "sql_mode", false, "the same statement is accepted on one member and refused on another, or stores another value, when the owner changes"},
		{"charset", Warning, "character_set_server", false, "tables and schemas that are created without a charset differ, depending on who owned them then"},
		{"collation", Warning, "collation_server", false, "strings sort and compare in another way once the owner changes; unique keys may collide"},
		{"max-packet", Warning, "max_allowed_packet", false, "a statement that fits today is refused when the owner changes"},
		{"time-zone", Warning, "time_zone", false, "NOW() and TIMESTAMP columns read differently on another member"},
		{"default-engine", Warning, "default_storage_engine", false, "a table that is created without an engine is another one when the owner changes"},
		{"explicit-defaults", Warning, "explicit_defaults_for_timestamp", true, "CREATE TABLE with a TIMESTAMP column makes different tables"},
		{"group-concat", Notice, "group_concat_max_len", false, "GROUP_CONCAT cuts at another length when the reader or owner changes"},
		{"isolation-equal", Warning, "tx_isolation|transaction_isolation", false, "applications meet other locks and other reads when the owner changes"},
		{"wait-timeout-equal", Notice, "wait_timeout", false, "idle connections live for other times, depending on whose they are"},
		{"binlog-compression", Notice, "log_bin_compress|binlog_transaction_compression", false, "a member that is asked for its binlog costs more CPU, or more network, than the others"},
	}
}

func (e equality) check() Check {
	return Check{
		Name: e.name, Severity: e.severity, needs: []Part{PartSettings},
		Looks: fmt.Sprintf("%s is the same on all members", names(e.variable)), Why: e.why,
		all: func(_ *Facts, members []*Member) []hit { return e.compare(members) },
	}
}

// compare holds the members against the first that has the variable.
func (e equality) compare(members []*Member) []hit {
	var hits []hit
	var model *Member
	var meant string
	for _, m := range members {
		name, v, ok := m.variable(e.variable)
		if !ok {
			continue
		}
		if model == nil {
			model, meant = m, v.Value
			continue
		}
		if !same(meant, v.Value) {
			hits = append(hits, hit{
				member: m.Name, object: name, found: fmt.Sprintf("%s is %s; on %s it is %s", name, shown(v.Value), model.Name, shown(meant)),
				mend: setLine(m, name, meant, e.restart),
			})
		}
	}
	return hits
}
