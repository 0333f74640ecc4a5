package sim

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// genesis is what the world's clock shows at virtual time 0.
func genesis() time.Time { return time.Unix(1_700_000_000, 0).UTC() }

// World is everything there is, and the only clock. It runs in one goroutine.
type World struct {
	opt Options
	rng *rand.Rand
	now time.Duration // since genesis

	queue  events
	posted uint64

	net     *network
	servers []*server // in ring order
	log     *raftLog
	nodes   []*node // the voters first
	lead    *node   // whom raft has elected last
	clients []*client
	nemesis *nemesis
	laws    *laws
	trace   *transcript
	broken  *Violation
	calm    bool // faults have ended
	past    int  // writes that came past every proxy

	eventsMade  bool
	eventsKnown bool          // every server knows which are disabled
	eventsAt    time.Duration // when they were made, and on which process of which server
	eventsOn    *server
	eventsProc  int
}

// event is something that happens at a moment; of two at the same moment the
// one that was posted first comes first.
type event struct {
	at  time.Duration
	seq uint64
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push implements heap.Interface.
func (e *events) Push(x any) { *e = append(*e, x.(event)) }

// Pop implements heap.Interface.
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return x
}

// newWorld builds the servers, nodes and clients that opt asks for.
func newWorld(opt Options) *World {
	w := &World{opt: opt, rng: rand.New(rand.NewPCG(opt.Seed, 0x5eed))}
	w.trace = &transcript{on: opt.Trace}
	w.net = newNetwork(w)
	w.log = newRaftLog(w)
	w.laws = newLaws(w)
	for i := range opt.Members {
		w.servers = append(w.servers, newServer(w, i))
	}
	if opt.Data {
		w.servers[0].loaded(20)
		w.servers[0].mem.settings.ReadOnlyInFile = true
	}
	if opt.Adopts {
		w.byHand()
	}
	for i := range opt.Nodes {
		w.nodes = append(w.nodes, newNode(w, topology.NodeID(fmt.Sprintf("n%d", i+1))))
	}
	if len(w.nodes) > 0 { // a model of servers alone has none
		w.lead = w.nodes[0]
	}
	for i := range opt.Clients {
		w.clients = append(w.clients, newClient(w, i, w.nodes[i%len(w.nodes)]))
	}
	w.nemesis = newNemesis(w)
	return w
}

// clock returns the present as a time.
func (w *World) clock() time.Time { return genesis().Add(w.now) }

// after has do happen d from now.
func (w *World) after(d time.Duration, do func()) {
	w.posted++
	heap.Push(&w.queue, event{at: w.now + max(d, 0), seq: w.posted, do: do})
}

// step lets the next event happen. It returns false if there is none, or a law
// is broken.
func (w *World) step() bool {
	if len(w.queue) == 0 || w.broken != nil {
		return false
	}
	e := heap.Pop(&w.queue).(event)
	w.now = e.at
	e.do()
	w.laws.afterEvent()
	return w.broken == nil
}

// runUntil lets everything happen up to the given moment.
func (w *World) runUntil(t time.Duration) {
	for w.broken == nil && len(w.queue) > 0 && w.queue[0].at <= t {
		w.step()
	}
	if w.broken == nil {
		w.now = max(w.now, t)
	}
}

// runWhile lets the world go on for as long as waiting says so: this is how a
// synchronous call of the code under test takes virtual time.
func (w *World) runWhile(waiting func() bool) {
	for waiting() && w.step() {
	}
}

// between draws a duration from lo to hi.
func (w *World) between(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(w.rng.Int64N(int64(hi-lo)))
}

// chance reports true with probability p.
func (w *World) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// say writes a line of the transcript.
func (w *World) say(who, format string, args ...any) { w.trace.say(w.now, who, format, args...) }

// breach records the first broken law and stops the world.
func (w *World) breach(law, format string, args ...any) {
	if w.broken != nil || law == w.opt.Deaf {
		return
	}
	if w.unseen() {
		law = unpromised
	}
	w.broken = &Violation{Law: law, What: fmt.Sprintf(format, args...), At: w.now}
	w.say("LAW", "%s broken: %s", law, w.broken.What)
	w.dump()
}

func (w *World) server(id topology.MemberID) *server {
	for _, s := range w.servers {
		if s.id == id {
			return s
		}
	}
	return nil
}

func (w *World) serverAt(addr string) *server {
	for _, s := range w.servers {
		if s.addr == addr {
			return s
		}
	}
	return nil
}

// leader returns the node whose controller acts.
func (w *World) leader() *node { return w.lead }
