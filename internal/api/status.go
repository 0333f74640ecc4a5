package api

import (
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Status is everything that one needs to see of a ring. docs/api.md explains
// each field; names are stable.
type Status struct {
	Ring           string      `json:"ring" doc:"name of the ring; empty: there is none yet"`
	Node           string      `json:"node" doc:"the node that answers"`
	Leader         string      `json:"leader" doc:"the node that leads the controllers; empty: nobody"`
	At             time.Time   `json:"at" doc:"when this was computed"`
	Health         Health      `json:"health" enum:"ok,degraded,down"`
	Reasons        []string    `json:"reasons" doc:"why health is not ok, the worst first"`
	Stride         int         `json:"stride" doc:"auto_increment_increment of every member; 0 without a ring"`
	Durability     string      `json:"durability" doc:"semisync or async; empty without a ring"`
	DegradedPolicy string      `json:"degraded_policy" doc:"allow or refuse; empty without a ring"`
	Members        []Member    `json:"members" doc:"in ring order"`
	Units          []Unit      `json:"units"`
	Operation      *Operation  `json:"operation" doc:"the operation that runs; null: none"`
	Step           *Step       `json:"step" doc:"what the controller decided last; null unless this node leads"`
	Violations     []Violation `json:"violations" doc:"where what is seen breaks what is meant"`
	Proxy          ProxyStats  `json:"proxy"`
	Admissions     []Admission `json:"admissions" doc:"which share of their places for writes the owners give away: fewer while others lag"`
	APISocket      string      `json:"api_socket" doc:"path of the unix socket that takes changes; empty: none"`
	Next           []string    `json:"next" doc:"what to type, after what is wrong; a few blanks, then a word on it may follow"`
}

// Violation is one way in which what is seen breaks what is meant.
type Violation struct {
	Rule     string `json:"rule"`
	Severity string `json:"severity" doc:"warning or broken"`
	Member   string `json:"member" doc:"empty: the ring"`
	What     string `json:"what"`
	Remedy   string `json:"remedy" doc:"what to type or change; empty: sqlring sees to it"`
}

func (l look) status() Status {
	s := Status{
		Node: string(l.node), At: l.now.UTC(), Members: l.members(), Units: l.units(),
		Admissions: l.admissions(), Step: l.lastStep(), Violations: l.violations(), Proxy: l.proxyStats(), APISocket: l.apiSocket,
	}
	if l.hasLeader {
		s.Leader = string(l.leader)
	}
	if ring := l.snap.Ring; ring != nil {
		s.Ring, s.Stride = ring.Name, ring.Stride
		s.Durability, s.DegradedPolicy = ring.Durability.String(), ring.Degraded.String()
	}
	if op, ok := l.snap.Running(); ok {
		shown := l.operation(op)
		s.Operation = &shown
	}
	s.Health, s.Reasons = l.health()
	s.Next = l.next()
	return s
}

func (l look) violations() []Violation {
	found := []Violation{}
	for _, v := range topology.Check(l.snap, l.obs, l.now) {
		found = append(found, Violation{
			Rule: v.Rule, Severity: v.Severity.String(), Member: string(v.Member), What: v.What, Remedy: v.Remedy,
		})
	}
	return found
}

func (l look) proxyStats() ProxyStats {
	p := l.proxy
	if p.Refused == nil {
		p.Refused = map[string]uint64{}
	}
	if p.Pools == nil {
		p.Pools = []ProxyPool{}
	}
	return p
}
