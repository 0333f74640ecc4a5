package balancer

import "bytes"

// Plan is what is known of all statements with one digest. It is immutable.
//
// It is made from the digest alone (see [MakePlan]), so that it holds for every
// statement with that digest: values do not matter to it, and where one may matter
// to its reader ([Key]) it says where the value stands.
type Plan struct {
	Statements []Facts // one for each of a batch; none for an empty text
	Effects    Effects // of all of them
	Dangers    []Danger
	key        []byte
	hash       uint64
	limits     bool // its texts say for how long they may run: Within
}

// Facts is what is known of one statement.
type Facts struct {
	Verb    Verb
	Effects Effects
	Tables  []Table
	// Complete says that Tables has all that the text names. Others may still be
	// touched: behind views, by triggers and routines.
	Complete bool
	Schema   string // of USE, CREATE DATABASE and the like
	// Unreported are the session variables that it sets as @@name, of which MariaDB's
	// tracking does not tell; Passing those that it sets for itself alone (SET STATEMENT),
	// of which it tells what they were meanwhile. In lower case.
	Unreported, Passing []string
	// Pseudo are the variables for one statement, or until they are set back (timestamp,
	// insert_id), that it sets; Undone those of them that it sets to DEFAULT.
	Pseudo, Undone Pseudo
	// Begins and Ends are what its success adds one of to the session, and takes away: of
	// HANDLERs one, of temporary tables as many as it names, unless Perhaps (IF EXISTS) says
	// that they may not have been there, of locks all. They hold if it is the only one of
	// its plan.
	Begins, Ends Effects
	Perhaps      bool
	// Keys is what every row that it touches is known to have, of its only table; of an
	// INSERT of one row, what that row has.
	Keys []Key
	// Dangers are what it would do to a ring that nobody notices.
	Dangers []Danger
}

// Table is a table, or a view, that a statement names.
type Table struct {
	Schema  string // "" for the session's default schema
	Name    string // as written: whether case matters depends on the server
	Written bool   // rows or definition are changed, or may be
}

// String returns the table as people read it, for example "shop.t (written)".
func (t Table) String() string {
	name := t.Name
	if t.Schema != "" {
		name = t.Schema + "." + name
	}
	if t.Written {
		name += " (written)"
	}
	return name
}

// Key is an equality that limits a statement to rows that have it: column = value, at the
// top of WHERE; or what is given for a column of the row that is inserted.
type Key struct {
	Column string
	Value  int // index in [Digester.Values]; it counts only if that has Count 1, but of a row
	// Row says that it is of a row that is inserted: Nth is which of a list of values that
	// is one in the digest ([ValueIn]).
	Row bool
	Nth int
}

// IsRead reports whether the plan's statements are reads that any member with the
// session's data answers alike, and that leave nothing behind: no locks, no effects
// on the session, no part of what the session or the member itself did before.
func (p *Plan) IsRead() bool {
	for i := range p.Statements {
		if !p.Statements[i].IsRead() {
			return false
		}
	}
	return len(p.Statements) > 0
}

// IsRead is [Plan.IsRead] of one statement.
func (f *Facts) IsRead() bool { return f.Verb == VerbRead && f.Effects&^harmless == 0 }

// Undoing returns what the plan's only statement begins and ends, see [Facts]; nothing for a batch.
func (p *Plan) Undoing() (begins, ends Effects) {
	if p == nil || len(p.Statements) != 1 {
		return 0, 0
	}
	return p.Statements[0].Begins, p.Statements[0].Ends
}

// Explains reports whether a change of the session that the server reports of the plan's only
// statement, without a name, is that it makes or drops a temporary table, and no other.
func (p *Plan) Explains() bool {
	begins, ends := p.Undoing()
	return (ends.Has(EffectTemporaryTable) || begins.Has(EffectTemporaryTable) && len(p.Statements[0].Tables) == 1) && p.Effects&^EffectsOf(EffectTemporaryTable, EffectCommits) == 0
}

// Unlocks reports whether the plan is that of UNLOCK TABLES.
func (p *Plan) Unlocks() bool {
	if len(p.Statements) != 1 {
		return false
	}
	f := &p.Statements[0]
	return f.Verb == VerbLock && f.Effects.Has(EffectTableLocks) && f.Complete && len(f.Tables) == 0
}

// harmless are the effects that a read may have and go to any member.
const harmless = 1<<EffectBatch | 1<<EffectWaits

// Unreported returns the session variables that its statements set as @@name.
func (p *Plan) Unreported() (names []string) {
	for i := range p.Statements {
		names = append(names, p.Statements[i].Unreported...)
	}
	return names
}

// Passes reports whether a variable is set for the time of the plan's only statement.
func (p *Plan) Passes(variable []byte) bool {
	if len(p.Statements) != 1 {
		return false
	}
	for _, name := range p.Statements[0].Passing {
		if name == string(variable) {
			return true
		}
	}
	return false
}

// Matches reports whether the plan is that of a key with this hash.
func (p *Plan) Matches(hash uint64, key []byte) bool {
	return p.hash == hash && bytes.Equal(p.key, key)
}

// Hash returns a number that tells the digest from others, as far as 64 bits do.
func (p *Plan) Hash() uint64 { return p.hash }

// AppendDigest appends the digest's text to into and returns it.
func (p *Plan) AppendDigest(into []byte) []byte { return appendKey(into, p.key) }

// planSetSize is how many plans a set has room for.
const planSetSize = 4

// PlanSet is a small immutable set of plans, newest first. Nil is the empty set.
//
// It is the unit of sharing: sessions on several goroutines share a table of
// atomic pointers to sets, read without locks, and replace a set by the one that
// [PlanSet.With] returns. Of two that do so at once one is lost, which costs a plan
// that is made again.
type PlanSet struct {
	plans [planSetSize]*Plan
}

// Find returns the plan of a key, nil if the set does not have it.
func (s *PlanSet) Find(hash uint64, key []byte) *Plan {
	if s == nil {
		return nil
	}
	for _, p := range s.plans {
		if p == nil {
			return nil
		}
		if p.Matches(hash, key) {
			return p
		}
	}
	return nil
}

// Hashed returns a plan of that hash, nil if the set does not have it.
func (s *PlanSet) Hashed(hash uint64) *Plan {
	if s == nil {
		return nil
	}
	for _, p := range s.plans {
		if p != nil && p.hash == hash {
			return p
		}
	}
	return nil
}

// With returns a set with p in it; the oldest plan of a full set is left out.
func (s *PlanSet) With(p *Plan) *PlanSet {
	with := &PlanSet{plans: [planSetSize]*Plan{p}}
	if s == nil {
		return with
	}
	i := 1
	for _, old := range s.plans {
		if old != nil && i < planSetSize && !old.Matches(p.hash, p.key) {
			with.plans[i] = old
			i++
		}
	}
	return with
}

// PlanCache is a bounded table of plans, for one goroutine and for servers of one
// flavour. Where several goroutines share one, each set is an atomic pointer of theirs.
type PlanCache struct {
	sets []*PlanSet
}

// NewPlanCache returns a cache with room for about size plans, at least 4.
func NewPlanCache(size int) *PlanCache {
	sets := 1
	for sets*planSetSize < size {
		sets *= 2
	}
	return &PlanCache{sets: make([]*PlanSet, sets)}
}

// Plan returns the plan of what d has digested, from the cache or a new one. It
// allocates nothing if the cache has it.
func (c *PlanCache) Plan(d *Digester, dialect Dialect) *Plan {
	hash := d.Hash()
	set := &c.sets[hash&uint64(len(c.sets)-1)]
	if p := (*set).Find(hash, d.Key()); p != nil && d.Whole() {
		return p
	}
	p := MakePlan(d, dialect)
	if d.Whole() {
		*set = (*set).With(p)
	}
	return p
}
