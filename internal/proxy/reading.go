package proxy

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// What statements do is found out once for each digest (balancer.MakePlan), for all
// sessions together.

// planSets is how many sets of plans are kept, a power of two; each has room for four.
const planSets = 2048

// reader turns texts into plans. It is safe for concurrent use.
type reader struct {
	sets      [planSets]atomic.Pointer[balancer.PlanSet]
	digesters sync.Pool
}

// plan returns what a statement does, and what it asks of the proxy; err says what of that
// can not be followed. Plans are shared by texts that differ in their comments, hints
// are each text's own.
func (r *reader) plan(text []byte, dialect balancer.Dialect) (p *balancer.Plan, hint balancer.Hint, err error) {
	d, ok := r.digesters.Get().(*balancer.Digester)
	if !ok {
		d = new(balancer.Digester)
	}
	defer r.digesters.Put(d)
	d.Digest(text, dialect)
	hint, err = d.Hint()
	if !d.Whole() {
		d.Fold(text, dialect)
	}
	if !d.Whole() {
		p = balancer.MakePlan(d, dialect)
		hint.Within, hint.SaysWithin = p.Within(text, dialect)
		return p, hint, err
	}
	hash := d.Hash()
	set := &r.sets[hash%planSets]
	known := set.Load()
	if p = known.Find(hash, d.Key()); p == nil {
		p = balancer.MakePlan(d, dialect)
		set.Store(known.With(p))
	}
	hint.Within, hint.SaysWithin = p.Within(text, dialect)
	return p, hint, err
}

// dialect is how the session's statements are to be read, by a server of a version.
func (m *memory) dialect(v topology.ServerVersion) balancer.Dialect {
	mode, charset := m.reads()
	traits := m.traitsOf(mode)
	d := balancer.Dialect{Flavour: v.Flavour, Version: balancer.VersionOf(v), NoBackslashEscapes: m.noBackslash()}
	if d.Flavour == topology.FlavourUnknown {
		d.Flavour = topology.FlavourMariaDB
	}
	if charset != "" && charset != "utf8mb4" {
		d.Charset = balancer.CharsetNamed(charset)
	}
	d.AnsiQuotes, d.IgnoreSpace = traits.ansiQuotes, traits.ignoreSpace
	return d
}

// modeTraits are what an sql_mode says of how texts are read.
type modeTraits struct {
	mode                                 string
	ansiQuotes, ignoreSpace, noBackslash bool
}

// traitsOf returns those of a mode, which is seldom another one than last time.
func (m *memory) traitsOf(mode string) *modeTraits {
	if m.traits == nil || m.traits.mode != mode {
		m.traits = &modeTraits{
			mode:        mode,
			ansiQuotes:  strings.Contains(mode, "ANSI_QUOTES"),
			ignoreSpace: strings.Contains(mode, "IGNORE_SPACE"),
			noBackslash: strings.Contains(mode, "NO_BACKSLASH_ESCAPES"),
		}
	}
	return m.traits
}

// reads returns the session's sql_mode and character_set_client.
func (m *memory) reads() (mode, charset string) {
	mode, charset = m.mode, m.charset0
	if len(m.variables) > 0 {
		if v, ok := m.variables["sql_mode"]; ok {
			mode = v
		}
		if v, ok := m.variables["character_set_client"]; ok {
			charset = v
		}
	}
	return mode, charset
}

// noBackslash reports whether a backslash in the session's strings is a character. The
// status of the last answer does not tell it: it is that of a routine, or of one statement
// (SET STATEMENT, SET_VAR), where that had a sql_mode of its own.
func (m *memory) noBackslash() bool {
	if mode, _ := m.reads(); mode != "" || m.begun {
		return m.traitsOf(mode).noBackslash
	}
	return m.status.Has(wire.StatusNoBackslashEscapes)
}

// version is the servers' that read the sessions' statements.
func (p *Proxy) version() topology.ServerVersion {
	if v := p.spoken.Load(); v != nil {
		return *v
	}
	route, _ := p.view.Load().OwnerOf(sessionUnit)
	v, _ := topology.ParseVersion(route.Member.Version)
	return v
}

// accountsChanged is called when accounts or grants may have changed: who logs in from
// now on gets links that know of it.
func (p *Proxy) accountsChanged() {
	p.generation.Add(1)
	p.accounts.Refresh()
}
