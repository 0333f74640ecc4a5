package topology

import (
	"fmt"
	"slices"
	"time"
)

// Place is where a node stands, and whom it hears, by its last word. The zero Site is not
// known.
type Place struct {
	Node NodeID `json:"node"`
	Site string `json:"site,omitempty"`
	// HeardAt is when its last word reached the leader, on the leader's clock.
	HeardAt time.Time `json:"heard_at"`
	// Hears are the nodes that answered it within about a second before that.
	Hears []Hearing `json:"hears,omitempty"`
}

// Hearing is a node that has answered another one, and where it stands.
type Hearing struct {
	Node NodeID `json:"node"`
	Site string `json:"site,omitempty"`
}

// severance says that a site and this one do not reach each other, while a third party
// reaches both. Its zero value says that they do, or that it is not known.
type severance struct {
	site, from string // of the two, the leader stands at from
	by         NodeID // reaches both
}

func (v severance) String() string {
	return fmt.Sprintf("sites %s and %s do not reach each other, node %s reaches both", v.from, v.site, v.by)
}

// severed reports whether a site is cut off from the leader's: nothing that stands there
// is reached, member or node, and a node of neither site, which is heard, has lately
// heard a node there or seen a member there answer. What was said to be refused is
// reached: a machine there has refused it. A site of which nobody says anything may as
// well be dead.
func severed(s *Snapshot, site string, o Observations, now time.Time) (severance, bool) {
	if site == "" || o.Site == "" || site == o.Site {
		return severance{}, false
	}
	there := func(h Hearing) bool { return h.Site == site }
	heard := func(p Place) bool { return p.Site == site && now.Sub(p.HeardAt) <= MaxAge }
	if slices.ContainsFunc(o.Hears, there) || slices.ContainsFunc(o.Places, heard) {
		return severance{}, false
	}
	for _, m := range s.Members {
		if seen, _ := o.Of(m.ID); m.Site == site && !(seen.Reach == ReachSilent && failing(seen, now)) {
			return severance{}, false
		}
	}
	for _, p := range o.Places {
		if p.Site == site || p.Site == o.Site || p.Site == "" || now.Sub(p.HeardAt) > MaxAge {
			continue
		}
		if slices.ContainsFunc(p.Hears, there) || o.seesAt(s, p.Node, site, now) {
			return severance{site: site, from: o.Site, by: p.Node}, true
		}
	}
	return severance{}, false
}

// seesAt reports whether a node has lately seen a member of a site answer.
func (o Observations) seesAt(s *Snapshot, node NodeID, site string, now time.Time) bool {
	return slices.ContainsFunc(o.Others, func(x Sighting) bool {
		m, known := s.Member(x.Member)
		return x.Node == node && known && m.Site == site && x.Reach == ReachAnswers && now.Sub(x.At) <= MaxAge
	})
}

// siteOf returns where a node stands, "" if that is not known.
func (o Observations) siteOf(node NodeID) string {
	for _, p := range o.Places {
		if p.Node == node {
			return p.Site
		}
	}
	return ""
}

// checkSites lists the sites that are severed from the leader's.
func checkSites(s *Snapshot, o Observations, now time.Time) []Violation {
	var found []Violation
	var sites []string
	for _, m := range s.Members {
		if slices.Contains(sites, m.Site) {
			continue
		}
		sites = append(sites, m.Site)
		if cut, ok := severed(s, m.Site, o, now); ok {
			found = append(found, Violation{
				Rule: "severed", Severity: SeverityBroken,
				What:   fmt.Sprintf("%s: this side has the quorum and goes on, at %s nothing is written until they are joined", cut, cut.site),
				Remedy: "mend the network between the sites; the ring becomes whole by itself",
			})
		}
	}
	return found
}
