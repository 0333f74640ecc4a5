package ringcheck

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// dataChecks are about tables and what hangs on them.
func dataChecks() []Check {
	return slices.Concat(tableChecks(), objectChecks())
}

func tableChecks() []Check {
	return []Check{
		{
			Name: "primary-keys", Severity: Warning, needs: []Part{PartTables},
			Looks: "every table has a primary key", Why: "each row that is changed has the applier read the whole table; doubled rows can not be told apart; ring verify compares the table as one piece, and repair leaves it alone",
			each: primaryKeys,
		},
		{
			Name: "engines", Severity: Warning, needs: []Part{PartTables},
			Looks: "every table is InnoDB", Why: "other engines know no transactions: after a crash a table and the binlog differ, and a rollback undoes nothing",
			each: engines,
		},
		{
			Name: "memory-tables", Severity: Warning, needs: []Part{PartTables},
			Looks: "no table is in memory only", Why: "a restarted server empties it and writes that into its binlog, as a transaction of its own: it is emptied everywhere",
			each: memoryTables,
		},
		{
			Name: "unique-keys", Severity: Notice, needs: []Part{PartTables},
			Looks: "tables with unique keys besides the primary", Why: "slots keep AUTO_INCREMENT keys apart; other unique values collide if two members ever insert them, and a returning member's inserts into such a table do not flow by themselves",
			each: uniqueKeys,
		},
		{
			Name: "sequences", Severity: Warning, Flavour: topology.FlavourMariaDB, needs: []Part{PartTables},
			Looks: "sequences have INCREMENT 0, which takes the member's slot and stride", Why: "two members give out the same value of one sequence",
			each: sequences,
		},
		{
			Name: "tables-equal", Severity: Critical, needs: []Part{PartTables},
			Looks: "all members have the same tables, with the same columns and keys", Why: "rows are applied by the position of their columns: another order or type stores values in the wrong place, or stops the applier",
			all: tablesEqual,
		},
	}
}

// tableHits makes one hit of each table that which says something about.
func tableHits(m *Member, which func(t Table) (found, mend string)) []hit {
	var hits []hit
	for _, t := range m.Tables {
		if found, mend := which(t); found != "" {
			hits = append(hits, hit{object: t.FullName(), found: found, mend: mend})
		}
	}
	return hits
}

func primaryKeys(_ *Facts, m *Member) []hit {
	return tableHits(m, func(t Table) (found, mend string) {
		if t.Primary || t.Sequence {
			return "", ""
		}
		return "it has no primary key", fmt.Sprintf("ALTER TABLE `%s`.`%s` ADD PRIMARY KEY (…) by columns that it has (ADD COLUMN … AUTO_INCREMENT numbers rows differently on each member)", t.Schema, t.Name)
	})
}

func engines(_ *Facts, m *Member) []hit {
	return tableHits(m, func(t Table) (found, mend string) {
		if t.Engine == "" || strings.EqualFold(t.Engine, "InnoDB") || strings.EqualFold(t.Engine, "MEMORY") || t.Sequence {
			return "", ""
		}
		return "its engine is " + t.Engine, fmt.Sprintf("ALTER TABLE `%s`.`%s` ENGINE=InnoDB (through the proxy)", t.Schema, t.Name)
	})
}

func memoryTables(_ *Facts, m *Member) []hit {
	return tableHits(m, func(t Table) (found, mend string) {
		if !strings.EqualFold(t.Engine, "MEMORY") {
			return "", ""
		}
		return "its engine is MEMORY", fmt.Sprintf("ALTER TABLE `%s`.`%s` ENGINE=InnoDB (through the proxy)", t.Schema, t.Name)
	})
}

func uniqueKeys(_ *Facts, m *Member) []hit {
	return tableHits(m, func(t Table) (found, mend string) {
		if len(t.Uniques) == 0 {
			return "", ""
		}
		return "unique: " + strings.Join(t.Uniques, ", "), "keep the table's schema with one owner, as it is; nothing has to be changed"
	})
}

func sequences(_ *Facts, m *Member) []hit {
	return tableHits(m, func(t Table) (found, mend string) {
		if !t.Sequence || t.Increment == "0" {
			return "", ""
		}
		return "its increment is " + shown(t.Increment), fmt.Sprintf("ALTER SEQUENCE `%s`.`%s` INCREMENT 0 (through the proxy)", t.Schema, t.Name)
	})
}

// tablesEqual holds the tables of each member against those of the first.
func tablesEqual(_ *Facts, members []*Member) []hit {
	var hits []hit
	var model *Member
	var meant map[string]Table
	for _, m := range members {
		if !m.expected() {
			continue
		}
		has := make(map[string]Table, len(m.Tables))
		for _, t := range m.Tables {
			has[t.FullName()] = t
		}
		if model == nil {
			model, meant = m, has
			continue
		}
		for _, t := range model.Tables {
			other, ok := has[t.FullName()]
			switch {
			case !ok:
				hits = append(hits, hit{member: m.Name, object: t.FullName(), found: "it is not there; it is on " + model.Name, mend: "if both have caught up: SHOW CREATE TABLE on the owner, and create it there under sql_log_bin=0; then sqlring ring verify"})
			case other.Definition != t.Definition:
				hits = append(hits, hit{member: m.Name, object: t.FullName(), found: "its columns or keys are others than on " + model.Name, mend: "SHOW CREATE TABLE on both tells how; alter it there under sql_log_bin=0; then sqlring ring verify"})
			}
		}
		for _, t := range m.Tables {
			if _, ok := meant[t.FullName()]; !ok {
				hits = append(hits, hit{member: m.Name, object: t.FullName(), found: "it is not on " + model.Name, mend: "if both have caught up: find out who made it, and drop it there under sql_log_bin=0"})
			}
		}
	}
	return hits
}

func objectChecks() []Check {
	return []Check{
		{
			Name: "events", Severity: Warning, needs: []Part{PartObjects, PartSettings},
			Looks: "events are enabled at the owner of their schema's unit only, and run there", Why: "an event that runs on two members does its work twice; one that runs nowhere is not done",
			each: events,
		},
		{
			Name: "triggers", Severity: Notice, needs: []Part{PartObjects},
			Looks: "triggers that the members have", Why: "they run at the owner alone, and what they wrote is replicated as rows; a trigger that writes another schema ties the two",
			each: triggers,
		},
		{
			Name: "untold-state", Severity: Warning, needs: []Part{PartObjects},
			Looks: "no trigger or routine leaves a user lock in its session, nor at MariaDB a variable that is set as @@name, or a SET TRANSACTION", Why: "the server does not tell of it: behind the proxy it stays on a connection that others get next, and is lost with it",
			each: untold,
		},
		{
			Name: "definers", Severity: Warning, needs: []Part{PartObjects, PartAccounts},
			Looks: "the definer of every view, trigger, routine and event is an account that is there", Why: "what runs as an account that is gone fails with 1449, once the member is the owner",
			each: definers,
		},
		{
			Name: "ties", Severity: Notice, needs: []Part{PartTies},
			Looks: "views, foreign keys, routines, triggers and events join only schemas of one owner", Why: "a statement on one schema reads or changes another one that is written elsewhere",
			each: ties,
		},
	}
}

// unitOf returns the owner of a schema's unit.
func (f *Facts) ownerOf(schema string) topology.MemberID {
	if owner, ok := f.Owners[topology.UnitID(schema)]; ok {
		return owner
	}
	return f.Owners[topology.UnitRest]
}

func events(f *Facts, m *Member) []hit {
	if m.Intent == nil {
		return nil
	}
	var hits []hit
	any := false
	for _, o := range m.Objects {
		if o.Sort != "event" || o.Status != "ENABLED" {
			continue
		}
		if owner := f.ownerOf(o.Schema); string(owner) != m.Name {
			hits = append(hits, hit{
				object: o.FullName(), found: fmt.Sprintf("it is enabled here; the owner is %s", shown(string(owner))),
				mend: fmt.Sprintf("sqlring status says why the controller could not; by hand: SET sql_log_bin=0; ALTER DEFINER=%s EVENT `%s`.`%s` DISABLE ON SLAVE (MySQL: DISABLE ON REPLICA)", o.Definer, o.Schema, o.Name),
			})
			continue
		}
		any = true
	}
	if any && !m.on("event_scheduler") {
		hits = append(hits, hit{object: "event_scheduler", found: "it is " + shown(m.Variables["event_scheduler"].Value) + " at the owner of events that are enabled", mend: setLine(m, "event_scheduler", "ON", false)})
	}
	return hits
}

func triggers(f *Facts, m *Member) []hit {
	if m.Intent != nil && len(f.Owners) > 0 && !f.owns(m.Name) {
		return nil // said of the owner
	}
	var hits []hit
	for _, o := range m.Objects {
		if o.Sort == "trigger" {
			hits = append(hits, hit{object: o.FullName(), found: "defined by " + o.Definer, mend: "nothing has to be changed"})
		}
	}
	return hits
}

func untold(f *Facts, m *Member) []hit {
	if m.Intent != nil && len(f.Owners) > 0 && !f.owns(m.Name) {
		return nil // said of the owner
	}
	var hits []hit
	for _, o := range m.Objects {
		if o.Untold == "" || o.Sort == "event" { // that has a session of its own
			continue
		}
		h := hit{object: o.FullName(), found: "its text has " + o.Untold, mend: "write SET SESSION name for SET @@name, have it release what it locks before it ends, and leave SET TRANSACTION to who begins the transaction"}
		if o.Sort != "trigger" { // who calls it by name keeps the connection
			h = h.as(Notice)
			h.found += ", which matters if a trigger or a view runs it"
		}
		hits = append(hits, h)
	}
	return hits
}

func definers(_ *Facts, m *Member) []hit {
	names := map[string]bool{}
	for _, a := range m.Accounts {
		names[a.User+"@"+a.Host] = true
	}
	var hits []hit
	for _, o := range m.Objects {
		user := strings.TrimSuffix(o.Definer, "@")
		if o.Definer == "" || names[o.Definer] || names[user] || names[user+"@"] || names[user+"@%"] && !strings.Contains(user, "@") {
			continue
		}
		hits = append(hits, hit{object: o.FullName(), found: "its definer " + o.Definer + " is not an account here", mend: "create the account, or the " + o.Sort + " anew with DEFINER=…"})
	}
	return hits
}

func ties(f *Facts, m *Member) []hit {
	if m.Intent != nil && len(f.Owners) > 0 && !f.owns(m.Name) {
		return nil // said of the owner
	}
	cut := map[string]bool{}
	for _, c := range topology.Cuts(f.Owners, m.Ties) {
		cut[c.Tie.Object] = true
	}
	hits := make([]hit, 0, len(m.Ties))
	for _, t := range m.Ties {
		h := hit{object: t.Object, found: t.String(), mend: "keep " + strings.Join(append([]string{t.Home}, t.Names...), ", ") + " with one owner"}
		if cut[t.Object] {
			h.found += ", which another member owns"
			h = h.as(Critical)
		}
		hits = append(hits, h)
	}
	return hits
}
