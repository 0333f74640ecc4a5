package api

import (
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Member is one server of the ring: what is meant, and beside it what was seen.
// What was seen is null, empty or "unknown" when the server did not answer
// within the last two seconds.
type Member struct {
	Name     string     `json:"name"`
	Addr     string     `json:"addr" doc:"host:port"`
	Site     string     `json:"site"`
	State    string     `json:"state" doc:"joining, active, down, returning, quarantined, held, leaving or maintenance"`
	Why      string     `json:"why" doc:"why it is in that state, or why it is not known how it is"`
	Owns     []string   `json:"owns" doc:"the units that it owns"`
	Drained  bool       `json:"drained" doc:"it stays in the ring and is to serve nobody: sqlring master resume"`
	Direct   bool       `json:"direct" doc:"it was adopted, and takes writes past sqlring: sqlring ring adopt --close"`
	Leaving  string     `json:"leaving" doc:"removal or maintenance, if it is to leave or is out for it; else empty"`
	Until    *time.Time `json:"until" doc:"when its maintenance ends by itself; else null"`
	Slot     int        `json:"slot" doc:"its auto_increment_offset"`
	Identity uint32     `json:"identity" doc:"its server_id, and gtid_domain_id on MariaDB"`

	Reach        string `json:"reach" doc:"answers, refused, silent, denied or unknown"`
	ReachSinceMS *int64 `json:"reach_since_ms" doc:"for how long it has been so"`
	AgeMS        *int64 `json:"age_ms" doc:"how old the last probe is; null: never probed"`
	Version      string `json:"version"`
	ReadOnly     *bool  `json:"read_only" doc:"null: not known"`

	Weight int         `json:"weight" doc:"its share of the reads, relative to the others'"`
	Lag    MemberLevel `json:"lag" doc:"its lag level, and why"`
	// LagMS and LagErrMS say how stale the member is with respect to each origin:
	// the truth lies between lag_ms and lag_ms + lag_err_ms.
	LagMS    map[string]*int64 `json:"lag_ms" doc:"by origin; null: not known"`
	LagErrMS map[string]*int64 `json:"lag_err_ms" doc:"by origin; null: not known"`
	// LagWas is what was known last of a lag that is not known now.
	LagWas map[string]LagWas `json:"lag_was" doc:"by origin, those only whose lag is not known now and was before"`

	SemiSync SemiSync `json:"semi_sync"`
	Upstream string   `json:"upstream" doc:"the member that it is meant to follow; empty: none"`
	Cut      string   `json:"cut" doc:"while it is out: the last position of its own that a survivor had; else empty"`
	Link     *Link    `json:"link" doc:"whom it follows, and how; null: not known"`
}

// SemiSync is whether a member's commits wait for its acker.
type SemiSync struct {
	Ordered string `json:"ordered" doc:"off, armed or degraded: what stands in raft"`
	On      *bool  `json:"on" doc:"whether commits do wait; null: not known"`
	Ackers  *int   `json:"ackers" doc:"connected ackers; null: not known"`
	Waiting *int   `json:"waiting" doc:"commits that wait now; null: not known"`
}

// LagWas is a lag of a while ago: it says nothing of now.
type LagWas struct {
	LowMS  int64 `json:"low_ms" doc:"it was at least this"`
	HighMS int64 `json:"high_ms" doc:"it was at most this"`
	AgeMS  int64 `json:"age_ms" doc:"so long ago"`
}

// Link is a member's connection to its upstream.
type Link struct {
	Upstream string `json:"upstream" doc:"host:port; empty: it follows nobody"`
	Receiver string `json:"receiver" doc:"stopped, connecting, running or unknown"`
	Applier  string `json:"applier" doc:"stopped, connecting, running or unknown"`
	Errno    int    `json:"errno" doc:"error number of the applier, else of the receiver; 0: none"`
	Error    string `json:"error"`
}

func (l look) members() []Member {
	members := make([]Member, 0, len(l.snap.Members))
	for _, m := range l.snap.Members {
		members = append(members, l.member(m))
	}
	return members
}

func (l look) member(m topology.Member) Member {
	shown := Member{
		Name: string(m.ID), Addr: m.Addr, Site: m.Site, State: m.State.String(), Why: m.Why,
		Owns: []string{}, Drained: m.Drained, Direct: m.Direct, Slot: m.Slot, Identity: m.Identity,
		LagMS: map[string]*int64{}, LagErrMS: map[string]*int64{}, LagWas: map[string]LagWas{},
		SemiSync: SemiSync{Ordered: m.SemiSync.String()}, Cut: m.Cut.String(),
	}
	if m.Leaving != nil {
		shown.Leaving = "removal"
		if until := m.Leaving.Until; !until.IsZero() {
			shown.Leaving, shown.Until = "maintenance", &until
		}
	}
	for _, u := range l.snap.Units {
		if u.Owner == m.ID {
			shown.Owns = append(shown.Owns, string(u.ID))
		}
	}
	if up, ok := l.snap.Upstream(m.ID); ok {
		shown.Upstream = string(up.ID)
	}
	shown.Weight, shown.Lag = max(1, m.Weight), l.level(m.ID)
	l.showSeen(m.ID, &shown)
	for _, origin := range l.snap.Members {
		if origin.ID == m.ID {
			continue
		}
		low, width := lagMillis(l.lag(origin.ID, m.ID))
		shown.LagMS[string(origin.ID)], shown.LagErrMS[string(origin.ID)] = low, width
		if was, ok := l.lagWas(origin.ID, m.ID); ok && low == nil {
			shown.LagWas[string(origin.ID)] = was
		}
	}
	return shown
}

// showSeen fills in what the last probe found, if it is fresh.
func (l look) showSeen(id topology.MemberID, shown *Member) {
	seen, good := l.obs.Good(id, l.now)
	shown.Reach, shown.AgeMS, shown.ReachSinceMS = seen.Reach.String(), l.age(seen.At), l.age(seen.Since)
	if !good {
		if shown.Why == "" {
			shown.Why = unseen(seen, l.now)
		}
		if seen.Reach == topology.ReachAnswers { // it did, too long ago
			shown.Reach, shown.ReachSinceMS = topology.ReachUnknown.String(), nil
		}
		return
	}
	shown.Version = seen.Version.String()
	shown.ReadOnly = &seen.ReadOnly
	shown.SemiSync.On = &seen.SemiSync.On
	shown.SemiSync.Ackers, shown.SemiSync.Waiting = &seen.SemiSync.Ackers, &seen.SemiSync.Waiting
	link := linkOf(seen)
	shown.Link = &link
}

func linkOf(seen topology.Observation) Link {
	link := Link{
		Upstream: seen.Link.Upstream, Receiver: seen.Link.Receiver.String(), Applier: seen.Link.Applier.String(),
		Errno: seen.Link.ApplierErrno, Error: seen.Link.ApplierError,
	}
	if link.Errno == 0 {
		link.Errno, link.Error = seen.Link.ReceiverErrno, seen.Link.ReceiverError
	}
	return link
}

// unseen says why nothing is known of a member now.
func unseen(seen topology.Observation, now time.Time) string {
	switch {
	case seen.At.IsZero():
		return "not probed yet"
	case seen.Error != "":
		return seen.Error
	}
	return fmt.Sprintf("its last answer is %d ms old", now.Sub(seen.At).Milliseconds())
}
