package proxy

import (
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
)

// underway is what a session has to know of the command under way, and of no other: half
// of what there is to be known of a session. One that waits for its client has none, and
// those that are at work hand theirs on. Its fields belong to the session's goroutine. The
// zero value is that of a command of which nothing is known yet; out needs its pool.
type underway struct {
	out       buffer // from the member
	response  wire.Response
	current   balancer.Statement   // what it is
	sees      balancer.Consistency // what it has to see, if it is a read
	hint      balancer.Hint        // of its text
	plan      *balancer.Plan       // what it does; nil: it has no text, or its end is not there yet
	beginning *balancer.Plan       // of what stands before the first value of a text whose end is not there yet
	rows      *balancer.Rows       // it is taken for an INSERT of rows, whose rest is still to be read; nil: it is not
	rowsFrom  int                  // where of its text that rest begins
	meant     *prepared            // the statement that it is about, from the start
	before    int                  // bytes of attributes in front of its text
	instead   []byte               // sent in its place; nil: it is sent as it came
	target    *prepared            // the statement that it is about, if it is about one
	cursor    bool                 // it asks for a cursor, whose rows are fetched later
	binding   wire.Binding         // if it executes target
	wider     *wire.Widened        // frames it anew, since it gets types that it does not say; nil: it goes as it came
	numbers   wire.Numbers         // of its response, if it was more packets on its way than it came in
	counted   byte                 // number of the next packet of that
	recounts  bool                 // they are numbered so
	preparing []byte               // its text, if it prepares a statement; nil: too long
	held      int                  // bytes at the front of in that are its own, kept to be sent again
	runs      int                  // how often it was sent
	renumber  *wire.Renumber       // nil: its result has no connection ids
	retell    *wire.Retell         // nil: its result says nothing of the connection
	vague     *vagueness           // of its account's token, when it was begun
	until     gate.Instant         // how long it may wait for an owner or a link; 0: it did not have to yet
	waited    time.Duration        // to be let in: by rules, for a lane, at gates
	came      gate.Instant         // when it came, as noted when it first had to wait for anything; 0: it did not have to yet
}

// takeUp is called when a session begins with a command, or with its login, which is one.
func (s *session) takeUp() {
	u, ok := s.p.commands.Get().(*underway)
	if !ok {
		u = new(underway)
	}
	u.out.pool = &s.p.buffers
	s.underway = u
}

// layDown is called when the command has been answered, or the session ends with it.
func (s *session) layDown() {
	u := s.underway
	if u == nil {
		return
	}
	u.out.drop()
	*u = underway{}
	s.underway = nil
	s.p.commands.Put(u)
}
