package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sqlring/sqlring/internal/controller"
	"github.com/sqlring/sqlring/internal/history"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Violation is a law that was broken, by its number in docs/invariants.md.
type Violation struct {
	Law  string
	What string
	At   time.Duration
}

func (v Violation) String() string { return fmt.Sprintf("%s at %s: %s", v.Law, v.At, v.What) }

// outcome is what a client was told.
type outcome uint8

const (
	outcomeOK outcome = iota
	outcomeFailed
	outcomeUnknown
)

func (o outcome) String() string { return [...]string{"ok", "failed", "unknown"}[o] }

// laws watches the world. It knows everything, and does nothing.
type laws struct {
	w     *World
	stats Stats

	gtids   map[topology.GTID]*txn
	keys    map[writeKey]*txn
	ids     map[uint64]*txn
	failed  map[writeKey]bool
	acked   []ackedWrite
	newest  map[topology.UnitID]uint64 // epoch of a write in the schema that was acknowledged
	grants  []history.Grant            // of "*", with Options.Record
	written []history.Write

	isolatedAt time.Duration // when isolation was changed last

	emptied  map[topology.MemberID]bool // of these it was found that their binlog is
	stuckFor string                     // what the controller says is needed; empty if it goes on
}

type ackedWrite struct {
	t     *txn
	armed bool // its owner was armed, by raft's order and in fact: one loss may not lose it
}

func newLaws(w *World) *laws {
	return &laws{w: w, gtids: map[topology.GTID]*txn{}, keys: map[writeKey]*txn{}, ids: map[uint64]*txn{}, failed: map[writeKey]bool{}, newest: map[topology.UnitID]uint64{}, emptied: map[topology.MemberID]bool{}}
}

// logged checks a transaction that was just written to a binlog (I2, I6, and
// that "failed" means that nothing was done).
func (l *laws) logged(s *server, c *commit) {
	t := c.t
	if c.conn == nil {
		return
	}
	if other := l.gtids[t.gtid]; other != nil && l.stands(other) {
		l.w.breach("I6", "%s gives out %s, which is another transaction's already", s.id, t.gtid)
	}
	l.gtids[t.gtid] = t
	if t.ours {
		return
	}
	l.oneWriter(s, t)
	if t.replays != nil {
		l.replayed(s, t)
		return
	}
	if other := l.keys[t.key]; other != nil {
		l.w.breach("P5", "write %v runs twice: %s and %s", t.key, other.gtid, t.gtid)
	}
	l.keys[t.key] = t
	if l.failed[t.key] {
		l.w.breach("P5", "write %v was answered failed, and runs now on %s", t.key, s.id)
	}
	if other := l.ids[t.id]; other != nil && l.stands(other) {
		l.w.breach("I2", "%s gives out auto_increment %d for %v, which %v has", s.id, t.id, t.key, other.key)
	}
	l.ids[t.id] = t
	if t.direct { // its class was its own before there was a ring; it is told apart by its ids
		return
	}
	m, in := l.w.log.snap.Member(s.id)
	layout := autoinc.Layout{Offset: m.Slot, Stride: l.w.log.snap.Ring.Stride}
	if in && m.State != topology.MemberCopying && !layout.Produces(t.id) { // what a copied one held is given up, and who has left has no slot
		l.w.breach("I2", "%s gives out auto_increment %d, its slot is %s", s.id, t.id, layout)
	}
}

// replayed checks that what is written anew is written once (I21).
func (l *laws) replayed(s *server, t *txn) {
	if s.disk.data.rows[t.key] != nil {
		l.w.breach("I21", "%s replays %v, which it has", s.id, t.key)
	}
	if l.failed[t.key] {
		l.w.breach("P5", "write %v was answered failed, and is replayed on %s", t.key, s.id)
	}
	l.stats.Replayed++
}

// unitOf returns the unit that a transaction's schema is a part of now.
func (l *laws) unitOf(t *txn) topology.Unit {
	if u, ok := l.w.log.snap.Unit(t.schema); ok {
		return u
	}
	u, _ := l.w.log.snap.Unit(topology.UnitRest)
	return u
}

// oneWriter checks that a member which is in the ring writes nothing of an ended
// epoch, acknowledged or not, once a later one has an owner (I5).
func (l *laws) oneWriter(s *server, t *txn) {
	m, _ := l.w.log.snap.Member(s.id)
	if t.direct && m.Direct { // nobody's promise (S53)
		return
	}
	u := l.unitOf(t)
	if m.State == topology.MemberActive && s.mem.boot == m.Boot && u.Owner != "" && u.Owner != s.id && u.Epoch > t.epoch {
		l.w.breach("I5", "%s writes %v of epoch %d, and %s owns it in epoch %d", s.id, t.key, t.epoch, u.Owner, u.Epoch)
	}
}

// stands reports whether any member still has t. What was on one disk alone and
// went with it may be given out again.
func (l *laws) stands(t *txn) bool {
	for _, s := range l.w.servers {
		if slices.Contains(s.disk.binlog, t) || slices.Contains(s.mem.applier.relay, t) {
			return true
		}
	}
	return false
}

// applying checks that a transaction is applied once on each member (I6).
func (l *laws) applying(s *server, t *txn) {
	if !t.ours && s.disk.data.rows[t.key] != nil {
		l.w.breach("I6", "%s applies %s (%v) a second time", s.id, t.gtid, t.key)
	}
}

// acknowledged checks an OK at the moment in which the client reads it.
func (l *laws) acknowledged(c *client, x *write, s *server) {
	if newest := l.newest[x.t.schema]; x.epoch < newest {
		l.w.breach("I5", "write %v of epoch %d is acknowledged after one of epoch %d", x.t.key, x.epoch, newest)
	}
	l.newest[x.t.schema] = max(l.newest[x.t.schema], x.epoch)
	if p := c.n.proxy; !p.holds(p.share(x.unit), x.epoch) {
		l.w.breach("I5", "write %v is acknowledged on a lease of epoch %d that is over", x.t.key, x.epoch)
	}
	m, _ := l.w.log.snap.Member(s.id)
	armed := m.SemiSync == topology.SemiSyncArmed && x.t.waited
	if armed && x.t.copied == 0 {
		l.w.breach("I1", "write %v is acknowledged by %s alone, which is armed", x.t.key, s.id)
	}
	stands := s.power == running && s.disk.data.rows[x.t.key] != nil // else its disk is an older one by now: what it had is looked for in the end (I1)
	if stands && c.last > 0 && s.disk.data.rows[writeKey{c.i, c.last}] == nil {
		l.w.breach("I4", "client %d wrote %d on %s, which does not have its write %d", c.i, c.seq, s.id, c.last)
	}
	if armed {
		c.last = x.t.key.seq
	}
	l.acked = append(l.acked, ackedWrite{x.t, armed})
	if l.w.opt.Record {
		l.written = append(l.written, history.Write{Unit: string(x.unit), Epoch: x.epoch, Member: string(s.id), Call: x.began, Return: l.w.now})
	}
}

// ended notes an outcome.
func (l *laws) ended(x *write, o outcome) {
	l.stats.Outcomes[o]++
	if o != outcomeFailed {
		return
	}
	l.failed[x.t.key] = true
	if t := l.keys[x.t.key]; t != nil {
		l.w.breach("P5", "write %v is answered failed, and stands there as %s", x.t.key, t.gtid)
	}
}

// told checks that each transition of a member and of a unit is in the outbox, once, or
// was counted as one that flaps (I13).
func (l *laws) told(before, after *topology.Snapshot, c topology.Command) {
	want := map[string]bool{}
	for _, m := range after.Members {
		if old, known := before.Member(m.ID); !known || old.State != m.State {
			want["member/"+string(m.ID)] = true
		}
	}
	for _, u := range after.Units {
		if old, known := before.Unit(u.ID); !known || old.Owner != u.Owner {
			want["unit/"+string(u.ID)] = true
		}
	}
	for i := len(after.Outbox.History) - 1; i >= 0 && after.Outbox.History[i].Index == c.Index; i-- {
		delete(want, after.Outbox.History[i].Key())
	}
	if len(want) > int(after.Outbox.Suppressed-before.Outbox.Suppressed) { //nolint:gosec // a few
		l.w.breach("I13", "%s is not told at index %d: %v", c.Change, c.Index, want)
	}
	if o := after.Outbox; len(o.History) > topology.MaxNotices || len(o.Pending) > topology.MaxPending || len(o.Standing) > topology.MaxStanding {
		l.w.breach("I13", "the outbox outgrows its bounds at index %d", c.Index)
	}
}

// committed checks a change of the intent (I1, I4, I11, I12, I13).
func (l *laws) committed(before, after *topology.Snapshot, c topology.Command) {
	if before.Outbox != nil {
		l.told(before, after, c)
	}
	if heal, ok := c.Change.(topology.BeginHeal); ok {
		l.stats.Heals++
		severed := slices.ContainsFunc(heal.Evidence, func(e string) bool { return strings.HasPrefix(e, "sites ") })
		if severed {
			l.stats.Severed++
		}
		s := l.w.server(heal.Member)
		severed = severed && !l.w.net.whole(l.w.lead.host(), s.host()) // that a third party reaches it is why
		if !severed && !s.wasLost() {
			l.w.breach("I11", "%s is taken out (%s), and nothing was wrong with it", s.id, c.Why)
		}
	}
	l.isolated(before, c)
	l.foundEmptied(c)
	l.backEmptied(before, c)
	l.left(before, c)
	l.apart(before, c)
	if _, ok := c.Change.(topology.Readmit); ok {
		if op, _ := before.Running(); op.Kind == topology.OperationRejoin {
			l.stats.Rejoins++
		} else {
			l.stats.Grown++
		}
	}
	if _, ok := c.Change.(topology.EndResize); ok {
		l.stats.Resized++
	}
	if _, ok := c.Change.(topology.EndJoin); ok {
		l.stats.Joins++
	}
	for _, u := range after.Units {
		old, _ := before.Unit(u.ID)
		if l.w.opt.Record && old.Epoch != u.Epoch {
			l.grants = append(l.grants, history.Grant{Unit: string(u.ID), From: old.Epoch, To: u.Epoch, Owner: string(u.Owner), Call: l.w.now})
		}
		if old.Owner == u.Owner {
			continue
		}
		l.audited(after, c, u)
		if u.Owner != "" && l.admitted(after, u.Owner) {
			l.granted(l.w.server(u.Owner), u)
			l.handedOver(before, c, u)
		}
	}
}

// admitted reports whether a member's process is the one that is meant. One that died
// while its grant was on its way takes no write; its loss is healed, and what its disk
// has is asked again.
func (l *laws) admitted(snap *topology.Snapshot, id topology.MemberID) bool {
	m, _ := snap.Member(id)
	s := l.w.server(id)
	return s.power != dead && s.mem.boot == m.Boot
}

// audited checks that a change of owner left its line (I12).
func (l *laws) audited(after *topology.Snapshot, c topology.Command, u topology.Unit) {
	for _, e := range after.Events {
		if e.Index == c.Index && e.By != "" && e.Why != "" {
			return
		}
	}
	l.w.breach("I12", "owner of %s becomes %q at index %d, and no event says why", u.ID, u.Owner, c.Index)
}

// granted checks that no lease of an older epoch is left (S3), and that the new
// owner has what it must (S4).
func (l *laws) granted(s *server, u topology.Unit) {
	l.silent(s, u)
	for _, n := range l.w.nodes {
		if p := n.proxy.share(u.ID); n.up && p.epoch < u.Epoch && n.proxy.holds(p, p.epoch) {
			l.w.breach("I5", "%s becomes owner of %s (epoch %d) while %s holds a lease of epoch %d on %s", s.id, u.ID, u.Epoch, n.id, p.epoch, p.owner)
		}
	}
	for _, a := range l.acked {
		if !a.armed || l.w.opt.Double || l.unitOf(a.t).ID != u.ID {
			continue
		}
		if s.disk.data.rows[a.t.key] == nil {
			l.w.breach("I1", "%s becomes owner (epoch %d) without the acknowledged write %v (%s)", s.id, u.Epoch, a.t.key, a.t.gtid)
			return
		}
	}
}

// handedOver checks that a new owner has all that clients were told to be done by the
// old one, an armed one or not (S4, P4).
func (l *laws) handedOver(before *topology.Snapshot, c topology.Command, u topology.Unit) {
	end, ok := c.Change.(topology.EndMove)
	if !ok {
		return
	}
	if end.From == topology.MoveBack {
		return
	}
	l.stats.Moves++
	op, _ := before.Running()
	old, heir := l.w.server(op.Former), l.w.server(u.Owner)
	for _, a := range l.acked {
		if l.unitOf(a.t).ID == u.ID && old.disk.data.rows[a.t.key] != nil && heir.disk.data.rows[a.t.key] == nil {
			l.w.breach("I1", "%s is given %s without the write %v, which was acknowledged by %s", heir.id, u.ID, a.t.key, old.id)
		}
	}
}

// visible checks that members that have the same transactions hold the same
// rows (I3).
func (l *laws) visible(s *server) {
	if len(s.mem.commits) > 0 {
		return
	}
	for _, o := range l.w.servers {
		if o != s && !o.disk.base.half && len(o.mem.commits) == 0 && samePosition(s.disk.binlogPos, o.disk.binlogPos) && !s.disk.data.equal(&o.disk.data) {
			l.w.breach("I3", "%s and %s both stand at %s and hold different rows", s.id, o.id, s.disk.binlogPos)
		}
	}
}

func samePosition(a, b topology.Position) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// decided notes what the controller says.
func (l *laws) decided(n *node, d controller.Decision) {
	before := l.stuckFor
	l.stuckFor = ""
	if d.Step.Kind == topology.StepStuck {
		l.stuckFor = d.Step.Why
		if l.stuckFor != before {
			l.w.say(string(n.id), "stuck: %s", d.Step.Why)
		}
	}
}

// afterEvent counts.
func (l *laws) afterEvent() { l.stats.Events++ }
