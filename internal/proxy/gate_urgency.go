package proxy

import (
	"strconv"
	"strings"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/gate"
)

// How urgent a statement is, and until when it is of use, is said in a comment in its text
// (hint.go), or for the session:
//
//	/* sqlring priority=high deadline=200ms */ SELECT …
//	SET sqlring_priority = 'background' | 'normal' | 'high' | 'urgent'
//	SET sqlring_deadline = '200ms'
//
// or by query attributes of these names. For how long a statement may run at the server by its
// session's max_statement_time (MariaDB) or max_execution_time (MySQL, for what reads), or by its
// own word (balancer.Plan.Within), is a deadline too. Who says nothing has what the ring says of
// his account (topology.AccountDefault).

// urgent is what a session has set.
type urgent struct {
	priority    gate.Priority
	hasPriority bool
	within      time.Duration // 0: no deadline
	hasDeadline bool
}

// urgency puts priority and deadline into a request: what is nearest to the statement
// counts. It is called where something is about to be waited for: from then on the deadline
// counts, whatever is waited for.
func (s *session) urgency(r *gate.Request, now gate.Instant) {
	u := s.urgent
	if !u.hasDeadline {
		u.within = s.runsWithin()
	}
	if !u.hasPriority || u.within == 0 && !u.hasDeadline {
		if d, ok := s.p.accountDefault(s.as.login.User); ok {
			if !u.hasPriority {
				u.priority = d.priority
			}
			if u.within == 0 && !u.hasDeadline {
				u.within = d.within
			}
		}
	}
	if s.hint.Priority != "" {
		u.priority, _ = gate.ParsePriority(s.hint.Priority) // hinted has read it
	}
	if s.hint.HasDeadline {
		u.within = s.hint.Deadline
	}
	r.Priority = u.priority
	if s.came == 0 {
		s.came = now // it has not waited yet
	}
	if u.within > 0 {
		r.Deadline = s.came.Add(u.within)
	}
}

// isLate reports whether the command under way, which has waited for something, would have its
// answer from a member after its deadline. The caller has the gate's lock.
func (s *session) isLate(g *memberGate, digest uint64) bool {
	if s.came == 0 {
		return false
	}
	var r gate.Request
	now := s.p.now()
	s.urgency(&r, now)
	return r.Deadline != 0 && now.Add(g.gate.Usual(digest)) >= r.Deadline
}

// setUrgency does SET sqlring_priority and SET sqlring_deadline.
func (s *session) setUrgency(text string) (known bool, told *wire.Error) {
	if value, ok := setsOwn(text, "sqlring_priority"); ok {
		if value == "default" {
			s.urgent.priority, s.urgent.hasPriority = gate.Normal, false
			return true, nil
		}
		p, ok := gate.ParsePriority(value)
		if !ok {
			return true, wire.NewError(wire.VariableReserved, "sqlring: priority %q is not one of background, normal, high, urgent", value)
		}
		s.urgent.priority, s.urgent.hasPriority = p, true
		return true, nil
	}
	value, ok := setsOwn(text, "sqlring_deadline")
	if !ok {
		return false, nil
	}
	if value == "default" {
		s.urgent.within, s.urgent.hasDeadline = 0, false
		return true, nil
	}
	d, err := readDeadline(value)
	if err != nil {
		return true, wire.NewError(wire.VariableReserved, "sqlring: deadline %q is no time, as 200ms or 5s; 0 is none", value)
	}
	s.urgent.within, s.urgent.hasDeadline = d, true
	return true, nil
}

// misspelt says what is wrong with a SET that begins with a variable of ours: there is none of
// that name, or others follow. The member, which knows none of ours, could say neither.
func misspelt(assignment string) *wire.Error {
	variable, value, sets := ownVariable(assignment)
	switch {
	case !sets || !strings.HasPrefix(variable, "sqlring_"):
		return nil
	case variable != "sqlring_consistency" && variable != "sqlring_priority" && variable != "sqlring_deadline":
		return wire.NewError(wire.VariableReserved, "sqlring: the variable %s is not known: sqlring_consistency, sqlring_priority and sqlring_deadline are", variable)
	case strings.Contains(value, ","):
		return wire.NewError(wire.VariableReserved, "sqlring: %s is set in a SET of its own, and nothing else with it", variable)
	}
	return nil
}

// accountDefaults are what the ring says of accounts whose clients say nothing. It is
// replaced as a whole.
type accountDefaults map[string]accountDefault

type accountDefault struct {
	priority gate.Priority
	within   time.Duration // 0: no deadline
	until    time.Time     // zero: for ever
}

// accountDefault returns what statements of a user ask for if nobody says anything.
func (p *Proxy) accountDefault(user string) (accountDefault, bool) {
	all := p.defaults.Load()
	if all == nil {
		return accountDefault{}, false
	}
	d, ok := (*all)[user]
	return d, ok && (d.until.IsZero() || time.Now().Before(d.until))
}

// takeUpDefaults is called at every tick.
func (p *Proxy) takeUpDefaults() {
	if p.cfg.AccountDefaults == nil {
		return
	}
	list := p.cfg.AccountDefaults()
	if len(list) == 0 {
		p.defaults.Store(nil)
		return
	}
	next := make(accountDefaults, len(list))
	for _, d := range list {
		next[d.User] = accountDefault{d.Priority, d.Deadline, d.Until}
	}
	p.defaults.Store(&next)
}

// runsWithin is for how long the statement under way may run at the server, by its own word or by
// its session's; 0: for as long as it takes, or nobody has said. MySQL's limit is for what reads,
// MariaDB's for all.
func (s *session) runsWithin() time.Duration {
	if s.hint.SaysWithin {
		return s.hint.Within
	}
	if len(s.mem.variables) == 0 {
		return 0
	}
	if v, ok := s.mem.variables["max_statement_time"]; ok { // seconds, with a fraction
		if seconds, err := strconv.ParseFloat(v, 64); err == nil && seconds > 0 && seconds < 1e6 {
			return time.Duration(seconds * float64(time.Second))
		}
	}
	if v, ok := s.mem.variables["max_execution_time"]; ok && s.plan != nil && s.plan.IsRead() { // milliseconds
		if ms, err := strconv.ParseInt(v, 10, 32); err == nil && ms > 0 {
			return time.Duration(ms) * time.Millisecond
		}
	}
	return 0
}

// setsOwn reads SET [SESSION] sqlring_name = 'value'.
func setsOwn(text, name string) (value string, ok bool) {
	variable, value, sets := ownVariable(text)
	if !sets || variable != name {
		return "", false
	}
	return value, true
}

// ownVariable returns the first variable that a SET sets, without its scope, and all that follows
// it, in lower case.
func ownVariable(text string) (variable, value string, sets bool) {
	text = strings.TrimRight(strings.TrimSpace(text), "; \t\r\n")
	first, rest, _ := strings.Cut(text, " ")
	variable, value, found := strings.Cut(rest, "=")
	if !found || !strings.EqualFold(first, "set") {
		return "", "", false
	}
	variable = strings.ToLower(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(variable), ":")))
	for _, prefix := range []string{"@@session.", "session ", "@@local.", "local ", "@@"} {
		variable = strings.TrimSpace(strings.TrimPrefix(variable, prefix))
	}
	return variable, strings.ToLower(strings.Trim(strings.TrimSpace(value), "'\"")), true
}
