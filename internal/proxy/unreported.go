package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// MariaDB reports no change of a variable that is set as @@name. Such a statement keeps the
// link (EffectUnreported) until its variables were read back; then they are as good as
// reported: the session's texts are read by them, and another link is given them. What a text
// that is in a string sets (EXECUTE), or a block of statements, is not known; there the
// variables that change how texts are read are looked at.

// unreported are the effects of statements that may set variables and not have it reported.
const unreported = 1<<balancer.EffectUnreported | 1<<balancer.EffectUnknown

// setsUnreported notes that the statement under way, answered by the error, 0 for none, has set
// variables of which the member does not tell.
func (s *session) setsUnreported(number uint16) {
	m, sets := &s.mem, s.plan.Effects.Has(balancer.EffectUnreported)
	switch {
	case s.link.version.Flavour != topology.FlavourMariaDB || s.link.confined:
	case sets && refusesAll(number) && len(s.plan.Statements) == 1:
		if !m.unparsed.Has(balancer.EffectUnreported) {
			m.pins &^= 1 << balancer.EffectUnreported
		}
	case sets || number == 0 && s.current.Kind == balancer.KindOther:
		m.askValues = true
	}
}

// refusesAll tells the errors of a SET that has set nothing: all of its assignments are
// checked before the first is made.
func refusesAll(number uint16) bool {
	switch number {
	case parseError, 1193, 1227, 1228, 1229, 1231, 1232, 1238, 1115, 1273, 1298:
		return true
	}
	return false
}

// readsBackFirst reports whether what a SET has set is to be read back before its client is
// told of it: if the link is lost meanwhile, it can be run again elsewhere. What else may
// have set something is done by then, and its client is told so first.
func (s *session) readsBackFirst() bool {
	return (s.mem.askValues || s.mem.askCollation) && s.current.Kind == balancer.KindSet && !s.delivered && s.link != nil && !s.link.confined
}

// readBack reads back what the command under way has set.
func (s *session) readBack() error {
	s.mem.hasLast, s.mem.hasFound = false, false // they are about what we ask now
	return s.link.within(&s.ctx, s.p.cfg.BackendTimeout, func() error {
		if s.mem.askCollation {
			if err := s.link.learnCollation(&s.mem); err != nil {
				return err
			}
		}
		if s.mem.askValues {
			return s.link.learnValues(&s.mem, s.plan)
		}
		return nil
	})
}

// takesBack undoes, when the link is lost, that the command under way was to leave something
// there: a SET of values that nothing is known of but that leaves nothing else, since what was set
// before is set again on the next link, and then this is; and what a routine leaves whose client
// does not get its answer, and so counts on nothing.
func (s *session) takesBack() {
	const sets = 1<<balancer.EffectUnreported | 1<<balancer.EffectSystemVariable | 1<<balancer.EffectSQLMode | 1<<balancer.EffectCharset | 1<<balancer.EffectAutocommit
	s.mem.askValues, s.mem.askCollation = false, false
	if s.current.Kind == balancer.KindSet && s.held > 0 && s.plan != nil && len(s.plan.Statements) == 1 && s.plan.Effects&^sets == 0 {
		s.mem.pins = s.mem.unparsed
	}
	if !s.delivered && carriesSQL(s.code) && !s.mem.unparsed.Has(balancer.EffectRoutine) {
		s.mem.pins &^= 1 << balancer.EffectRoutine
	}
}

// leavesAgain is called when the command, what it leaves being undone by takesBack, is to be run again.
func (s *session) leavesAgain() {
	if carriesSQL(s.code) && s.plan != nil {
		s.mem.pins |= s.plan.Effects & (1<<balancer.EffectUnreported | 1<<balancer.EffectRoutine)
	}
}

// learnValues reads back what plan has set, or may have.
func (l *link) learnValues(mem *memory, plan *balancer.Plan) error {
	mem.askValues = false
	names := []string{"sql_mode", "character_set_client"}
	for _, name := range plan.Unreported() {
		if strings.HasPrefix(name, "character_set_") || strings.HasPrefix(name, "collation_") {
			names = append(names, collationOfConnection)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	columns := make([]string, len(names))
	for i, name := range names {
		columns[i] = "@@session.`" + strings.ReplaceAll(name, "`", "``") + "`"
	}
	if err := l.own.Send(wire.Query("SELECT " + strings.Join(columns, ", "))); err != nil {
		return err
	}
	row, _, err := l.own.Result(l.caps, setupBudget)
	var refused *wire.Error
	switch {
	case errors.As(err, &refused): // the link is kept
		return nil
	case err == nil && len(row) != len(names):
		err = wire.ErrMalformed
	}
	if err != nil {
		return fmt.Errorf("read back what the session has set: %w", err)
	}
	mode, charset := mem.reads()
	known := map[string]string{"sql_mode": mode, "character_set_client": charset}
	for i, name := range names {
		if was, ok := known[name]; ok && was == row[i] || !balancer.Replayable(name) {
			continue
		}
		if mem.variables == nil {
			mem.variables = make(map[string]string)
		}
		mem.variables[name], mem.settled = row[i], false
	}
	if !mem.unparsed.Has(balancer.EffectUnreported) {
		mem.pins &^= 1 << balancer.EffectUnreported
	}
	return nil
}
