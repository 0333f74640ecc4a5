package proxy

import (
	"fmt"
	"strings"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
)

// What a read has to see is said, the nearer to it the more it counts: by its account's
// setting; by its session (SET sqlring_consistency); by a comment in its text, or in the
// text that was prepared (balancer.Hint); by a query attribute of that name. What can not
// be followed is an error, and the statement is not run; where nobody can say whether
// something was said, the read is a strong one. How urgent a statement is, and until when
// it is of use (gate_urgency.go), is said in the same ways, by sqlring_priority and
// sqlring_deadline.

// The query attributes that are meant for the proxy.
const (
	attributeName     = "sqlring_consistency"
	attributePriority = "sqlring_priority"
	attributeDeadline = "sqlring_deadline"
)

// notFollowed is the answer to a statement that asks for what can not be had.
func notFollowed(err error) *wire.Error {
	return wire.NewError(wire.VariableReserved, "sqlring: %v; this was not run", err)
}

// hinted takes in what a text asks for; told is what the client gets if that can not be
// followed.
func (s *session) hinted(hint balancer.Hint, err error) (told *wire.Error) {
	if _, known := gate.ParsePriority(hint.Priority); err == nil && hint.Priority != "" && !known {
		err = fmt.Errorf("hint: priority %q is not one of background, normal, high, urgent", hint.Priority)
	}
	if err != nil {
		return notFollowed(err)
	}
	s.hint = hint
	if hint.Says {
		s.sees = hint.Consistency
	}
	return nil
}

// attributed takes in what the attributes of the command under way ask for.
func (s *session) attributed(c command) (told *wire.Error) {
	const none = 2 // bytes that say that there are none
	var of func(name string) wire.Attribute
	switch {
	case !s.caps.Has(wire.QueryAttributes):
		return nil
	case c.code == wire.ComQuery && c.before > none:
		of = func(name string) wire.Attribute { return wire.QueryAttribute(c.payload(), name) }
	case c.code == wire.ComStmtExecute && s.meant != nil:
		b := wire.ParseExecute(c.payload(), s.meant.parameters, s.caps)
		if b.Count <= uint64(s.meant.parameters) {
			return nil
		}
		of = func(name string) wire.Attribute {
			return b.Attribute(c.payload(), s.meant.parameters, s.meant.long, name)
		}
	default:
		return nil
	}
	if told = s.attributedUrgency(of, c.code == wire.ComQuery); told != nil {
		return told
	}
	a := of(attributeName)
	switch {
	case a.Unread && c.code == wire.ComStmtExecute && (!a.There || s.meant.long || !c.whole):
		s.sees = balancer.ConsistencyStrong
		return nil
	case a.Unread:
		return wire.NewError(wire.VariableReserved, "sqlring: the query attribute %s is to be one text: eventual, session, account or strong; this was not run", attributeName)
	case !a.There:
		return nil
	}
	level, err := balancer.ParseConsistency(strings.ToLower(strings.TrimSpace(a.Text)))
	if err != nil {
		return notFollowed(err)
	}
	s.sees = level
	return nil
}

// attributedUrgency takes in how urgent the command is, and until when it is of use. What
// is there and is no text is an error if it can be told (strict); else it is as if it were
// not said, since it changes only who waits for how long.
func (s *session) attributedUrgency(of func(name string) wire.Attribute, strict bool) (told *wire.Error) {
	a := of(attributePriority)
	_, known := gate.ParsePriority(strings.ToLower(strings.TrimSpace(a.Text)))
	switch {
	case !a.There || a.Unread && !strict:
	case a.Unread || !known:
		return notFollowed(fmt.Errorf("the query attribute %s is %q: it is to be one text of background, normal, high, urgent", attributePriority, a.Text))
	default:
		s.hint.Priority = strings.ToLower(strings.TrimSpace(a.Text))
	}
	a = of(attributeDeadline)
	d, err := readDeadline(a.Text)
	switch {
	case !a.There || a.Unread && !strict:
	case a.Unread || err != nil:
		return notFollowed(fmt.Errorf("the query attribute %s is %q: it is to be one text, a time as 200ms or 5s; 0 is none", attributeDeadline, a.Text))
	default:
		s.hint.Deadline, s.hint.HasDeadline = d, true
	}
	return nil
}

// readDeadline reads a time within which something is of use; 0 is none.
func readDeadline(text string) (time.Duration, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	if text == "0" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = fmt.Errorf("%q is below 0", text)
	}
	return d, err
}
