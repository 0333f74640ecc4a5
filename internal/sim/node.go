package sim

import (
	"context"
	"time"

	"github.com/sqlring/sqlring/internal/controller"
	"github.com/sqlring/sqlring/pkg/topology"
)

// The controller's pauses, as its Run keeps them.
const (
	tickIdle  = 250 * time.Millisecond
	tickPause = 500 * time.Millisecond
)

// node is one sqlring process: a proxy, and on a voter eyes, and hands while it
// leads.
type node struct {
	w     *World
	id    topology.NodeID
	voter bool
	up    bool
	busy  time.Duration // until then everything in it takes long
	began time.Duration // when it started

	knows   *node              // whom it takes for the leader
	applied *topology.Snapshot // the newest state that it has
	eyes    *eyes
	fleet   *fleet // of its last leadership; nil: it has not led yet
	ctl     *controller.Controller
	proxy   *proxy
	writers map[topology.NodeID]report  // what the nodes have said in this leadership
	grants  map[grantKey]topology.Grant // what it has given in this leadership
	others  map[topology.NodeID][]topology.Sighting

	turn    int // counts planned ticks; only the last one counts
	ticking bool
	dirty   bool // something was seen during the tick
	paused  bool // after an error: nothing wakes it

	stopped bool          // by a signal
	trap    time.Duration // for so long it stops at the next seam; 0: it does not
	fell    time.Duration // when it was stopped last
	woke    time.Duration // when it went on
	slept   time.Duration // for how long it had been stopped then
	waits   []func()      // what happens when it goes on
}

func newNode(w *World, id topology.NodeID) *node {
	return &node{w: w, id: id, voter: len(w.nodes) < w.opt.Voters, applied: topology.NewSnapshot()}
}

func (n *node) host() endpoint { return endpoint(n.id) }

// start starts the process: it remembers nothing but raft's log.
func (n *node) start() {
	n.up, n.began = true, n.w.now
	n.w.say(string(n.id), "starts")
	n.knows, n.fleet = n.w.lead, nil
	n.proxy = newProxy(n.w, n)
	if n.voter {
		n.eyes = newEyes(n.w, n)
	}
	if n == n.w.lead { // nobody else was elected meanwhile
		n.lead()
	}
	n.learn(n.w.log.snap)
	n.proxy.begin()
}

// crash ends the process as kill -9 does. What it had sent is on its way.
func (n *node) crash() {
	if !n.up {
		return
	}
	n.w.say(string(n.id), "killed")
	n.up = false
	n.goOn()
	n.proxy.die()
	if n.voter {
		n.eyes.dead = true
	}
	if n.fleet != nil {
		n.fleet.over, n.fleet.dead = true, true
	}
	n.turn++
}

// lead begins a leadership: a fresh controller, a fresh term, fresh hands, and no
// memory of what earlier leaders have given.
func (n *node) lead() {
	n.fleet = newFleet(n.w, n)
	n.knows, n.applied = n, n.w.log.snap
	n.writers, n.grants = map[topology.NodeID]report{}, map[grantKey]topology.Grant{}
	n.others = map[topology.NodeID][]topology.Sighting{}
	n.ctl = controller.New(controller.Config{Node: n.id, Clock: n.w.clock}, leaderLog{n.w.log, n, n.fleet}, mutated{n.fleet}, n.eyes)
	began := n.w.clock()
	if n.w.opt.Mutation.Hasty {
		began = began.Add(-2 * topology.LeaseTTL)
	}
	n.ctl.Begin(began)
	n.ticking, n.dirty, n.paused = false, false, false
	n.plan(n.w.between(0, 20*time.Millisecond))
}

// depose ends the leadership in the middle of whatever it does; this node or
// another one leads next. What the old one was about to send, it sends when it
// wakes.
func (n *node) depose() {
	w := n.w
	if !n.alive() || n.fleet == nil || n.fleet.over || w.lead != n {
		return
	}
	if len(w.voters()) > 1 && w.chance(0.7) {
		if next := w.candidate(n); next != nil {
			w.elect(next)
		}
		return
	}
	w.say(string(n.id), "leadership ends")
	n.fleet.over = true
	n.turn++
	eyes := n.eyes
	n.after(w.between(10*time.Millisecond, 400*time.Millisecond), func() {
		if n.up && n.eyes == eyes && w.lead == n {
			w.say(string(n.id), "leads again")
			n.lead()
		}
	})
}

// wake lets the controller look at what was just seen.
func (n *node) wake() {
	switch {
	case !n.up || n.fleet == nil || n.fleet.over || n.paused:
	case n.ticking:
		n.dirty = true
	default:
		n.plan(0)
	}
}

func (n *node) plan(d time.Duration) {
	n.turn++
	turn := n.turn
	n.after(d+n.stutter(), func() {
		if n.turn == turn && n.up {
			n.tick()
		}
	})
}

func (n *node) tick() {
	f := n.fleet
	n.ticking, n.dirty, n.paused = true, false, false
	d := n.ctl.Tick(context.Background(), n.w.clock())
	if f.over || n.fleet != f || n.w.broken != nil {
		return
	}
	n.ticking = false
	if n == n.w.lead {
		n.w.laws.decided(n, d)
	}
	switch {
	case d.Error != "":
		n.paused = true
		n.plan(tickPause)
	case d.Step.Kind == topology.StepCommit || n.dirty:
		n.plan(0)
	default:
		n.plan(tickIdle)
	}
}

// stutter is how much longer than usual something takes in a busy process.
func (n *node) stutter() time.Duration {
	if n.w.now >= n.busy {
		return 0
	}
	return n.w.between(0, 700*time.Millisecond)
}

// learn brings a snapshot to a node: its proxy takes it in a moment later.
func (n *node) learn(snap *topology.Snapshot) {
	if !n.up {
		return
	}
	p := n.proxy
	take := func() {
		n.applied = newer(n.applied, snap)
		p.learn(snap)
	}
	if n == n.w.lead {
		n.run(func() { n.applied = newer(n.applied, snap) })
		n.after(n.w.between(0, 20*time.Millisecond), take)
		return
	}
	n.w.after(n.w.between(0, 50*time.Millisecond), func() {
		n.w.net.send(n.w.lead.host(), n.host(), take)
	})
}

// newer returns the second state if it is newer than the first.
func newer(has, comes *topology.Snapshot) *topology.Snapshot {
	if comes.Index > has.Index {
		return comes
	}
	return has
}

// mutated is the fleet with a mutation's hook in front.
type mutated struct{ f *fleet }

// Execute implements controller.Fleet.
func (m mutated) Execute(ctx context.Context, member topology.Member, a topology.Action) error {
	if act := m.f.w.opt.Mutation.Act; act != nil {
		changed, do := act(m.f.w, member, a)
		if !do {
			return nil
		}
		a = changed
	}
	return m.f.Execute(ctx, member, a)
}
