package proxy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Explanation is where a statement would go, and why. It is found by the code that
// routes, from the newest view and picture, and nothing is sent anywhere.
type Explanation struct {
	Statement string           // the digest
	Hash      uint64           // by which rules name it
	Parts     []balancer.Facts // of each statement of the text
	Keeps     balancer.Effects // why its session would keep its connection afterwards
	Units     []balancer.Route // that it touches, and whose they are
	Spreads   bool             // it is a read that any member may answer; else the next two are not known
	Sees      balancer.Consistency
	Need      topology.Position      // what it has to see
	GoesTo    topology.MemberID      // "": nowhere now
	Refused   bool                   // it would be refused, for Why
	Why       string                 // as people read it
	Members   []balancer.ReadVerdict // if it spreads: whether each qualifies
}

// Question is a statement, and who would send it. The zero value of each field but the
// first is that of a session that has just logged in.
type Question struct {
	Statement   string
	User        string
	Schema      string
	Consistency string // "": that of the account
}

// Explain says where a statement would go that a session of its own sends, which has
// written nothing and set nothing. It returns an error if there is no statement, or no
// such consistency. It is safe for concurrent use.
func (p *Proxy) Explain(q Question) (Explanation, error) {
	if strings.TrimSpace(q.Statement) == "" {
		return Explanation{}, errors.New("there is no statement to be explained")
	}
	s := &session{p: p, underway: new(underway), account: new(token), consistency: p.cfg.consistencyOf(q.User)}
	if known, ok := p.tokens.users.Load(q.User); ok {
		s.account = known.(*token)
	}
	if q.Consistency != "" {
		level, err := balancer.ParseConsistency(strings.ToLower(q.Consistency))
		if err != nil {
			return Explanation{}, err
		}
		s.consistency = level
	}
	s.sees = s.consistency
	s.as = &caller{login: wire.Login{User: q.User}}
	s.mem.schema, s.mem.status = q.Schema, wire.StatusAutocommit
	_, hint, err := p.reader.plan([]byte(q.Statement), s.mem.dialect(p.version()))
	if err != nil {
		return Explanation{}, err
	}
	_ = s.hinted(hint, nil)
	return s.explain([]byte(q.Statement)), nil
}

// explain says where a statement would go from this session, now. What its text asks for
// has been taken in: it is in the text of the command under way.
func (s *session) explain(statement []byte) Explanation {
	plan, _, _ := s.p.reader.plan(statement, s.mem.dialect(s.p.version()))
	view := s.p.view.Load()
	e := Explanation{Statement: string(plan.AppendDigest(nil)), Hash: plan.Hash(), Parts: plan.Statements, Keeps: plan.Effects & pinning}
	code, was, current, elsewhere, aiming := s.code, s.plan, s.current, s.elsewhere, s.aiming
	defer func() { s.code, s.plan, s.current, s.elsewhere, s.aiming = code, was, current, elsewhere, aiming }()
	s.code, s.plan, s.elsewhere, s.current = wire.ComQuery, plan, false, s.classify(statement, true)

	told := s.aim(view)
	units := s.aimed.list()
	if told != nil || s.spans {
		units = s.touches(view).Units
	}
	if s.tied && s.carriable() { // its user variables go with it
		told, s.unit = nil, units[0]
	}
	if refused := s.hazard(plan, statement, 0); refused != nil {
		told = refused
	}
	owner, owned := view.OwnerOf(s.unit)
	for _, id := range units {
		route, _ := view.OwnerOf(id)
		e.Units = append(e.Units, route)
	}
	e.GoesTo = owner.Member.ID
	pinned := s.link != nil && !s.movable() && !s.tied && ownsAll(view, s.link.route.Member, units)
	e.Spreads = told == nil && !pinned && s.spreads()
	switch {
	case told != nil:
		e.GoesTo, e.Refused, e.Why = "", true, told.Message
	case pinned:
		e.GoesTo, e.Why = s.link.route.Member.ID, "its session keeps its connection there, for a transaction or other state (SHOW SQLRING PINS)"
	case e.Spreads:
		s.explainRead(view, owner, &e)
	case !owned:
		e.GoesTo, e.Why = "", fmt.Sprintf("it waits: %s", owner.Why)
	case plan.IsRead() && s.sees == balancer.ConsistencyStrong:
		e.Why = balancer.ReadOwnerStrong.String()
	case plan.IsRead():
		e.Why = "owner: a transaction is open, it reads no table, or the members are not known"
	default:
		e.Why = "owner: it is not surely a read that leaves nothing behind"
	}
	if need := s.follows(owner.Member.ID); e.GoesTo != "" && !e.Spreads && need != "" {
		e.Why += fmt.Sprintf("; it waits there for what this session has written at %s: %s", s.wroteAt, need)
	}
	for _, d := range plan.Dangers {
		if told == nil && d.Table.Name != "" && !s.p.cfg.Permits.Has(d.Hazard) {
			e.Why += "; it is refused there if table " + d.Table.Name + " has rows to fill"
		}
	}
	return e
}

// follows returns what a write at a member has to wait for, if the session has written
// elsewhere, in words: see [session.follow]. "" is nothing.
func (s *session) follows(id topology.MemberID) string {
	if !s.writes || s.wroteAt == "" || s.wroteAt == id || s.p.cfg.Picture == nil {
		return ""
	}
	reads := s.p.cfg.Picture.Reads()
	need, unnamed := s.lacking(id)
	if reads == nil || unnamed == "" && s.p.toAwait(reads, id, need) == nil {
		return ""
	}
	return inWords(need, unnamed)
}

// explainRead says where a read would go, and what stands against which member.
func (s *session) explainRead(view *balancer.View, owner balancer.Route, e *Explanation) {
	need, known := s.tokenOf()
	ask := balancer.Ask{Consistency: s.sees, Token: need, Site: s.p.cfg.Site, Load: s.p.load, Draws: s.draws, Owner: owner.Member.ID, Now: time.Now()}
	x := s.p.cfg.Picture.Reads().Explain(ask)
	e.Sees, e.Need, e.Members = s.sees, need, x.Members
	m, wait, ok := s.goesTo(view)
	switch {
	case !known:
		e.Why = "owner: the last write did not say what it was, and its member has not been seen since"
	case ok && wait != nil:
		e.GoesTo, e.Why = m.ID, fmt.Sprintf("it waits there for %s, at most %v; then the owner", wait, tokenWait)
	case ok && (x.Why == balancer.ReadOwnerToken || x.Why == balancer.ReadOwnerAhead):
		e.GoesTo, e.Why = m.ID, "a fresh member, which was asked and has what was written before"
	case ok:
		e.GoesTo, e.Why = m.ID, x.Why.String()
	default:
		e.Why = x.Why.String()
	}
}

// rows are the explanation as a result has it.
func (e *Explanation) rows() [][]string {
	rows := [][]string{{"statement", e.Statement}, {"digest", fmt.Sprintf("%016x", e.Hash)}}
	for i := range e.Parts {
		f := &e.Parts[i]
		var tables []string
		for _, t := range f.Tables {
			tables = append(tables, t.String())
		}
		rows = append(rows, []string{"kind", f.Verb.String()}, []string{"tables", strings.Join(tables, ", ")}, []string{"does besides", f.Effects.String()})
	}
	if e.Keeps != 0 {
		rows = append(rows, []string{"keeps its connection for", e.Keeps.String()})
	}
	var units []string
	for _, r := range e.Units {
		units = append(units, fmt.Sprintf("%s, epoch %d, of %s", r.Unit, r.Epoch, r.Member.ID))
	}
	rows = append(rows, []string{"unit", strings.Join(units, "; ")})
	if e.Spreads {
		rows = append(rows, []string{"consistency", e.Sees.String()}, []string{"has to see", e.Need.String()})
	}
	rows = append(rows, []string{"goes to", string(e.GoesTo)}, []string{"why", e.Why})
	for _, v := range e.Members {
		rows = append(rows, []string{"member " + string(v.Member), v.Why})
	}
	return rows
}
