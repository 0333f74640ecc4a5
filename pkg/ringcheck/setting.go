package ringcheck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// setting is a rule about one variable: it has one of the wanted values. A server that
// has no such variable is fine.
type setting struct {
	name     string
	severity Severity
	flavour  topology.Flavour
	variable string   // names in several releases are separated by |
	want     []string // any of these; the first is what to set
	restart  bool     // SQL can not change it
	why      string
}

// semiSyncPoint is not asked of a server that is to become a member: sqlring sets it.
const semiSyncPoint = "semi-sync-point"

func (s setting) check() Check {
	return Check{
		Name: s.name, Severity: s.severity, Flavour: s.flavour, needs: []Part{PartSettings},
		Looks: fmt.Sprintf("%s is %s", names(s.variable), strings.Join(s.shown(), " or ")), Why: s.why,
		each: func(_ *Facts, m *Member) []hit {
			name, v, ok := m.variable(s.variable)
			if !ok || m.Intent == nil && s.name == semiSyncPoint || slices.ContainsFunc(s.want, func(want string) bool { return same(want, v.Value) }) {
				return nil
			}
			return []hit{{
				object: name, found: fmt.Sprintf("%s is %s", name, shown(v.Value)),
				mend: setLine(m, name, s.want[0], s.restart),
			}}
		},
	}
}

// names shows the names of a variable.
func names(variable string) string {
	return "`" + strings.ReplaceAll(variable, "|", "` (`") + "`" + strings.Repeat(")", strings.Count(variable, "|"))
}

func (s setting) shown() []string {
	list := make([]string, len(s.want))
	for i, want := range s.want {
		list[i] = shown(want)
	}
	return list
}

// same compares two values as servers write them.
func same(a, b string) bool { return plain(a) == plain(b) }

func plain(value string) string {
	switch v := strings.ToUpper(value); v {
	case "1", "TRUE", "YES":
		return "ON"
	case "0", "FALSE", "NO":
		return "OFF"
	default:
		return v
	}
}

func shown(value string) string {
	if value == "" {
		return "empty"
	}
	return value
}

// setLine returns what to type so that a variable has a value, now and after a restart.
func setLine(m *Member, name, value string, restart bool) string {
	written := value
	if value == "" || strings.ContainsAny(value, " ,") {
		written = "'" + value + "'"
	}
	if !m.mariadb() {
		if restart {
			return fmt.Sprintf("SET PERSIST_ONLY %s=%s, and restart it", name, written)
		}
		return fmt.Sprintf("SET PERSIST %s=%s", name, written)
	}
	if restart {
		return fmt.Sprintf("%s=%s below [mariadbd] in its config file, and restart it", name, value)
	}
	return fmt.Sprintf("SET GLOBAL %s=%s, and %s=%s below [mariadbd] in its config file", name, written, name, value)
}

// settings are the rules about single variables.
func settings() []setting {
	const maria, my = topology.FlavourMariaDB, topology.FlavourMySQL
	return []setting{
		{"binlog-on", Critical, 0, "log_bin", []string{"ON"}, true, "without a binlog nobody can follow the member"},
		{"binlog-of-applied", Critical, 0, "log_replica_updates|log_slave_updates", []string{"ON"}, true, "what the member has applied has to be in its binlog, or it ends there: the ring is cut"},
		{"binlog-format", Critical, 0, "binlog_format", []string{"ROW"}, false, "a statement that is run again may change other rows than it did at first"},
		{"binlog-row-image", Critical, 0, "binlog_row_image", []string{"FULL", "FULL_NODUP"}, false, "a returning member's transactions are compared by their whole before-images; a minimal one shows no conflict"},
		{"binlog-checksum", Warning, 0, "binlog_checksum", []string{"CRC32"}, false, "a bit that flips on the disk or on the way would be applied as if it were data"},
		{"binlog-sync", Critical, 0, "sync_binlog", []string{"1"}, false, "after a power cut the member lacks transactions that others have; it needs a new identity then, or drops them for ever"},
		{"flush-at-commit", Critical, 0, "innodb_flush_log_at_trx_commit", []string{"1", "3"}, false, "a commit that is acknowledged is not on the disk: it is lost with the power"},
		{"doublewrite", Critical, 0, "innodb_doublewrite", []string{"ON", "DETECT_AND_RECOVER", "FAST"}, true, "a page that was half written when the power went can not be repaired"},
		{"binlog-error", Critical, my, "binlog_error_action", []string{"ABORT_SERVER"}, false, "with IGNORE_ERROR a full disk switches the binlog off, and the ring misses what is written then"},
		{"gtid-strict", Critical, maria, "gtid_strict_mode", []string{"ON"}, false, "without it a transaction that does not fit the order is applied, twice even, instead of refused"},
		{"gtid-mode", Critical, my, "gtid_mode", []string{"ON"}, false, "members find their place by GTIDs; without them none can be re-pointed"},
		{"gtid-consistency", Critical, my, "enforce_gtid_consistency", []string{"ON"}, false, "a statement that can not be logged by GTID would be let through"},
		{"gtid-duplicates", Critical, maria, "gtid_ignore_duplicates", []string{"ON"}, false, "without it a member that is ahead of its new upstream in any domain can not be re-pointed: error 1236, in the midst of a heal"},
		{"apply-in-order", Critical, maria, "slave_parallel_threads", []string{"0"}, false, "domains are applied independently of each other: an UPDATE may overtake the INSERT that it depends on"},
		{"apply-in-order-mysql", Critical, my, "replica_preserve_commit_order|slave_preserve_commit_order", []string{"ON"}, false, "without it transactions become visible in another order than they were committed in"},
		{"apply-strict", Critical, 0, "replica_exec_mode|slave_exec_mode", []string{"STRICT"}, false, "IDEMPOTENT turns a conflict into a silent difference"},
		{"apply-ddl-strict", Critical, maria, "slave_ddl_exec_mode", []string{"STRICT"}, false, "with IDEMPOTENT two CREATE TABLE of one name swap the tables without an error"},
		{"apply-errors", Critical, 0, "replica_skip_errors|slave_skip_errors", []string{"OFF", ""}, true, "an error that is skipped is a row that differs"},
		{"apply-no-triggers", Critical, maria, "slave_run_triggers_for_rbr", []string{"NO"}, false, "rows that a trigger changed are replicated as rows: the trigger would change them twice"},
		{"apply-conversions", Warning, 0, "replica_type_conversions|slave_type_conversions", []string{"", "ALL_NON_LOSSY"}, false, "a lossy conversion stores another value than the owner has, without an error"},
		{"relay-log-recovery", Critical, 0, "relay_log_recovery", []string{"OFF"}, true, "it throws away what was received and not applied: acknowledged transactions, if their owner is lost"},
		{"checksums-innodb", Warning, 0, "innodb_checksum_algorithm", []string{"FULL_CRC32", "STRICT_FULL_CRC32", "CRC32", "STRICT_CRC32"}, false, "a page that the disk has damaged is read as if it were good"},
		{"foreign-keys-checked", Warning, 0, "foreign_key_checks", []string{"ON"}, false, "every new session writes rows without looking at foreign keys"},
		{"unique-checked", Warning, 0, "unique_checks", []string{"ON"}, false, "every new session may write duplicates into unique keys"},
		{"galera", Critical, maria, "wsrep_on", []string{"OFF"}, false, "a server of a Galera cluster can not be a member: two authors of one position"},
		{"isolation", Warning, 0, "tx_isolation|transaction_isolation", []string{"REPEATABLE-READ", "READ-COMMITTED"}, false, "READ-UNCOMMITTED shows applications what is never committed; SERIALIZABLE locks what they read, the applier waits"},
		{"autoinc-lock", Warning, 0, "innodb_autoinc_lock_mode", []string{"1", "2"}, true, "the traditional mode holds the table's counter for the whole statement"},
		{semiSyncPoint, Critical, 0, "rpl_semi_sync_master_wait_point|rpl_semi_sync_source_wait_point", []string{"AFTER_SYNC"}, false, "with AFTER_COMMIT others see a row before it is acknowledged; it can be lost after it was read"},
		{"init-connect", Warning, 0, "init_connect", []string{""}, false, "it runs for each connection of the proxy, not for each of the application, and may leave state that clients then share"},
	}
}
