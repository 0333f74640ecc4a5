package balancer

// ddl reads CREATE, ALTER, DROP, RENAME and TRUNCATE.
func (x *extraction) ddl(verb string) {
	x.facts.Verb = VerbDDL
	x.add(EffectCommits)
	if verb == "truncate" {
		x.accept("table")
		x.tableList(true)
		return
	}
	x.ddlOptions()
	t := x.peek(0)
	if x.accept("temporary") {
		x.add(EffectTemporaryTable)
		t = x.peek(0)
	}
	switch {
	case t.is("table", "tables"):
		x.at++
		x.tableDDL(verb)
	case t.is("view"):
		x.at++
		x.viewDDL(verb)
	case t.is("index", "unique", "fulltext", "spatial"), t.named("vector"):
		x.indexDDL(verb)
	case t.is("database", "schema"):
		x.at++
		x.exists()
		x.facts.Schema = x.peek(0).name
		x.facts.Complete = false
	case t.is("user", "role"):
		x.facts.Verb, x.facts.Complete = VerbAccount, false
		x.add(EffectAccount)
	case t.is("trigger") && verb == "create":
		x.trigger()
	case t.named("sequence"):
		x.at++
		x.exists()
		x.tableList(true)
	case t.is("prepare") && verb == "drop": // DROP PREPARE
		x.facts.Effects = 0
		x.prepared("deallocate")
	case t.is("procedure", "function", "event", "trigger", "library", "aggregate"), t.named("package"):
		x.facts.Complete = false
	case t.is("server", "tablespace", "logfile", "undo", "instance", "resource", "spatial"):
		x.facts.Verb, x.facts.Complete = VerbAdmin, false
		x.add(EffectProcess)
	default:
		x.unknown()
	}
}

// ddlOptions passes what may stand in front of the object's kind: OR REPLACE, ALGORITHM,
// DEFINER, SQL SECURITY, ONLINE, IGNORE.
func (x *extraction) ddlOptions() {
	for {
		switch t := x.peek(0); {
		case t.is("or") && x.peek(1).is("replace"):
			x.at += 2
		case t.is("algorithm"):
			x.at += 3
		case t.is("sql") && x.peek(1).is("security"):
			x.at += 3
		case t.is("ignore"), t.named("online", "offline"):
			x.at++
		case t.is("definer"):
			x.at += 2
			for !x.ended() && !x.peek(0).is("view", "sql", "procedure", "function", "trigger", "event", "aggregate") {
				x.at++
			}
		default:
			return
		}
	}
}

// exists passes IF EXISTS and IF NOT EXISTS.
func (x *extraction) exists() {
	if x.accept("if") {
		x.skip("not", "exists")
	}
}

// tableDDL reads CREATE, ALTER, DROP or RENAME TABLE from behind TABLE on.
func (x *extraction) tableDDL(verb string) {
	x.facts.Perhaps = x.peek(0).is("if")
	x.exists()
	switch verb {
	case "drop":
		x.tableList(true)
		x.facts.Ends = x.facts.Effects & EffectsOf(EffectTemporaryTable)
	case "rename":
		x.renames()
	default:
		x.exists()
		if !x.peek(0).isName() {
			x.unknown()
			return
		}
		schema, name := x.qualified()
		x.addTable(schema, name, true)
		if verb == "alter" {
			x.uneven(schema, name)
		}
		if verb == "create" {
			x.facts.Begins = x.facts.Effects & EffectsOf(EffectTemporaryTable)
		}
		x.tableBody(verb)
	}
}

// renames reads a TO b, c TO d.
func (x *extraction) renames() {
	for x.peek(0).isName() {
		x.exists()
		schema, name := x.qualified()
		x.addTable(schema, name, true)
		for !x.ended() && !x.accept("to") { // WAIT n, NOWAIT
			x.at++
		}
		if !x.peek(0).isName() {
			break
		}
		schema, name = x.qualified()
		x.addTable(schema, name, true)
		if !x.acceptKind(',') {
			return
		}
	}
	x.facts.Complete = false
}

// tableBody reads what follows the table's name in CREATE and ALTER TABLE: other tables
// are behind LIKE, REFERENCES, SELECT, RENAME TO and EXCHANGE PARTITION … WITH TABLE.
// Functions are in defaults and generated columns: those are not called now.
func (x *extraction) tableBody(verb string) {
	for !x.ended() {
		t := x.peek(0)
		x.at++
		switch {
		case verb == "create" && x.beginsQuery(t):
			x.at--
			s := scan{extraction: x, levels: make([]level, 1, 8)}
			s.levels[0].query = true
			for depth := x.depth(); depth > 0; depth-- {
				s.levels = append(s.levels, level{query: true})
			}
			s.run()
			return
		case t.is("like", "table") && verb == "create" && x.peek(0).isName(), t.is("references") && x.peek(0).isName():
			schema, name := x.qualified()
			x.addTable(schema, name, false)
		case t.is("rename") && verb == "alter" && !x.peek(0).is("column", "index", "key"):
			x.skip("to", "as")
			if x.acceptKind('='); x.peek(0).isName() {
				schema, name := x.qualified()
				x.addTable(schema, name, true)
			}
		case t.is("with") && x.peek(0).is("table") && x.peek(1).isName():
			x.at++
			schema, name := x.qualified()
			x.addTable(schema, name, true)
		case t.is("union") && verb == "create", // tables of a MERGE table
			t.is("next") && x.peek(0).is("value"), t.named("nextval", "lastval", "setval"), // sequences of defaults
			t.is("select"):
			x.facts.Complete = false
		}
	}
}

// beginsQuery reports whether a query begins with t, which is in front of the current
// item, and no list of values of a partition.
func (x *extraction) beginsQuery(t item) bool {
	switch t.word {
	case "select":
		return true
	case "values":
		return x.peek(0).opens() || x.peek(0).is("row")
	case "with":
		return x.peek(0).isName() && x.peek(1).is("as")
	}
	return false
}

// depth returns how many brackets are open at the current item.
func (x *extraction) depth() int {
	depth := 0
	for _, t := range x.items[:x.at] {
		switch t.kind {
		case '(':
			depth++
		case ')':
			depth--
		}
	}
	return depth
}

// viewDDL reads CREATE, ALTER or DROP VIEW from behind VIEW on.
func (x *extraction) viewDDL(verb string) {
	x.exists()
	if verb == "drop" {
		x.tableList(true)
		return
	}
	if !x.peek(0).isName() {
		x.unknown()
		return
	}
	schema, name := x.qualified()
	x.addTable(schema, name, true)
	if x.peek(0).kind == '(' {
		x.group()
	}
	x.accept("as")
	effects := x.facts.Effects
	s := scan{extraction: x, levels: []level{{query: true}}}
	s.run()
	x.facts.Effects = effects | x.facts.Effects&EffectsOf(EffectUnknown) // what the view's query does is not done now
}

// indexDDL reads CREATE or DROP INDEX … ON table.
func (x *extraction) indexDDL(verb string) {
	for !x.ended() && !x.peek(0).is("on") {
		x.at++
	}
	x.at++
	if verb == "alter" || !x.peek(0).isName() {
		x.unknown()
		return
	}
	schema, name := x.qualified()
	x.addTable(schema, name, true)
}

// trigger reads CREATE TRIGGER … ON table; what its body names is not read.
func (x *extraction) trigger() {
	for !x.ended() && !x.accept("on") {
		x.at++
	}
	if x.peek(0).isName() {
		schema, name := x.qualified()
		x.addTable(schema, name, true)
	}
	x.facts.Complete = false
}
