package proxy

import (
	"sync"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// Why a session keeps its link: what its statements have left there that it can not be
// given elsewhere. Four instruments tell it: what the texts say (balancer.Effects), the
// changes that OK packets report (track.go), their status, and the rule that a change
// which nobody can name keeps the link (StickState), is counted, and logged. What MariaDB sets without reporting
// it at all is known by the text alone (EffectUnreported).

// pinning are the effects that keep a session on its link, for good or until undone.
const pinning = 1<<balancer.EffectUnknown | 1<<balancer.EffectXA | 1<<balancer.EffectNextTransaction | 1<<balancer.EffectUserVariable |
	1<<balancer.EffectPseudoVariable | 1<<balancer.EffectReplication | 1<<balancer.EffectTextPrepare | 1<<balancer.EffectTemporaryTable |
	1<<balancer.EffectTableLocks | 1<<balancer.EffectGlobalReadLock | 1<<balancer.EffectBackupLock | 1<<balancer.EffectUserLock |
	1<<balancer.EffectServiceLock | 1<<balancer.EffectHandler | 1<<balancer.EffectRoutine | 1<<balancer.EffectRole |
	1<<balancer.EffectResourceGroup | 1<<balancer.EffectProfiling | 1<<balancer.EffectOptimizerTrace | 1<<balancer.EffectSequence |
	1<<balancer.EffectSessionUser | 1<<balancer.EffectTruncated | 1<<balancer.EffectUnreported | 1<<balancer.EffectBackupStage

// stuck are those of them without which the session can not go on if its link is lost.
// What is not known counts if its first word is not known either: most of the others
// are statements that the server will not understand.
const stuck = 1<<balancer.EffectXA | 1<<balancer.EffectTextPrepare | 1<<balancer.EffectTableLocks |
	1<<balancer.EffectGlobalReadLock | 1<<balancer.EffectBackupLock | 1<<balancer.EffectBackupStage | 1<<balancer.EffectUserLock | 1<<balancer.EffectServiceLock |
	1<<balancer.EffectHandler | 1<<balancer.EffectRole | 1<<balancer.EffectResourceGroup | 1<<balancer.EffectSessionUser | 1<<balancer.EffectUnreported |
	1<<balancer.EffectRoutine // which may take a user lock, or set @@name at MariaDB: no server reports that

// Of those that keep the link, these end with the transaction, or with its being begun
// and ended.
const endsWithTransaction = 1 << balancer.EffectNextTransaction

// applies notes what the statement that is about to be sent may leave behind.
func (m *memory) applies(s balancer.Statement, plan *balancer.Plan, whole bool) {
	m.unparsed = m.pins
	m.empty = m.empty && whole && leavesEmpty(plan)
	switch {
	case !whole:
		m.stickTo(balancer.StickTruncated)
		return
	case plan == nil:
		return
	}
	m.calculates = plan.Effects.Has(balancer.EffectCalcFoundRows)
	if plan.Effects.Has(balancer.EffectBatch) {
		m.once = balancer.StickBatch
	}
	m.pins |= plan.Effects & pinning
	if plan.Effects.Has(balancer.EffectPseudoVariable) {
		for i := range plan.Statements {
			m.pseudo |= plan.Statements[i].Pseudo
		}
	}
	unknown := plan.Effects.Has(balancer.EffectUnknown) && s.Stick == balancer.StickUnknown
	if unknown || len(plan.Statements) == 1 && plan.Statements[0].Verb == balancer.VerbCall {
		m.stickTo(balancer.StickUnknown)
	}
	begins, ends := plan.Undoing()
	if uncounted := plan.Effects &^ (begins | ends); uncounted.Has(balancer.EffectTemporaryTable) {
		m.temporary = uncountable
	}
	if plan.Effects.Has(balancer.EffectHandler) && (len(plan.Statements) != 1 || len(plan.Statements[0].Passing) > 0) { // SET STATEMENT … FOR HANDLER too
		m.handlers = uncountable
	}
	if plan.Unlocks() {
		m.pins &^= 1<<balancer.EffectTableLocks | 1<<balancer.EffectGlobalReadLock
	}
}

// ended takes in what a statement has ended with. What it does not change is what the
// one before has left: servers keep warnings, and what FOUND_ROWS() gives, over
// statements without tables.
func (m *memory) ended(ok *wire.OK, inTransaction bool, plan *balancer.Plan) {
	if inTransaction && !m.inTransaction() {
		m.pins &^= endsWithTransaction
	}
	m.empty = (m.empty || isPlainBegin(plan)) && m.inTransaction()
	if plan != nil && len(plan.Statements) == 1 && plan.Statements[0].Undone != 0 {
		m.pseudo &^= plan.Statements[0].Undone
		if m.pseudo == 0 {
			m.pins &^= 1 << balancer.EffectPseudoVariable
		}
	}
	m.undo(plan)
	tables := plan != nil && len(plan.Statements) == 1 && len(plan.Statements[0].Tables) > 0
	m.asks = ok.Warnings > 0 || m.asks && !tables
	m.hasWarnings = m.hasWarnings || tables || ok.Warnings > 0
	m.hasLast = true
	m.sequenced = m.sequenced || plan != nil && plan.Effects.Has(balancer.EffectSequence)
	m.rowCount = int64(ok.Affected)
	if ok.Result {
		m.rowCount, m.hasFound = -1, m.hasFound || tables
	}
}

// uncountable says that it is not known how many there are of something in the session.
const uncountable = 255

// undo counts what the statement that has succeeded has begun, or ended, and lets go what
// that was the last of. There may be fewer than are counted (a HANDLER ends with its table),
// and not more.
func (m *memory) undo(plan *balancer.Plan) {
	begins, ends := plan.Undoing()
	switch {
	case begins.Has(balancer.EffectHandler):
		m.handlers = oneMore(m.handlers)
	case begins.Has(balancer.EffectTemporaryTable):
		m.temporary = oneMore(m.temporary)
	case ends.Has(balancer.EffectHandler):
		if m.handlers = less(m.handlers, 1); m.handlers == 0 {
			m.pins &^= 1 << balancer.EffectHandler
		}
	case ends.Has(balancer.EffectTemporaryTable):
		if f := &plan.Statements[0]; !f.Perhaps {
			m.temporary = less(m.temporary, len(f.Tables))
		}
		if m.temporary == 0 {
			m.pins &^= 1 << balancer.EffectTemporaryTable
		}
	case ends.Has(balancer.EffectUserLock) && plan.Statements[0].Verb == balancer.VerbRead && m.variables["sql_select_limit"] != "": // it may have called nothing
	default:
		m.pins &^= ends & (1<<balancer.EffectUserLock | 1<<balancer.EffectBackupLock | 1<<balancer.EffectBackupStage)
	}
}

func oneMore(n uint8) uint8 {
	if n == uncountable {
		return n
	}
	return n + 1
}

func less(n uint8, ended int) uint8 {
	if n == uncountable {
		return n
	}
	return uint8(max(0, int(n)-ended))
}

// parseError is what a server answers to a text that it can not parse.
const parseError = 1064

// maxUnparsed is how much of a text is searched for what may have run all the same.
const maxUnparsed = 4096

// unparse takes back what the statement under way, which was answered by a parse error,
// was expected to leave behind: it was not executed, if the error is its parser's. MySQL's
// own client begins each session with such a text, SELECT $$.
func (s *session) unparse() {
	if s.code != wire.ComQuery || s.plan == nil || s.instead != nil || s.held == 0 || s.held > maxUnparsed || s.mem.pins == s.mem.unparsed {
		return
	}
	if text := s.wholeText(); text != nil && !balancer.ReachesStoredCode(text) {
		s.mem.pins = s.mem.unparsed
	}
}

// maxUnnamed is how many digests are logged of those that have changed what nobody names.
const maxUnnamed = 1000

// unnamed are the digests that have been logged for that. The zero value has none. It is
// safe for concurrent use.
type unnamed struct {
	mu     sync.Mutex
	logged map[uint64]struct{}
}

// first reports whether a digest is to be logged: for the first time, while there is room.
func (u *unnamed) first(hash uint64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, known := u.logged[hash]; known || len(u.logged) == maxUnnamed {
		return false
	}
	if u.logged == nil {
		u.logged = make(map[uint64]struct{})
	}
	u.logged[hash] = struct{}{}
	return true
}

// countUnnamed notes that the member has reported a change by the statement under way which
// nothing has a name for: the session keeps its link, and what is missing here is seen.
func (s *session) countUnnamed() {
	s.p.count.unnamed.Add(1)
	var hash uint64
	digest := ""
	if s.plan != nil {
		hash, digest = s.plan.Hash(), abridge(string(s.plan.AppendDigest(nil)))
	}
	if s.p.unnamed.first(hash) {
		s.p.log.Info("a change of state that nobody names keeps a connection", "session", s.id, "member", string(s.link.route.Member.ID), "statement", digest)
	}
}

// left says that the session has another link than before, which knows nothing of what
// its statements have left.
func (m *memory) left() {
	m.hasLast, m.hasFound, m.hasWarnings, m.shown = false, false, false, false
	m.temporary, m.handlers = 0, 0
}

// sticks says why the session can not go on if its link is lost.
func (m *memory) sticks() balancer.Stick {
	switch {
	case m.stick != balancer.StickNone:
		return m.stick
	case m.once != balancer.StickNone:
		return m.once
	case m.temporary != 0:
		return balancer.StickState
	case m.pins.Has(balancer.EffectUserLock):
		return balancer.StickUserLock
	case m.pins.HasAny(stuck), m.pseudo != 0:
		return balancer.StickUnknown
	}
	return m.statements.stick(m)
}

// holds says in words why the session can not go on if its link is lost.
func (m *memory) holds() string {
	if has := m.pins & stuck; has != 0 {
		return has.String()
	}
	return m.sticks().String()
}
