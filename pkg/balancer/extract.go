package balancer

import (
	"slices"
	"strings"
)

// MakePlan reads the digest that d holds. What it does not know is a statement of
// unknown effects. It costs microseconds: plans are kept.
//
// Only the flavour of the dialect matters: what is a function of one server may be a
// stored one on the other.
func MakePlan(d *Digester, dialect Dialect) *Plan {
	p := &Plan{key: slices.Clone(d.Key()), hash: d.Hash()}
	items := itemsOf(p.key)
	for len(items) > 0 {
		end := statementEnd(items)
		if end > 0 {
			p.Statements = append(p.Statements, extract(items[:end], dialect))
		}
		items = items[min(end+1, len(items)):]
	}
	if !d.Whole() && len(p.Statements) > 0 {
		last := &p.Statements[len(p.Statements)-1]
		last.Effects |= EffectsOf(EffectTruncated)
		last.Complete, last.Begins, last.Ends = false, 0, 0
	}
	for i := range p.Statements {
		f := &p.Statements[i]
		if len(p.Statements) > 1 {
			f.Effects |= EffectsOf(EffectBatch)
			if len(f.Passing) > 0 { // what is told of them may be of any of the statements
				f.Effects |= EffectsOf(EffectUnknown)
			}
		}
		if i > 0 && p.Effects.Has(EffectSQLMode) { // the server reads it by another sql_mode than this did
			f.Effects |= EffectsOf(EffectUnknown)
			f.Complete, f.Keys = false, nil
		}
		p.Effects |= f.Effects
		p.Dangers = append(p.Dangers, f.Dangers...)
	}
	p.limits = p.limitsItself()
	return p
}

// item is a token of a digest.
type item struct {
	kind TokenKind
	word string // of keywords, in lower case
	name string // of names, as written; of keywords, which may be names, like word
	slot int    // the index of its value, of value tokens
}

// is reports whether the item is one of some keywords of MySQL.
func (i item) is(words ...string) bool { return i.word != "" && slices.Contains(words, i.word) }

// named reports whether the item is one of some words in any case, quoted or not:
// for words of MariaDB that are none of MySQL's keywords, and for names.
func (i item) named(words ...string) bool {
	return i.isName() && slices.Contains(words, strings.ToLower(i.name))
}

func (i item) isName() bool { return i.kind == TokenWord || i.kind.isKeyword() }

// opens reports whether the item is an opening bracket, or values in brackets.
func (i item) opens() bool { return i.kind == '(' || i.kind >= tokenRow && i.kind <= tokenWideRows }

func itemsOf(key []byte) []item {
	items := make([]item, 0, len(key)/2)
	slots := 0
	for r := (keyReader{key: key}); r.next(); {
		i := item{kind: r.kind, slot: -1}
		switch {
		case r.kind == TokenWord:
			i.name = string(r.name)
		case r.kind >= tokenValue && r.kind <= tokenIn:
			i.slot = slots
			slots++
		case r.kind.isKeyword():
			i.word = strings.ToLower(keywords.words[r.kind-firstKeyword].name)
			i.name = i.word
		}
		items = append(items, i)
	}
	return items
}

// statementEnd returns where the first statement of items ends: at a semicolon. The
// semicolons in a routine's body are not told from those behind it, so that such a
// statement goes on to the end.
func statementEnd(items []item) int {
	for i, t := range items {
		if t.kind == ';' {
			if i > 0 && hasBody(items[:i]) {
				return len(items)
			}
			return i
		}
	}
	return len(items)
}

// hasBody reports whether a statement has, or is, a block of statements.
func hasBody(items []item) bool {
	switch {
	case items[0].is("create", "alter"):
		for _, t := range items {
			if t.named("procedure", "function", "trigger", "event", "package", "library") {
				return true
			}
		}
	case items[0].is("begin"):
		return len(items) > 1 && !items[1].is("work")
	case items[0].is("if", "case", "loop", "while", "repeat", "for", "declare"):
		return true
	case len(items) > 1 && items[1].kind == ':': // a label
		return true
	}
	return false
}

// isOneBlock reports whether a statement that makes a routine ends with the END of the
// BEGIN with which its body begins: no other statement stands behind it then. Names like
// these words that are not in quotes make it say no.
func isOneBlock(items []item) bool {
	if !items[0].is("create", "alter") || !hasBody(items) {
		return false
	}
	depth := 0
	for i, t := range items {
		switch {
		case t.kind == ';' && depth == 0: // the body is no block
			return false
		case t.is("begin"), t.is("case") && !items[i-1].is("end"):
			depth++
		case t.is("end") && i+1 < len(items) && items[i+1].is("if", "loop", "while", "repeat", "for"):
		case t.is("end"):
			if depth--; depth == 0 {
				return i+1 == len(items) || i+2 == len(items) && items[i+1].isName() // its label
			}
		}
	}
	return false
}

// releasesAllLocks reports whether a statement is a call of RELEASE_ALL_LOCKS(), once and for
// nothing else.
func releasesAllLocks(items []item) bool {
	return len(items) == 4 && items[0].is("select", "do") && items[1].named("release_all_locks") && items[2].kind == '(' && items[3].kind == ')'
}

// extraction is a statement that is being read.
type extraction struct {
	items   []item
	at      int
	dialect Dialect
	facts   Facts
	ctes    []string
	// mentions is how often a table was named
	mentions int
	// hazardous is the variable whose value comes next, if it is one of HazardReplication
	hazardous string
	// pseudo is the same of those for one statement
	pseudo Pseudo
}

// extract reads one statement, which has an item at least.
func extract(items []item, dialect Dialect) Facts {
	x := extraction{items: items, dialect: dialect, facts: Facts{Complete: true}}
	x.statement()
	if releasesAllLocks(items) {
		x.facts.Ends |= EffectsOf(EffectUserLock)
	}
	for _, t := range items {
		switch t.kind {
		case TokenInvalid:
			x.unknown()
		case ';': // a routine's body, or a statement behind it
			x.facts.Complete = false
			if !isOneBlock(items) {
				x.add(EffectUnknown)
			}
		}
	}
	if x.facts.Verb == VerbUnknown {
		x.unknown()
	}
	if hasBody(items) {
		x.body(items)
	}
	x.locks(items)
	return x.facts
}

// unknown gives up.
func (x *extraction) unknown() {
	x.facts.Verb, x.facts.Complete, x.facts.Keys = VerbUnknown, false, nil
	x.add(EffectUnknown)
}

func (x *extraction) add(effects ...Effect) { x.facts.Effects |= EffectsOf(effects...) }

// peek returns the item n behind the current one, the zero item behind the end.
func (x *extraction) peek(n int) item {
	if x.at+n < len(x.items) {
		return x.items[x.at+n]
	}
	return item{}
}

// accept passes the current item if it is one of some words.
func (x *extraction) accept(words ...string) bool {
	if x.peek(0).is(words...) {
		x.at++
		return true
	}
	return false
}

// skip passes items as long as they are some of the words.
func (x *extraction) skip(words ...string) {
	for x.accept(words...) {
	}
}

// acceptKind passes the current item if it is of a kind.
func (x *extraction) acceptKind(kind TokenKind) bool {
	if x.at < len(x.items) && x.items[x.at].kind == kind {
		x.at++
		return true
	}
	return false
}

// ended reports whether nothing is left.
func (x *extraction) ended() bool { return x.at >= len(x.items) }

// statement reads a statement by its first word. It is a flat table of them.
func (x *extraction) statement() {
	first := x.peek(0)
	if first.kind == '(' {
		x.query()
		return
	}
	x.at++
	switch first.word {
	case "select", "values", "with", "table":
		x.at--
		x.query()
	case "insert", "replace":
		x.insert()
	case "update":
		x.update()
	case "delete":
		x.delete()
	case "load":
		x.load()
	case "show":
		x.show()
	case "explain", "describe", "desc", "analyze":
		x.explain(first.word)
	case "help":
		x.facts.Verb = VerbRead
	case "begin", "start", "commit", "rollback", "savepoint", "release", "xa":
		x.transaction(first.word)
	case "set":
		x.set()
	case "use":
		x.use()
	case "call":
		x.facts.Verb, x.facts.Complete = VerbCall, false
		x.add(EffectRoutine)
		x.scan()
	case "do":
		x.facts.Verb = VerbDo
		x.scan()
	case "lock", "unlock", "backup", "handler", "flush":
		x.lock(first.word)
	case "prepare", "execute", "deallocate":
		x.prepared(first.word)
	case "kill":
		x.facts.Verb = VerbKill
		x.add(EffectKill)
		x.scan()
	case "create", "alter", "drop", "rename", "truncate":
		x.ddl(first.word)
	case "grant", "revoke":
		x.facts.Verb, x.facts.Complete = VerbAccount, false
		x.add(EffectAccount, EffectCommits)
	case "optimize", "check", "checksum", "repair":
		x.tableAdmin(first.word)
	case "get", "signal", "resignal":
		x.facts.Verb, x.facts.Complete = VerbDiagnostic, false
		x.add(EffectDiagnostics)
		if first.word == "get" { // into variables
			x.add(EffectUserVariable)
		}
		x.scan()
	case "binlog":
		x.endangers(HazardReplication, "BINLOG")
	case "install", "uninstall", "change", "reset", "purge", "shutdown", "restart", "cache", "clone", "import", "stop":
		x.facts.Verb, x.facts.Complete = VerbAdmin, false
		x.add(EffectProcess, EffectCommits)
		x.replicates(first.word)
	}
}
