package balancer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Touch says which units a statement touches. What a text does not tell is taken for
// all that it may do: the units that a Touch has are never too few, as long as units
// are closed sets (see [topology.Closure]).
type Touch struct {
	Units []topology.UnitID // sorted; at least one
	// Writes says that rows of them are changed or locked, or may be.
	Writes bool
	// Neutral says that no unit's data matter: the statement is about the session, or
	// asks what every member answers alike. Units is then that of the default schema.
	Neutral bool
}

// Divided reports whether the view has more than one unit. If not, all that is to be
// said of units is "*".
func (v *View) Divided() bool { return v != nil && len(v.Units) > 1 }

// Touches returns what a statement touches, by its plan and the default schema by which
// its names are read; a nil plan is that of a command without a text.
func (v *View) Touches(p *Plan, schema string) Touch {
	t := toucher{view: v, plan: p, homes: []string{schema}, neutral: true}
	if p != nil && p.Effects.Has(EffectTruncated) { // anything may follow
		return v.touchesAll()
	}
	if p != nil {
		for i := range p.Statements {
			if f := &p.Statements[i]; f.Verb == VerbUse && len(p.Statements) > 1 {
				t.homes = append(t.homes, f.Schema)
			}
		}
		for i := range p.Statements {
			t.statement(&p.Statements[i])
		}
	}
	if len(t.touch.Units) == 0 {
		t.neutral = true
		t.add(schema)
	}
	t.touch.Neutral = t.neutral
	slices.Sort(t.touch.Units)
	return t.touch
}

// TouchesCut is Touches of a text of which only the beginning is known, up to its first
// value. Only of an INSERT or a REPLACE that says something, if no other statement can
// stand behind it.
func (v *View) TouchesCut(p *Plan, schema string, single bool) Touch {
	if !single || p == nil || len(p.Statements) != 1 {
		return v.touchesAll()
	}
	f := &p.Statements[0]
	if len(f.Tables) == 0 || !f.Tables[0].Written || !startsInsert(p) {
		return v.touchesAll()
	}
	t := toucher{view: v, plan: p, homes: []string{schema}}
	t.tables(f)
	t.add(schema) // functions may follow
	t.touch.Writes = true
	slices.Sort(t.touch.Units)
	return t.touch
}

// TouchesRows is TouchesCut of an INSERT or a REPLACE behind whose beginning there is
// nothing but rows of values ([Rows]).
func (v *View) TouchesRows(p *Plan, schema string) Touch {
	t := toucher{view: v, plan: p, homes: []string{schema}}
	t.tables(&p.Statements[0])
	t.touch.Writes = true
	slices.Sort(t.touch.Units)
	return t.touch
}

func startsInsert(p *Plan) bool {
	items := itemsOf(p.key)
	return len(items) > 0 && items[0].is("insert", "replace")
}

func (v *View) touchesAll() Touch {
	t := Touch{Writes: true}
	for _, u := range v.Units {
		t.Units = append(t.Units, u.ID)
	}
	return t
}

// Apart returns an error that names the units and their owners, if the units have more
// than one owner. Units without one at present do not count.
func (v *View) Apart(units []topology.UnitID) error {
	var owner topology.MemberID
	apart := false
	for _, id := range units {
		if u, ok := v.unit(id); ok && u.Owner != "" {
			apart = apart || owner != "" && u.Owner != owner
			owner = u.Owner
		}
	}
	if !apart {
		return nil
	}
	names := make([]string, 0, len(units))
	for _, id := range units {
		u, _ := v.unit(id)
		names = append(names, fmt.Sprintf("%s (owner %s)", id, u.Owner))
	}
	return fmt.Errorf("units with different owners: %s", strings.Join(names, ", "))
}

// Same reports whether two views agree in the epochs of some units.
func (v *View) Same(other *View, units []topology.UnitID) bool {
	if v == other {
		return true
	}
	for _, id := range units {
		a, _ := v.OwnerOf(id)
		b, _ := other.OwnerOf(id)
		if a.Epoch != b.Epoch || a.Unit != b.Unit {
			return false
		}
	}
	return true
}

// toucher finds out what a plan touches.
type toucher struct {
	view    *View
	plan    *Plan
	homes   []string // default schemas that names may be read by
	touch   Touch
	neutral bool
}

// add notes a schema: its unit; both its unit and "*" if the name differs from a unit's
// in case alone, which may or may not be another schema.
func (t *toucher) add(schema string) {
	if u, ok := t.view.unit(topology.UnitID(schema)); ok && schema != "" {
		t.unit(u.ID)
		return
	}
	for _, u := range t.view.Units {
		if strings.EqualFold(string(u.ID), schema) {
			t.unit(u.ID)
		}
	}
	t.unit(topology.UnitRest)
}

func (t *toucher) unit(id topology.UnitID) {
	if !slices.Contains(t.touch.Units, id) {
		t.touch.Units = append(t.touch.Units, id)
	}
}

// statement adds what one statement touches.
func (t *toucher) statement(f *Facts) {
	calls := f.Effects.HasAny(EffectsOf(EffectRoutine, EffectUnknown))
	switch f.Verb {
	case VerbBegin, VerbCommit, VerbRollback, VerbSavepoint, VerbKill, VerbUse:
		return
	case VerbUnknown, VerbPrepare, VerbXA:
		all := t.view.touchesAll()
		t.touch.Units, t.touch.Writes, t.neutral = all.Units, true, false
		return
	case VerbAccount: // in the schema mysql
		t.unit(topology.UnitRest)
		t.touch.Writes, t.neutral = true, false
		return
	case VerbSet, VerbDo, VerbDiagnostic, VerbLock:
		if len(f.Tables) == 0 && !calls {
			return
		}
	case VerbRead:
		locks := calls || f.Effects.HasAny(EffectsOf(EffectRowLocks, EffectSequence))
		if before := len(t.touch.Units); !locks {
			if t.tables(f); len(t.touch.Units) > before {
				t.neutral = false
			}
			return
		}
	case VerbAdmin:
		if len(f.Tables) == 0 { // the server's own: FLUSH, INSTALL
			t.unit(topology.UnitRest)
			t.neutral = false
			return
		}
	case VerbDDL:
		if f.Schema != "" { // of a database as a whole
			t.add(f.Schema)
			if items := itemsOf(t.plan.key); items[0].is("alter") { // the name may be left out
				t.add(t.homes[0])
			}
			t.touch.Writes, t.neutral = true, false
			return
		}
	case VerbChange, VerbCall, VerbHandler:
	}
	t.neutral, t.touch.Writes = false, true
	t.tables(f)
	if !f.Complete || calls {
		for _, home := range t.homes {
			t.add(home)
		}
		t.mentions()
	}
}

// tables adds the units of the tables that a statement names.
func (t *toucher) tables(f *Facts) {
	for _, table := range f.Tables {
		switch strings.ToLower(table.Schema) {
		case "":
			for _, home := range t.homes {
				t.add(home)
			}
		case "information_schema", "performance_schema", "sys": // each server's own
		default:
			t.add(table.Schema)
		}
	}
}

// mentions adds the units whose names the text has in front of a dot.
func (t *toucher) mentions() {
	items := itemsOf(t.plan.key)
	for i := 0; i+1 < len(items); i++ {
		if !items[i].isName() || items[i+1].kind != '.' {
			continue
		}
		for _, u := range t.view.Units {
			if strings.EqualFold(string(u.ID), items[i].name) {
				t.add(items[i].name)
			}
		}
	}
}
