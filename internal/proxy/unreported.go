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
