package ringcheck

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// serverChecks are about how a server runs.
func serverChecks() []Check {
	return []Check{
		{
			Name: "open-as-meant", Severity: Critical, needs: []Part{PartSettings},
			Looks: "an owner takes writes, and everybody else is `read_only`", Why: "an owner that is closed stops its units; a member that is open takes writes that conflict",
			each: openAsMeant,
		},
		{
			Name: "super-read-only", Severity: Warning, Flavour: topology.FlavourMySQL, needs: []Part{PartSettings},
			Looks: "`super_read_only` is off at a member that sqlring has prepared since its start, and that owns nothing",
			Why:   "sqlring can write nothing of its own there, its heartbeat first of all; nothing of sqlring sets it on a member that runs",
			each:  superReadOnly,
		},
		{
			Name: "sql-mode-strict", Severity: Warning, needs: []Part{PartSettings},
			Looks: "`sql_mode` has STRICT_TRANS_TABLES or STRICT_ALL_TABLES", Why: "values that do not fit are cut, with a warning that nobody reads",
			each: sqlModeStrict,
		},
		{
			Name: "clock", Severity: Warning, needs: []Part{PartClock},
			Looks: "its clock is within a second of the node's", Why: "NOW() jumps when the owner changes: rows seem to come from the past, or the future",
			each: clock,
		},
		{
			Name: "name-lookups", Severity: Warning, needs: []Part{PartSettings},
			Looks: "`skip_name_resolve` is on", Why: "each new connection waits for DNS; when that is slow, logins are, and accounts with host names do not match at the proxy",
			each: nameLookups,
		},
		{
			Name: "connections", Severity: Warning, needs: []Part{PartSettings, PartStatus},
			Looks: "`max_connections` has room for the pools of all nodes, and was not nearly reached", Why: "a member that refuses connections (1040) looks dead to applications, and keeps out whoever could help",
			each: connections,
		},
		{
			Name: "idle-connections", Severity: Warning, needs: []Part{PartSettings},
			Looks: "`wait_timeout` is longer than pooled connections idle, and a minute or more", Why: "the server closes connections that the pool still counts on; clients' idle sessions lose their state",
			each: idleConnections,
		},
		{
			Name: "open-files", Severity: Warning, needs: []Part{PartSettings, PartStatus},
			Looks: "it is not near `open_files_limit`", Why: "a table that can not be opened is an error to clients, and stops the applier",
			each: openFiles,
		},
		{
			Name: "prepared-xa", Severity: Warning, needs: []Part{PartPrepared},
			Looks: "no XA transaction is prepared", Why: "it holds its locks for ever, over restarts, and what it wrote is in nobody's position",
			each: preparedXA,
		},
		{
			Name: "long-transactions", Severity: Warning, needs: []Part{PartSessions},
			Looks: "no transaction is open for longer than a minute", Why: "a planned move waits for it, then undoes it; the applier waits for its locks; old rows pile up",
			each: longTransactions,
		},
		{
			Name: "disk", Severity: Critical, needs: []Part{PartDisk},
			Looks: "its disk has room: 20 % and 2 GiB", Why: "MariaDB ends when the disk is full; MySQL refuses writes",
			each: disk,
		},
		{
			Name: "encryption-offered", Severity: Notice, needs: []Part{PartSettings},
			Looks: "it offers TLS", Why: "what goes between the proxy and it can not be encrypted",
			each: encryptionOffered,
		},
		{
			Name: "purge-waits", Severity: Notice, Flavour: topology.FlavourMariaDB, needs: []Part{PartSettings},
			Looks: "binlogs are purged though nobody follows (`slave_connections_needed_for_purge`)", Why: "a member that nobody follows for long keeps all its binlogs: its disk fills up",
			each: purgeWaits,
		},
	}
}

func openAsMeant(f *Facts, m *Member) []hit {
	if !m.expected() {
		return nil
	}
	switch closed, owner := m.on("read_only"), f.owns(m.Name); {
	case owner && closed:
		return []hit{{object: "read_only", found: "it owns a unit, and is read_only", mend: "sqlring why " + m.Name}}
	case !owner && !closed:
		return []hit{{object: "read_only", found: "it owns nothing, and takes writes", mend: "SET GLOBAL read_only=1; then find who opened it, and sqlring ring verify"}}
	}
	return nil
}

// prepared is whether sqlring has set a MySQL up since it was started; the reader gives it as
// a variable. Before that super_read_only is on, since it is persisted.
const prepared = "sqlring_prepared"

func superReadOnly(f *Facts, m *Member) []hit {
	if m.Intent == nil || !m.on("super_read_only") || !m.on(prepared) || f.owns(m.Name) { // an owner: open-as-meant
		return nil
	}
	return []hit{{
		object: "super_read_only", found: "super_read_only is on, and nobody ordered that",
		mend: "SET GLOBAL super_read_only=0, which leaves read_only on; then find out who sets it",
	}}
}

func sqlModeStrict(_ *Facts, m *Member) []hit {
	mode := m.value("sql_mode")
	if strings.Contains(mode, "STRICT_TRANS_TABLES") || strings.Contains(mode, "STRICT_ALL_TABLES") {
		return nil
	}
	value := strings.TrimPrefix(mode+",STRICT_TRANS_TABLES", ",")
	return []hit{{object: "sql_mode", found: "sql_mode is " + shown(mode), mend: setLine(m, "sql_mode", value, false)}}
}

func clock(_ *Facts, m *Member) []hit {
	ahead, side := m.Clock.Ahead, "ahead of"
	if ahead < 0 {
		ahead, side = -ahead, "behind"
	}
	if ahead-m.Clock.Error <= time.Second {
		return nil
	}
	return []hit{{object: "clock", found: fmt.Sprintf("%s %s the node's", ahead.Round(time.Millisecond), side), mend: "have NTP (chrony, systemd-timesyncd) run on the host that is wrong"}}
}

func nameLookups(_ *Facts, m *Member) []hit {
	if m.on("skip_name_resolve") {
		return nil
	}
	return []hit{{object: "skip_name_resolve", found: "it looks up the name of whoever connects", mend: setLine(m, "skip_name_resolve", "1", true) + "; host names in accounts have to be addresses then"}}
}

func connections(f *Facts, m *Member) []hit {
	most, err := strconv.Atoi(m.Variables["max_connections"].Value)
	if err != nil {
		return nil
	}
	const others = 20 // sqlring's own, replication, people
	if need := f.Nodes*f.MemberLinks + others; f.Nodes > 0 && f.MemberLinks > 0 && most < need {
		return []hit{{
			object: "max_connections", found: fmt.Sprintf("max_connections is %d; %d nodes may open %d each, and %d are for others", most, f.Nodes, f.MemberLinks, others),
			mend: setLine(m, "max_connections", strconv.Itoa(need), false),
		}}
	}
	if used, err := strconv.Atoi(m.Status["max_used_connections"]); err == nil && used*100 >= most*85 {
		return []hit{{object: "max_connections", found: fmt.Sprintf("%d of %d were in use once", used, most), mend: setLine(m, "max_connections", strconv.Itoa(2*most), false)}}
	}
	return nil
}

func idleConnections(f *Facts, m *Member) []hit {
	seconds, err := strconv.Atoi(m.Variables["wait_timeout"].Value)
	if err != nil || time.Duration(seconds)*time.Second >= max(time.Minute, f.LinkIdle+10*time.Second) {
		return nil
	}
	return []hit{{object: "wait_timeout", found: fmt.Sprintf("wait_timeout is %d s", seconds), mend: setLine(m, "wait_timeout", "28800", false)}}
}

func openFiles(_ *Facts, m *Member) []hit {
	limit, errA := strconv.Atoi(m.Variables["open_files_limit"].Value)
	open, errB := strconv.Atoi(m.Status["open_files"])
	if errA != nil || errB != nil || limit == 0 || open*100 < limit*80 {
		return nil
	}
	return []hit{{object: "open_files_limit", found: fmt.Sprintf("%d of %d files are open", open, limit), mend: "LimitNOFILE of its service, and " + setLine(m, "open_files_limit", strconv.Itoa(4*limit), true)}}
}

func preparedXA(_ *Facts, m *Member) []hit {
	hits := make([]hit, len(m.Prepared))
	for i, xid := range m.Prepared {
		hits[i] = hit{object: "xid " + xid, found: "it is prepared", mend: "ask its transaction manager; then XA COMMIT or XA ROLLBACK on this member"}
	}
	return hits
}

func longTransactions(_ *Facts, m *Member) []hit {
	var hits []hit
	for _, t := range m.Transactions {
		if t.For > time.Minute {
			hits = append(hits, hit{object: fmt.Sprintf("connection %d", t.Connection), found: fmt.Sprintf("a transaction of %s is open for %s", shown(t.User), t.For.Round(time.Second)), mend: fmt.Sprintf("KILL %d, if nobody needs it", t.Connection)})
		}
	}
	return hits
}

func disk(_ *Facts, m *Member) []hit {
	if m.Disk == nil {
		return []hit{hit{
			object: "disk", found: "how full it is can not be read from here", mend: "MariaDB: INSTALL SONAME 'disks' (under sql_log_bin=0) and GRANT FILE ON *.* to the manager; or watch it on its host",
		}.as(Notice)}
	}
	return fullDisk(*m.Disk)
}

// fullDisk judges a disk of a member.
func fullDisk(d Disk) []hit {
	h := hit{object: d.Path, found: fmt.Sprintf("%d MiB of %d MiB are free", d.Free>>20, d.Total>>20), mend: "make room, or enlarge it; PURGE BINARY LOGS only what all members have"}
	switch {
	case d.Total == 0 || d.Free*5 >= d.Total && d.Free >= 2<<30 || d.Free >= 100<<30:
		return nil
	case d.Free*20 < d.Total || d.Free < 512<<20:
		return []hit{h}
	}
	return []hit{h.as(Warning)}
}

func encryptionOffered(_ *Facts, m *Member) []hit {
	if m.TLS {
		return nil
	}
	return []hit{{object: "TLS", found: "it offers none", mend: "ssl_cert and ssl_key below [mariadbd] in its config file, and restart it (docs/tls.md)"}}
}

func purgeWaits(_ *Facts, m *Member) []hit {
	v, ok := m.Variables["slave_connections_needed_for_purge"]
	if !ok || v.Value == "0" {
		return nil
	}
	return []hit{{object: "slave_connections_needed_for_purge", found: "it is " + v.Value, mend: "watch the disk while it has no downstream; or " + setLine(m, "slave_connections_needed_for_purge", "0", false)}}
}
