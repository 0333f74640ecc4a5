package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// The network settings of the set-up: connect retry and slave_net_timeout.
const (
	connectRetry = time.Second
	netTimeout   = 2 * time.Second
)

// receiver is the IO thread.
type receiver struct {
	state    topology.ThreadState
	upstream *server
	gen      int // counts its starts and stops
	heard    time.Duration
	dump     *dump // at the upstream, while connected
	received topology.Position
	acking   bool
	errText  string
	errno    int
}

// dump is an upstream's side of a connection.
type dump struct {
	u, d     *server
	uproc    int
	gen      int // of the receiver that asked
	start    topology.Position
	next     int // in the upstream's binlog
	inFlight bool
	acking   bool
	ready    bool // the downstream knows that it is connected
	closed   bool
}

// relayLoss is the rule that makes "received" fragile: when both threads stand
// still, the START of either throws the relay log away.
func (s *server) relayLoss() {
	if s.mem.receiver.state == topology.ThreadStopped && s.mem.applier.state == topology.ThreadStopped {
		s.dropRelay()
	}
}

func (s *server) dropRelay() {
	if n := len(s.mem.applier.relay); n > 0 {
		s.w.say(string(s.id), "throws its relay log away: %d transactions", n)
	}
	s.mem.applier.relay = nil
	s.mem.receiver.received = s.disk.slavePos
}

// startReceiver is START SLAVE IO_THREAD.
func (s *server) startReceiver() {
	r := &s.mem.receiver
	if r.state != topology.ThreadStopped {
		return
	}
	s.relayLoss()
	r.gen++
	r.errno = 0
	r.upstream = s.w.serverAt(s.disk.upstream)
	r.state, r.acking = topology.ThreadConnecting, s.mem.settings.AckerEnabled
	s.connect(r.gen)
}

// stopReceiver is STOP SLAVE IO_THREAD; it takes the network timeout if the
// upstream is silent.
func (s *server) stopReceiver(then func()) {
	r := &s.mem.receiver
	if r.state == topology.ThreadStopped {
		then()
		return
	}
	took := time.Millisecond
	if r.state == topology.ThreadRunning && !r.upstream.answers(s.host()) && r.upstream.power != dead {
		took = netTimeout
	}
	s.local(took, func() {
		if r.state != topology.ThreadStopped {
			s.disconnect(topology.ThreadStopped, "")
			s.w.say(string(s.id), "receiver stopped at %s, applied %s", r.received, s.disk.slavePos)
		}
		then()
	})
}

// disconnect ends the connection to the upstream, if there is one.
func (s *server) disconnect(to topology.ThreadState, why string) {
	r := &s.mem.receiver
	r.gen++
	r.state, r.errText = to, why
	s.w.say(string(s.id), "receiver %s: %s", to, why)
	if d := r.dump; d != nil {
		r.dump = nil
		s.w.net.send(s.host(), d.u.host(), func() { d.u.reach(d.uproc, d.close) })
	}
	if to == topology.ThreadConnecting {
		gen := r.gen
		s.local(connectRetry, func() { s.connect(gen) })
	}
}

// connect asks the upstream for everything after this server's position.
func (s *server) connect(gen int) {
	r := &s.mem.receiver
	if r.gen != gen || r.state != topology.ThreadConnecting {
		return
	}
	u, start, acking, proc := r.upstream, r.received, r.acking, s.proc
	answered := false
	s.w.net.send(s.host(), u.host(), func() {
		uproc := u.proc
		alive := u.reach(uproc, func() {
			if !start.Covers(u.disk.base.pos) {
				u.w.net.send(u.host(), s.host(), func() { s.reach(proc, func() { answered = true; s.refused(gen, start) }) })
				return
			}
			d := u.openDump(s, gen, start, acking)
			s.w.net.send(u.host(), s.host(), func() {
				if !s.reach(proc, func() { answered = true; s.connected(gen, d) }) {
					d.drop()
				}
			})
		})
		if !alive {
			s.w.net.send(u.host(), s.host(), func() {
				s.reach(proc, func() { answered = true; s.retry(gen, "connection refused") })
			})
		}
	})
	s.local(netTimeout, func() {
		if !answered {
			s.retry(gen, "no answer")
		}
	})
}

// refused is error 1236: the upstream has not what comes after the position.
func (s *server) refused(gen int, start topology.Position) {
	r := &s.mem.receiver
	if r.gen == gen && r.state == topology.ThreadConnecting {
		s.disconnect(topology.ThreadStopped, fmt.Sprintf("the upstream's binlog begins after %q", start))
		r.errno = 1236
	}
}

func (s *server) retry(gen int, why string) {
	r := &s.mem.receiver
	if r.gen != gen || r.state != topology.ThreadConnecting {
		return
	}
	r.errText = why
	s.local(connectRetry, func() { s.connect(gen) })
}

func (s *server) connected(gen int, d *dump) {
	r := &s.mem.receiver
	if r.gen != gen || r.state != topology.ThreadConnecting || d.closed {
		d.u.reach(d.uproc, d.close)
		if r.gen == gen {
			s.retry(gen, "connection closed")
		}
		return
	}
	r.state, r.dump, r.heard, r.errText = topology.ThreadRunning, d, s.w.now, ""
	s.w.say(string(s.id), "receives from %s after %q, acking %t", r.upstream.id, d.start, d.acking)
	s.watch(gen)
	d.ready = true
	d.u.reach(d.uproc, d.pump)
}

// watch notices an upstream that has been silent for the network timeout.
func (s *server) watch(gen int) {
	r := &s.mem.receiver
	if r.gen != gen {
		return
	}
	if r.upstream.answers(s.host()) {
		r.heard = s.w.now
	}
	if s.w.now-r.heard >= netTimeout {
		s.disconnect(topology.ThreadConnecting, "net timeout")
		return
	}
	s.local(250*time.Millisecond, func() { s.watch(gen) })
}

// openDump makes the sending thread; one that the same server had is replaced.
func (s *server) openDump(d *server, gen int, start topology.Position, acking bool) *dump {
	for _, old := range slices.Clone(s.mem.dumps) {
		if old.d == d {
			old.close()
			old.lost()
		}
	}
	fresh := &dump{u: s, d: d, uproc: s.proc, gen: gen, start: start, acking: acking}
	s.mem.dumps = append(s.mem.dumps, fresh)
	return fresh
}

func (d *dump) close() {
	d.closed = true
	if i := slices.Index(d.u.mem.dumps, d); i >= 0 {
		d.u.mem.dumps = slices.Delete(d.u.mem.dumps, i, i+1)
	}
}

// drop is the upstream seeing a connection break whose other end has died.
func (d *dump) drop() {
	d.u.w.net.send(d.d.host(), d.u.host(), func() { d.u.reach(d.uproc, d.close) })
}

// lost is the downstream seeing that: its receiver tries again.
func (d *dump) lost() {
	proc := d.d.proc
	d.u.w.net.send(d.u.host(), d.d.host(), func() {
		d.d.reach(proc, func() {
			if d.d.mem.receiver.dump == d {
				d.d.mem.receiver.dump = nil
				d.d.disconnect(topology.ThreadConnecting, "lost connection")
			}
		})
	})
}

func (s *server) wakeDumps() {
	for _, d := range s.mem.dumps {
		d.pump()
	}
}
