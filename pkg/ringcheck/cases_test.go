package ringcheck_test

import (
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/ringcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// firing is a case that makes one check fire.
type firing struct {
	check    string
	mysql    bool
	spoil    func(m *ringcheck.Member) // of m2, which owns nothing
	edit     func(f *ringcheck.Facts)
	severity *ringcheck.Severity
	says     string
	with     []string // other checks that fire of it
}

func cases() []firing {
	var all []firing
	all = append(all, settingCases()...)
	all = append(all, memberCases()...)
	all = append(all, accountCases()...)
	all = append(all, dataCases()...)
	return append(all, nodeCases()...)
}

// facts are those of a good ring, with one spoiled.
func (c firing) facts() ringcheck.Facts {
	f := goodMariaDB()
	if c.mysql {
		f = goodMySQL()
	}
	if c.spoil != nil {
		c.spoil(&f.Members[1])
	}
	if c.edit != nil {
		c.edit(&f)
	}
	return f
}

// settingCases spoil one variable of m2 each.
func settingCases() []firing {
	var all []firing
	for line := range strings.Lines(`
binlog-on log_bin=OFF
binlog-of-applied log_slave_updates=OFF
binlog-format binlog_format=MIXED
binlog-row-image binlog_row_image=MINIMAL
binlog-checksum binlog_checksum=NONE
binlog-sync sync_binlog=0
flush-at-commit innodb_flush_log_at_trx_commit=2
doublewrite innodb_doublewrite=OFF
binlog-error binlog_error_action=IGNORE_ERROR mysql
gtid-strict gtid_strict_mode=OFF
gtid-mode gtid_mode=ON_PERMISSIVE mysql
gtid-consistency enforce_gtid_consistency=WARN mysql
gtid-duplicates gtid_ignore_duplicates=OFF
apply-in-order slave_parallel_threads=4
apply-in-order-mysql replica_preserve_commit_order=OFF mysql
apply-strict slave_exec_mode=IDEMPOTENT
apply-strict replica_exec_mode=IDEMPOTENT mysql
apply-ddl-strict slave_ddl_exec_mode=IDEMPOTENT
apply-errors slave_skip_errors=1062
apply-no-triggers slave_run_triggers_for_rbr=YES
apply-conversions slave_type_conversions=ALL_LOSSY
relay-log-recovery relay_log_recovery=ON
checksums-innodb innodb_checksum_algorithm=none
foreign-keys-checked foreign_key_checks=OFF
unique-checked unique_checks=OFF
galera wsrep_on=ON
isolation tx_isolation=READ-UNCOMMITTED
isolation transaction_isolation=READ-UNCOMMITTED mysql
autoinc-lock innodb_autoinc_lock_mode=0
semi-sync-point rpl_semi_sync_master_wait_point=AFTER_COMMIT
init-connect init_connect=SET @a=1
case-of-names lower_case_table_names=1
sql-mode sql_mode=STRICT_TRANS_TABLES
charset character_set_server=latin1
collation collation_server=latin1_swedish_ci
max-packet max_allowed_packet=1048576
time-zone time_zone=+01:00
default-engine default_storage_engine=MyISAM
explicit-defaults explicit_defaults_for_timestamp=OFF
group-concat group_concat_max_len=1024
isolation-equal tx_isolation=READ-COMMITTED
wait-timeout-equal wait_timeout=3600
binlog-compression log_bin_compress=ON
boots-closed sqlring_persisted_super_read_only=OFF mysql
boots-unlinked skip_replica_start=OFF mysql
server-id server_id=101
server-id gtid_domain_id=0
server-uuid server_uuid=uuid-0 mysql
autoinc-layout auto_increment_offset=1
autoinc-layout auto_increment_increment=2
net-timeout slave_net_timeout=60
net-timeout replica_net_timeout=60 mysql
binlog-file-size max_binlog_size=1073741824
semi-sync-timer rpl_semi_sync_master_timeout=10000
binlog-retention binlog_expire_logs_seconds=3600
packet-of-applier slave_max_allowed_packet=1048576
open-as-meant read_only=OFF
super-read-only super_read_only=ON mysql
sql-mode-strict sql_mode=
name-lookups skip_name_resolve=OFF
connections max_connections=151
idle-connections wait_timeout=30
purge-waits slave_connections_needed_for_purge=1
filters replicate_do_db=shop
filters binlog_ignore_db=shop
`) {
		check, rest, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok {
			continue
		}
		rest, mysql := strings.CutSuffix(rest, " mysql")
		name, value, _ := strings.Cut(rest, "=")
		all = append(all, firing{
			check: check, mysql: mysql, with: besides(check),
			spoil: func(m *ringcheck.Member) {
				m.Variables[name] = ringcheck.Variable{Value: value, Origin: ringcheck.OriginSQL}
			},
		})
	}
	return all
}

// besides lists what fires together with a check, since both look at one variable.
func besides(check string) []string {
	return map[string][]string{
		"server-id": {"strangers"}, "isolation": {"isolation-equal"}, "sql-mode-strict": {"sql-mode"}, "max-packet": {"packet-of-applier"},
		"idle-connections": {"wait-timeout-equal"},
	}[check]
}

func memberCases() []firing {
	set := func(m *ringcheck.Member, name, value string, origin ringcheck.Origin) {
		m.Variables[name] = ringcheck.Variable{Value: value, Origin: origin}
	}
	return []firing{
		{check: "boots-closed", says: "nobody remembers", spoil: func(m *ringcheck.Member) {
			set(m, "read_only", "ON", ringcheck.OriginSQL)
			set(m, "sqlring_read_only_in_file", "0", "")
		}},
		{check: "boots-closed", says: "not in its config file", spoil: func(m *ringcheck.Member) {
			set(m, "read_only", "ON", ringcheck.OriginDefault)
			set(m, "sqlring_read_only_in_file", "0", "")
		}},
		{check: "boots-as-set", says: "sync_binlog", spoil: func(m *ringcheck.Member) { set(m, "sync_binlog", "1", ringcheck.OriginSQL) }},
		{check: "autoinc-headroom", says: "int(11)", edit: func(f *ringcheck.Facts) {
			c := &f.Members[0].Columns[0]
			c.Type, c.Max, c.Next = "int(11)", 1<<31-1, 1<<31-1-1<<29
		}},
		{check: "autoinc-headroom", severity: severity(ringcheck.Critical), edit: func(f *ringcheck.Facts) {
			c := &f.Members[0].Columns[0]
			c.Type, c.Max, c.Next = "tinyint(4)", 127, 126
		}},
		{check: "versions", says: "11.8", spoil: func(m *ringcheck.Member) { m.Version.Major, m.Version.Minor = 11, 8 }},
		{check: "versions", severity: severity(ringcheck.Notice), spoil: func(m *ringcheck.Member) { m.Version.Patch = 18 }},
		{check: "version-tested", edit: func(f *ringcheck.Facts) {
			for i := range f.Members {
				f.Members[i].Version.Minor = 6
			}
		}},
		{check: "link-runs", says: "follows nobody", spoil: func(m *ringcheck.Member) { m.Link = nil }},
		{check: "link-runs", says: "meant is", spoil: func(m *ringcheck.Member) { m.Link.Source = "10.0.0.7:3306" }},
		{check: "link-runs", says: "1062", spoil: func(m *ringcheck.Member) {
			m.Link.Applier, m.Link.ApplierErrno, m.Link.ApplierError = "No", 1062, "Duplicate entry"
		}},
		{check: "link-runs", says: "Connecting", spoil: func(m *ringcheck.Member) { m.Link.Receiver = "Connecting" }},
		{check: "link-by-gtid", spoil: func(m *ringcheck.Member) { m.Link.ByGTID = false }},
		{check: "link-account", spoil: func(m *ringcheck.Member) { m.Link.User = "root" }},
		{check: "link-encrypted", spoil: func(m *ringcheck.Member) { m.Link.TLS = false }},
		{check: "link-alone", spoil: func(m *ringcheck.Member) { m.Receivers = 2 }},
		{check: "link-delay", spoil: func(m *ringcheck.Member) { m.Link.Delay = 3600 }},
		{check: "filters", says: "replicate_wild_do_table=shop.%", spoil: func(m *ringcheck.Member) { m.Link.Filters = []string{"replicate_wild_do_table=shop.%"} }},
		{check: "filters", says: "ignored servers", spoil: func(m *ringcheck.Member) { m.Link.IgnoredServers = "101" }},
		{check: "strangers", spoil: func(m *ringcheck.Member) { m.Replicas = append(m.Replicas, 77) }},
		{check: "semi-sync", severity: severity(ringcheck.Critical), edit: func(f *ringcheck.Facts) { f.Members[0].Status["rpl_semi_sync_master_status"] = "OFF" }},
		{check: "semi-sync", severity: severity(ringcheck.Warning), mysql: true, edit: func(f *ringcheck.Facts) {
			f.Members[0].Status["rpl_semi_sync_source_status"] = "OFF"
			f.Members[0].Intent.SemiSync = topology.SemiSyncDegraded
		}},
		{check: "binlog-of-absent", severity: severity(ringcheck.Critical), edit: func(f *ringcheck.Facts) {
			f.Members[1].Intent.State, f.Members[1].AwayFor = topology.MemberDown, 20*24*time.Hour
		}},
		{check: "binlog-of-absent", severity: severity(ringcheck.Warning), edit: func(f *ringcheck.Facts) {
			f.Members[1].Intent.State, f.Members[1].AwayFor = topology.MemberDown, 6*24*time.Hour
		}},
		{check: "binlog-retention", says: "12h", spoil: func(m *ringcheck.Member) {
			set(m, "binlog_expire_logs_seconds", "0", "")
			set(m, "expire_logs_days", "0.5", "")
		}},
		{check: "binlog-size", spoil: func(m *ringcheck.Member) { m.BinlogBytes = 40 << 30 }},
		{check: "temporary-tables", spoil: func(m *ringcheck.Member) { m.Status["slave_open_temp_tables"] = "2" }},
		{check: "open-as-meant", says: "owns a unit", edit: func(f *ringcheck.Facts) { f.Members[0].Variables["read_only"] = ringcheck.Variable{Value: "ON"} }},
		{check: "clock", says: "behind", spoil: func(m *ringcheck.Member) { m.Clock.Ahead = -5 * time.Second }},
		{check: "connections", says: "were in use", spoil: func(m *ringcheck.Member) { m.Status["max_used_connections"] = "480" }},
		{check: "open-files", spoil: func(m *ringcheck.Member) { m.Status["open_files"] = "19000" }},
		{check: "prepared-xa", spoil: func(m *ringcheck.Member) { m.Prepared = []string{`"a"`} }},
		{check: "long-transactions", spoil: func(m *ringcheck.Member) {
			m.Transactions = []ringcheck.Transaction{{Connection: 7, For: time.Hour, User: "app"}}
		}},
		{check: "disk", severity: severity(ringcheck.Notice), spoil: func(m *ringcheck.Member) { m.Disk = nil }},
		{check: "disk", severity: severity(ringcheck.Warning), spoil: func(m *ringcheck.Member) { m.Disk.Free = 10 << 30 }},
		{check: "disk", severity: severity(ringcheck.Critical), spoil: func(m *ringcheck.Member) { m.Disk.Free = 1 << 30 }},
		{check: "encryption-offered", spoil: func(m *ringcheck.Member) { m.TLS = false }},
	}
}

func severity(s ringcheck.Severity) *ringcheck.Severity { return &s }

// accountOf edits the account of a user on m2.
func accountOf(user string, edit func(a *ringcheck.Account)) func(m *ringcheck.Member) {
	return func(m *ringcheck.Member) {
		for i := range m.Accounts {
			if m.Accounts[i].User == user {
				edit(&m.Accounts[i])
			}
		}
	}
}

func accountCases() []firing {
	both := func(edit func(m *ringcheck.Member)) func(f *ringcheck.Facts) {
		return func(f *ringcheck.Facts) {
			for i := range f.Members {
				edit(&f.Members[i])
			}
		}
	}
	return []firing{
		{check: "manager-grants", says: "SUPER", with: []string{"accounts-equal"}, spoil: accountOf("sqlring", func(a *ringcheck.Account) { a.Privileges = []string{"SELECT"} })},
		{check: "manager-grants", mysql: true, says: "CONNECTION_ADMIN", with: []string{"accounts-equal"}, spoil: accountOf("sqlring", func(a *ringcheck.Account) { a.Privileges = []string{"SELECT"} })},
		{check: "replication-grants", with: []string{"accounts-equal"}, spoil: accountOf("sqlring_repl", func(a *ringcheck.Account) { a.Privileges = nil })},
		{check: "replication-grants", says: "no such account", with: []string{"accounts-equal"}, spoil: func(m *ringcheck.Member) { m.Accounts = append(m.Accounts[:1:1], m.Accounts[2:]...) }},
		{check: "bypass-read-only", edit: both(accountOf("app", func(a *ringcheck.Account) { a.Privileges = []string{"READ_ONLY ADMIN"} }))},
		{check: "bypass-read-only", mysql: true, edit: both(accountOf("app", func(a *ringcheck.Account) { a.Privileges = []string{"CONNECTION_ADMIN"} }))},
		{check: "bypass-read-only", severity: severity(ringcheck.Notice), edit: both(accountOf("app", func(a *ringcheck.Account) { a.Host, a.Privileges = "localhost", []string{"SUPER"} })), with: []string{"definers"}},
		{check: "proxy-grants", edit: both(accountOf("app", func(a *ringcheck.Account) { a.Host = "10.7.%" })), with: []string{"definers"}},
		{check: "account-plugin", edit: both(accountOf("app", func(a *ringcheck.Account) { a.Plugin = "ed25519" }))},
		{check: "account-anonymous", edit: both(func(m *ringcheck.Member) {
			m.Accounts = append(m.Accounts, ringcheck.Account{Account: topology.Account{Host: "localhost", Plugin: "mysql_native_password"}})
		})},
		{check: "account-empty-password", edit: both(accountOf("app", func(a *ringcheck.Account) { a.Password = "" }))},
		{check: "account-tls", edit: both(func(m *ringcheck.Member) {
			m.TLS = false
			accountOf("app", func(a *ringcheck.Account) { a.Require.Kind = topology.RequireTLS })(m)
		})},
		{check: "accounts-equal", says: "password", spoil: accountOf("app", func(a *ringcheck.Account) { a.Password = "another" })},
		{check: "accounts-equal", says: "is not on m1", spoil: func(m *ringcheck.Member) {
			m.Accounts = append(m.Accounts, ringcheck.Account{Account: topology.Account{User: "extra", Host: "%", Plugin: "mysql_native_password"}, Password: "d"})
		}},
		{check: "accounts-equal", says: "it is not there", with: []string{"definers"}, spoil: accountOf("app", func(a *ringcheck.Account) { a.User = "other" })},
	}
}

func dataCases() []firing {
	table := func(edit func(t *ringcheck.Table)) func(f *ringcheck.Facts) {
		return func(f *ringcheck.Facts) {
			for i := range f.Members {
				edit(&f.Members[i].Tables[0])
			}
		}
	}
	object := func(o ringcheck.Object) func(f *ringcheck.Facts) {
		return func(f *ringcheck.Facts) { f.Members[0].Objects = append(f.Members[0].Objects, o) }
	}
	return []firing{
		{check: "primary-keys", edit: table(func(t *ringcheck.Table) { t.Primary = false })},
		{check: "engines", says: "MyISAM", edit: table(func(t *ringcheck.Table) { t.Engine = "MyISAM" })},
		{check: "memory-tables", edit: table(func(t *ringcheck.Table) { t.Engine = "MEMORY" })},
		{check: "unique-keys", says: "code (code)", edit: table(func(t *ringcheck.Table) { t.Uniques = []string{"code (code)"} })},
		{check: "sequences", edit: table(func(t *ringcheck.Table) { t.Sequence, t.Increment = true, "1" })},
		{check: "tables-equal", says: "columns or keys", spoil: func(m *ringcheck.Member) { m.Tables[0].Definition = "d2" }},
		{check: "tables-equal", says: "it is on m1", spoil: func(m *ringcheck.Member) { m.Tables = nil }},
		{check: "tables-equal", says: "it is not on m1", spoil: func(m *ringcheck.Member) {
			m.Tables = append(m.Tables, ringcheck.Table{Schema: "shop", Name: "extra", Engine: "InnoDB", Primary: true})
		}},
		{check: "events", says: "enabled here", spoil: func(m *ringcheck.Member) {
			m.Objects = append(m.Objects, ringcheck.Object{Sort: "event", Schema: "shop", Name: "nightly", Definer: "app@%", Status: "ENABLED"})
		}},
		{check: "events", says: "OFF", edit: func(f *ringcheck.Facts) {
			object(ringcheck.Object{Sort: "event", Schema: "shop", Name: "nightly", Definer: "app@%", Status: "ENABLED"})(f)
			f.Members[0].Variables["event_scheduler"] = ringcheck.Variable{Value: "OFF"}
		}},
		{check: "triggers", edit: object(ringcheck.Object{Sort: "trigger", Schema: "shop", Name: "t1", Definer: "app@%"})},
		{check: "untold-state", says: "its text has SET @@sql_mode", edit: object(ringcheck.Object{Sort: "trigger", Schema: "shop", Name: "t1", Definer: "app@%", Untold: "SET @@sql_mode"})},
		{check: "untold-state", severity: severity(ringcheck.Notice), says: "GET_LOCK, which matters if", edit: object(ringcheck.Object{Sort: "function", Schema: "shop", Name: "f1", Definer: "app@%", Untold: "GET_LOCK"})},
		{check: "definers", says: "gone@%", edit: object(ringcheck.Object{Sort: "procedure", Schema: "shop", Name: "p1", Definer: "gone@%"})},
		{check: "ties", severity: severity(ringcheck.Notice), edit: func(f *ringcheck.Facts) {
			f.Members[0].Ties = []topology.Tie{{Object: "view shop.v", Home: "shop", Names: []string{"blog"}}}
		}},
		{check: "ties", severity: severity(ringcheck.Critical), edit: func(f *ringcheck.Facts) {
			f.Owners["blog"] = "m2"
			f.Members[1].Variables["read_only"] = ringcheck.Variable{Value: "OFF", Origin: ringcheck.OriginSQL}
			f.Members[0].Ties = []topology.Tie{{Object: "view shop.v", Home: "shop", Names: []string{"blog"}}}
		}},
	}
}

func nodeCases() []firing {
	node := func(edit func(n *ringcheck.Node)) func(f *ringcheck.Facts) {
		return func(f *ringcheck.Facts) { edit(f.Node) }
	}
	return []firing{
		{check: "node-config", edit: node(func(n *ringcheck.Node) { n.ConfigFaults = []string{"dir: missing"} })},
		{check: "node-leader", edit: node(func(n *ringcheck.Node) { n.Leader = "" })},
		{check: "node-quorum", says: "2 voters", edit: node(func(n *ringcheck.Node) { n.Peers = n.Peers[:2] })},
		{check: "node-quorum", severity: severity(ringcheck.Notice), edit: node(func(n *ringcheck.Node) { n.Peers = n.Peers[:1] })},
		{check: "node-quorum", severity: severity(ringcheck.Critical), with: []string{"node-peers"}, edit: node(func(n *ringcheck.Node) { n.Peers[1].Error = "refused" })},
		{check: "node-peers", with: []string{"node-quorum"}, edit: node(func(n *ringcheck.Node) { n.Peers[2].Error = "refused" })},
		{check: "node-raft", edit: node(func(n *ringcheck.Node) { n.RaftError = "store is damaged" })},
		{check: "node-raft", severity: severity(ringcheck.Warning), edit: node(func(n *ringcheck.Node) { n.LogBytes = 1 << 30 })},
		{check: "node-clock", with: []string{"clock"}, edit: func(f *ringcheck.Facts) {
			f.Members[0].Clock.Ahead, f.Members[1].Clock.Ahead = 90*time.Second, 91*time.Second
		}},
		{check: "node-certificates", severity: severity(ringcheck.Critical), says: "it expires", edit: node(func(n *ringcheck.Node) { n.Certificates[0].Until = began().Add(48 * time.Hour) })},
		{check: "node-certificates", severity: severity(ringcheck.Warning), edit: node(func(n *ringcheck.Node) { n.Certificates[0].Until = began().Add(20 * 24 * time.Hour) })},
		{check: "node-certificates", says: "expired", edit: node(func(n *ringcheck.Node) { n.Certificates[0].Until = began().Add(-time.Hour) })},
		{check: "node-certificates", says: "no such file", edit: node(func(n *ringcheck.Node) { n.Certificates[0].Error = "no such file" })},
		{check: "node-disk", severity: severity(ringcheck.Critical), edit: node(func(n *ringcheck.Node) { n.Disk.Free = 1 << 20 })},
		{check: "node-disk", severity: severity(ringcheck.Warning), edit: node(func(n *ringcheck.Node) { n.Disk.Free = 300 << 20 })},
		{check: "node-disk", says: "can not be read", edit: node(func(n *ringcheck.Node) { n.Disk = nil })},
		{check: "node-open-files", edit: node(func(n *ringcheck.Node) { n.OpenFilesLimit = 1024 })},
		{check: "node-lag", severity: severity(ringcheck.Warning), edit: node(func(n *ringcheck.Node) { n.Levels[1].Level = "throttle" })},
		{check: "node-lag", severity: severity(ringcheck.Critical), edit: node(func(n *ringcheck.Node) { n.Levels[1].Level = "broken" })},
		{check: "node-stuck", edit: node(func(n *ringcheck.Node) { n.Stuck = "the heir lacks 3 transactions" })},
		{check: "node-violations", edit: node(func(n *ringcheck.Node) { n.Violations = []string{"m2: it is open"} })},
		{check: "node-pools", says: "4000 of 4096", edit: node(func(n *ringcheck.Node) { n.Proxy.Sessions = 4000 })},
		{check: "node-pools", says: "wait", edit: node(func(n *ringcheck.Node) { n.Proxy.Sessions, n.Proxy.Queued = 100, 80 })},
		{check: "node-refusals", edit: node(func(n *ringcheck.Node) { n.Proxy.Refused = map[string]uint64{"login": 5} })},
		{check: "node-errors", says: "ended in an error", edit: node(func(n *ringcheck.Node) { n.Proxy.Errors = 5000 })},
		{check: "node-errors", says: "08007", edit: node(func(n *ringcheck.Node) { n.Proxy.OutcomesUnknown = 1 })},
		{check: "node-links", edit: node(func(n *ringcheck.Node) { n.Proxy.LinksLost = 50 })},
	}
}
