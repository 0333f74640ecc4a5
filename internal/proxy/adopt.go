package proxy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sqlring/sqlring/internal/wire"
)

// A link that comes from the pool is at what its last user has left it at. adopt
// makes it the next one's: what he has set, and what the last one has not set back.

// standing is what a session at a member is at, as far as others could come to see
// it. It is known exactly, or the link is not given to others.
type standing struct {
	schema   string // the default one; "" for none, to which no session can return
	settings string // memory.settings of who has it, or had it last
	insertID uint64 // what LAST_INSERT_ID() gives
	unsure   bool   // unless it is what it was before that
	warned   bool   // it has warnings of somebody

	shelf shelf // statements that are prepared there
}

// begin is for a session that was just reset, or has begun. Its schema stays.
func (at *standing) begin() {
	*at = standing{schema: at.schema}
}

// settings returns all that the session has set, in one form: two sessions with equal
// ones can use the same link without a word.
func (m *memory) settings() string {
	if m.settled {
		return m.setting
	}
	m.settled, m.setting, m.settingReads = true, "", ""
	if len(m.variables) > 0 || m.option != "" {
		var b strings.Builder
		b.WriteString(m.option)
		for _, name := range m.names() {
			b.WriteByte(0)
			b.WriteString(name)
			b.WriteByte('=')
			b.WriteString(m.variables[name])
		}
		m.setting = b.String()
	}
	return m.setting
}

// settingsFor is settings on a link that is for reads alone, or for all.
func (m *memory) settingsFor(reading bool) string {
	if reading {
		if setting := m.settings(); m.settingReads == "" {
			m.settingReads = setting + "\x00read only"
		}
		return m.settingReads
	}
	return m.settings()
}

// readOnly has the member refuse all writes of the link.
func (l *link) readOnly() error {
	if err := l.own.Send(wire.Query("SET SESSION TRANSACTION READ ONLY")); err != nil {
		return err
	}
	if _, _, err := l.own.Result(l.caps, setupBudget); err != nil {
		return fmt.Errorf("make a link for reads: %w", err)
	}
	return nil
}

// names returns the variables that the session has set, sorted.
func (m *memory) names() []string {
	names := make([]string, 0, len(m.variables))
	for name := range m.variables {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// adopt makes the link one for the session that mem is of. It asks the member
// nothing if the two are at the same. An *wire.Error is the member's word on
// something that the session has: its schema is gone, say.
func (l *link) adopt(mem *memory) error {
	settings := mem.settingsFor(l.reading.Load())
	if l.at.settings != settings {
		if l.at.settings != "" {
			if _, err := l.setup(true); err != nil {
				return err
			}
		}
		if err := l.restore(mem); err != nil {
			return err
		}
		if l.reading.Load() {
			if err := l.readOnly(); err != nil {
				return err
			}
		}
		l.at.settings = settings
	}
	if l.at.schema != mem.schema {
		if err := l.use(mem.schema); err != nil {
			return err
		}
	}
	if !mem.begun {
		mem.beginOn(l)
	}
	mem.layout, mem.violated = l.slot, false
	l.owes = l.at.insertID != mem.insertID || l.at.unsure || mem.unsure
	return nil
}

// beginOn takes what a session begins with.
func (m *memory) beginOn(l *link) {
	capable := m.wants.capable
	m.wants = l.fresh.wants
	m.wants.capable = capable
	m.mode, m.charset0 = l.fresh.mode, l.fresh.charset
	m.begun = true
	if len(m.variables) == 0 {
		m.status = l.fresh.status
	}
}

// use makes schema the default one.
func (l *link) use(schema string) error {
	if err := l.own.Send(append([]byte{byte(wire.ComInitDB)}, schema...)); err != nil {
		return err
	}
	if _, _, err := l.own.Result(l.caps, setupBudget); err != nil {
		return err
	}
	l.at.schema = schema
	return nil
}
