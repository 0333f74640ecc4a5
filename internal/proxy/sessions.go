package proxy

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// What others may know of a session is what it publishes: its fields belong to its own
// goroutine. It publishes what changes seldom (profile) when that has changed, why it
// keeps its link when a command has ended (mouth.go), and its plan when one begins. Since
// when it is at something the watch finds out, so that statements pay nothing for it; that
// begins anew when a wait ends, so that what runs is not said to have run while it waited.

// Activity is what a session is at.
type Activity uint8

// The activities.
const (
	ActivityLogin Activity = iota // it has not logged in yet
	ActivityIdle                  // it waits for its client
	ActivityRuns                  // a command of it is under way
	ActivityWaits                 // a command of it waits: see Session.Waits
)

// String returns the activity as people read it.
func (a Activity) String() string {
	switch a {
	case ActivityLogin:
		return "logs in"
	case ActivityIdle:
		return "idle"
	case ActivityRuns:
		return "runs"
	case ActivityWaits:
		return "waits"
	}
	return fmt.Sprintf("activity %d", uint8(a))
}

// Session is a client as others see it, at one moment. Ids are this proxy's own.
type Session struct {
	ID          uint32
	User        string // "" while it logs in
	From        string // its client's address; "localhost" for the unix socket
	Schema      string // the default one; "" for none
	Activity    Activity
	Doing       string    // the digest of what runs or waits; "": nothing, or nobody can say
	Waits       string    // what for, if it waits
	Since       time.Time // when the activity began, as found within Config.WatchInterval
	Connected   time.Time
	Member      topology.MemberID // where its connection is, or was that it has given back; "": nowhere
	Keeps       balancer.Effects  // why it keeps that connection between its commands
	Transaction bool              // one was open when its last command ended
	Consistency balancer.Consistency
}

// profile is what changes seldom of a session. It is immutable.
type profile struct {
	schema      string
	consistency balancer.Consistency
}

// publish says what others may know of the session. It allocates if that has changed.
func (s *session) publish() {
	s.notePins()
	if p := s.profile.Load(); p == nil || p.schema != s.mem.schema || p.consistency != s.consistency {
		s.profile.Store(&profile{s.mem.schema, s.consistency})
	}
}

// does says what the command under way does; nil: nobody can say.
func (s *session) does(plan *balancer.Plan) {
	if s.doing.Load() != plan {
		s.doing.Store(plan)
	}
}

// waitsFor says what the session waits for, until the function that it returns is called.
func (s *session) waitsFor(what string) (over func()) {
	s.waits.Store(&what)
	return func() { s.waits.Store(nil) }
}

// Sessions returns the sessions, by id. It is safe for concurrent use.
func (p *Proxy) Sessions() []Session {
	now, queued := time.Now(), p.queuedForLinks()
	all := p.all()
	list := make([]Session, 0, len(all))
	for _, s := range all {
		list = append(list, s.describe(now, queued[s]))
	}
	slices.SortFunc(list, func(a, b Session) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// queuedForLinks returns the sessions that wait for a connection, and says for which.
func (p *Proxy) queuedForLinks() map[*session]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	queued := make(map[*session]string)
	for id, lp := range p.pools {
		lp.mu.Lock()
		for _, w := range lp.waiters {
			queued[w.want.who] = fmt.Sprintf("a connection to %s: %s", id, lp.inUseLocked())
		}
		lp.mu.Unlock()
	}
	return queued
}

// describe returns what s is at. link is the connection that it waits for, in words; "" for
// none.
func (s *session) describe(now time.Time, link string) Session {
	as, profile, phase := s.known.Load(), s.profile.Load(), s.phase.Load()
	d := Session{ID: s.id, Connected: time.Unix(0, s.began), Since: s.since(now, phase), From: "localhost"}
	if as == nil {
		if tcp, ok := s.conn.RemoteAddr().(*net.TCPAddr); ok { // what a PROXY header says is not known yet
			d.From = tcp.AddrPort().Addr().Unmap().String()
		}
		return d
	}
	d.User, d.From, d.Activity = as.login.User, s.host(), ActivityIdle
	if profile != nil {
		d.Schema, d.Consistency = profile.schema, profile.consistency
	}
	if l := s.at(); l != nil {
		d.Member = l.route.Member.ID
	}
	d.Keeps = balancer.Effects(s.pinned.Load())
	d.Transaction = d.Keeps.Has(balancer.EffectTransaction)
	if phase&1 == 0 {
		return d
	}
	d.Activity = ActivityRuns
	if plan := s.doing.Load(); plan != nil {
		d.Doing = abridge(string(plan.AppendDigest(nil)))
	}
	switch waits := s.waits.Load(); {
	case waits != nil:
		d.Activity, d.Waits = ActivityWaits, *waits
	case link != "":
		d.Activity, d.Waits = ActivityWaits, link
	case profile == nil:
		d.Activity = ActivityLogin // its link is not there yet
	}
	return d
}

// since returns when the session began with what it is at in a phase, to wait or to run: as
// the watch has found it, now if that has not looked yet.
func (s *session) since(now time.Time, phase uint32) time.Time {
	switch at := s.lookedAt.Load(); {
	case s.looked.Load() != phase || s.seenWaiting() != s.waitsHere(phase):
		return now
	case at != 0:
		return time.Unix(0, at)
	}
	return time.Unix(0, s.began)
}

// abridge cuts a text that is too long to be shown.
func abridge(text string) string {
	const limit = 500
	if len(text) <= limit {
		return text
	}
	end := limit
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
