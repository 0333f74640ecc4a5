package topology

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// adoption collects what was found of servers that are to be adopted.
type adoption struct {
	members []Member
	o       Observations
	found   []CopyCheck
}

// CheckAdoption looks whether servers that replicate in a circle can be adopted as they
// are: members in ring order, o as they were seen, boots as in [AdoptRing]. Each check is
// there once, the first one that it refuses for; who does not answer is asked no further.
func CheckAdoption(members []Member, o Observations, boots bool) []CopyCheck {
	a := adoption{members: members, o: o}
	a.each("answers", "each server answers", func(m Member, seen Observation) (string, string) {
		if seen.Reach != ReachAnswers {
			return fmt.Sprintf("%s at %s does not answer: %s %s", m.ID, m.Addr, seen.Reach, seen.Error), "start it, and give it the manager's account (docs/accounts.md)"
		}
		return "", ""
	})
	if a.found[0].Verdict == CopyRefused {
		return a.found
	}
	first, _ := o.Of(members[0].ID)
	a.each("series", "all are of one flavour and release series", func(m Member, seen Observation) (string, string) {
		switch {
		case !seen.Version.fitsRing():
			return fmt.Sprintf("%s is %s", m.ID, seen.Version), "a ring is made of MariaDB 10.5, or MySQL 8.0.26, or later"
		case seen.Version.Flavour != first.Version.Flavour || seen.Version.Series() != first.Version.Series():
			return fmt.Sprintf("%s is %s, %s is %s", m.ID, seen.Version, members[0].ID, first.Version), "bring all to one release series first"
		}
		return "", ""
	})
	a.each("config file", "each boots closed, with its binlog", func(m Member, seen Observation) (string, string) {
		seen.Settings.ReadOnlyInFile = seen.Settings.ReadOnlyInFile || boots
		missing := unsafeStatics(seen)
		if len(missing) == 0 {
			return "", ""
		}
		remedy := "add the lines under [mariadbd], skip_slave_start too, and restart it in a quiet hour"
		if seen.Version.Flavour == FlavourMySQL {
			remedy = "set them under [mysqld], and restart it in a quiet hour"
		}
		if len(missing) == 1 && missing[0] == "read_only=1" {
			remedy = "add it and skip_slave_start under [mariadbd]; without a restart that can not be seen: then say so (--boots-closed)"
		}
		return fmt.Sprintf("the config file of %s lacks %s", m.ID, strings.Join(missing, ", ")), remedy
	})
	a.links()
	a.numbers(first)
	return a.found
}

// each adds a check that holds if lacks says nothing of any member.
func (a *adoption) each(name, fine string, lacks func(Member, Observation) (what, remedy string)) {
	check := CopyCheck{Name: name, Verdict: CopyFine, What: fine}
	for _, m := range a.members {
		seen, _ := a.o.Of(m.ID)
		if what, remedy := lacks(m, seen); what != "" {
			check.Verdict, check.What, check.Remedy = CopyRefused, what, remedy
			break
		}
	}
	a.found = append(a.found, check)
}

// before returns the member before another one in ring order.
func (a *adoption) before(id MemberID) Member {
	i := slices.IndexFunc(a.members, func(m Member) bool { return m.ID == id })
	return a.members[(i+len(a.members)-1)%len(a.members)]
}

func (a *adoption) links() {
	a.each("circle", "each follows the one before it, and both threads run", func(m Member, seen Observation) (string, string) {
		up := a.before(m.ID)
		theirs, _ := a.o.Of(up.ID)
		link := seen.Link
		switch {
		case link.Upstream == "":
			return fmt.Sprintf("%s follows nobody", m.ID), fmt.Sprintf("let it follow %s, by GTID; or make a ring of empty servers (ring init)", up.ID)
		case link.Receiver != ThreadRunning || link.Applier != ThreadRunning:
			return fmt.Sprintf("%s: its receiver is %s (%s), its applier %s (%s)", m.ID, link.Receiver, orNothing(link.ReceiverError), link.Applier, orNothing(link.ApplierError)), "mend that: " + seen.replicaWords("START SLAVE") + ", once its cause is gone"
		case link.Channels > 1:
			return fmt.Sprintf("%s follows %d servers, by channels", m.ID, link.Channels), "end the replication that is not of the circle: RESET REPLICA ALL FOR CHANNEL 'its name'"
		case !slices.Contains(theirs.SemiSync.Replicas, seen.replicaID()):
			return fmt.Sprintf("%s (server_id %d) does not pull from %s, it follows %s", m.ID, seen.replicaID(), up.ID, link.Upstream), "name the servers in the order of the circle: each pulls from the one named before it"
		}
		return "", ""
	})
	a.each("strangers", "nobody else pulls from them", func(m Member, seen Observation) (string, string) {
		if len(seen.SemiSync.Replicas) > 1 {
			return fmt.Sprintf("servers %v pull from %s, one of them belongs to the circle", seen.SemiSync.Replicas, m.ID), "end the others' replication, or name them as members"
		}
		return "", ""
	})
	a.each("gtid", "each link goes by GTID", func(m Member, seen Observation) (string, string) {
		if seen.Link.Plain && seen.Version.Flavour == FlavourMySQL {
			return fmt.Sprintf("%s follows by file and position", m.ID), "on it: STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION=1; START REPLICA"
		}
		if seen.Link.Plain {
			return fmt.Sprintf("%s follows by file and position", m.ID), "on it: STOP SLAVE; CHANGE MASTER TO MASTER_USE_GTID=slave_pos; START SLAVE; (its gtid_slave_pos has to be right before: SELECT BINLOG_GTID_POS on its upstream)"
		}
		return "", ""
	})
	a.each("filters", "no link leaves anything out", func(m Member, seen Observation) (string, string) {
		if seen.Link.Filters != "" {
			return fmt.Sprintf("%s leaves out what comes over its link: %s", m.ID, seen.Link.Filters), "take the filter away: members of a ring hold the same"
		}
		return "", ""
	})
}

func (a *adoption) numbers(first Observation) {
	ids, domains := map[uint32]MemberID{}, map[uint32]MemberID{}
	a.each("ids", "each has a server_id of its own", func(m Member, seen Observation) (string, string) {
		if other := ids[seen.replicaID()]; other != "" {
			return fmt.Sprintf("%s and %s have the server_id %d", other, m.ID, seen.replicaID()), "give each its own, in its config file too"
		}
		ids[seen.replicaID()] = m.ID
		for _, other := range a.members {
			if other.ID != m.ID && other.Identity == seen.replicaID() && other.Identity != 0 {
				return fmt.Sprintf("%s has the server_id %d, which %s is to get: one would take the other's rows for its own, and drop them", m.ID, other.Identity, other.ID),
					fmt.Sprintf("give %s another one, of 100 at most, in its config file too; end the connections of before; wait until all have what it wrote", m.ID)
			}
		}
		return "", ""
	})
	a.each("domains", "each numbers its transactions by itself", func(m Member, seen Observation) (string, string) {
		if other := domains[seen.Domain]; other != "" && seen.Version.Flavour == FlavourMySQL {
			return fmt.Sprintf("%s and %s have the server_uuid %s: one is a copy of the other", other, m.ID, seen.Settings.ServerUUID), fmt.Sprintf("on %s: stop it, remove auto.cnf from the data directory, start it", m.ID)
		} else if other != "" {
			return fmt.Sprintf("%s and %s number their transactions in one domain, %d: positions in it say nothing", other, m.ID, seen.Domain), fmt.Sprintf("on %s: SET GLOBAL gtid_domain_id=%d, in its config file too; end the connections of before; wait until all have the same of domain %d", m.ID, seen.ServerID, seen.Domain)
		}
		domains[seen.Domain] = m.ID
		return "", ""
	})
	a.each("schema", "none has a schema sqlring", func(m Member, seen Observation) (string, string) {
		if seen.HasRing {
			if seen.Slots.Sum != 0 {
				return fmt.Sprintf("%s is of the ring %q, of stride %d, by its table of slots", m.ID, seen.Slots.Ring, seen.Slots.Stride), "if nodes of that ring run, it is theirs; if it is gone, note what SELECT * FROM sqlring.slots says, then on each: SET SESSION sql_log_bin=0; DROP DATABASE sqlring"
			}
			return fmt.Sprintf("%s has the schema sqlring, of a ring of before", m.ID), "once each has applied what it received, or its applier stops at a heartbeat of before, on each: SET SESSION sql_log_bin=0; DROP DATABASE sqlring"
		}
		return "", ""
	})
	a.each("owner", "the first takes writes: it will own everything", func(m Member, seen Observation) (string, string) {
		if m.ID == a.members[0].ID && first.ReadOnly {
			return fmt.Sprintf("%s is read-only, and is to own everything", m.ID), "name one first that takes writes, or: SET GLOBAL read_only=0"
		}
		return "", ""
	})
	check := CopyCheck{Name: "slots", Verdict: CopyFine}
	stride, slots, err := AdoptedSlots(a.members, a.o)
	if check.What = fmt.Sprintf("stride %d, slots %v: each gives out a part of what it gives out now", stride, slots); err != nil {
		check.Verdict, check.What = CopyRefused, fmt.Sprintf("%v (servers are counted from 1, in the order given)", err)
		check.Remedy = "let one alone take writes (SET GLOBAL read_only=1 on the others), or give each its own auto_increment_offset of one auto_increment_increment, and end the connections of before"
	}
	a.found = append(a.found, check)
}

// AdoptedSlots returns the stride of a ring of servers that are adopted, and their slots,
// in the order of members.
func AdoptedSlots(members []Member, o Observations) (stride int, slots []int, err error) {
	var layouts []autoinc.Layout
	var closed []bool
	for _, m := range members {
		seen, _ := o.Of(m.ID)
		layouts, closed = append(layouts, seen.Layout), append(closed, seen.ReadOnly)
	}
	return autoinc.Adopt(layouts, closed)
}

// replicaID returns the server_id that a server replicates under, prepared or not.
func (o Observation) replicaID() uint32 {
	if o.ServerID == 0 {
		return o.Settings.ServerID
	}
	return o.ServerID
}

// replicaWords returns a statement about replication in the words of the server's flavour.
func (o Observation) replicaWords(statement string) string {
	if o.Version.Flavour == FlavourMySQL {
		return strings.ReplaceAll(statement, "SLAVE", "REPLICA")
	}
	return statement
}
