package proxy

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// A session with user variables stays on its link. Where it can not go on there, since a
// statement is of another owner, or the owner has changed, they are read from it and set on
// the next one: a restored dump begins with some, and goes through several schemas. MariaDB
// alone lets an account read them without further rights.

// luggage is what a session has taken along from a link, until it has another one.
type luggage struct {
	set    string         // the statement that sets it; "" for nothing
	stick  balancer.Stick // what it sticks for where that was set
	pins   balancer.Effects
	begins bool // it is no variable, but a transaction that has only begun: begun.go
}

// carriedVariables is how many user variables are taken along at most.
const carriedVariables = 200

// carriable reports whether what keeps the session on its link can be taken along.
func (s *session) carriable() bool {
	return s.link != nil && s.link.version.Flavour != topology.FlavourMySQL && s.mem.carriable()
}

// carriable reports whether all that keeps the session on its link is user variables that
// its own statements have set.
func (m *memory) carriable() bool {
	if m.inTransaction() || m.pins&^(1<<balancer.EffectUserVariable) != 0 || m.statements.asking > 0 || m.vague {
		return false
	}
	if m.stick != balancer.StickNone && m.stick != balancer.StickState {
		return false
	}
	other := *m
	other.stick = balancer.StickNone
	return other.sticks() == balancer.StickNone
}

// setsVariables reports whether a change of the session that nobody names is explained by a
// statement: it sets variables, and runs nothing that could do more.
func setsVariables(p *balancer.Plan) bool {
	if p == nil || len(p.Statements) != 1 || p.Effects.HasAny(1<<balancer.EffectRoutine|1<<balancer.EffectTruncated|1<<balancer.EffectUnknown) {
		return false
	}
	f := &p.Statements[0]
	switch f.Verb {
	case balancer.VerbSet:
		return len(f.Tables) == 0 // a view may run anything
	case balancer.VerbDo, balancer.VerbRead:
		return len(f.Tables) == 0 && p.Effects.Has(balancer.EffectUserVariable)
	default:
		return false
	}
}

// pack takes the session's user variables from its link and gives the link up. It reports
// false, and leaves all as it was, if that can not be done without losing anything.
func (s *session) pack() bool {
	l := s.link
	if l == nil || l.reading.Load() || l.cutOff.Load() || l.confined || s.movable() || !s.carriable() {
		return false
	}
	var set string
	s.mem.hasLast, s.mem.hasFound, s.mem.hasWarnings = false, false, false
	err := l.within(&s.ctx, s.p.cfg.BackendTimeout, func() (err error) {
		if s.mem.holdsInsertID(l) {
			if s.mem.insertID, err = l.readInsertID(); err != nil {
				return err
			}
			s.mem.learnInsertID(s.mem.insertID)
		}
		set, err = l.readVariables()
		return err
	})
	if err != nil {
		s.p.log.Debug("user variables stay where they are", "session", s.id, "member", string(l.route.Member.ID), "error", err)
		return false
	}
	s.mem.luggage = &luggage{set: set, stick: s.mem.stick, pins: s.mem.pins}
	s.mem.stick, s.mem.pins = balancer.StickNone, 0
	s.dropLink() // nobody else is to see them
	return true
}

// unpack sets on the session's link what it has taken along. On an error that is lost.
func (s *session) unpack() error {
	b := s.mem.luggage
	if b == nil || s.link == nil || s.link.reading.Load() {
		return nil
	}
	if b.set != "" {
		err := s.link.within(&s.ctx, s.p.cfg.BackendTimeout, func() error {
			if err := s.link.own.Send(wire.Query(b.set)); err != nil {
				return err
			}
			_, _, err := s.link.own.Result(s.link.caps, setupBudget)
			return err
		})
		if err != nil {
			s.dropLink()
			return fmt.Errorf("set the session's user variables again: %w", err)
		}
		if b.begins {
			s.mem.begunAnew(s.link.own.Status())
		}
	}
	s.mem.stickTo(b.stick)
	s.mem.pins, s.mem.luggage = s.mem.pins|b.pins, nil
	return nil
}

// readVariables returns the statement that sets the link's user variables elsewhere (MariaDB
// manual, "Information Schema USER_VARIABLES Table"; it shows no more than 2 KiB of a value).
func (l *link) readVariables() (string, error) {
	row, err := l.row("SELECT CONCAT(COUNT(*), '/', COALESCE(GROUP_CONCAT(HEX(variable_name), ':', variable_type SEPARATOR '/'), '')) FROM information_schema.user_variables")
	if err != nil {
		return "", err
	}
	list := strings.Split(row, "/")
	if list[0] == "0" {
		return "", nil
	}
	names, kinds := make([]string, 0, len(list)), make([]string, 0, len(list))
	values := make([]string, 0, len(list))
	for _, entry := range list[1:] {
		name, kind, _ := strings.Cut(entry, ":")
		text, err := hex.DecodeString(name)
		if err != nil || !plainName(string(text)) {
			return "", fmt.Errorf("a user variable's name is %q", text)
		}
		at := "@`" + string(text) + "`"
		names, kinds = append(names, at), append(kinds, kind)
		if kind == "VARCHAR" {
			at = "HEX(" + at + "),'|',COLLATION(" + at + ")"
		}
		values = append(values, "COALESCE(CONCAT("+at+"),'N')")
	}
	if list[0] != fmt.Sprint(len(names)) || len(names) > carriedVariables {
		return "", fmt.Errorf("%s user variables, of which %d are told", list[0], len(names))
	}
	if row, err = l.row("SELECT CONCAT_WS('/'," + strings.Join(values, ",") + ")"); err != nil {
		return "", err
	}
	told := strings.Split(row, "/")
	if len(told) != len(names) {
		return "", fmt.Errorf("%d values of %d user variables", len(told), len(names))
	}
	for i := range names {
		names[i] += "=" + literalOf(kinds[i], told[i])
	}
	return "SET " + strings.Join(names, ","), nil
}

// row returns the only column of the only row.
func (l *link) row(text string) (string, error) {
	if err := l.own.Send(wire.Query(text)); err != nil {
		return "", err
	}
	row, _, err := l.own.Result(l.caps, setupBudget)
	if err == nil && len(row) != 1 {
		err = fmt.Errorf("%w: %d columns instead of one", wire.ErrMalformed, len(row))
	}
	if err != nil {
		return "", fmt.Errorf("read user variables: %w", err)
	}
	return row[0], nil
}

// plainName reports whether a name reads alike in all character sets, in quotes.
func plainName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c < ' ' || c >= 0x7F || c == '`' {
			return false
		}
	}
	return name != ""
}

// literalOf returns an expression for a value of a type, as USER_VARIABLES names it.
func literalOf(kind, value string) string {
	switch {
	case value == "N":
		return "NULL"
	case kind == "INT UNSIGNED":
		return "CAST(" + value + " AS UNSIGNED)"
	case kind == "DOUBLE" && !strings.ContainsAny(value, "eE"):
		return value + "e0"
	case kind == "DECIMAL" && !strings.Contains(value, "."):
		return value + "."
	case kind == "VARCHAR":
		text, collation, _ := strings.Cut(value, "|")
		charset, _, sorted := strings.Cut(collation, "_")
		if !sorted {
			return "_" + charset + " X'" + text + "'"
		}
		return "_" + charset + " X'" + text + "' COLLATE " + collation
	}
	return value
}
