package ringcheck

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// replicationChecks are about links, and what goes over them.
func replicationChecks() []Check {
	return slices.Concat(linkChecks(), binlogChecks())
}

func linkChecks() []Check {
	return []Check{
		{
			Name: "link-runs", Severity: Critical, needs: []Part{PartReplication},
			Looks: "it follows whom it is meant to, and receiver and applier run without an error",
			Why:   "what is written elsewhere does not arrive, here and on all that follow it",
			each:  linkRuns,
		},
		{
			Name: "link-by-gtid", Severity: Critical, needs: []Part{PartReplication},
			Looks: "it follows by GTID", Why: "by file and position it can not be re-pointed, and events of members that are gone circle for ever",
			each: linkByGTID,
		},
		{
			Name: "link-account", Severity: Warning, needs: []Part{PartReplication},
			Looks: "it follows by the replication account of sqlring", Why: "another account may be dropped, or changed, by somebody who does not know what hangs on it",
			each: linkAccount,
		},
		{
			Name: "link-encrypted", Severity: Notice, needs: []Part{PartReplication},
			Looks: "it follows over TLS, unless its upstream is on the same host", Why: "rows, and the password's scramble, go over the network in clear",
			each: linkEncrypted,
		},
		{
			Name: "link-alone", Severity: Critical, needs: []Part{PartReplication},
			Looks: "it has one upstream", Why: "two upstreams have hung MariaDB for ever, and carry transactions of which sqlring knows nothing",
			each: linkAlone,
		},
		{
			Name: "link-delay", Severity: Critical, needs: []Part{PartReplication},
			Looks: "it does not apply with a delay", Why: "a delayed member lags by order, and so do all behind it",
			each: linkDelay,
		},
		{
			Name: "filters", Severity: Critical, needs: []Part{PartReplication, PartSettings},
			Looks: "no replication filter is set (`replicate_*`, `binlog_do_db`, ignored servers)",
			Why:   "what is filtered is missing on this member, and on all behind it in the circle",
			each:  filters,
		},
		{
			Name: "strangers", Severity: Warning, needs: []Part{PartReplication},
			Looks: "nobody follows it who is not of the ring", Why: "a stranger that acknowledges semi-synchronously makes commits look safe that are not; any stranger holds back what can be purged",
			all: strangers,
		},
		{
			Name: "net-timeout", Severity: Warning, needs: []Part{PartSettings},
			Looks: "`slave_net_timeout` (`replica_net_timeout`) is at most 10 s", Why: "an upstream that is frozen or cut off is noticed after that time only",
			each: netTimeout,
		},
		{
			Name: "binlog-file-size", Severity: Warning, Flavour: topology.FlavourMariaDB, needs: []Part{PartSettings},
			Looks: "`max_binlog_size` of a MariaDB is at most 64 MiB",
			Why:   "who connects by GTID makes it read a file from its start, and hears nothing meanwhile: if that takes longer than its `slave_net_timeout` it connects again, for ever",
			each:  binlogFileSize,
		},
		{
			Name: "semi-sync", Severity: Warning, needs: []Part{PartSettings, PartStatus},
			Looks: "with durability semisync, an owner waits for its acker unless it was degraded by order", Why: "without it an acknowledged write is lost with its owner",
			each: semiSync,
		},
		{
			Name: "semi-sync-timer", Severity: Warning, needs: []Part{PartSettings},
			Looks: "the server's own timer of semi-sync is a day or more", Why: "when it runs out the server goes on without the ring's word, and which writes are safe is not known",
			each: semiSyncTimer,
		},
	}
}

func linkRuns(_ *Facts, m *Member) []hit {
	switch {
	case !m.expected() || m.Upstream == "":
		return nil
	case m.Link == nil:
		return []hit{{object: "link", found: "it follows nobody; meant is " + m.Upstream, mend: "sqlring why " + m.Name}}
	}
	var hits []hit
	l := m.Link
	if l.Source != m.Upstream {
		hits = append(hits, hit{object: "link", found: fmt.Sprintf("it follows %s; meant is %s", l.Source, m.Upstream), mend: "find out who changed it: sqlring why " + m.Name})
	}
	if l.Receiver != "Yes" || l.ReceiverErrno != 0 {
		hits = append(hits, hit{object: "receiver", found: thread(l.Receiver, l.ReceiverErrno, l.ReceiverError), mend: "sqlring why " + m.Name})
	}
	if l.Applier != "Yes" || l.ApplierErrno != 0 {
		hits = append(hits, hit{object: "applier", found: thread(l.Applier, l.ApplierErrno, l.ApplierError), mend: "sqlring ring verify, sqlring ring repair, then START SLAVE SQL_THREAD (MySQL: START REPLICA SQL_THREAD)"})
	}
	return hits
}

func thread(state string, errno int, text string) string {
	if errno == 0 {
		return "it says " + shown(state)
	}
	return fmt.Sprintf("it says %s: %d: %s", shown(state), errno, text)
}

func linkByGTID(_ *Facts, m *Member) []hit {
	if m.Link == nil || m.Link.ByGTID {
		return nil
	}
	mend := "STOP SLAVE; CHANGE MASTER TO MASTER_USE_GTID=slave_pos; START SLAVE"
	if !m.mariadb() {
		mend = "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION=1; START REPLICA"
	}
	return []hit{{object: "link", found: "it follows " + m.Link.Source + " by file and position", mend: mend + " (once all that was received is applied)"}}
}

func linkAccount(f *Facts, m *Member) []hit {
	if m.Link == nil || m.Intent == nil || m.Link.User == f.Replication {
		return nil
	}
	return []hit{{object: "link", found: fmt.Sprintf("it follows by the account %s, not %s", m.Link.User, f.Replication), mend: "sqlring master rejoin " + m.Name + ", which links it anew"}}
}

func linkEncrypted(_ *Facts, m *Member) []hit {
	if m.Link == nil || m.Link.TLS || strings.HasPrefix(m.Link.Source, "127.") || strings.HasPrefix(m.Link.Source, "localhost:") || strings.HasPrefix(m.Link.Source, "[::1]") {
		return nil
	}
	return []hit{{object: "link", found: "it follows " + m.Link.Source + " in clear text", mend: "give members TLS (docs/tls.md), or let them talk over an encrypted network"}}
}

func linkAlone(_ *Facts, m *Member) []hit {
	if m.Receivers <= 1 {
		return nil
	}
	return []hit{{object: "link", found: fmt.Sprintf("%d receivers run", m.Receivers), mend: "SHOW ALL SLAVES STATUS (MySQL: SHOW REPLICA STATUS) names them: STOP and RESET those that are not the ring's"}}
}

func linkDelay(_ *Facts, m *Member) []hit {
	if m.Link == nil || m.Link.Delay == 0 {
		return nil
	}
	mend := "STOP SLAVE SQL_THREAD; CHANGE MASTER TO MASTER_DELAY=0; START SLAVE SQL_THREAD"
	if !m.mariadb() {
		mend = "STOP REPLICA SQL_THREAD; CHANGE REPLICATION SOURCE TO SOURCE_DELAY=0; START REPLICA SQL_THREAD"
	}
	return []hit{{object: "link", found: fmt.Sprintf("it applies %d s late", m.Link.Delay), mend: mend}}
}

func filters(_ *Facts, m *Member) []hit {
	var set []string
	if m.Link != nil {
		set = append(set, m.Link.Filters...)
		if m.Link.IgnoredServers != "" && m.Link.IgnoredServers != "0" {
			set = append(set, "ignored servers: "+m.Link.IgnoredServers)
		}
	}
	for _, name := range []string{
		"replicate_do_db", "replicate_do_table", "replicate_ignore_db", "replicate_ignore_table",
		"replicate_wild_do_table", "replicate_wild_ignore_table", "binlog_do_db", "binlog_ignore_db",
	} {
		if v := m.Variables[name].Value; v != "" && !slices.ContainsFunc(set, func(s string) bool { return strings.HasPrefix(s, name+"=") }) {
			set = append(set, name+"="+v)
		}
	}
	hits := make([]hit, len(set))
	for i, filter := range set {
		name, _, _ := strings.Cut(filter, "=")
		mend := fmt.Sprintf("SET GLOBAL %s='' while replication stands still, and take it out of the config file", name)
		if strings.HasPrefix(name, "binlog_") {
			mend = fmt.Sprintf("take %s out of the config file, and restart it", name)
		}
		hits[i] = hit{object: name, found: filter, mend: mend}
	}
	return hits
}

func strangers(_ *Facts, members []*Member) []hit {
	known := map[string]bool{}
	for _, m := range members {
		known[m.Variables["server_id"].Value] = true
		if m.Intent != nil {
			known[fmt.Sprint(m.Intent.Identity)] = true
		}
	}
	var hits []hit
	for _, m := range members {
		for _, id := range m.Replicas {
			if m.Intent != nil && !known[fmt.Sprint(id)] {
				hits = append(hits, hit{
					member: m.Name, object: fmt.Sprintf("server_id %d", id), found: "a server that is no member follows it",
					mend: "if it is a backup: switch semi-sync off there (rpl_semi_sync_slave_enabled=0); else end it",
				})
			}
		}
	}
	return hits
}

func netTimeout(_ *Facts, m *Member) []hit {
	name, v, ok := m.variable("replica_net_timeout|slave_net_timeout")
	seconds, err := strconv.Atoi(v.Value)
	if !ok || m.Intent == nil || err == nil && seconds <= 10 { // sqlring sets it
		return nil
	}
	return []hit{{object: name, found: fmt.Sprintf("%s is %s s", name, v.Value), mend: setLine(m, name, "2", false)}}
}

func binlogFileSize(_ *Facts, m *Member) []hit {
	v, ok := m.Variables["max_binlog_size"]
	size, err := strconv.ParseInt(v.Value, 10, 64)
	if !ok || m.Intent == nil || err == nil && size <= topology.BinlogFileMost { // sqlring sets it
		return nil
	}
	return []hit{{object: "max_binlog_size", found: fmt.Sprintf("max_binlog_size is %s", v.Value), mend: setLine(m, "max_binlog_size", strconv.Itoa(topology.BinlogFileMost), false)}}
}

func semiSync(f *Facts, m *Member) []hit {
	if !f.SemiSync || !m.expected() || !f.owns(m.Name) {
		return nil
	}
	on := m.Status["rpl_semi_sync_master_status"]
	if on == "" {
		on = m.Status["rpl_semi_sync_source_status"]
	}
	switch {
	case strings.EqualFold(on, "ON"):
		return nil
	case m.Intent.SemiSync.String() == "degraded":
		return []hit{{object: "semi-sync", found: "it goes on without an acker, by order: its writes are on it alone", mend: "bring its downstream back: sqlring status"}}
	}
	return []hit{hit{object: "semi-sync", found: "its commits do not wait, and nobody ordered that", mend: "sqlring why " + m.Name}.as(Critical)}
}

func semiSyncTimer(f *Facts, m *Member) []hit {
	name, v, ok := m.variable("rpl_semi_sync_master_timeout|rpl_semi_sync_source_timeout")
	ms, err := strconv.ParseUint(v.Value, 10, 64)
	if !ok || !f.SemiSync || m.Intent == nil || err == nil && time.Duration(ms)*time.Millisecond >= 24*time.Hour {
		return nil
	}
	return []hit{{object: name, found: fmt.Sprintf("%s is %s ms", name, v.Value), mend: setLine(m, name, "4294967295", false)}}
}
