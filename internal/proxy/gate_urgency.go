package proxy

import (
	"strconv"
	"strings"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/gate"
)

// How urgent a statement is, and until when it is of use, is said in front of its text, or
// for the session:
//
//	/* sqlring priority=high deadline=200ms */ SELECT …
//	SET sqlring_priority = 'background' | 'normal' | 'high' | 'urgent'
//	SET sqlring_deadline = '200ms'
//
// A session's own max_statement_time (MariaDB) or max_execution_time (MySQL) is a deadline too.

// urgent is what a session has set.
type urgent struct {
	priority gate.Priority
	within   time.Duration // 0: no deadline
}

// urgency puts priority and deadline into a request.
func (s *session) urgency(r *gate.Request, now gate.Instant) {
	u := s.urgent
	if u.within == 0 {
		u.within = s.mem.statementTime()
	}
	if hint, ok := hintOf(s.commandText()); ok {
		u.read(hint)
	}
	r.Priority = u.priority
	if u.within > 0 {
		r.Deadline = now.Add(u.within)
	}
}

// commandText is the beginning of the text of the command under way.
func (s *session) commandText() []byte {
	if s.meant != nil {
		return []byte(s.meant.text[:min(len(s.meant.text), longestHint)])
	}
	c, _, err := readCommand(s.in.bytes())
	if err != nil || c.code != wire.ComQuery || len(c.packet) <= wire.HeaderSize+s.before {
		return nil
	}
	c.before = s.before
	return c.text()[:min(len(c.text()), longestHint)]
}

const longestHint = 200

// hintOf returns what a comment in front of a text says to sqlring.
func hintOf(text []byte) (string, bool) {
	t := strings.TrimSpace(string(text))
	if !strings.HasPrefix(t, "/*") {
		return "", false
	}
	comment, _, found := strings.Cut(t[2:], "*/")
	comment = strings.TrimSpace(comment)
	if !found || len(comment) < len("sqlring") || !strings.EqualFold(comment[:len("sqlring")], "sqlring") {
		return "", false
	}
	return strings.TrimLeft(comment[len("sqlring"):], ": \t"), true
}

// read takes in words of the form name=value. What is not known is left.
func (u *urgent) read(words string) {
	for _, word := range strings.FieldsFunc(words, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\n' }) {
		name, value, _ := strings.Cut(word, "=")
		value = strings.ToLower(strings.Trim(value, `'"`))
		switch strings.ToLower(name) {
		case "priority":
			if p, ok := gate.ParsePriority(value); ok {
				u.priority = p
			}
		case "deadline":
			if d, err := time.ParseDuration(value); err == nil && d >= 0 {
				u.within = d
			}
		}
	}
}

// setUrgency does SET sqlring_priority and SET sqlring_deadline.
func (s *session) setUrgency(text string) (known bool, told *wire.Error) {
	if value, ok := setsOwn(text, "sqlring_priority"); ok {
		p, ok := gate.ParsePriority(value)
		if !ok {
			return true, wire.NewError(wire.VariableReserved, "sqlring: priority %q is not one of background, normal, high, urgent", value)
		}
		s.urgent.priority = p
		return true, nil
	}
	value, ok := setsOwn(text, "sqlring_deadline")
	if !ok {
		return false, nil
	}
	d, err := time.ParseDuration(value)
	if value != "0" && (err != nil || d < 0) {
		return true, wire.NewError(wire.VariableReserved, "sqlring: deadline %q is no time, as 200ms or 5s; 0 is none", value)
	}
	s.urgent.within = d
	return true, nil
}

// statementTime is what the session allows its statements, 0 if it has set nothing.
func (m *memory) statementTime() time.Duration {
	if len(m.variables) == 0 {
		return 0
	}
	if v, ok := m.variables["max_statement_time"]; ok { // seconds, with a fraction
		if seconds, err := strconv.ParseFloat(v, 64); err == nil && seconds > 0 && seconds < 1e6 {
			return time.Duration(seconds * float64(time.Second))
		}
	}
	if v, ok := m.variables["max_execution_time"]; ok { // milliseconds
		if ms, err := strconv.ParseInt(v, 10, 32); err == nil && ms > 0 {
			return time.Duration(ms) * time.Millisecond
		}
	}
	return 0
}

// setsOwn reads SET [SESSION] sqlring_name = 'value'.
func setsOwn(text, name string) (value string, ok bool) {
	text = strings.TrimRight(strings.TrimSpace(text), "; \t\r\n")
	first, rest, _ := strings.Cut(text, " ")
	variable, value, found := strings.Cut(rest, "=")
	if !found || !strings.EqualFold(first, "set") {
		return "", false
	}
	variable = strings.ToLower(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(variable), ":")))
	for _, prefix := range []string{"@@session.", "session ", "@@local.", "local ", "@@"} {
		variable = strings.TrimSpace(strings.TrimPrefix(variable, prefix))
	}
	if variable != name {
		return "", false
	}
	return strings.ToLower(strings.Trim(strings.TrimSpace(value), "'\"")), true
}
