package balancer

import (
	"bytes"
	"slices"
	"strconv"
	"time"
)

// A statement may say itself for how long it may run at the server: MySQL's optimizer hint
// MAX_EXECUTION_TIME(milliseconds), which is for a SELECT; MariaDB's SET STATEMENT
// max_statement_time=seconds FOR …, for whatever follows. Digests have no values, so a plan
// says only that there is one, and it is read off each text.

const maxStatementTime = "max_statement_time"

// limitsItself reports whether statements of the plan say for how long they may run.
func (p *Plan) limitsItself() bool {
	if len(p.Statements) != 1 {
		return false
	}
	return slices.Contains(p.Statements[0].Passing, maxStatementTime) || bytes.Contains(p.AppendDigest(nil), []byte("MAX_EXECUTION_TIME ("))
}

// Within returns for how long a text of the plan says that it may run; ok is false if it says
// nothing that could be read. 0 is no limit.
func (p *Plan) Within(text []byte, dialect Dialect) (within time.Duration, ok bool) {
	if !p.limits {
		return 0, false
	}
	l := NewLexer(text, dialect)
	var before [2]Token // the last two
	hinted := false
	for t := l.Next(); t.Kind != TokenEnd && t.Kind != TokenInvalid; t = l.Next() {
		switch t.Kind {
		case TokenHintOpen, TokenHintClose:
			hinted = t.Kind == TokenHintOpen
		case TokenNumber:
			name, number := text[before[0].Start:before[0].End], string(text[t.Start:t.End])
			switch {
			case hinted && before[1].Kind == '(' && bytes.EqualFold(name, []byte("max_execution_time")):
				ms, err := strconv.ParseUint(number, 10, 32)
				return time.Duration(ms) * time.Millisecond, err == nil && ms > 0 && p.IsRead() // 0 is as if it were not there
			case !hinted && before[1].Kind == '=' && bytes.EqualFold(name, []byte(maxStatementTime)):
				seconds, err := strconv.ParseFloat(number, 64)
				return time.Duration(seconds * float64(time.Second)), err == nil && seconds >= 0 && seconds < 1e6
			}
		}
		before = [2]Token{before[1], t}
	}
	return 0, false
}
