package lease

import (
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Request is what a node tells the leader, and asks it: a lease for each Writer that
// knows the epoch that stands.
type Request struct {
	Node    topology.NodeID   `json:"node"`
	Start   int64             `json:"start"` // of the process, unix nanoseconds
	Seq     uint64            `json:"seq"`   // counts the requests of the process
	Witness bool              `json:"witness,omitempty"`
	Writers []topology.Writer `json:"writers"`       // At does not count
	Seen    []Seen            `json:"seen"`          // the node's own look at the members
	Law     int               `json:"law,omitempty"` // topology.Law that the node knows; 0: of an earlier release
	// Gates are those of the node's proxy that are, or were, saturated.
	Gates []topology.GateWord `json:"gates,omitempty"`
	Site  string              `json:"site,omitempty"`  // where the node stands
	Hears []topology.Hearing  `json:"hears,omitempty"` // nodes that have answered it within about a second
}

// Seen is how a node sees a member. Ages, not times: clocks are not compared.
type Seen struct {
	Member topology.MemberID `json:"member"`
	Reach  topology.Reach    `json:"reach"`
	Boot   uint64            `json:"boot"`
	Age    time.Duration     `json:"age"` // of the probe
}

// Answer is what the leader says. Each lease lasts for topology.LeaseTTL from when the
// request was sent.
type Answer struct {
	Leader topology.NodeID `json:"leader"`
	Given  []Given         `json:"given"`
	// Step is what the leader does, for people; At its age.
	Step topology.Step `json:"step"`
	Age  time.Duration `json:"age"`
}

// Given is one lease.
type Given struct {
	Unit  topology.UnitID `json:"unit"`
	Epoch uint64          `json:"epoch"`
}
