package ringcheck

import (
	"fmt"
	"strconv"
	"time"
)

// leastRetention is for how long a binlog should be there: a weekend's absence.
const leastRetention = 48 * time.Hour

func binlogChecks() []Check {
	return []Check{
		{
			Name: "binlog-retention", Severity: Warning, needs: []Part{PartSettings},
			Looks: "binlogs are kept for two days or more", Why: "a member that is away for longer finds its place no more, and all its data has to be copied",
			each: binlogRetention,
		},
		{
			Name: "binlog-of-absent", Severity: Critical, needs: []Part{PartSettings},
			Looks: "binlogs are kept for longer than any member has been away", Why: "the member can not catch up any more once they are purged",
			all: binlogOfAbsent,
		},
		{
			Name: "binlog-size", Severity: Notice, needs: []Part{PartReplication, PartDisk},
			Looks: "binlogs take up less than a third of the disk", Why: "a full disk ends a MariaDB server, and stops the writes of a MySQL server",
			each: binlogSize,
		},
		{
			Name: "packet-of-applier", Severity: Critical, needs: []Part{PartSettings},
			Looks: "`slave_max_allowed_packet` (`replica_…`) is not below `max_allowed_packet`", Why: "a row that the owner takes stops the applier: error 1153",
			each: packetOfApplier,
		},
		{
			Name: "temporary-tables", Severity: Warning, needs: []Part{PartStatus},
			Looks: "the applier holds no temporary tables", Why: "they are gone when replication is stopped, and what uses them then fails",
			each: temporaryTables,
		},
	}
}

// retention returns for how long binlogs are kept; 0 means for ever.
func retention(m *Member) (name string, kept time.Duration, ok bool) {
	if v, has := m.Variables["binlog_expire_logs_seconds"]; has {
		if seconds, err := strconv.ParseUint(v.Value, 10, 32); err == nil && seconds > 0 {
			return "binlog_expire_logs_seconds", time.Duration(seconds) * time.Second, true
		}
	}
	if v, has := m.Variables["expire_logs_days"]; has {
		if days, err := strconv.ParseFloat(v.Value, 64); err == nil && days > 0 {
			return "expire_logs_days", time.Duration(days * 24 * float64(time.Hour)), true
		}
	}
	return "", 0, false
}

func binlogRetention(_ *Facts, m *Member) []hit {
	name, kept, limited := retention(m)
	if !limited || kept >= leastRetention {
		return nil
	}
	return []hit{{object: name, found: fmt.Sprintf("binlogs are purged after %s", kept), mend: setLine(m, "binlog_expire_logs_seconds", "604800", false)}}
}

func binlogOfAbsent(_ *Facts, members []*Member) []hit {
	var hits []hit
	for _, away := range members {
		hits = append(hits, purgedFor(away, members)...)
	}
	return hits
}

// purgedFor looks which members have purged, or soon will, what an absent one lacks.
func purgedFor(away *Member, members []*Member) []hit {
	if away.AwayFor == 0 {
		return nil
	}
	var hits []hit
	for _, m := range members {
		name, kept, limited := retention(m)
		if m == away || m.Intent == nil || !limited || away.AwayFor < kept/2 {
			continue
		}
		h := hit{
			member: m.Name, object: name, found: fmt.Sprintf("binlogs are purged after %s, and %s has been away for %s", kept, away.Name, away.AwayFor.Round(time.Minute)),
			mend: "let it back in now (sqlring master rejoin " + away.Name + "), or " + setLine(m, "binlog_expire_logs_seconds", strconv.FormatInt(int64((2*away.AwayFor+leastRetention)/time.Second), 10), false),
		}
		if away.AwayFor < kept {
			h = h.as(Warning)
		}
		hits = append(hits, h)
	}
	return hits
}

func binlogSize(_ *Facts, m *Member) []hit {
	if m.Disk == nil || m.Disk.Total == 0 || m.BinlogBytes < m.Disk.Total/3 {
		return nil
	}
	return []hit{{object: "binlogs", found: fmt.Sprintf("%d MiB of %d MiB", m.BinlogBytes>>20, m.Disk.Total>>20), mend: "keep them for a shorter time, or on a larger disk: binlog_expire_logs_seconds"}}
}

func packetOfApplier(_ *Facts, m *Member) []hit {
	name, applier, ok := m.variable("replica_max_allowed_packet|slave_max_allowed_packet")
	a, errA := strconv.ParseUint(applier.Value, 10, 64)
	b, errB := strconv.ParseUint(m.Variables["max_allowed_packet"].Value, 10, 64)
	if !ok || errA != nil || errB != nil || a >= b {
		return nil
	}
	return []hit{{object: name, found: fmt.Sprintf("%s is %d, max_allowed_packet %d", name, a, b), mend: setLine(m, name, "1073741824", false)}}
}

func temporaryTables(_ *Facts, m *Member) []hit {
	open := m.Status["slave_open_temp_tables"]
	if open == "" {
		open = m.Status["replica_open_temp_tables"]
	}
	if open == "" || open == "0" {
		return nil
	}
	return []hit{{object: "temporary tables", found: open + " are open in the applier", mend: "write them in row format: binlog_format=ROW in every session that writes"}}
}
