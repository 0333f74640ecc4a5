package sim

import (
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// The sites of a world that has some: a member and a voter at each of the first two, the
// third voter at the third, which looks at the members or is a witness.
func siteName(i int) string { return [...]string{"north", "south", "third"}[i] }

// site is where a server stands, "" in a world without sites.
func (s *server) site() string {
	i := slices.Index(s.w.servers, s)
	if !s.w.opt.Sites || i < 0 {
		return ""
	}
	return siteName(i % 2)
}

// site is where a node stands.
func (n *node) site() string {
	i := slices.Index(n.w.nodes, n)
	if !n.w.opt.Sites || i < 0 {
		return ""
	}
	return siteName(i % 3)
}

// witness reports whether a node votes, and looks at nothing and does not lead.
func (n *node) witness() bool {
	if !n.w.opt.Witness || !n.voter {
		return false
	}
	if n.w.opt.Sites {
		return n.site() == siteName(2)
	}
	return n == n.w.nodes[n.w.opt.Voters-1]
}

// hears returns the nodes that answer this one.
func (n *node) hears() []topology.Hearing {
	var heard []topology.Hearing
	for _, other := range n.w.nodes {
		if n.w.opt.Sites && other != n && other.alive() && n.w.net.whole(n.host(), other.host()) {
			heard = append(heard, topology.Hearing{Node: other.id, Site: other.site()})
		}
	}
	return heard
}

// partSites cuts the north off from the south, or the one or the other from the third
// site too. Nobody else is lost meanwhile.
func (n *nemesis) partSites() {
	w := n.w
	if n.parted || n.victimAiling() {
		return
	}
	cut := [][2]string{{siteName(0), siteName(1)}}
	if alone := w.rng.IntN(3); alone < 2 {
		cut = append(cut, [2]string{siteName(alone), siteName(2)})
	}
	d := w.between(300*time.Millisecond, 15*time.Second)
	w.say("nemesis", "sites %v do not reach each other", cut)
	var pairs [][2]endpoint
	for _, c := range cut {
		for _, a := range w.standing(c[0]) {
			for _, b := range w.standing(c[1]) {
				pairs = append(pairs, [2]endpoint{a, b})
				w.net.cut(a, b)
			}
		}
	}
	n.parted = true
	var ailments []*ailment
	for _, s := range w.servers {
		ailments = append(ailments, s.ails())
	}
	n.until(d, func() {
		n.parted = false
		for i, s := range w.servers {
			s.well(ailments[i])
		}
		for _, p := range pairs {
			w.net.mend(p[0], p[1])
		}
		w.say("nemesis", "the sites reach each other")
	})
}

// victimAiling reports whether some member is lost, or about to be.
func (n *nemesis) victimAiling() bool {
	for _, s := range n.w.servers {
		m, in := n.w.log.snap.Member(s.id)
		if s.ailing() || !in || m.State != topology.MemberActive || s.power != running || s.mem.boot != m.Boot {
			return true
		}
	}
	return false
}

// standing lists the machines of a site.
func (w *World) standing(site string) []endpoint {
	var there []endpoint
	for _, s := range w.servers {
		if s.site() == site {
			there = append(there, s.host())
		}
	}
	for _, x := range w.nodes {
		if x.site() == site {
			there = append(there, x.host())
		}
	}
	return there
}
