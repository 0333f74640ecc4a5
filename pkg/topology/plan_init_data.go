package topology

import (
	"strings"
	"time"
)

// A ring that begins with a server which holds data goes the steps of init with
// that one member, which serves applications all the while; the others are added to
// it afterwards, one by one.

func nextInitData(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	m := s.Members[0]
	seen, ok := o.Good(m.ID, now)
	if !ok {
		return unheard(m.ID, seen, now)
	}
	switch op.Cursor {
	case InitPreflight:
		return initDataPreflight(s, op, m, seen)
	case InitPrepare:
		if why := unprepared(s, m, seen); why != "" || !seen.Applied.Covers(seen.Binlog.Without(m.Identity)) {
			if why == "" {
				why = "what it wrote before is not noted as applied"
			}
			action := prepareAction(s, m, false)
			action.Live, action.Boots = true, op.Boots
			return do(m.ID, action, "%s", why)
		}
		return advance(op, InitLink, "it has its identity, slot and settings")
	case InitLink:
		return advance(op, InitVerify, "it follows nobody: it is alone so far")
	case InitVerify:
		if !hasBeat(seen, m.ID) {
			return wait("the heartbeat of %s has not arrived there", m.ID)
		}
		return advance(op, InitOpen, "its heartbeat arrives")
	case InitOpen:
		if why := unprepared(s, m, seen); why != "" {
			return stuck("member %s was restarted while the ring was made (%s): abort with `sqlring operation abort %s` and start again", m.ID, why, op.ID)
		}
		if seen.ReadOnly || seen.Boot != m.Boot {
			return do(m.ID, Action{Kind: ActOpen, Identity: m.Identity, Boot: m.Boot}, "all is verified, it may take writes")
		}
		order := SemiSyncOff
		if s.Ring.Durability == DurabilitySemiSync {
			order = SemiSyncDegraded
		}
		return commit(OpenRing{Operation: op.ID, SemiSync: order, Proxies: proxies(o)}, "the ring begins with %s alone", m.ID)
	}
	return stuck("operation %s stands at %q, which is not a step of init", op.ID, op.Cursor)
}

func initDataPreflight(s *Snapshot, op Operation, m Member, seen Observation) Step {
	if step, ours := noStranger(s, m, seen); !ours {
		return step
	}
	seen.Settings.ReadOnlyInFile = seen.Settings.ReadOnlyInFile || op.Boots
	switch missing := unsafeStatics(seen); {
	case !seen.Version.fitsRing():
		return stuck("member %s is %s: a ring is made of MariaDB 10.5, or MySQL 8.0.26, or later", m.ID, seen.Version)
	case seen.Link.Upstream != "":
		return stuck("member %s follows %s already: end that first (%s)", m.ID, seen.Link.Upstream, seen.Version.Unfollow())
	case len(missing) == 1 && missing[0] == "read_only=1" && !seen.ReadOnly:
		return stuck("member %s: read_only was set by SQL, so it can not be seen whether its config file has read_only=1; if it has: sqlring operation abort %s, and ring init again with --boots-closed", m.ID, op.ID)
	case len(missing) > 0:
		return stuck("member %s: its config file lacks %s; add the lines under [%s] and restart it", m.ID, strings.Join(missing, ", "), seen.Version.Section())
	}
	if step, ok := initSource(s, op, m, seen); !ok {
		return step
	}
	return advance(op, InitPrepare, "%s answers and fits; it goes on serving", m.ID)
}
