package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// setupBudget is how many bytes a member may answer to one of our own statements.
const setupBudget = 64 << 10

// Servers copy the slot's global variables into a session when it begins; so it
// is read first, and set only where it differs (it may be about to change). On
// MySQL a session needs a privilege to set it, and then the difference is an
// error that the client sees.
//
// Every variable is tracked, the slot itself included: that is how a change of it
// is noticed that no scan of SQL can see.
const (
	readBack = "SELECT @@auto_increment_offset, @@auto_increment_increment, @@session_track_system_variables, " +
		"@@session_track_schema, @@session_track_state_change, @@sql_mode, @@character_set_client, @@session_track_transaction_info"
	track = "SET SESSION session_track_system_variables='*', session_track_schema=1, session_track_state_change=1"

	readTracked = "SELECT @@session_track_system_variables, @@session_track_schema, @@session_track_state_change"

	// The token of the member's process, times a hundred: a number in the server's
	// memory that a restart wipes.
	readBoot = "SELECT @@global.sqlring_boot.key_cache_age_threshold"
	bootUnit = 100

	readTrackedMySQL = readTracked + ", @@session_track_gtids"

	readBackMySQL = readBack + ", @@session_track_gtids, @@character_set_results, @@collation_connection"
	trackMySQL    = track + ", session_track_gtids='OWN_GTID'"
)

// setup makes a fresh session on a member ready for whoever comes: slot and
// tracking. reset first takes back what the last user of it has done. It returns
// the payload of the OK packet to that. A link whose password has to be changed
// first stays as it is, and is confined. [link.adopt] makes it one client's.
func (l *link) setup(reset bool) (ok []byte, err error) {
	commands := l.tracking()
	if l.route.Member.Boot != 0 {
		commands = append(commands, wire.Query(readBoot))
	}
	if reset {
		commands = append([][]byte{{byte(wire.ComResetConnection)}}, commands...)
	}
	if err := l.own.Send(commands...); err != nil {
		return nil, err
	}
	if reset {
		if _, ok, err = l.own.Result(l.caps, setupBudget); err != nil {
			return nil, fmt.Errorf("reset the session: %w", err)
		}
	}
	row, _, err := l.own.Result(l.caps, setupBudget)
	if l.confined = wantsPassword(err); l.confined {
		return nil, l.skip(len(commands) - 1)
	}
	if err != nil {
		return nil, fmt.Errorf("read the session's slot: %w", err)
	}
	if err := l.checkTracking(); err != nil {
		return nil, err
	}
	if err := l.checkBoot(); err != nil {
		return nil, err
	}
	if err := l.fresh.read(row); err != nil {
		return nil, err
	}
	l.fresh.status = l.own.Status() &^ wire.StatusSessionChanged
	l.at.begin()
	if err := l.greetAgain(reset); err != nil {
		return nil, err
	}
	want := l.route.Member.Layout
	if l.slot = layoutOf(row); l.slot.Within(want) {
		return ok, nil // a resize gets to the server first
	}
	l.slot = want
	return ok, l.setLayout(want)
}

// tracking returns the commands that read the session's values, switch its tracking on, and
// read that back.
func (l *link) tracking() [][]byte {
	if l.version.Flavour == topology.FlavourMySQL {
		return [][]byte{wire.Query(readBackMySQL), wire.Query(trackMySQL), wire.Query(readTrackedMySQL)}
	}
	return [][]byte{wire.Query(readBack), wire.Query(track), wire.Query(readTracked)}
}

// checkTracking reads the answers to all but the first of [link.tracking]. A link of which
// not every change is reported is no link: its state would be given to others.
func (l *link) checkTracking() error {
	if _, _, err := l.own.Result(l.caps, setupBudget); err != nil {
		return fmt.Errorf("track the session: %w", err)
	}
	row, _, err := l.own.Result(l.caps, setupBudget)
	if err != nil {
		return fmt.Errorf("read the session's tracking back: %w", err)
	}
	want := []string{"*", "1", "1"}
	if l.version.Flavour == topology.FlavourMySQL {
		want = append(want, "OWN_GTID")
	}
	if !slices.Equal(row, want) {
		return fmt.Errorf("%w is %q although it was set to %q", errTracking, row, want)
	}
	return nil
}

var (
	errSlot     = errors.New("the session's slot")
	errTracking = errors.New("what the session reports of its changes")
	errProcess  = errors.New("this is not the process that was admitted: it was restarted")
)

// checkBoot reads the answer to readBoot, if it was asked. A member that was
// restarted must not serve sessions before it was admitted again (S10): it has
// forgotten all that was set on it.
func (l *link) checkBoot() error {
	want := l.route.Member.Boot
	if want == 0 {
		return nil
	}
	row, _, err := l.own.Result(l.caps, setupBudget)
	if err != nil {
		return fmt.Errorf("read the token of the process: %w", err)
	}
	if len(row) != 1 || row[0] != strconv.FormatUint(want*bootUnit, 10) {
		return errProcess
	}
	return nil
}

// setLayout sets the slot and reads it back.
func (l *link) setLayout(want autoinc.Layout) error {
	set := fmt.Sprintf("SET SESSION auto_increment_increment=%d, auto_increment_offset=%d", want.Stride, want.Offset)
	if err := l.own.Send(wire.Query(set), wire.Query(readBack)); err != nil {
		return err
	}
	if _, _, err := l.own.Result(l.caps, setupBudget); err != nil {
		return fmt.Errorf("set the session's slot %s: %w", want, err)
	}
	row, _, err := l.own.Result(l.caps, setupBudget)
	if err != nil {
		return fmt.Errorf("read the session's slot back: %w", err)
	}
	if got := layoutOf(row); got != want {
		return fmt.Errorf("%w is %s although it was set to %s", errSlot, got, want)
	}
	return nil
}

// layoutOf reads the slot from a row of readBack; the zero layout if it can not.
func layoutOf(row []string) autoinc.Layout {
	if len(row) < 2 {
		return autoinc.Layout{}
	}
	offset, err1 := strconv.Atoi(row[0])
	stride, err2 := strconv.Atoi(row[1])
	if err1 != nil || err2 != nil {
		return autoinc.Layout{}
	}
	return autoinc.Layout{Offset: offset, Stride: stride}
}

// charsets are the character sets of a session. The zero value is not known.
type charsets struct{ client, results, collation string }

// setting returns the statement that sets them. A handshake sets one collation for all three, as
// SET NAMES … COLLATE does: that of results is not a variable, but is told with each column.
func (c charsets) setting() string {
	if c.client == c.results && (strings.HasPrefix(c.collation, c.client+"_") || c.collation == c.client) {
		return fmt.Sprintf("SET NAMES %s COLLATE %s", quoted(c.client), quoted(c.collation))
	}
	return fmt.Sprintf("SET character_set_client=%s, character_set_results=%s, collation_connection=%s",
		quoted(c.client), literalOfVariable("character_set_results", c.results), quoted(c.collation))
}

// greetAgain gives a link that was reset the character sets that it was opened with. MySQL
// resets them to its own defaults, whatever the client said in its handshake (seen on 9.7);
// MariaDB to those of the handshake.
func (l *link) greetAgain(reset bool) error {
	l.reset = l.fresh.texts
	if !reset || l.hello == (charsets{}) {
		l.hello = l.fresh.texts
	}
	if l.hello == l.fresh.texts {
		return nil
	}
	if err := l.own.Send(wire.Query(l.hello.setting())); err != nil {
		return err
	}
	if _, _, err := l.own.Result(l.caps, setupBudget); err != nil {
		return fmt.Errorf("restore the session's character sets: %w", err)
	}
	l.fresh.texts, l.fresh.charset = l.hello, l.hello.client
	return nil
}

// wasReset notes that the client itself has reset its session on the link: it has the
// member's character sets now, unless those are the ones that it began with.
func (m *memory) wasReset(l *link) {
	if l.reset == l.hello {
		return
	}
	if m.variables == nil {
		m.variables = make(map[string]string)
	}
	m.variables["character_set_client"], m.variables["character_set_results"] = l.reset.client, l.reset.results
	m.variables[collationOfConnection] = l.reset.collation
	m.settled = false
}

// beginning is what a session has that has just begun, or was just reset: values
// of variables that matter here, and the status.
type beginning struct {
	wants         subscription
	mode, charset string // sql_mode, character_set_client
	transactions  string // session_track_transaction_info
	texts         charsets
	status        wire.Status
}

// read reads a row of readBack.
func (b *beginning) read(row []string) error {
	if len(row) < 8 {
		return fmt.Errorf("%w: %d values of a session", wire.ErrMalformed, len(row))
	}
	b.wants.variables = row[2]
	b.wants.set("session_track_schema", row[3])
	b.wants.set("session_track_state_change", row[4])
	b.mode, b.charset, b.transactions = row[5], row[6], row[7]
	if len(row) > 8 {
		b.wants.set("session_track_gtids", row[8])
	}
	if len(row) > 10 {
		b.texts = charsets{row[6], row[9], row[10]}
	}
	return nil
}

// resubscribe learns from the values of a session in use what the client has set
// of them. A value that is our own says nothing: the client left it alone, or has
// set the same, and then learn has seen that.
// fresh is what it began with.
func (m *memory) resubscribe(row []string, fresh *beginning) error {
	var now beginning
	if err := now.read(row); err != nil {
		return err
	}
	m.learnTransactionInfo(now.transactions, fresh.transactions)
	if m.shown { // these are its own
		now.wants.capable = m.wants.capable
		m.wants, m.shown = now.wants, false
		return nil
	}
	if now.wants.variables != "*" {
		m.wants.variables = now.wants.variables
	}
	m.wants.schema = m.wants.schema && now.wants.schema
	m.wants.state = m.wants.state && now.wants.state
	m.wants.gtids = m.wants.gtids && now.wants.gtids
	return nil
}

// learnTransactionInfo notes the value of transactionInfo, which is the client's own: nothing
// that the proxy needs is reported by it.
func (m *memory) learnTransactionInfo(now, fresh string) {
	was, set := m.variables[transactionInfo]
	if !set {
		was = fresh
	}
	if now == was {
		return
	}
	if m.variables == nil {
		m.variables = make(map[string]string)
	}
	m.variables[transactionInfo], m.settled = now, false
}

// restore gives a connection on which nothing was set the variables that the session
// had on another one.
func (l *link) restore(mem *memory) error {
	if mem.option != "" {
		if err := l.own.Send(append([]byte{byte(wire.ComSetOption)}, mem.option...)); err != nil {
			return err
		}
		if _, _, err := l.own.Result(l.caps, setupBudget); err != nil {
			return fmt.Errorf("restore the session's option: %w", err)
		}
	}
	if len(mem.variables) == 0 {
		return nil
	}
	names := make([]string, 0, len(mem.variables))
	for name := range mem.variables {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = "`" + strings.ReplaceAll(name, "`", "``") + "`=" + literalOfVariable(name, mem.variables[name])
	}
	if err := l.own.Send(wire.Query("SET SESSION " + strings.Join(names, ", "))); err != nil {
		return err
	}
	if _, _, err := l.own.Result(l.caps, setupBudget); err != nil {
		return fmt.Errorf("restore the session's variables: %w", err)
	}
	return nil
}

// literalOfVariable writes a variable's tracked value as SQL. The only one of a session that
// may be NULL, and is told as empty then, is character_set_results: results as they are.
func literalOfVariable(name, value string) string {
	if name == "character_set_results" && value == "" {
		return "NULL"
	}
	return literal(value)
}

// literal writes a tracked value as SQL: numbers bare, the rest quoted. Numeric
// variables take no strings; string variables take no numbers, but none that a
// session can have looks like one.
func literal(value string) string {
	if _, err := strconv.ParseFloat(value, 64); err == nil && !strings.ContainsAny(value, "xXnNiIpP_") {
		return value
	}
	return quoted(value)
}

// quoted writes a string as SQL, for a session that knows backslashes or has none to
// write.
func quoted(value string) string {
	return "'" + strings.NewReplacer("'", "''", `\`, `\\`).Replace(value) + "'"
}

// retrack switches tracking on again after a statement that may have changed it,
// and learns what the client has set.
func (l *link) retrack(mem *memory) error {
	if err := l.own.Send(l.tracking()...); err != nil {
		return err
	}
	row, _, err := l.own.Result(l.caps, setupBudget)
	if err != nil {
		return fmt.Errorf("read the session's tracking: %w", err)
	}
	if err := l.checkTracking(); err != nil {
		return err
	}
	if err := mem.resubscribe(row, &l.fresh); err != nil {
		return err
	}
	if layoutOf(row) != mem.layout {
		mem.violated = true
	}
	return nil
}

// offeredBy returns what clients are offered beyond [wire.Offered] in a ring of
// members of this version: what the flavour has, whatever this one has.
func offeredBy(version string) wire.Capability {
	v, err := topology.ParseVersion(version)
	switch {
	case err != nil:
	case v.Flavour == topology.FlavourMySQL:
		return wire.OfferedByMySQL
	case v.Flavour == topology.FlavourMariaDB:
		return wire.OfferedByMariaDB
	}
	return 0
}
