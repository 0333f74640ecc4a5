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

// node is one sqlring process: eyes, a proxy, and on the first node the hands.
type node struct {
	w     *World
	id    topology.NodeID
	leads bool
	up    bool
	busy  time.Duration // until then everything in it takes long

	eyes    *eyes
	fleet   *fleet
	ctl     *controller.Controller
	proxy   *proxy
	writers map[topology.NodeID]report // what other nodes have said

	turn    int // counts planned ticks; only the last one counts
	ticking bool
	dirty   bool // something was seen during the tick
	paused  bool // after an error: nothing wakes it
}

func newNode(w *World, id topology.NodeID) *node {
	return &node{w: w, id: id, leads: len(w.nodes) == 0}
}

func (n *node) host() endpoint { return endpoint(n.id) }

// start starts the process: it remembers nothing but raft's log.
func (n *node) start() {
	n.up = true
	n.w.say(string(n.id), "starts")
	n.proxy = newProxy(n.w, n)
	n.writers = map[topology.NodeID]report{}
	if n.leads {
		n.fleet = newFleet(n.w, n)
		n.eyes = newEyes(n.w, n)
		n.lead()
	}
	n.learn(n.w.log.snap)
}

// crash ends the process as kill -9 does. What it had sent is on its way.
func (n *node) crash() {
	if !n.up {
		return
	}
	n.w.say(string(n.id), "killed")
	n.up = false
	n.proxy.die()
	if n.leads {
		n.eyes.dead = true
		n.fleet.over, n.fleet.dead = true, true
	}
	n.turn++
}

// lead begins a leadership: a fresh controller, a fresh term, fresh hands.
func (n *node) lead() {
	n.ctl = controller.New(controller.Config{Node: n.id, Clock: n.w.clock}, leaderLog{n.w.log, n.fleet}, mutated{n.fleet}, n.eyes)
	n.ctl.Begin(n.w.clock())
	n.ticking, n.dirty, n.paused = false, false, false
	n.plan(n.w.between(0, 20*time.Millisecond))
}

// depose ends the leadership in the middle of whatever it does, and begins
// another one. What the old one was about to send, it sends when it wakes.
func (n *node) depose() {
	if !n.up || n.fleet.over {
		return
	}
	n.w.say(string(n.id), "leadership ends")
	n.fleet.over = true
	n.turn++
	eyes := n.eyes
	n.w.after(n.w.between(10*time.Millisecond, 400*time.Millisecond), func() {
		if n.up && n.eyes == eyes {
			n.w.say(string(n.id), "leads again")
			n.fleet = newFleet(n.w, n)
			n.lead()
		}
	})
}

// wake lets the controller look at what was just seen.
func (n *node) wake() {
	switch {
	case !n.up || n.fleet.over || n.paused:
	case n.ticking:
		n.dirty = true
	default:
		n.plan(0)
	}
}

func (n *node) plan(d time.Duration) {
	n.turn++
	turn := n.turn
	n.w.after(d+n.stutter(), func() {
		if n.turn == turn && n.up {
			n.tick()
		}
	})
}

func (n *node) tick() {
	f := n.fleet
	n.ticking, n.dirty, n.paused = true, false, false
	d := n.ctl.Tick(context.Background(), n.w.clock())
	if f.over || n.w.broken != nil {
		return
	}
	n.ticking = false
	n.w.laws.decided(d)
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

// learn brings a snapshot to the node's proxy.
func (n *node) learn(snap *topology.Snapshot) {
	if !n.up {
		return
	}
	p := n.proxy
	if n.leads {
		n.w.after(n.w.between(0, 20*time.Millisecond), func() { p.learn(snap) })
		return
	}
	n.w.after(n.w.between(0, 50*time.Millisecond), func() {
		n.w.net.send(n.w.leader().host(), n.host(), func() { p.learn(snap) })
	})
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
