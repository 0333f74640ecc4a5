package ringcheck

import (
	"fmt"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// bootChecks are what a restart brings: static safety (DESIGN: members are closed by
// default).
func bootChecks() []Check {
	return []Check{
		{
			Name: "boots-closed", Severity: Critical, needs: []Part{PartSettings},
			Looks: "it comes up with `read_only` (MySQL: `super_read_only`) after a restart",
			Why:   "a member that boots open takes writes before anybody knows that its units have moved",
			each:  bootsClosed,
		},
		{
			Name: "boots-unlinked", Severity: Critical, needs: []Part{PartSettings},
			Looks: "replication does not start by itself after a restart (`skip_slave_start`, `skip_replica_start`)",
			Why:   "a member that starts to follow before its identity is set drops transactions, or applies them twice",
			each:  bootsUnlinked,
		},
		{
			Name: "boots-as-set", Severity: Notice, Flavour: topology.FlavourMariaDB, needs: []Part{PartSettings},
			Looks: "the settings that sqlring sets by SQL stand in the config file too",
			Why:   "nothing that is set by SQL survives a restart; sqlring sets it anew before it opens the member, and until then the member is what its file says",
			each:  bootsAsSet,
		},
	}
}

// readOnlyInFile is what sqlring remembers of where read_only came from, before it was
// first set by SQL; the reader gives it as a variable.
const readOnlyInFile = "sqlring_read_only_in_file"

func bootsClosed(_ *Facts, m *Member) []hit {
	if !m.mariadb() {
		if m.on("sqlring_persisted_super_read_only") || m.Variables["super_read_only"].Origin == OriginFile && m.on("super_read_only") {
			return nil
		}
		return []hit{{object: "super_read_only", found: "super_read_only is not persisted", mend: "SET PERSIST_ONLY super_read_only=ON; SET PERSIST_ONLY read_only=ON"}}
	}
	if m.Variables["read_only"].Origin == OriginFile && m.on("read_only") || m.on(readOnlyInFile) {
		return nil
	}
	found := "read_only is not in its config file"
	if m.Variables["read_only"].Origin == OriginSQL {
		found = "read_only was set by SQL, and nobody remembers that it stood in the config file before"
	}
	return []hit{{object: "read_only", found: found, mend: "read_only=1 below [mariadbd] in its config file, and restart it"}}
}

func bootsUnlinked(_ *Facts, m *Member) []hit {
	if m.mariadb() {
		return []hit{hit{
			object: "skip_slave_start", found: "MariaDB tells nobody whether skip_slave_start is in its config file",
			mend: "make sure that skip_slave_start=1 stands below [mariadbd] in its config file",
		}.as(Notice)}
	}
	if m.on("skip_replica_start|skip_slave_start") || m.on("sqlring_persisted_skip_replica_start") {
		return nil
	}
	return []hit{{object: "skip_replica_start", found: "replication starts by itself after a restart", mend: "SET PERSIST_ONLY skip_replica_start=ON"}}
}

// lasting are the settings that bootsAsSet looks at.
func lasting() []string {
	return []string{
		"binlog_format", "gtid_strict_mode", "gtid_ignore_duplicates", "slave_ddl_exec_mode", "slave_net_timeout",
		"sync_binlog", "max_binlog_size", "rpl_semi_sync_master_timeout", "rpl_semi_sync_master_wait_point",
	}
}

func bootsAsSet(_ *Facts, m *Member) []hit {
	var names, lines []string
	for _, name := range lasting() {
		if v, ok := m.Variables[name]; ok && v.Origin == OriginSQL {
			names = append(names, name)
			lines = append(lines, name+"="+v.Value)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []hit{{
		object: "config file", found: fmt.Sprintf("set by SQL, so that its file's value is not known: %s", strings.Join(names, ", ")),
		mend: "below [mariadbd] in its config file: " + strings.Join(lines, "  "),
	}}
}
