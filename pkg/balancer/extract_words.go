package balancer

import (
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// keyword reads a keyword of a query or an expression.
func (s *scan) keyword(t item) {
	top := s.top()
	next := s.peek(1)
	switch t.word {
	case "select":
		top.query, top.from, top.expect, top.with = true, false, false, false
	case "update", "delete":
		s.written = s.written || top.with && len(s.levels) == 1
		if top.with && len(s.levels) == 1 {
			s.facts.Verb = VerbChange
			top.from, top.expect, top.with = t.word == "update", t.word == "update", false
		}
	case "with":
		if !next.is("rollup") && !next.named("parser", "ties", "query") {
			top.with, top.expect = true, true
			if top.recursive = next.is("recursive"); top.recursive {
				s.at++
			}
		}
	case "table":
		if before := s.before(); top.query && (before.kind == 0 || before.kind == '(' || before.is("as", "union", "except", "intersect", "all", "distinct")) {
			top.from, top.expect = true, true
		}
	case "from":
		if top.query {
			top.from, top.expect, top.with = true, true, false
		}
	case "join", "straight_join":
		top.expect = top.from
	case "where", "group", "having", "order", "limit", "window", "union", "except", "intersect", "values", "set":
		top.from, top.expect, top.with = false, false, false
	case "using":
		if s.written && len(s.levels) == 1 && !next.opens() && s.deletes {
			s.facts.Tables = nil // DELETE FROM aliases USING tables
			top.from, top.expect = true, true
		}
	case "returning": // to MySQL it is a name
		top.from = top.from && s.facts.Verb != VerbChange
	case "sql_calc_found_rows":
		s.add(EffectCalcFoundRows)
	case "into":
		top.from = false
		s.into(next)
	case "for":
		top.from = false
		if next.is("update", "share") {
			s.add(EffectRowLocks)
		}
	case "lock":
		top.from = false
		if next.is("in") {
			s.add(EffectRowLocks)
		}
	case "procedure":
		if top.query { // PROCEDURE ANALYSE()
			s.add(EffectUnknown)
		}
	case "next":
		if next.is("value") && s.peek(2).is("for") {
			s.sequence(3, EffectSequence)
			return
		}
	}
	if next.opens() {
		s.called(t, false)
	}
	s.at++
}

// into judges where a query's rows go.
func (s *scan) into(next item) {
	switch {
	case !s.top().query || s.facts.Verb == VerbChange: // INSERT INTO
	case next.is("outfile", "dumpfile"):
		s.add(EffectFile)
	case next.kind == '@':
		s.add(EffectUserVariable)
	default:
		s.add(EffectUnknown)
	}
}

// sequence passes NEXT VALUE FOR or the like and reads the sequence's name.
func (s *scan) sequence(size int, effect Effect) {
	s.at += size
	s.add(effect)
	if s.peek(0).isName() {
		schema, name := s.qualified()
		s.addTable(schema, name, effect == EffectSequence)
	}
}

// name reads a name in an expression: a column, an alias, or a function.
func (s *scan) name(t item) {
	next := s.peek(1)
	if t.named("previous") && next.is("value") && s.peek(2).is("for") {
		s.sequence(3, EffectLastValue)
		return
	}
	if next.opens() {
		s.called(t, s.before().kind == '.')
	}
	s.at++
}

// variable reads @name, @@name or @@scope.name.
func (s *scan) variable() {
	s.at++
	if !s.acceptKind('@') {
		s.add(EffectReadsUserVariable)
		s.at++ // the name, a value or quoted
		return
	}
	if s.peek(0).is("global", "session", "local", "persist") && s.peek(1).kind == '.' {
		s.at += 2
	}
	s.add(readEffects(s.peek(0).name)...)
	s.at++
}

// readEffects returns what reading a system variable depends on.
func readEffects(name string) []Effect {
	switch strings.ToLower(name) {
	case "identity", "last_insert_id":
		return []Effect{EffectLastInsertID}
	case "warning_count", "error_count":
		return []Effect{EffectDiagnostics}
	case "pseudo_thread_id":
		return []Effect{EffectConnectionID}
	case "insert_id", "rand_seed1", "rand_seed2":
		return []Effect{EffectPseudoVariable}
	case "in_transaction", "last_gtid", "gtid_executed", "gtid_purged", "gtid_current_pos", "gtid_binlog_pos", "gtid_binlog_state", "gtid_slave_pos", "gtid_owned",
		"server_id", "server_uuid", "hostname", "port", "socket", "datadir", "read_only", "super_read_only", "auto_increment_offset", "gtid_domain_id", "pid_file":
		return []Effect{EffectMember}
	}
	return nil
}

// hint reads an optimizer hint: all that it may change for longer than the statement
// is the auto_increment layout of its rows.
func (s *scan) hint() {
	for !s.ended() {
		t := s.peek(0)
		s.at++
		if t.named("auto_increment_increment", "auto_increment_offset") {
			s.add(EffectLayout)
		}
		if t.named("session_track_gtids", "session_track_system_variables", "gtid_next", "sql_log_bin") {
			s.unknown()
		}
		if t.kind == TokenHintClose {
			return
		}
	}
}

// called judges the word in front of a bracket.
func (s *scan) called(t item, qualified bool) {
	name := strings.ToLower(t.name)
	if qualified {
		s.add(EffectRoutine)
		s.facts.Complete = false
		return
	}
	if effect, ok := functionEffect(name); ok {
		if name == "last_insert_id" && !s.emptyCall() {
			effect = EffectSetsLastInsertID
		}
		s.add(effect)
		if effect == EffectSequence || effect == EffectLastValue {
			s.facts.Complete = false
		}
		return
	}
	switch {
	case t.kind.isKeyword() && (s.dialect.Flavour == topology.FlavourMySQL || opensBracket(name) || isSyntax(name) || isKeywordFunction(name)):
	case t.kind.isKeyword() && isFunction(name):
	case t.kind == TokenWord && isFunction(name) && !isKeywordFunction(name):
	case t.kind == TokenWord && isLaterFunction(name, s.dialect.Flavour):
	default:
		s.add(EffectRoutine)
		s.facts.Complete = false
	}
}

// emptyCall reports whether "()" follows the current item.
func (s *scan) emptyCall() bool { return s.peek(1).kind == '(' && s.peek(2).kind == ')' }
