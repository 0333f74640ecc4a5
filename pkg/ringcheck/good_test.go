package ringcheck_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/ringcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

func good(flavour topology.Flavour, variables string) ringcheck.Facts {
	f := ringcheck.Facts{
		At: began(), Ring: "demo", Stride: 16, SemiSync: true, Manager: "sqlring", Replication: "sqlring_repl",
		Nodes: 3, MemberLinks: 100, LinkIdle: 5 * time.Minute,
		Owners: map[topology.UnitID]topology.MemberID{"*": "m1", "shop": "m1"},
	}
	for i := range 2 {
		f.Members = append(f.Members, goodMember(flavour, variables, i))
	}
	f.Node = &ringcheck.Node{
		Name: "n1", Leader: "n1", Disk: &ringcheck.Disk{Path: "/var/lib/sqlring", Free: 50 << 30, Total: 100 << 30},
		Peers:        []ringcheck.Peer{{Name: "n1", Part: "voter", Self: true}, {Name: "n2", Part: "voter"}, {Name: "n3", Part: "witness"}},
		Certificates: []ringcheck.Certificate{{File: "/etc/sqlring/n1.pem", Until: began().Add(365 * 24 * time.Hour)}},
		OpenFiles:    100, OpenFilesLimit: 65536,
		Levels: []ringcheck.Level{{Member: "m1", Level: "fresh"}, {Member: "m2", Level: "fresh"}},
		Proxy:  &ringcheck.Proxy{Sessions: 10, MaxSessions: 4096, Queries: 100000, Errors: 3, Links: 100},
	}
	return f
}

func goodMember(flavour topology.Flavour, variables string, i int) ringcheck.Member {
	name, other := fmt.Sprintf("m%d", i+1), 1-i
	m := ringcheck.Member{
		Name: name, Addr: fmt.Sprintf("10.0.0.%d:3306", i+1), Upstream: fmt.Sprintf("10.0.0.%d:3306", other+1),
		Intent:  &topology.Member{ID: topology.MemberID(name), State: topology.MemberActive, Identity: uint32(101 + i), Slot: i + 1},
		Version: topology.ServerVersion{Flavour: flavour, Major: 10, Minor: 11, Patch: 19},
		Unread:  map[ringcheck.Part]string{}, Variables: map[string]ringcheck.Variable{},
		Status: map[string]string{
			"rpl_semi_sync_master_status": "ON", "max_used_connections": "50", "open_files": "40", "slave_open_temp_tables": "0",
		},
		Clock:     ringcheck.Clock{Ahead: 3 * time.Millisecond, Error: time.Millisecond},
		Receivers: 1, Replicas: []uint32{uint32(101 + other)}, From: "10.0.0.9", TLS: true,
		Link: &ringcheck.Link{
			Source: fmt.Sprintf("10.0.0.%d:3306", other+1), User: "sqlring_repl", Receiver: "Yes", Applier: "Yes", TLS: true, ByGTID: true,
		},
		Disk:     &ringcheck.Disk{Path: "/var/lib/mysql", Free: 50 << 30, Total: 100 << 30},
		Accounts: goodAccounts(flavour), BinlogBytes: 1 << 30,
		Tables:  []ringcheck.Table{{Schema: "shop", Name: "card", Engine: "InnoDB", Collation: "utf8mb4_general_ci", Primary: true, Definition: "d1"}},
		Columns: []autoinc.Column{{Schema: "shop", Table: "card", Column: "id", Type: "bigint(20)", Max: 1<<63 - 1, Next: 1000}},
		Objects: []ringcheck.Object{{Sort: "view", Schema: "shop", Name: "total", Definer: "app@%"}},
	}
	if flavour == topology.FlavourMySQL {
		m.Version = topology.ServerVersion{Flavour: flavour, Major: 9, Minor: 7, Patch: 4}
		m.Status["rpl_semi_sync_source_status"] = "ON"
		delete(m.Status, "rpl_semi_sync_master_status")
	}
	for line := range strings.Lines(variables) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok {
			m.Variables[key] = ringcheck.Variable{Value: value, Origin: ringcheck.OriginFile}
		}
	}
	if i == 0 {
		m.Variables["read_only"] = ringcheck.Variable{Value: "OFF", Origin: ringcheck.OriginSQL}
	}
	for key, value := range map[string]string{
		"server_id": fmt.Sprint(101 + i), "gtid_domain_id": fmt.Sprint(101 + i), "auto_increment_offset": fmt.Sprint(i + 1),
		"server_uuid": fmt.Sprintf("uuid-%d", i),
	} {
		m.Variables[key] = ringcheck.Variable{Value: value, Origin: ringcheck.OriginSQL}
	}
	if flavour == topology.FlavourMySQL {
		delete(m.Variables, "gtid_domain_id")
	}
	return m
}

// Those that both flavours have.
const commonVariables = `
log_bin=ON
binlog_format=ROW
binlog_row_image=FULL
binlog_checksum=CRC32
sync_binlog=1
innodb_flush_log_at_trx_commit=1
innodb_doublewrite=ON
relay_log_recovery=OFF
foreign_key_checks=ON
unique_checks=ON
init_connect=
innodb_autoinc_lock_mode=2
lower_case_table_names=0
sql_mode=STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO
character_set_server=utf8mb4
collation_server=utf8mb4_general_ci
max_allowed_packet=16777216
time_zone=SYSTEM
default_storage_engine=InnoDB
explicit_defaults_for_timestamp=ON
group_concat_max_len=1048576
wait_timeout=28800
binlog_expire_logs_seconds=864000
auto_increment_increment=16
max_connections=500
open_files_limit=20000
skip_name_resolve=ON
event_scheduler=ON
read_only=ON
`

func mariaDBVariables() string {
	return commonVariables + `
sqlring_read_only_in_file=1
log_slave_updates=ON
gtid_strict_mode=ON
gtid_ignore_duplicates=ON
slave_parallel_threads=0
slave_exec_mode=STRICT
slave_ddl_exec_mode=STRICT
slave_skip_errors=OFF
slave_run_triggers_for_rbr=NO
slave_type_conversions=
slave_net_timeout=2
max_binlog_size=67108864
slave_max_allowed_packet=1073741824
innodb_checksum_algorithm=full_crc32
wsrep_on=OFF
tx_isolation=REPEATABLE-READ
rpl_semi_sync_master_wait_point=AFTER_SYNC
rpl_semi_sync_master_timeout=4294967295
log_bin_compress=OFF
replicate_do_db=
binlog_do_db=
slave_connections_needed_for_purge=0
`
}

func mySQLVariables() string {
	return commonVariables + `
sqlring_persisted_super_read_only=ON
super_read_only=OFF
sqlring_prepared=1
skip_replica_start=ON
log_replica_updates=ON
gtid_mode=ON
enforce_gtid_consistency=ON
binlog_error_action=ABORT_SERVER
replica_preserve_commit_order=ON
replica_exec_mode=STRICT
replica_skip_errors=OFF
replica_type_conversions=
replica_net_timeout=2
replica_max_allowed_packet=1073741824
innodb_checksum_algorithm=crc32
transaction_isolation=REPEATABLE-READ
rpl_semi_sync_source_wait_point=AFTER_SYNC
rpl_semi_sync_source_timeout=4294967295000
binlog_transaction_compression=OFF
`
}

func goodAccounts(flavour topology.Flavour) []ringcheck.Account {
	account := func(user, host string, privileges ...string) ringcheck.Account {
		return ringcheck.Account{
			Account:  topology.Account{User: user, Host: host, Plugin: "mysql_native_password"},
			Password: "digest", Privileges: privileges,
		}
	}
	manager := account("sqlring", "10.0.0.9",
		"REPLICATION SLAVE", "REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN", "SLAVE MONITOR", "BINLOG MONITOR", "BINLOG ADMIN",
		"READ_ONLY ADMIN", "CONNECTION ADMIN", "PROCESS", "RELOAD", "SUPER", "SHOW DATABASES", "SELECT", "CREATE USER", "SHOW VIEW", "TRIGGER", "EVENT",
		"REPLICATION CLIENT", "REPLICATION_SLAVE_ADMIN", "REPLICATION_APPLIER", "SYSTEM_VARIABLES_ADMIN", "SESSION_VARIABLES_ADMIN",
		"PERSIST_RO_VARIABLES_ADMIN", "CONNECTION_ADMIN", "BACKUP_ADMIN", "SYSTEM_USER", "XA_RECOVER_ADMIN", "SHOW_ROUTINE")
	internal := account("mariadb.sys", "localhost")
	if flavour == topology.FlavourMySQL {
		internal.User = "mysql.sys"
	}
	internal.Internal, internal.Locked, internal.Password = true, true, ""
	return []ringcheck.Account{manager, account("sqlring_repl", "%", "REPLICATION SLAVE"), account("app", "%"), internal}
}
