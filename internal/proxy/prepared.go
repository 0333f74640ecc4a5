package proxy

import (
	"bytes"
	"strings"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// keptBytes is how much of prepared statements a session may keep, text and types
// of parameters, to prepare them again elsewhere.
const keptBytes = 1 << 20

// prepared is a statement that the client has prepared. The client knows it by the
// id that it got first; on another link it is prepared again, when it is needed,
// and has another id there.
type prepared struct {
	statement  balancer.Statement
	plan       *balancer.Plan
	hint       balancer.Hint // of its text
	text       string
	kept       bool // text is all of it
	status     bool // it is a SHOW STATUS
	own        own
	parsed     parsing
	schema     string // the default one, when it was prepared
	parameters uint16

	types   []byte // of its parameters, as an execution gave them last
	partial bool   // an execution gave types that were not seen whole
	long    bool   // a parameter was sent ahead, for the next execution
	cursor  bool   // rows may be fetched

	at     uint32      // its id on the link of generation on
	on     uint32      // generation
	bound  uint32      // generation of the link that knows the types
	failed *wire.Error // what the member of generation on said to it
}

// parsing is what the meaning of a statement's text depends on besides the schema.
// Variables that the session has not set are empty.
type parsing struct{ mode, client, connection, collation string }

func (m *memory) parsing() parsing {
	return parsing{
		m.variables["sql_mode"], m.variables["character_set_client"],
		m.variables["character_set_connection"], m.variables["collation_connection"],
	}
}

// statements are a session's prepared statements, by the ids that its client knows
// them by.
type statements struct {
	prepared   map[uint32]*prepared
	last       uint32 // prepared last; 0: that failed, or it is closed
	generation uint32 // of links
	size       int    // bytes kept
	pending    int    // statements that were not prepared on this generation's link

	asking  int            // of prepared, those that ask for what the last statement has left
	setting string         // memory.settings
	judged  bool           // the rest is so since nothing has changed
	why     balancer.Stick // what stick returned
}

// moved says that the session has a new link.
func (st *statements) moved() {
	st.generation++
	st.pending = len(st.prepared)
}

func (st *statements) forget() {
	clear(st.prepared)
	st.last, st.size, st.pending, st.judged, st.asking = 0, 0, 0, false, 0
}

// find returns the statement that the client means by id, or nil.
func (st *statements) find(id uint32) *prepared {
	if id == wire.LastPrepared {
		id = st.last
	}
	return st.prepared[id]
}

// close forgets the statement that the client means by id and returns it.
func (st *statements) close(id uint32) *prepared {
	if id == wire.LastPrepared {
		id = st.last
	}
	p := st.prepared[id]
	if p == nil {
		return nil
	}
	delete(st.prepared, id)
	st.judged = false
	if p.asks() {
		st.asking--
	}
	st.size -= p.size()
	if p.on != st.generation {
		st.pending--
	}
	if id == st.last {
		st.last = 0
	}
	return p
}

func (p *prepared) size() int { return len(p.text) + 2*int(p.parameters) }

// remember adds a statement that the member has just prepared, and returns the id
// that the client shall know it by: the member's own, unless the client has that
// for another statement.
func (st *statements) remember(made wire.Prepared, p *prepared, text []byte) uint32 {
	p.at, p.on, p.parameters = made.ID, st.generation, made.Parameters
	if text != nil && st.size+len(text)+2*int(p.parameters) <= keptBytes {
		p.text, p.kept = string(text), true
	}
	st.size += p.size()
	const elsewhere = 1 << 30 // servers count from 1
	id := made.ID
	for st.prepared[id] != nil || id == wire.LastPrepared || id == 0 {
		if id < elsewhere {
			id += elsewhere
		}
		id++
	}
	if st.prepared == nil {
		st.prepared = make(map[uint32]*prepared)
	}
	st.prepared[id], st.last, st.judged = p, id, false
	if p.asks() {
		st.asking++
	}
	return id
}

// stick says why the statements keep the session on its link: they can be prepared
// alike elsewhere only if their text means there, now, what it meant then.
func (st *statements) stick(m *memory) balancer.Stick {
	if len(st.prepared) == 0 {
		return balancer.StickNone
	}
	if st.judged && st.setting == m.settings() {
		return st.why
	}
	now, why := m.parsing(), balancer.StickNone
	for _, p := range st.prepared {
		switch {
		case p.cursor:
			why = max(why, balancer.StickCursor)
		case p.long:
			why = max(why, balancer.StickLongData)
		case !p.kept || p.partial || p.parsed != now:
			why = max(why, balancer.StickPrepared)
		}
	}
	st.judged, st.setting, st.why = true, m.settings(), why
	return why
}

// learnTypes notes what an execution says of its parameters' types.
func (st *statements) learnTypes(p *prepared, b wire.Binding) {
	switch {
	case !b.Bound:
	case b.Types == nil:
		p.partial, st.judged = true, false
	default:
		st.judged = st.judged && !p.partial
		p.partial = false
		if !bytes.Equal(p.types, b.Types) {
			p.types = bytes.Clone(b.Types)
		}
	}
}

// prepareAgain prepares p on the present link, in its own schema. What the member
// says against it is kept for the client's next use of it; err is about the link.
func (s *session) prepareAgain(p *prepared) (err error) {
	st := &s.mem.statements
	elsewhere := p.schema != "" && !strings.EqualFold(p.schema, s.mem.schema)
	p.failed = nil
	switch {
	case p.parsed != s.mem.parsing(), elsewhere && s.mem.schema == "":
		p.failed = unknownStatement("what it was parsed under has changed since, and its connection was lost")
	default:
		if id, parameters, ok := s.link.at.shelf.find(p); ok && parameters == p.parameters {
			p.at = id
			break
		}
		err = s.link.within(&s.ctx, s.p.cfg.BackendTimeout, func() error { return s.prepareIn(p, elsewhere) })
	}
	if err == nil {
		p.on = st.generation
		st.pending--
	}
	return err
}

func (s *session) prepareIn(p *prepared, elsewhere bool) error {
	l := s.link
	if elsewhere {
		if err := l.use(p.schema); err != nil {
			return p.fails(err)
		}
	}
	text := []byte(p.text)
	if p.statement.Listed {
		text = s.translated(text)
	}
	if err := l.own.Send(append([]byte{byte(wire.ComStmtPrepare)}, text...)); err != nil {
		return err
	}
	s.mem.hasWarnings, s.mem.hasLast = false, false
	made, err := l.own.Prepare(l.caps, keptBytes)
	if err := p.fails(err); err != nil {
		return err
	}
	p.at = made.ID
	if p.failed == nil {
		l.at.shelf.put(p)
	}
	if p.failed == nil && made.Parameters != p.parameters {
		p.failed = unknownStatement("it has %d parameters now, not %d", made.Parameters, p.parameters)
	}
	if elsewhere {
		return l.use(s.mem.schema)
	}
	return nil
}
