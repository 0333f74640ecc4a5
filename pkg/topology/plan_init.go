package topology

import (
	"slices"
	"strings"
	"time"
)

// The steps of operation init, in order. A crash at any of them leaves members
// that are closed and that nobody is sent to.
const (
	InitPreflight Cursor = "preflight" // every server answers, is empty, and fits
	InitPrepare   Cursor = "prepare"   // identity, slot and settings, member by member
	InitLink      Cursor = "link"      // each follows the one before it
	InitVerify    Cursor = "verify"    // the heartbeat of each arrives at each
	InitOpen      Cursor = "open"      // semi-sync armed, the owner opened
)

func initCursors() []Cursor {
	return []Cursor{InitPreflight, InitPrepare, InitLink, InitVerify, InitOpen}
}

func nextInit(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	if op.Data {
		return nextInitData(s, op, o, now)
	}
	for _, m := range s.Members {
		if _, ok := o.Good(m.ID, now); !ok {
			seen, _ := o.Of(m.ID)
			return unheard(m.ID, seen, now)
		}
	}
	switch op.Cursor {
	case InitPreflight:
		return initPreflight(s, op, o)
	case InitPrepare:
		return initPrepare(s, op, o)
	case InitLink:
		return initLink(s, op, o, now)
	case InitVerify:
		return initVerify(s, op, o, now)
	case InitOpen:
		return initOpen(s, op, o, now)
	}
	return stuck("operation %s stands at %q, which is not a step of init", op.ID, op.Cursor)
}

// noStranger reports whether a server that is to be in a ring from now on is in no other one. It is
// asked first: what mends anything else that is in the way would take that ring apart.
func noStranger(s *Snapshot, m Member, seen Observation) (Step, bool) {
	if strange := s.SlotTable().Strange(seen.Slots); strange != "" {
		return stuck("member %s belongs to a ring: %s; if that ring is gone: SET SESSION sql_log_bin=0; DROP DATABASE sqlring on it", m.ID, strange), false
	}
	return Step{}, true
}

func initPreflight(s *Snapshot, op Operation, o Observations) Step {
	first, _ := o.Of(s.Members[0].ID)
	for _, m := range s.Members {
		seen, _ := o.Of(m.ID)
		if step, ours := noStranger(s, m, seen); !ours {
			return step
		}
		switch {
		case !seen.Version.fitsRing():
			return stuck("member %s is %s: a ring is made of MariaDB 10.5, or MySQL 8.0.26, or later", m.ID, seen.Version)
		case seen.Version.Series() != first.Version.Series():
			return stuck("member %s is %s, %s is %s: a ring has one release series", m.ID, seen.Version, first.Member, first.Version)
		case len(seen.Schemas) > 0:
			return stuck("member %s is not empty, it has the schema %s: init takes empty servers, or with --from one that holds data; if it is not needed, on each of them: SET SESSION sql_log_bin=0; DROP DATABASE %s; init goes on by itself then",
				m.ID, strings.Join(seen.Schemas, ", "), seen.Schemas[0])
		case seen.Link.Upstream != "":
			return stuck("member %s follows %s already: end that first (%s)", m.ID, seen.Link.Upstream, seen.Version.Unfollow())
		}
		if missing := unsafeStatics(seen); len(missing) > 0 {
			return stuck("member %s: its config file lacks %s; add the lines under [%s] and restart it", m.ID, strings.Join(missing, ", "), seen.Version.Section())
		}
		if step, ok := initSource(s, op, m, seen); !ok {
			return step
		}
	}
	return advance(op, InitPrepare, "all %d members answer, are empty and fit", len(s.Members))
}

// staticLine is a line of a server's config file, and whether it is in force.
type staticLine struct {
	ok   bool
	text string
}

// UnsafeStatics lists the lines that the config file of a server lacks.
func UnsafeStatics(seen Observation) []string { return unsafeStatics(seen) }

// unsafeStatics lists the lines that the config file of a server must have. Nothing
// that is set on a MariaDB by SQL survives a restart. Of MySQL these are its defaults,
// the GTID mode of 8.0 aside; the rest is persisted when a member is prepared.
func unsafeStatics(seen Observation) []string {
	v := seen.Settings
	lines := []staticLine{
		{v.LogBin, "log_bin"},
		{v.LogReplica && v.LogReplicaInFile, "log_slave_updates=1"},
		{v.ReadOnlyInFile, "read_only=1"},
		{v.RowFormat, "binlog_format=ROW"},
	}
	if seen.Version.Flavour == FlavourMySQL {
		lines = []staticLine{
			{v.LogBin, "log_bin"},
			{v.LogReplica, "log_replica_updates=1"},
			{v.RowFormat, "binlog_format=ROW"},
			{v.GTIDStrict, "gtid_mode=ON, enforce_gtid_consistency=ON"},
			{!v.RelayRecovery, "relay_log_recovery=0"},
		}
	}
	var missing []string
	for _, line := range lines {
		if !line.ok {
			missing = append(missing, line.text)
		}
	}
	return missing
}

func initPrepare(s *Snapshot, op Operation, o Observations) Step {
	for _, m := range s.Members {
		seen, _ := o.Of(m.ID)
		if why := unprepared(s, m, seen); why != "" {
			return do(m.ID, prepareAction(s, m, true), "%s", why)
		}
	}
	return advance(op, InitLink, "every member has its identity, slot and settings")
}

func prepareAction(s *Snapshot, m Member, fresh bool) Action {
	return Action{
		Kind: ActPrepare, Identity: m.Identity, Retired: m.Retired,
		Layout: m.Layout(s.Ring.Stride), Fresh: fresh,
	}
}

// unprepared says what a member still lacks of ActPrepare, "" for nothing.
func unprepared(s *Snapshot, m Member, seen Observation) string {
	v := seen.Settings
	switch {
	case !seen.Carries(m):
		return "its identity is not set"
	case !s.CountsAs(m, seen.Layout) && !(m.State == MemberActive && seen.Layout.Within(m.Layout(s.Ring.Stride))):
		return "its auto_increment slot is not set"
	case !seen.HasRing:
		return "the schema sqlring is not there"
	case !v.GTIDStrict || !v.IgnoreDuplicates || !v.StrictDDL || v.ParallelThreads != 0:
		return "its GTID and applier rules are not set"
	case v.NetTimeout > 2:
		return "its network timeouts are not set"
	case !v.EndlessWait || !v.AfterSync:
		return "its side of semi-sync is not set"
	case seen.Version.Flavour == FlavourMySQL && !v.ReadOnlyInFile:
		return "it would come up open after a restart"
	}
	return ""
}

func initLink(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	if step, ok := allFollow(s, o, now); !ok {
		return step
	}
	return advance(op, InitVerify, "each member follows the one before it")
}

// allFollow reports whether each member follows the one before it, or else the step that
// is due.
func allFollow(s *Snapshot, o Observations, now time.Time) (Step, bool) {
	for _, m := range s.Members {
		upstream, _ := s.Upstream(m.ID)
		if step, ok := follow(s, m, upstream, true, o, now); !ok {
			return step, false
		}
	}
	return Step{}, true
}

func initVerify(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	if step, ok := allFollow(s, o, now); !ok { // a receiver that stopped since is started again
		return step
	}
	for _, m := range s.Members {
		seen, _ := o.Of(m.ID)
		for _, origin := range s.Members {
			if !hasBeat(seen, origin.ID) {
				return wait("the heartbeat of %s has not arrived at %s", origin.ID, m.ID)
			}
		}
	}
	return advance(op, InitOpen, "the heartbeat of each member arrives at each")
}

func hasBeat(seen Observation, origin MemberID) bool {
	return slices.ContainsFunc(seen.Beats, func(b Beat) bool { return b.Origin == origin && b.Seq > 0 })
}

func initOpen(s *Snapshot, op Operation, o Observations, now time.Time) Step {
	owner := s.Members[0]
	for _, m := range s.Members {
		seen, _ := o.Of(m.ID)
		if why := unprepared(s, m, seen); why != "" {
			return stuck("member %s was restarted while the ring was made (%s): abort with `sqlring operation abort %s` and start again", m.ID, why, op.ID)
		}
		if m.ID != owner.ID && seen.Boot != m.Boot {
			return do(m.ID, Action{Kind: ActStamp, Boot: m.Boot}, "it is verified and stays closed: it owns no unit")
		}
	}
	if step, ok := allFollow(s, o, now); !ok {
		return step
	}
	order := SemiSyncOff
	if s.Ring.Durability == DurabilitySemiSync {
		if step, ok := armed(s, owner, o); !ok {
			return step
		}
		order = SemiSyncArmed
	}
	seen, _ := o.Of(owner.ID)
	if seen.ReadOnly || seen.Boot != owner.Boot {
		return do(owner.ID, openAction(owner), "all is verified, it may take writes")
	}
	return commit(OpenRing{Operation: op.ID, SemiSync: order, Proxies: proxies(o)}, "every member is verified")
}

func advance(op Operation, to Cursor, format string, args ...any) Step {
	return commit(AdvanceOperation{Operation: op.ID, From: op.Cursor, To: to}, format, args...)
}
