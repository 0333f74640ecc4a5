package proxy

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// memory is what a session is, apart from its connections: learned from the OK
// packets of its member, which is made to report every change (setup.go). It is
// what another connection would have to be given to go on in its place.
type memory struct {
	status    wire.Status
	wrote     bool  // lastGTID is of the statement under way
	charset   bool  // the last changes had the connection's character set among them
	collated  bool  // and its collation
	empty     bool  // the open transaction has only begun: begun.go
	temporary uint8 // temporary tables that it may have: pins.go
	handlers  uint8 // and HANDLERs
	schema    string
	variables map[string]string // changed since the session began
	option    string            // what COM_SET_OPTION said last; "": nothing
	lastGTID  []byte            // of its last write; the member's own notation

	askCollation bool             // it was changed, and not reported
	askStatus    bool             // an error has come by which that may have changed: aftererror.go
	askValues    bool             // variables were set, or may be, of which nothing is reported: unreported.go
	askWritten   bool             // something may have been written of which the answer did not tell
	stick        balancer.Stick   // why it can not leave its connection
	vague        bool             // something else than user variables may have been changed unnamed
	unnamed      bool             // a change was reported for which neither the report nor a text has a name
	begun        bool             // the next three are known, and status
	settled      bool             // setting is right
	violated     bool             // another slot than layout was reported
	pseudo       balancer.Pseudo  // variables for one statement that are set: timestamp, insert_id
	sequenced    bool             // the session's link has what its sequences gave last
	shown        bool             // the link has wants itself, for the command under way
	strayed      *strayed         // nil: no variable of replication was reported
	mode         string           // sql_mode that it began with
	traits       *modeTraits      // of its sql_mode, as it was read last; nil: never
	charset0     string           // and character_set_client
	setting      string           // see settings
	settingReads string           // the same on a link for reads; "" if setting has changed
	pins         balancer.Effects // why it does not leave, even where it could in an emergency
	unparsed     balancer.Effects // pins as they were before the statement under way
	luggage      *luggage         // user variables that no link has at present; nil: none
	statements

	insertID    uint64         // what LAST_INSERT_ID() gives it
	unsure      bool           // or what it gave before: the link knows
	idLost      bool           // it may be lostInsertID
	hasLast     bool           // the session's link is that of its last statement
	hasWarnings bool           // and its warnings, or that there are none
	hasFound    bool           // and that of the last one that FOUND_ROWS() is about
	once        balancer.Stick // why it can not leave its connection before the statement has ended
	calculates  bool           // the statement under way has SQL_CALC_FOUND_ROWS
	asks        bool           // there is something that the client may want to know of the last statement
	rowCount    int64          // what ROW_COUNT() gives

	layout  autoinc.Layout // that the member's sessions have to have
	wants   subscription
	scratch []byte
}

// transactionInfo is the one variable of tracking that the proxy does not set for itself: it
// is carried over as others are, and what it has the member report is passed on.
const transactionInfo = "session_track_transaction_info"

// subscription is which changes the client has asked to be told of. What the
// proxy has switched on beyond that is taken out of the client's packets.
type subscription struct {
	variables string // session_track_system_variables as the client knows it
	capable   bool   // CLIENT_SESSION_TRACK
	schema    bool   // session_track_schema
	state     bool   // session_track_state_change
	gtids     bool   // session_track_gtids
}

func (m *memory) inTransaction() bool { return m.status.Has(wire.StatusInTransaction) }

// strayed is a variable of replication that the member has reported to be changed.
type strayed struct {
	name string
	away bool // to a value that is refused; it may have been set back
}

// forget is what COM_RESET_CONNECTION does: all is gone but the schema.
func (m *memory) forget() {
	clear(m.variables)
	m.settled, m.begun = false, false
	m.pins = 0
	m.statements.forget()
	m.option, m.askCollation, m.askStatus, m.askWritten, m.askValues = "", false, false, false, false
	m.empty = false
	m.vague, m.unnamed, m.luggage, m.pseudo, m.sequenced = false, false, nil, 0, false
	m.stick, m.once, m.status = balancer.StickNone, balancer.StickNone, wire.StatusAutocommit
	m.asks, m.rowCount = false, 0
	m.left()
	m.shown = false
}

// learn reads the changes that an OK packet reports and reduces them to what the
// client asked for. What it returns is valid until the next call.
func (m *memory) learn(ok *wire.OK, statement balancer.Statement, plan *balancer.Plan) []byte {
	kept := m.scratch[:0]
	unnamed, named := false, false
	m.charset, m.collated = false, false
	rest := ok.Changes
	for {
		change, more, good := wire.NextChange(rest)
		if !good {
			break
		}
		rest = more
		switch change.Type {
		case wire.ChangeVariable:
			if plan != nil && plan.Passes(change.Name) && !isLayout(change.Name) { // it is what it was, by now
				named = true
			} else if pseudo := balancer.PseudoOf(string(change.Name)); pseudo != 0 {
				if named = true; plan == nil || !plan.Effects.Has(balancer.EffectPseudoVariable) { // a routine has set it
					m.pseudo |= pseudo
				}
			} else {
				named = m.learnVariable(change) || named
			}
		case wire.ChangeSchema:
			m.schema, named = string(change.Value), true
		case wire.ChangeState:
			unnamed = string(change.Value) == "1"
		case wire.ChangeGTIDs:
			m.learnGTID(change.Value)
		case wire.ChangeTransaction, wire.ChangeIsolation:
		}
		if m.wants.capable && (m.shown || m.wants.change(change)) {
			kept = append(kept, change.Raw...)
		}
	}
	if unnamed && !m.shown && !plan.Explains() && (!named || statement.Mentions.Has(balancer.MentionsVariable)) {
		m.stickTo(balancer.StickState)
		m.vague = m.vague || !setsVariables(plan)
		m.unnamed = m.unnamed || m.pins == 0
	}
	m.scratch = kept[:0]
	return kept
}

// learnVariable notes the new value of a variable, and reports whether it is one
// that the session set. Variables that say something of the last statement, and
// those that the proxy looks after itself, are not state to carry over.
func (m *memory) learnVariable(c wire.Change) bool {
	switch {
	case string(c.Name) == "last_gtid":
		m.learnGTID(c.Value)
		return false
	case string(c.Name) == "statement_id": // MySQL reports it of every statement
		return false
	case string(c.Name) == "auto_increment_increment":
		m.violated = m.violated || string(c.Value) != strconv.Itoa(m.layout.Stride)
	case string(c.Name) == "auto_increment_offset":
		m.violated = m.violated || string(c.Value) != strconv.Itoa(m.layout.Offset)
	case bytes.HasPrefix(c.Name, []byte("session_track_")) && string(c.Name) != transactionInfo:
		m.wants.set(string(c.Name), string(c.Value))
	default:
		if m.variables == nil {
			m.variables = make(map[string]string)
		}
		m.variables[string(c.Name)] = string(c.Value)
		if is, known := balancer.IsOfReplication(string(c.Name), string(c.Value)); known {
			m.strayed = &strayed{string(c.Name), is || m.strayed != nil && m.strayed.away}
		}
		m.settled = false
		m.collated = m.collated || string(c.Name) == collationOfConnection
		m.charset = m.charset || string(c.Name) == "character_set_connection"
	}
	return true
}

func isLayout(name []byte) bool { return bytes.HasPrefix(name, []byte("auto_increment_")) }

func (m *memory) learnGTID(gtid []byte) {
	if len(gtid) > 0 {
		m.lastGTID, m.wrote = append(m.lastGTID[:0], gtid...), true
	}
}

func (m *memory) stickTo(why balancer.Stick) {
	if m.stick == balancer.StickNone {
		m.stick = why
	}
}

// set notes a tracking variable that the client has set.
func (w *subscription) set(name, value string) {
	on := value == "1" || strings.EqualFold(value, "ON")
	switch name {
	case "session_track_system_variables":
		w.variables = value
	case "session_track_schema":
		w.schema = on
	case "session_track_state_change":
		w.state = on
	case "session_track_gtids":
		w.gtids = !strings.EqualFold(value, "OFF")
	}
}

// change reports whether the client asked to be told of c.
func (w *subscription) change(c wire.Change) bool {
	switch c.Type {
	case wire.ChangeVariable:
		return w.variable(c.Name)
	case wire.ChangeSchema:
		return w.schema
	case wire.ChangeState:
		return w.state
	case wire.ChangeGTIDs:
		return w.gtids
	case wire.ChangeTransaction, wire.ChangeIsolation:
	}
	return true
}

func (w *subscription) variable(name []byte) bool {
	for entry := range strings.SplitSeq(w.variables, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "*" || strings.EqualFold(entry, string(name)) {
			return true
		}
	}
	return false
}
