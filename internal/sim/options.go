package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Options is everything that a run depends on. Equal options give equal runs.
type Options struct {
	Seed       uint64
	Members    int // 2 or 3
	Nodes      int // processes, each with a proxy
	Voters     int // the first of them: 1, 3 or 5; the others are observers
	Clients    int
	Units      int           // how many there are to be; maxUnits at most
	Grows      int           // members that are added at random moments, at most
	Data       bool          // the first member holds data when the ring is made
	Empties    bool          // the binlog of a member that owns nothing is emptied at random moments
	Replays    bool          // what members in quarantine hold is replayed at random moments
	Adopts     bool          // the servers replicate in a circle already when the ring is made
	Moves      bool          // units are moved at random moments
	Sites      bool          // members and voters stand at two sites, and a voter at a third; the two are parted at random
	Witness    bool          // that one, or the last of five, looks at nothing, and does not lead
	Stops      bool          // nodes are stopped for a while, and go on with what they were about to do
	Continues  bool          // isolation is set to continue at random moments, and to fence
	Dissolves  bool          // the ring is dissolved in the end
	Resizes    bool          // the stride is resized at random moments; it begins tight
	Leaves     bool          // members are removed and maintained at random moments
	Scheduler  bool          // a server boots with its events running
	Storm      time.Duration // how long faults are drawn
	Every      time.Duration // mean time between two of them
	Durability topology.Durability
	Degraded   topology.DegradedPolicy
	Updates    bool    // some writes overwrite a row: their tail may not flow
	Double     bool    // a second member may be lost while the first is out
	Slow       bool    // appliers are slow from the beginning
	Flaky      float64 // probability that a statement or command meets a fault
	Trace      bool
	Record     bool   // Result has the grants and the writes that were acknowledged
	Deaf       string // a law that is not enforced, for who looks with other means
	Mutation   Mutation
}

// Draw returns the options of a seed: the seed decides the shape of the world.
func Draw(seed uint64) Options {
	rng := rand.New(rand.NewPCG(seed, 0xcafe))
	o := Options{
		Seed: seed, Members: 2 + rng.IntN(2), Nodes: 1, Clients: 3 + rng.IntN(3),
		Storm: time.Duration(15+rng.IntN(20)) * time.Second,
		Every: time.Duration(800+rng.IntN(2500)) * time.Millisecond,
		Flaky: []float64{0, 0.01, 0.04}[rng.IntN(3)],
	}
	o.Updates = rng.IntN(4) == 0
	o.Double = o.Members == 3 && rng.IntN(6) == 0
	o.Voters = 1
	switch rng.IntN(8) {
	case 0, 1:
		o.Nodes = 2
	case 2, 3:
		o.Nodes, o.Voters = 3, 3
	case 4:
		o.Nodes, o.Voters = 4, 3
	}
	if rng.IntN(8) == 0 {
		o.Degraded = topology.DegradedRefuse
	}
	if rng.IntN(10) == 0 {
		o.Durability = topology.DurabilityAsync
	}
	planned := rand.New(rand.NewPCG(seed, 0xd1ce)) // apart: what was drawn before stays
	o.Moves, o.Units = planned.IntN(2) == 0, 1
	if planned.IntN(3) == 0 {
		o.Units = 2 + planned.IntN(maxUnits-1)
	}
	leaving := rand.New(rand.NewPCG(seed, 0x1eaf))
	o.Leaves = leaving.IntN(3) == 0
	o.Dissolves = leaving.IntN(4) == 0
	growing := rand.New(rand.NewPCG(seed, 0x9409))
	if growing.IntN(3) == 0 {
		o.Grows = 1 + growing.IntN(2)
	}
	o.Data = growing.IntN(5) == 0
	o.Scheduler = rand.New(rand.NewPCG(seed, 0xe7e7)).IntN(2) == 0
	o.Resizes = rand.New(rand.NewPCG(seed, 0x51de)).IntN(4) == 0
	sites := rand.New(rand.NewPCG(seed, 0x517e))
	if o.Voters == 3 && o.Members == 2 && o.Grows == 0 && sites.IntN(3) > 0 {
		o.Sites, o.Witness = true, sites.IntN(2) == 0
	}
	o.Replays = rand.New(rand.NewPCG(seed, 0x4e9a)).IntN(4) == 0
	o.Updates = o.Updates || o.Replays // else nothing is in quarantine
	o.Adopts = rand.New(rand.NewPCG(seed, 0xad09)).IntN(6) == 0 && !o.Data
	plain := o.Members == 3 && !o.Double && !o.Adopts && o.Degraded == topology.DegradedAllow
	o.Empties = rand.New(rand.NewPCG(seed, 0xe397)).IntN(2) == 0 && plain
	o.drawLater()
	o.drawIsolation()
	return o
}

const maxUnits = 3

// String prints all that the seed decided.
func (o Options) String() string {
	return fmt.Sprintf("seed=%d members=%d nodes=%d voters=%d clients=%d storm=%s every=%s durability=%s degraded=%s updates=%t double=%t flaky=%g units=%d moves=%t leaves=%t dissolves=%t grows=%d data=%t adopts=%t replays=%t sites=%t witness=%t resizes=%t empties=%t scheduler=%t stops=%t continues=%t",
		o.Seed, o.Members, o.Nodes, o.Voters, o.Clients, o.Storm, o.Every, o.Durability, o.Degraded, o.Updates, o.Double, o.Flaky, o.Units, o.Moves, o.Leaves, o.Dissolves, o.Grows, o.Data, o.Adopts, o.Replays, o.Sites, o.Witness, o.Resizes, o.Empties, o.Scheduler, o.Stops, o.Continues)
}

// Mutation breaks one rule of the code under test, or of the model where it
// stands for code of ours. The zero value breaks none.
type Mutation struct {
	Name string
	// Seen edits what the controller sees.
	Seen func(*World, topology.Observations) topology.Observations
	// Act edits what the controller orders; false drops the action and says it
	// was done.
	Act func(*World, topology.Member, topology.Action) (topology.Action, bool)

	Careless      bool // links are changed without looking whether all is applied
	KeepLease     bool // a proxy does not look at its lease after it has read an OK
	Unverified    bool // a leader gives leases without asking the majority whether it leads
	FromAnswer    bool // a lease counts from when its answer came
	ByTimer       bool // a lease is over when a timer says so; the clock is not looked at
	Hasty         bool // a new leader does not wait for what the one before it gave
	Resend        bool // a proxy sends a write again whose answer was lost
	FailedUnknown bool // a proxy says "failed" where it does not know
	StopBoth      bool // stopping the receiver stops and starts the applier too
	KeepSessions  bool // sessions of before are not ended when a server is taken over
	EqualIDs      bool // a server whose two ids are equal is taken for one that is prepared, whatever was issued to it
	StartUnnoted  bool // what a server holds is not noted before its threads are started, as an adoption is given up
	NoSchema      bool // a server gets the schema sqlring only when it is taken over
	Unmarked      bool // a transaction is replayed whether its mark is there or not
	AnySlot       bool // an adopted server may get a slot that is not within what it gives out
	Unnoted       bool // what a server wrote before the ring was made is not noted as applied
	AlwaysQuiet   bool // a proxy says that nothing is under way, whatever is
	EagerAck      bool // a receiver acknowledges what it has not written down
	OldLaw        bool // raft's state has the law of the release before
}
