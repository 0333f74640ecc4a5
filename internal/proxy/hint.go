package proxy

import (
	"fmt"
	"strings"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
)

// What a read has to see is said, the nearer to it the more it counts: by its account's
// setting; by its session (SET sqlring_consistency); by a comment in its text, or in the
// text that was prepared (balancer.Hint); by a query attribute of that name. What can not
// be followed is an error, and the statement is not run; where nobody can say whether
// something was said, the read is a strong one.

// attributeName is the query attribute that is meant for the proxy.
const attributeName = "sqlring_consistency"

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
	var a wire.Attribute
	switch {
	case !s.caps.Has(wire.QueryAttributes):
		return nil
	case c.code == wire.ComQuery && c.before > none:
		a = wire.QueryAttribute(c.payload(), attributeName)
	case c.code == wire.ComStmtExecute && s.meant != nil:
		b := wire.ParseExecute(c.payload(), s.meant.parameters, s.caps)
		a = b.Attribute(c.payload(), s.meant.parameters, s.meant.long, attributeName)
		if a.Unread && (!a.There || s.meant.long || !c.whole) {
			s.sees = balancer.ConsistencyStrong
			return nil
		}
	}
	switch {
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
