package proxy

import (
	"fmt"
	"strconv"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
)

// Transactions that want the same row wait for each other in the member, and cost it more
// the more they are. Once a statement shows that (it has waited for a lock, or takes far
// longer than usual, or others wait at the gate), the keys of statements like it are
// looked at, and a key that several want at once gets a lane (pkg/gate): so many transactions
// as are set have it, each until it ends. Who waits for a lane outside of a transaction has nothing that
// others wait for: no link, no place. Inside of one he may have row locks; so he waits for
// a moment only, and then goes on without.

// laneMoment is how long a statement waits for a lane inside of a transaction.
const laneMoment = 250 * time.Millisecond

// Errors that show that a row is wanted by several.
const (
	lockWaitTimeout = 1205
	deadlock        = 1213
)

// locksRow reports whether the command under way is one statement about the rows of one
// table with given keys, which it locks.
func (s *session) locksRow() bool {
	p := s.plan
	if p == nil || len(p.Statements) != 1 {
		return false
	}
	f := &p.Statements[0]
	return len(f.Keys) > 0 && len(f.Tables) == 1 && (f.Verb == balancer.VerbChange || f.Effects.Has(balancer.EffectRowLocks))
}

// suspect has the keys of statements with a digest looked at. The caller has the lock.
func (g *memberGate) suspect(digest uint64, now gate.Instant) {
	if g.p.cfg.UniqueKeys == nil || g.gate.Settings().Hot == gate.HotOff {
		return
	}
	g.gate.Suspect(digest, now)
	if g.gate.AnyWarm() && !g.warm.Load() {
		g.warm.Store(true)
		g.p.warm.Store(true)
	}
}

// suspectHot does the same after an error.
func (s *session) suspectHot() {
	if !s.locksRow() || s.link == nil {
		return
	}
	g := s.gateOf(s.link.route.Member.ID)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.suspect(s.digest(), s.p.now())
}

// takeLane has the command under way wait for the lane of its row, if that is hot. While
// nothing is, it costs one look.
func (s *session) takeLane() *wire.Error {
	if !s.p.warm.Load() || !carriesSQL(s.code) || !s.locksRow() {
		return nil
	}
	route, ok := s.p.view.Load().OwnerOf(s.unit)
	if !ok {
		return nil
	}
	g, digest := s.gateOf(route.Member.ID), s.digest()
	if s.visit != nil && s.visitAt != g {
		s.leaveLane()
	}
	g.mu.Lock()
	warm := g.gate.Warm(digest)
	g.mu.Unlock()
	if !warm {
		return nil
	}
	row, ok := s.rowOf(g)
	if !ok {
		return nil
	}
	if s.visit == nil {
		s.visit, s.visitAt = new(gate.Visit), g
	}
	s.comesToLane(g)
	g.mu.Lock()
	now := s.p.now()
	g.suspect(digest, now) // it is still wanted
	waits := g.gate.Visit(s.visit, row.key, now)
	if s.visit.Unnamed() {
		s.visit.Name(row.String())
	}
	if !waits {
		told := (*wire.Error)(nil)
		if why := s.visit.Result; why != gate.Granted {
			g.tallies.Refused(digest)
			told = s.shedAtRow(g, why, 0)
		}
		if !s.visit.Any() {
			s.visit, s.visitAt = nil, nil
		}
		g.mu.Unlock()
		return told
	}
	w := s.p.newGateWaiter()
	s.visit.Owner = w
	g.mu.Unlock()
	return s.awaitLane(g, w, whereto{member: route.Member})
}

// comesToLane says of the session's visit who comes, and how.
func (s *session) comesToLane(g *memberGate) {
	var r gate.Request
	s.urgency(&r, 0)
	v := s.visit
	v.Account, v.Priority, v.Bytes, v.Before, v.Inside = s.as.login.User, r.Priority, s.in.len(), s.waited, s.admitted.gate == g
	v.Passes = s.mem.inTransaction() || s.admitted.gate != nil || s.mem.pins != 0
}

// shedAtRow is what a client is told who waits for its row no more, or not at all. The caller
// has the gate's lock.
func (s *session) shedAtRow(g *memberGate, why gate.Refusal, waited time.Duration) *wire.Error {
	s.p.count.refuse(RefusedGate)
	after := g.gate.RetryAfter().Round(time.Millisecond).Milliseconds()
	return wire.NewError(wire.Saturated, "sqlring: a row of member %s is wanted by too many (%s; it waited %v for the one before it); this was not run; retry_after_ms=%d",
		g.id, reasons[why], waited.Round(time.Millisecond), max(after, time.Second.Milliseconds()))
}

// awaitLane waits for the lane that the session's visit is about.
func (s *session) awaitLane(g *memberGate, w *gateWaiter, to whereto) (told *wire.Error) {
	if !s.mem.isUnderWay() && s.working.Load() != nil {
		s.idle()
	}
	patience := laneMoment
	if !s.visit.Passes {
		g.mu.Lock()
		patience = g.gate.Settings().Longest()
		g.mu.Unlock()
		patience = s.admissionLeft(patience)
	}
	defer s.waitsFor("the row before it at " + string(g.id))()
	began := s.p.now()
	gone := s.awaitGiven(w, patience, &to)
	now := s.p.now()
	waited := now.Sub(began)
	s.hasWaited(waited)
	why := s.departs(gone)
	g.mu.Lock()
	late := g.gate.GiveUp(s.visit, now, why)
	shed := late && why == gate.TimeOver && !s.visit.Passes
	if shed {
		told = s.shedAtRow(g, gate.HotRow, waited)
	}
	g.tallies.Laned(s.digest(), waited, shed, late && why == gate.ClientGone)
	if late && g.gate.Waiting() > 0 {
		g.wake(now) // it may have stood in the way of who wants a place
	}
	g.mu.Unlock()
	s.p.putGateWaiter(w)
	switch ends := s.ends(); {
	case ends != nil:
		if !s.visit.Passes {
			s.leaveLane()
		}
		return ends
	case shed:
		s.leaveLane()
	}
	return told
}

// leaveLane ends what the session has of hot keys.
func (s *session) leaveLane() {
	if s.visit == nil {
		return
	}
	g := s.visitAt
	g.mu.Lock()
	now := s.p.now()
	if next := g.gate.Done(s.visit, now); next != nil {
		wakeLane(next)
		if next.Inside && g.gate.Waiting() > 0 {
			g.wake(now) // the line in which he stood may have kept others out
		}
	}
	g.mu.Unlock()
	s.visit, s.visitAt = nil, nil
}

func wakeLane(v *gate.Visit) { v.Owner.(*gateWaiter).given <- struct{}{} }

var hotColumns = []string{"member", "key", "lane", "using", "waiting", "uses", "waits", "passed"}

// showHotKeys are the rows of SHOW SQLRING HOTKEYS. Values are shown as a hash: they may be
// another account's.
func (p *Proxy) showHotKeys() [][]string {
	var rows [][]string
	for _, g := range p.Gates() {
		for _, h := range g.Hot {
			lane := "dry run"
			if h.Laned {
				lane = "one at a time"
				if g.Settings.HotWidth > 1 {
					lane = fmt.Sprintf("%d at a time", g.Settings.HotWidth)
				}
			}
			rows = append(rows, []string{
				string(g.Member), h.Name, lane, strconv.Itoa(h.Using), strconv.Itoa(h.Waiting),
				strconv.FormatUint(h.Uses, 10), strconv.FormatUint(h.Waits, 10), strconv.FormatUint(h.Passed, 10),
			})
		}
	}
	return rows
}
