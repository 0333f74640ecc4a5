package sim

import (
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// pump sends what the binlog holds beyond the last batch, one batch at a time.
// What stood in the replica's start position is skipped, and therefore never
// acknowledged: an acker that is ahead leaves its upstream waiting.
func (d *dump) pump() {
	if d.closed || !d.ready || d.inFlight || d.next >= len(d.u.disk.binlog) {
		return
	}
	var batch []*txn
	last := -1
	for ; d.next < len(d.u.disk.binlog); d.next++ {
		t := d.u.disk.binlog[d.next]
		if t.gtid.Seq > d.start.Seq(t.gtid.Domain) {
			batch = append(batch, t)
			last = d.next
		}
	}
	if len(batch) == 0 {
		return
	}
	d.inFlight = true
	proc := d.d.proc
	if d.u.w.opt.Mutation.EagerAck && d.acking {
		d.u.local(0, func() { d.u.acked(last) })
	}
	d.u.w.net.send(d.u.host(), d.d.host(), func() {
		if !d.d.reach(proc, func() { d.arrive(batch, last) }) {
			d.drop()
		}
	})
}

// arrive is the receiver writing a batch into its relay log, and answering.
func (d *dump) arrive(batch []*txn, last int) {
	s := d.d
	r := &s.mem.receiver
	if r.gen != d.gen || r.state != topology.ThreadRunning {
		d.drop()
		return
	}
	r.heard = s.w.now
	for _, t := range batch {
		r.received = r.received.With(t.gtid)
		s.mem.applier.relay = append(s.mem.applier.relay, t)
		t.copied++
	}
	s.apply()
	acking := d.acking
	s.local(50*time.Microsecond, func() {
		s.w.net.send(s.host(), d.u.host(), func() {
			d.u.reach(d.uproc, func() {
				d.inFlight = false
				if acking && !d.closed {
					d.u.acked(last)
				}
				d.pump()
			})
		})
	})
}

// ackers counts the connected replicas that acknowledge.
func (s *server) ackers() int {
	n := 0
	for _, d := range s.mem.dumps {
		if d.acking {
			n++
		}
	}
	return n
}
