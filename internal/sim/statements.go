package sim

import (
	"fmt"
	"slices"

	"github.com/sqlring/sqlring/pkg/topology"
)

// statement happens in the server and answers once.
type statement func(d *deed, then func(error))

// statements is each action in the server's words, its last one reads back.
func (d *deed) statements() []statement {
	switch d.a.Kind {
	case topology.ActPrepare:
		if d.a.Live {
			return []statement{setRules, setIdentity, expel, noteApplied}
		}
		return []statement{refuseRunning, closeMember, setRules, setPosition, expel, setIdentity, readBackPrepared}
	case topology.ActFollow:
		return []statement{refuseUnprepared, endOldLink, claimOwn, pointTo, startBoth, readBackLink}
	case topology.ActStopReceiver:
		return []statement{stopReceiver}
	case topology.ActDetach:
		if d.a.Full {
			return []statement{stopReceiver, stopApplier, forgetUpstream}
		}
		return []statement{refuseUndrained, stopReceiver, stopApplier, forgetUpstream}
	case topology.ActArm:
		return []statement{refuseStranger, arm}
	case topology.ActDisarm:
		return []statement{disarm}
	case topology.ActOpen:
		return []statement{refuseStranger, openMember, stampMember}
	case topology.ActClose:
		return []statement{closeMember}
	case topology.ActStamp:
		return []statement{stampMember}
	case topology.ActExpel:
		return []statement{expel}
	case topology.ActReadTail:
		return []statement{readTail}
	case topology.ActRetire:
		return []statement{refuseFollowing, retire}
	case topology.ActCopy:
		return []statement{startCopy}
	case topology.ActEndCopy:
		return []statement{endCopy}
	case topology.ActEvents:
		return []statement{refuseStranger, setEvents}
	case topology.ActSlot:
		return []statement{refuseStranger, setSlot, noteSlot}
	case topology.ActEndOlder:
		return []statement{refuseStranger, endOlder}
	case topology.ActSchema:
		return []statement{makeSchema}
	case topology.ActAdopt:
		return []statement{refuseUntaken, stopApplier, setRules, setIdentity, expelEarlier, noteAdopted, forgetUpstream, stampMember}
	case topology.ActReplay:
		return []statement{replayTail}
	case topology.ActStart:
		return []statement{startBothAsTheyAre}
	case topology.ActSlots:
		return []statement{refuseStranger, copySlots}
	case topology.ActSeize:
		return []statement{}
	case topology.ActNone:
	}
	return []statement{func(d *deed, then func(error)) { then(fmt.Errorf("the model does not know %s", d.a)) }}
}

func closeMember(d *deed, then func(error)) { d.s.shut(d.c, then) }

func openMember(d *deed, then func(error)) {
	d.s.mem.readOnly = false
	d.s.w.say(string(d.s.id), "open for writes")
	then(nil)
}

// refuseStranger refuses a process that is not the one that was meant.
func refuseStranger(d *deed, then func(error)) {
	if d.a.Identity != 0 && d.s.mem.serverID != d.a.Identity {
		then(fmt.Errorf("%w: server_id is %d, not %d", errRule, d.s.mem.serverID, d.a.Identity))
		return
	}
	then(nil)
}

func stampMember(d *deed, then func(error)) {
	d.s.mem.boot = d.a.Boot
	then(nil)
}

// refuseRunning refuses another identity while replication runs.
func refuseRunning(d *deed, then func(error)) {
	m := &d.s.mem
	stopped := m.receiver.state == topology.ThreadStopped && m.applier.state == topology.ThreadStopped
	if d.s.disk.upstream != "" && !stopped && m.serverID != d.a.Identity {
		then(fmt.Errorf("%w: its replication runs, which must not while the identity changes", errRule))
		return
	}
	then(nil)
}

// setIdentity comes last: it is the mark of a prepared member.
func setIdentity(d *deed, then func(error)) {
	d.s.mem.serverID, d.s.mem.domain = d.a.Identity, d.a.Identity
	then(nil)
}

// refuseUnprepared refuses a process that has not the identity that was issued to the
// member: a restart has wiped it.
func refuseUnprepared(d *deed, then func(error)) {
	if !d.s.carries(d.a.Identity) {
		then(fmt.Errorf("%w: server_id %d, gtid_domain_id %d, and %d was issued", errRule, d.s.mem.serverID, d.s.mem.domain, d.a.Identity))
		return
	}
	then(nil)
}

// carries is whether the process has that identity, as the server itself compares it (S99).
func (s *server) carries(issued uint32) bool {
	if s.w.opt.Mutation.EqualIDs {
		return s.mem.domain == s.mem.serverID
	}
	return s.mem.serverID == issued && s.mem.domain == issued
}

// claimOwn notes in the position that it has its own transactions, where both
// threads stand still.
func claimOwn(d *deed, then func(error)) {
	s := d.s
	own, has := s.disk.binlogPos.Last(s.mem.domain)
	if has && s.mem.receiver.state == topology.ThreadStopped && s.mem.applier.state == topology.ThreadStopped {
		s.disk.slavePos = s.disk.slavePos.With(own)
	}
	then(nil)
}

func setRules(d *deed, then func(error)) {
	m := &d.s.mem
	m.layout = d.a.Layout
	m.settings.GTIDStrict, m.settings.IgnoreDuplicates, m.settings.StrictDDL = true, true, true
	m.settings.ParallelThreads, m.settings.NetTimeout = 0, 2
	m.settings.EndlessWait, m.settings.AfterSync = true, true
	then(nil)
}

// setPosition is RESET MASTER for a new member. For a retired identity, its
// domain in gtid_slave_pos is set to the member's own place, so that its events,
// which still travel, are not applied twice.
func setPosition(d *deed, then func(error)) {
	s := d.s
	stopped := s.mem.receiver.state == topology.ThreadStopped && s.mem.applier.state == topology.ThreadStopped
	switch {
	case d.a.Fresh && !d.a.Full && len(s.disk.data.rows) > 0:
		then(fmt.Errorf("%w: it holds a schema of somebody else", errRule))
		return
	case d.a.Fresh:
		for _, u := range slices.Clone(s.mem.dumps) {
			u.close()
		}
		s.disk.binlog, s.disk.binlogPos, s.disk.slavePos = nil, nil, nil
		s.disk.base = basis{data: newTable()}
	}
	for _, domain := range d.a.Retired {
		own, ok := s.disk.binlogPos.Last(domain)
		if !ok || s.disk.slavePos.Seq(domain) >= own.Seq {
			continue
		}
		if !stopped {
			then(fmt.Errorf("%w: gtid_slave_pos can not be set while a thread runs", errRule))
			return
		}
		s.disk.slavePos = s.disk.slavePos.With(own)
	}
	s.disk.hasRing = true
	then(nil)
}

func readBackPrepared(d *deed, then func(error)) {
	m := d.s.mem
	if m.serverID != d.a.Identity || m.layout != d.a.Layout || !m.readOnly {
		then(fmt.Errorf("%w: not what was set", errRule))
		return
	}
	then(nil)
}

// endOldLink refuses to leave an upstream before everything received is applied.
func endOldLink(d *deed, then func(error)) {
	if d.s.disk.upstream == "" || d.s.disk.upstream == d.a.Upstream {
		then(nil)
		return
	}
	refuseUndrained(d, func(err error) {
		if err != nil {
			then(err)
			return
		}
		stopApplier(d, then)
	})
}

func refuseUndrained(d *deed, then func(error)) {
	o := d.s.observe()
	if o.Link.Upstream != "" && !o.Drained() && !d.s.w.opt.Mutation.Careless {
		then(fmt.Errorf("%w: received %s, applied %s, receiver %s", errRule, o.Link.Received, o.Applied, o.Link.Receiver))
		return
	}
	then(nil)
}

func pointTo(d *deed, then func(error)) {
	s := d.s
	if s.disk.upstream == d.a.Upstream {
		then(nil)
		return
	}
	if s.mem.receiver.state != topology.ThreadStopped || s.mem.applier.state != topology.ThreadStopped {
		then(fmt.Errorf("%w: CHANGE while a thread runs (1198)", errRule))
		return
	}
	s.dropRelay()
	s.disk.upstream = d.a.Upstream
	then(nil)
}

// startBoth starts what does not run. Whether a receiver acknowledges is decided
// when it starts, so one that runs otherwise is started anew.
func startBoth(d *deed, then func(error)) {
	d.s.startApplier()
	if r := &d.s.mem.receiver; r.state != topology.ThreadStopped && d.s.mem.settings.AckerEnabled != d.a.Acker {
		d.s.mem.settings.AckerEnabled = d.a.Acker
		d.s.stopReceiver(func() { d.s.startReceiver(); then(nil) })
		return
	}
	d.s.mem.settings.AckerEnabled = d.a.Acker
	d.s.startReceiver()
	then(nil)
}

func readBackLink(d *deed, then func(error)) {
	if d.s.disk.upstream != d.a.Upstream {
		then(fmt.Errorf("%w: it follows %s", errRule, d.s.disk.upstream))
		return
	}
	then(nil)
}

func stopReceiver(d *deed, then func(error)) {
	d.s.stopReceiver(func() {
		if d.s.w.opt.Mutation.StopBoth && d.a.Kind == topology.ActStopReceiver {
			d.s.stopApplier(func() { d.s.startApplier() })
		}
		then(nil)
	})
}

func stopApplier(d *deed, then func(error)) { d.s.stopApplier(func() { then(nil) }) }

func forgetUpstream(d *deed, then func(error)) {
	d.s.dropRelay()
	d.s.disk.upstream = ""
	d.s.mem.receiver.received = nil
	then(nil)
}

func arm(d *deed, then func(error)) {
	d.s.mem.semi = true
	then(nil)
}

func disarm(d *deed, then func(error)) {
	d.s.disarm()
	then(nil)
}

func expel(d *deed, then func(error)) {
	for _, c := range d.s.mem.conns {
		if c.app && !c.killed && (d.a.Below == 0 || c.id <= d.a.Below) {
			d.s.killConn(c)
		}
	}
	then(nil)
}

// readTail judges what only this member holds.
func readTail(d *deed, then func(error)) {
	tail := &topology.Tail{Cut: d.a.After, Verdict: topology.TailEmpty, Why: "nothing but heartbeats"}
	for _, t := range d.s.disk.tail(d.a.After) {
		tail.End = tail.End.With(t.gtid)
		if t.ours {
			continue
		}
		tail.Transactions++
		switch {
		case t.gtid.Domain != d.a.Identity && !slices.Contains(d.a.Retired, t.gtid.Domain):
			tail.Verdict, tail.Why = topology.TailConflict, fmt.Sprintf("%s is another member's", t.gtid)
		case t.reg >= 0:
			tail.Verdict, tail.Why = topology.TailConflict, fmt.Sprintf("%s updates a row", t.gtid)
		case tail.Verdict == topology.TailEmpty:
			tail.Verdict, tail.Why = topology.TailMayFlow, "inserts in its own slot"
		}
	}
	d.s.w.say(string(d.s.id), "tail above %q: %d transactions, %s", d.a.After, tail.Transactions, tail.Verdict)
	d.f.tails[d.m.ID] = tail
	then(nil)
}
