package ringcheck

import (
	"fmt"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// identityChecks are about who a member is, and which keys it gives out.
func identityChecks() []Check {
	return []Check{
		{
			Name: "server-id", Severity: Critical, needs: []Part{PartSettings},
			Looks: "`server_id` is the identity that raft has issued (MariaDB: `gtid_domain_id` too), and nobody else's",
			Why:   "members drop events that carry their own server_id, silently: two of one identity drop each other's transactions",
			all:   serverIDs,
		},
		{
			Name: "server-uuid", Severity: Critical, Flavour: topology.FlavourMySQL, needs: []Part{PartSettings},
			Looks: "`server_uuid` is nobody else's",
			Why:   "transactions of two servers with one uuid have the same GTIDs: each counts as applied where the other's was",
			all:   serverUUIDs,
		},
		{
			Name: "autoinc-layout", Severity: Critical, needs: []Part{PartSettings},
			Looks: "`auto_increment_offset` and `auto_increment_increment` are the member's slot and the ring's stride",
			Why:   "two members that count alike give out the same key, and replication stops with 1062, or a row is lost",
			each:  autoincLayout,
		},
		{
			Name: "autoinc-headroom", Severity: Warning, needs: []Part{PartColumns},
			Looks: "AUTO_INCREMENT columns have keys left: signed and unsigned types at the ring's stride",
			Why:   "when a column is full, every INSERT into its table fails",
			each:  autoincHeadroom,
		},
		{
			Name: "versions", Severity: Critical,
			Looks: "all members are of one flavour and one series, and of one patch level",
			Why:   "GTIDs of two flavours do not mix, and an older server can not follow a newer one",
			all:   versions,
		},
		{
			Name: "version-tested", Severity: Notice,
			Looks: "the series is one that sqlring is tested with",
			Why:   "what was never tried is only believed to work",
			each:  versionTested,
		},
	}
}

func serverIDs(_ *Facts, members []*Member) []hit {
	var hits []hit
	seen := map[string]string{}
	for _, m := range members {
		id := m.Variables["server_id"].Value
		domain, hasDomain := m.Variables["gtid_domain_id"]
		if m.expected() {
			meant := fmt.Sprint(m.Intent.Identity)
			if id != meant || hasDomain && domain.Value != meant {
				hits = append(hits, hit{
					member: m.Name, object: "server_id", found: fmt.Sprintf("server_id %s, gtid_domain_id %s; issued is %s", id, shown(domain.Value), meant),
					mend: "find out who changes it; the member is closed until it is put right: sqlring why " + m.Name,
				})
			}
		}
		if other, twice := seen[id]; twice && id != "" {
			hits = append(hits, hit{
				member: m.Name, object: "server_id", found: fmt.Sprintf("server_id %s is that of %s too", id, other),
				mend: setLine(m, "server_id", "a number of its own", false),
			})
		}
		seen[id] = m.Name
	}
	return hits
}

func serverUUIDs(_ *Facts, members []*Member) []hit {
	var hits []hit
	seen := map[string]string{}
	for _, m := range members {
		uuid := m.Variables["server_uuid"].Value
		if other, twice := seen[uuid]; twice && uuid != "" {
			hits = append(hits, hit{
				member: m.Name, object: "server_uuid", found: fmt.Sprintf("server_uuid %s is that of %s too: was its directory copied?", uuid, other),
				mend: "stop it, remove auto.cnf from its data directory, start it",
			})
		}
		seen[uuid] = m.Name
	}
	return hits
}

func autoincLayout(f *Facts, m *Member) []hit {
	offset, stride := m.Variables["auto_increment_offset"].Value, m.Variables["auto_increment_increment"].Value
	if !m.expected() || f.Stride == 0 {
		return nil // the ring gives it its slot
	}
	if offset == fmt.Sprint(m.Intent.Slot) && stride == fmt.Sprint(f.Stride) {
		return nil
	}
	return []hit{{
		object: "auto_increment_offset", found: fmt.Sprintf("it counts by %s/%s; meant is %d/%d", offset, stride, m.Intent.Slot, f.Stride),
		mend: "find out who changes it; it is put right within a second, or the member is closed: sqlring autoinc verify",
	}}
}

func autoincHeadroom(f *Facts, m *Member) []hit {
	if m.Intent != nil && len(f.Owners) > 0 && !f.owns(m.Name) {
		return nil // its counters follow the owner's
	}
	layout := autoinc.Layout{Offset: 1, Stride: max(f.Stride, 1)}
	if m.Intent != nil {
		layout = m.Intent.Layout(max(f.Stride, 1))
	}
	var hits []hit
	for _, c := range m.Columns {
		level := c.Level(layout)
		if level == autoinc.HeadroomFine {
			continue
		}
		h := hit{
			object: c.Name(), found: fmt.Sprintf("%s, %.1f %% used, %d rows left at stride %d", c.Type, 100*c.Used(), c.Left(layout), layout.Stride),
			mend: fmt.Sprintf("ALTER TABLE `%s`.`%s` MODIFY `%s` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT (through the proxy)", c.Schema, c.Table, c.Column),
		}
		if level >= autoinc.HeadroomUrgent {
			h = h.as(Critical)
		}
		hits = append(hits, h)
	}
	return hits
}

// owns reports whether the member owns a unit.
func (f *Facts) owns(member string) bool {
	for _, owner := range f.Owners {
		if string(owner) == member {
			return true
		}
	}
	return false
}

func versions(_ *Facts, members []*Member) []hit {
	var hits []hit
	var model *Member
	for _, m := range members {
		if m.Version.Flavour == topology.FlavourUnknown {
			continue
		}
		switch {
		case model == nil:
			model = m
		case m.Version.Flavour != model.Version.Flavour || m.Version.Series() != model.Version.Series():
			hits = append(hits, hit{
				member: m.Name, object: "version", found: fmt.Sprintf("%s; %s is %s", m.Version, model.Name, model.Version),
				mend: "install the series of the others on it, or make a ring of its own",
			})
		case m.Version != model.Version:
			hits = append(hits, hit{
				member: m.Name, object: "version", found: fmt.Sprintf("%s; %s is %s", m.Version, model.Name, model.Version),
				mend: "update the older one at the next chance: sqlring master drain, restart, sqlring master resume",
			}.as(Notice))
		}
	}
	return hits
}

func versionTested(_ *Facts, m *Member) []hit {
	v := m.Version
	switch {
	case v.Flavour == topology.FlavourUnknown:
		return nil
	case v.Flavour == topology.FlavourMariaDB && (v.Major == 10 && v.Minor == 11 || v.Major == 11 && v.Minor == 8):
		return nil
	case v.Flavour == topology.FlavourMySQL && (v.Major == 9 && v.Minor == 7 || v.Major == 8 && (v.Minor == 4 || v.Minor == 0)):
		return nil
	}
	return []hit{{object: "version", found: v.String(), mend: "try it beside production first; tested are MariaDB 10.11 and 11.8, and MySQL 9.7"}}
}
