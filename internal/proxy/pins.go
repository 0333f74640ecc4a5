package proxy

import (
	"slices"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// Why a session keeps its link: what its statements have left there that it can not be
// given elsewhere. Four instruments tell it: what the texts say (balancer.Effects), the
// changes that OK packets report (track.go), their status, and the rule that a change
// which nobody can name keeps the link (StickState). What MariaDB sets without reporting
// it at all is known by the text alone (EffectUnreported).

// pinning are the effects that keep a session on its link, for good or until undone.
const pinning = 1<<balancer.EffectUnknown | 1<<balancer.EffectXA | 1<<balancer.EffectNextTransaction | 1<<balancer.EffectUserVariable |
	1<<balancer.EffectPseudoVariable | 1<<balancer.EffectReplication | 1<<balancer.EffectTextPrepare | 1<<balancer.EffectTemporaryTable |
	1<<balancer.EffectTableLocks | 1<<balancer.EffectGlobalReadLock | 1<<balancer.EffectBackupLock | 1<<balancer.EffectUserLock |
	1<<balancer.EffectServiceLock | 1<<balancer.EffectHandler | 1<<balancer.EffectRoutine | 1<<balancer.EffectRole |
	1<<balancer.EffectResourceGroup | 1<<balancer.EffectProfiling | 1<<balancer.EffectOptimizerTrace | 1<<balancer.EffectSequence |
	1<<balancer.EffectSessionUser | 1<<balancer.EffectTruncated | 1<<balancer.EffectUnreported

// stuck are those of them without which the session can not go on if its link is lost.
// What is not known counts if its first word is not known either: most of the others
// are statements that the server will not understand.
const stuck = 1<<balancer.EffectXA | 1<<balancer.EffectTextPrepare | 1<<balancer.EffectTableLocks |
	1<<balancer.EffectGlobalReadLock | 1<<balancer.EffectBackupLock | 1<<balancer.EffectUserLock | 1<<balancer.EffectServiceLock |
	1<<balancer.EffectHandler | 1<<balancer.EffectRole | 1<<balancer.EffectResourceGroup | 1<<balancer.EffectSessionUser | 1<<balancer.EffectUnreported

// Of those that keep the link, these end with the transaction, or with its being begun
// and ended.
const endsWithTransaction = 1 << balancer.EffectNextTransaction

// applies notes what the statement that is about to be sent may leave behind.
func (m *memory) applies(s balancer.Statement, plan *balancer.Plan, whole bool) {
	m.unparsed = m.pins
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
			m.pseudo = append(m.pseudo, plan.Statements[i].Pseudo...)
		}
		slices.Sort(m.pseudo)
		m.pseudo = slices.Compact(m.pseudo)
	}
	unknown := plan.Effects.Has(balancer.EffectUnknown) && s.Stick == balancer.StickUnknown
	if unknown || len(plan.Statements) == 1 && plan.Statements[0].Verb == balancer.VerbCall {
		m.stickTo(balancer.StickUnknown)
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
	if plan != nil && len(plan.Statements) == 1 && len(plan.Statements[0].Undone) > 0 {
		m.pseudo = slices.DeleteFunc(m.pseudo, func(name string) bool { return slices.Contains(plan.Statements[0].Undone, name) })
		if len(m.pseudo) == 0 {
			m.pins &^= 1 << balancer.EffectPseudoVariable
		}
	}
	tables := plan != nil && len(plan.Statements) == 1 && len(plan.Statements[0].Tables) > 0
	m.asks = ok.Warnings > 0 || m.asks && !tables
	m.hasWarnings = m.hasWarnings || tables || ok.Warnings > 0
	m.hasLast = true
	m.rowCount = int64(ok.Affected)
	if ok.Result {
		m.rowCount, m.hasFound = -1, m.hasFound || tables
	}
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

// left says that the session has another link than before, which knows nothing of what
// its statements have left.
func (m *memory) left() { m.hasLast, m.hasFound, m.hasWarnings, m.shown = false, false, false, false }

// sticks says why the session can not go on if its link is lost.
func (m *memory) sticks() balancer.Stick {
	switch {
	case m.stick != balancer.StickNone:
		return m.stick
	case m.once != balancer.StickNone:
		return m.once
	case m.pins.Has(balancer.EffectUserLock):
		return balancer.StickUserLock
	case m.pins.HasAny(stuck), len(m.pseudo) > 0:
		return balancer.StickUnknown
	}
	return m.statements.stick(m)
}
