package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Some statements make the members of a ring differ, and nobody notices (balancer.Hazard).
// They are refused by name, unless the node's file permits them: by their text where that
// says it, in whatever way it is sent; DDL that fills rows, by whether its table has any. What a
// routine or a computed text hides is found afterwards, if it is a variable that the member reports:
// the session ends then, and the log says so.

var errStrayed = errors.New("the session changed a variable of replication")

// maxSpoken is how deep texts in texts are looked at.
const maxSpoken = 3

// permit is the end of all refusals of a hazard.
func permit(h balancer.Hazard) string {
	return fmt.Sprintf("The node's file permits it with proxy.permit: [%s]", h)
}

// hazard says why a text may not be run, whatever the tables are; nil if it may.
func (s *session) hazard(plan *balancer.Plan, text []byte, depth int) *wire.Error {
	if plan == nil || len(plan.Dangers) == 0 {
		return nil
	}
	var told *wire.Error
	s.p.reader.values(text, s.mem.dialect(s.p.version()), func(values []balancer.Value) {
		for i := range plan.Dangers {
			if told = s.judges(&plan.Dangers[i], text, values, depth); told != nil {
				return
			}
		}
	})
	return told
}

// judges is hazard of one of the dangers.
func (s *session) judges(d *balancer.Danger, text []byte, values []balancer.Value, depth int) *wire.Error {
	if s.p.cfg.Permits.Has(d.Hazard) {
		return nil
	}
	var value []byte
	if d.Value >= 0 && d.Value < len(values) && values[d.Value].Count == 1 {
		value = text[values[d.Value].Start:values[d.Value].End]
	}
	switch d.Hazard {
	case balancer.HazardXA:
		return wire.NewError(wire.CommandNotAvailable, "sqlring: %s does not go through the proxy: a prepared transaction outlives its session and its server, and a takeover "+
			"could neither end it nor take it along; this was not run. Use a plain transaction. %s", d.What, permit(d.Hazard))
	case balancer.HazardReplication:
		if value == nil || !d.Harmless(string(value)) {
			return ofReplication(d.What)
		}
	case balancer.HazardNumbers, balancer.HazardValues:
		if depth > 0 {
			return wire.NewError(wire.CommandNotAvailable, "sqlring: ALTER TABLE %s %s is not run from a text: %s; send it as a statement of its own, which is run if the table has no rows. %s",
				d.Table.Name, d.What, differs(d), permit(d.Hazard))
		}
	case balancer.HazardLock:
		if name := ofLock(d, text, values, s.mem.noBackslash()); balancer.IsReservedLock(name) {
			return wire.NewError(wire.CommandNotAvailable, "sqlring: the lock %.64q is the ring's: while somebody holds it the controller can not act on the member, or waits; this was not run. "+
				"Take another name, one that does not begin with sqlring_. %s", name, permit(d.Hazard))
		}
	case balancer.HazardText:
		inner := balancer.Unquote(value, s.mem.noBackslash())
		if inner == nil || depth == maxSpoken {
			return nil
		}
		plan, _, _ := s.p.reader.plan(inner, s.mem.dialect(s.p.version()))
		return s.hazard(plan, inner, depth+1)
	case balancer.HazardNone:
	}
	return nil
}

// ofLock returns the name that GET_LOCK is given as a literal, "" if it is none.
func ofLock(d *balancer.Danger, text []byte, values []balancer.Value, noBackslash bool) string {
	if d.Value >= len(values) || values[d.Value].Param >= 0 {
		return ""
	}
	literal := text[values[d.Value].Start:values[d.Value].End]
	if len(literal) == 0 || literal[0] == '@' { // a variable
		return ""
	}
	if i := bytes.IndexAny(literal, `'"`); i > 0 { // N'…', _utf8'…'
		literal = literal[i:]
	}
	return string(balancer.Unquote(literal, noBackslash))
}

// values calls f with where the values of a text are, as its plan has them.
func (r *reader) values(text []byte, dialect balancer.Dialect, f func([]balancer.Value)) {
	d, ok := r.digesters.Get().(*balancer.Digester)
	if !ok {
		d = new(balancer.Digester)
	}
	defer r.digesters.Put(d)
	if d.Digest(text, dialect); !d.Whole() {
		d.Fold(text, dialect)
	}
	f(d.Values())
}

// ofReplication is the answer to a statement that touches replication, by what it touches.
func ofReplication(what string) *wire.Error {
	why, instead := "what is written with it is taken for another member's, and passed over by those who think they have it", "Replay a binlog at a member, with the ring closed"
	switch what {
	case "sql_log_bin", "skip_replication":
		why, instead = "what is written with it stays on one member, and the ring differs from then on", "Leave it out; make a dump with --set-gtid-purged=OFF"
	case "gtid_purged", "gtid_slave_pos", "gtid_binlog_state":
		why, instead = "it says which transactions a member has, and the controller goes by that", "Leave it out; make a dump with --set-gtid-purged=OFF"
	case "gtid_next":
		instead = "Leave it out, or set it to AUTOMATIC; make a dump with --set-gtid-purged=OFF"
	case "binlog_format":
		why, instead = "statements are run anew by each member then, and may come to other rows there", "Leave it out: it is ROW"
	}
	if before, _, statement := strings.Cut(what, " "); statement {
		why, instead = "the controller manages it, and the proxy chooses the member that a statement goes to", "At a member: sqlring master maintenance NAME"
		switch before {
		case "RESET", "PURGE":
			why = "what a member reads that comes back stands in the binlog, and " + why
		}
	}
	return wire.NewError(wire.VariableReserved, "sqlring: %s is the ring's: %s; this was not run. %s. %s", what, why, instead, permit(balancer.HazardReplication))
}

// differs says why DDL gives rows of each member something else.
func differs(d *balancer.Danger) string {
	if d.Hazard == balancer.HazardValues {
		return "each member draws the values of the rows for itself, and they differ"
	}
	return "each member numbers the rows in the order in which it has them, and they differ"
}

// hazardOfText is hazard of the command that carries a text.
func (s *session) hazardOfText(c command) *wire.Error {
	if c.code != wire.ComQuery && c.code != wire.ComStmtPrepare {
		return nil
	}
	text := c.text()
	if !c.whole { // what stands behind its beginning is looked at by nobody
		if i := bytes.IndexAny(text, `'"`); i >= 0 {
			text = text[:i]
		}
		return s.hazard(s.beginning, text, 0)
	}
	return s.hazard(s.plan, text, 0)
}

// fillsRows says why DDL that the link is about to get may not be run: its table has rows. It
// asks the member in the session's own name, for the table that the session means.
func (s *session) fillsRows(c command) (told *wire.Error, err error) {
	if c.code != wire.ComQuery && c.code != wire.ComStmtExecute || s.plan == nil {
		return nil, nil
	}
	for i := range s.plan.Dangers {
		d := &s.plan.Dangers[i]
		if d.Hazard != balancer.HazardNumbers && d.Hazard != balancer.HazardValues || s.p.cfg.Permits.Has(d.Hazard) {
			continue
		}
		if len(s.plan.Statements) > 1 {
			return wire.NewError(wire.CommandNotAvailable, "sqlring: ALTER TABLE %s %s is not run along with other statements: %s; send it on its own: it is run if the table has no rows. %s",
				d.Table.Name, d.What, differs(d), permit(d.Hazard)), nil
		}
		if told, err := s.looksForRows(d); told != nil || err != nil {
			return told, err
		}
	}
	return nil, nil
}

// looksForRows asks the member for the rows that a statement would fill.
func (s *session) looksForRows(d *balancer.Danger) (told *wire.Error, err error) {
	s.mem.hasLast, s.mem.hasFound = false, false
	var row []string
	err = s.link.within(&s.ctx, s.p.cfg.BackendTimeout, func() (err error) {
		if err := s.link.own.Send(wire.Query(s.rowsOf(d))); err != nil {
			return err
		}
		row, _, err = s.link.own.Result(s.link.caps, setupBudget)
		var refused *wire.Error
		if err != nil && !errors.As(err, &refused) || s.mem.status.Has(wire.StatusAutocommit) || s.mem.inTransaction() {
			return err
		}
		if failed := s.link.rollback(); failed != nil { // of what the question has begun
			return failed
		}
		return err
	})
	var refused *wire.Error
	switch {
	case err == nil && len(row) == 0:
		return nil, nil
	case err == nil:
	case !errors.As(err, &refused):
		return nil, fmt.Errorf("look for rows that would be filled: %w", err)
	case notThere(refused.Number):
		return nil, nil // the member says what it has against the statement
	case refused.Number == lockWaitTimeout || refused.Number == lockNoWait: // somebody is writing one
	default:
		return wire.NewError(wire.CommandNotAvailable, "sqlring: ALTER TABLE %s %s is run if the table has no rows, which could not be looked at (%s); this was not run. %s",
			d.Table.Name, d.What, refused.Message, permit(d.Hazard)), nil
	}
	instead := "Add the column without it, fill it by UPDATE, and then change it to what it is to be"
	if d.Hazard == balancer.HazardNumbers {
		instead = "Add the column as one that takes NULL, give each row its number by UPDATE, and then MODIFY it to AUTO_INCREMENT"
	}
	return wire.NewError(wire.CommandNotAvailable, "sqlring: ALTER TABLE %s %s on a table with rows: %s; this was not run. %s. %s", d.Table.Name, d.What, differs(d), instead, permit(d.Hazard)), nil
}

// lockNoWait is MySQL's answer to NOWAIT where MariaDB's is 1205.
const lockNoWait = 3572

// notThere tells the errors of a table or column that is not there, or can not be used now.
func notThere(number uint16) bool {
	switch number {
	case 1146, 1049, 1046, 1054, 1100, 1347, 1356, 1932:
		return true
	}
	return false
}

// rowsOf is a query for a row that a statement would fill. In a transaction it does not
// look at what was there when that began.
func (s *session) rowsOf(d *balancer.Danger) string {
	name := func(n string) string { return "`" + strings.ReplaceAll(n, "`", "``") + "`" }
	table := name(d.Table.Name)
	if d.Table.Schema != "" {
		table = name(d.Table.Schema) + "." + table
	}
	q := "SELECT 1 FROM " + table
	if d.Column != "" {
		q += " WHERE " + name(d.Column) + " IS NULL OR " + name(d.Column) + " = 0"
	}
	q += " LIMIT 1"
	switch {
	case !s.mem.inTransaction() && s.mem.status.Has(wire.StatusAutocommit):
	case s.link.version.Flavour == topology.FlavourMySQL:
		q += " FOR SHARE NOWAIT"
	default:
		q += " LOCK IN SHARE MODE NOWAIT"
	}
	return q
}

// strays ends a session of which the member reports that a variable of replication was
// changed: a routine or a computed text has done it. One that was changed back is told of in the log.
func (s *session) strays() error {
	name, away := s.mem.strayed.name, s.mem.strayed.away
	s.mem.strayed = nil
	switch {
	case s.p.cfg.Permits.Has(balancer.HazardReplication):
		return nil
	case away:
		s.p.log.Error("a session changed a variable of replication behind the proxy's back, and was ended: what it has written may be at one member alone",
			"session", s.id, "user", s.as.login.User, "variable", name)
		return errStrayed
	case s.plan == nil || !s.plan.Effects.Has(balancer.EffectReplication):
		s.p.log.Warn("a statement set a variable of replication behind the proxy's back, and set it back: what it has written may be at one member alone",
			"session", s.id, "user", s.as.login.User, "variable", name)
	}
	return nil
}

// rollback ends a transaction of ours.
func (l *link) rollback() error {
	if err := l.own.Send(wire.Query("ROLLBACK")); err != nil {
		return err
	}
	_, _, err := l.own.Result(l.caps, setupBudget)
	return err
}
