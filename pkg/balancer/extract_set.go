package balancer

import (
	"slices"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// set reads SET in all its forms, assignment by assignment.
func (x *extraction) set() {
	x.facts.Verb = VerbSet
	switch first := x.peek(0); {
	case first.is("password"):
		x.facts.Verb, x.facts.Complete = VerbAccount, false
		x.add(EffectAccount, EffectCommits)
		return
	case first.is("default") && x.peek(1).is("role"):
		x.facts.Verb, x.facts.Complete = VerbAccount, false
		x.add(EffectAccount, EffectCommits)
		return
	case first.is("role"):
		x.add(EffectRole)
		return
	case first.is("resource"):
		x.add(EffectResourceGroup)
		return
	case first.is("session") && x.peek(1).named("authorization"):
		x.add(EffectSessionUser)
		return
	case first.named("statement") && x.peek(1).isName():
		x.statementFor()
		return
	}
	for !x.ended() {
		x.assignment()
	}
	x.facts.Passing = nil
}

// assignment reads one assignment, up to the comma behind it.
func (x *extraction) assignment() {
	scope := ""
	if x.peek(0).is("global", "session", "local", "persist", "persist_only") {
		scope = x.peek(0).word
		x.at++
	}
	t := x.peek(0)
	switch {
	case t.is("transaction"):
		x.setTransaction(scope)
		return
	case t.is("names", "character", "charset") && !isAssignment(x.peek(1)):
		x.add(EffectCharset)
		x.at++
	case t.kind == '@' && x.peek(1).kind == '@':
		x.at += 2
		single := true
		if x.peek(0).is("global", "session", "local", "persist", "persist_only") && x.peek(1).kind == '.' {
			scope, single = x.peek(0).word, false
			x.at += 2
		}
		x.setVariable(scope, single)
	case t.kind == '@':
		x.add(EffectUserVariable)
		x.at += 2
	case t.isName():
		x.setVariable(scope, false)
	default:
		x.unknown()
		x.at = len(x.items)
		return
	}
	x.assigned()
}

func isAssignment(t item) bool { return t.kind == '=' || t.kind == TokenAssign || t.kind == '.' }

// assigned reads a value, up to the comma behind it.
func (x *extraction) assigned() {
	if isAssignment(x.peek(0)) {
		x.at++
	}
	start, depth := x.at, 0
	for ; !x.ended(); x.at++ {
		switch k := x.peek(0).kind; {
		case k == '(':
			depth++
		case k == ')':
			depth--
		case k == ',' && depth == 0:
			x.value(start)
			x.at++
			return
		}
	}
	x.value(start)
}

// setsPseudo notes that the variable which was read last is set to what stands in items.
func (x *extraction) setsPseudo(items []item) {
	if len(items) == 1 && items[0].is("default") {
		x.facts.Undone |= x.pseudo
	} else {
		x.facts.Pseudo |= x.pseudo
	}
	x.pseudo = 0
}

// value scans the expression from start on, up to the current item.
func (x *extraction) value(start int) {
	x.sets(x.items[start:x.at])
	x.setsPseudo(x.items[start:x.at])
	inner := extraction{items: x.items[start:x.at], dialect: x.dialect, facts: Facts{Complete: true}}
	inner.scan()
	x.facts.Effects |= inner.facts.Effects
	x.facts.Complete = x.facts.Complete && inner.facts.Complete
	for _, t := range inner.facts.Tables {
		x.addTable(t.Schema, t.Name, t.Written)
	}
}

// setTransaction reads SET [scope] TRANSACTION: without a scope it is for the next
// transaction only.
func (x *extraction) setTransaction(scope string) {
	switch scope {
	case "":
		x.add(EffectNextTransaction)
	case "global":
		x.add(EffectGlobalVariable)
	default:
		x.add(EffectSystemVariable)
	}
	x.at = len(x.items)
}

// setVariable reads the name of a variable and notes what setting it does. single says
// that it is written @@name, which for some means the next transaction's. For the others
// it is the session's, but MariaDB tells nobody who tracks them (seen on 10.11); MySQL does.
func (x *extraction) setVariable(scope string, single bool) {
	name := strings.ToLower(x.peek(0).name)
	if !x.peek(0).isName() {
		x.unknown()
		return
	}
	x.at++
	if x.peek(0).kind == '.' { // key_cache.key_buffer_size, NEW.column
		x.at += 2
		x.add(EffectGlobalVariable)
		return
	}
	switch scope {
	case "global", "persist", "persist_only":
		x.add(EffectGlobalVariable)
		if isReplicationVariable(name, true) {
			x.hazardous = name
		}
		if name == "auto_increment_increment" || name == "auto_increment_offset" {
			x.add(EffectLayout)
		}
		return
	}
	if single && (name == "transaction_isolation" || name == "tx_isolation" || name == "transaction_read_only" || name == "tx_read_only") {
		x.add(EffectNextTransaction)
		return
	}
	if isReplicationVariable(name, false) {
		x.hazardous = name
	}
	effect := variableEffect(name)
	x.pseudo = PseudoOf(name)
	x.facts.Passing = append(x.facts.Passing, name)                                     // as long as nobody says that it stays: statementFor
	if single && effect != EffectLayout && x.dialect.Flavour != topology.FlavourMySQL { // that is refused, or ignored
		x.add(EffectUnreported)
		x.facts.Unreported = append(x.facts.Unreported, name)
	}
	x.add(effect)
}

// Replayable reports whether a session variable of this name, in lower case, that was set on
// one connection can be set to the same on another one.
func Replayable(name string) bool {
	switch variableEffect(name) {
	case EffectAutocommit, EffectSQLMode, EffectCharset, EffectSystemVariable:
		return true
	default:
		return false
	}
}

// Pseudo is a set of session variables that are for one statement, or until they are set
// back: what one was set to on one connection is nothing to set on another. What
// LAST_INSERT_ID() gives is more than that, and not among them. The zero value is empty.
type Pseudo uint8

var pseudoVariables = [...]string{"insert_id", "timestamp", "rand_seed1", "rand_seed2", "pseudo_thread_id"}

// PseudoOf returns the set of the variable of this name, in lower case; the empty one for others.
func PseudoOf(name string) Pseudo {
	if i := slices.Index(pseudoVariables[:], name); i >= 0 {
		return 1 << i
	}
	return 0
}

// variableEffect returns what setting a session variable is.
func variableEffect(name string) Effect {
	switch name {
	case "autocommit":
		return EffectAutocommit
	case "sql_mode":
		return EffectSQLMode
	case "auto_increment_increment", "auto_increment_offset":
		return EffectLayout
	case "insert_id", "last_insert_id", "identity", "timestamp", "rand_seed1", "rand_seed2", "pseudo_thread_id", "error_count", "warning_count":
		return EffectPseudoVariable
	case "gtid_next", "sql_log_bin", "sql_log_off", "gtid_domain_id", "gtid_seq_no", "server_id", "pseudo_slave_mode", "pseudo_replica_mode", "skip_replication",
		"binlog_format", "binlog_row_image", "original_commit_timestamp", "original_server_version", "immediate_server_version", "gtid_next_list", "wsrep_on", "log_bin":
		return EffectReplication
	case "profiling":
		return EffectProfiling
	case "optimizer_trace":
		return EffectOptimizerTrace
	case "debug", "debug_sync":
		return EffectUnknown
	}
	switch {
	case strings.HasPrefix(name, "session_track_"):
		return EffectTracking
	case strings.HasPrefix(name, "character_set_"), strings.HasPrefix(name, "collation_"):
		return EffectCharset
	}
	return EffectSystemVariable
}

// statementFor reads MariaDB's SET STATEMENT … FOR statement: the settings last as long
// as the statement, whose kind is the whole one's.
func (x *extraction) statementFor() {
	start, depth := x.at+1, 0
	for x.at++; !x.ended(); x.at++ {
		switch t := x.peek(0); {
		case t.kind == '(':
			depth++
		case t.kind == ')':
			depth--
		case t.is("for") && depth == 0 && x.at+1 < len(x.items):
			settings := extraction{items: x.items[start:x.at], dialect: x.dialect, facts: Facts{Complete: true}}
			for !settings.ended() {
				settings.assignment()
			}
			inner := extract(x.items[x.at+1:], x.dialect)
			kept := EffectsOf(EffectLayout, EffectReplication, EffectTracking, EffectUnknown, EffectRoutine, EffectUserVariable, EffectUserLock, EffectPseudoVariable)
			x.facts = inner
			x.facts.Begins, x.facts.Ends = 0, 0 // sql_select_limit=0, say
			x.facts.Passing = append(settings.facts.Passing, inner.Passing...)
			x.facts.Dangers = append(settings.facts.Dangers, inner.Dangers...)
			x.facts.Effects |= settings.facts.Effects & kept
			x.facts.Complete = inner.Complete && settings.facts.Complete
			x.at = len(x.items)
			return
		}
	}
	x.unknown()
}
