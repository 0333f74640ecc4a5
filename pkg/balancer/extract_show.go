package balancer

// show reads SHOW.
func (x *extraction) show() {
	x.facts.Verb, x.facts.Complete = VerbRead, false
	for x.peek(0).is("full", "global", "session", "local", "extended", "open") {
		if x.peek(0).is("open") {
			x.add(EffectMember)
		}
		x.at++
	}
	first, second := x.peek(0), x.peek(1)
	switch {
	case first.is("warnings", "errors"):
		x.add(EffectDiagnostics)
	case first.is("count") && second.kind == '(':
		x.add(EffectDiagnostics)
	case first.is("profile", "profiles"):
		x.add(EffectProfiling)
	case first.is("status"):
		x.add(EffectSessionStatus)
	case first.is("processlist"):
		x.add(EffectThreads)
	case first.is("variables", "tables", "databases", "schemas", "columns", "fields", "index", "indexes", "keys", "create", "grants", "privileges",
		"collation", "charset", "character", "triggers", "events", "procedure", "function", "library", "table", "parse_tree"),
		first.named("sequences", "package"):
	default: // engines, plugins, logs, replicas and whatever comes
		x.add(EffectMember)
	}
	x.scan()
	x.facts.Complete = false
}

// explain reads EXPLAIN, DESCRIBE, and MariaDB's ANALYZE of a statement.
func (x *extraction) explain(verb string) {
	next := x.peek(0)
	if verb == "analyze" && (next.is("table", "local", "no_write_to_binlog") || next.named("tables")) {
		x.tableAdmin(verb)
		return
	}
	runs := verb == "analyze"
	for !x.ended() {
		switch {
		case x.peek(0).is("extended", "partitions"):
			x.at++
		case x.peek(0).is("analyze"):
			runs = true
			x.at++
		case x.peek(0).is("format") && x.peek(1).kind == '=':
			x.at += 3
		case x.peek(0).is("into") && x.peek(1).kind == '@': // a user variable
			x.add(EffectUserVariable)
			x.at += 3
		case x.peek(0).is("for") && x.peek(1).is("connection"):
			x.facts.Verb, x.facts.Complete = VerbRead, false
			x.add(EffectMember, EffectThreads)
			return
		case x.peek(0).is("for") && x.peek(1).is("schema", "database"):
			x.at += 3
		default:
			x.explained(runs)
			return
		}
	}
	x.unknown()
}

// explained reads the statement behind EXPLAIN, or the table behind DESCRIBE. A change
// that is only explained goes to where it would run, and is no read for us: its
// subqueries may be run.
func (x *extraction) explained(runs bool) {
	first := x.peek(0)
	switch {
	case first.kind == '(' || first.is("select", "with", "values", "table"):
		x.query()
	case first.is("insert", "replace", "update", "delete"):
		x.at++
		switch first.word {
		case "update":
			x.update()
		case "delete":
			x.delete()
		default:
			x.insert()
		}
	case first.isName() && !runs:
		x.facts.Verb = VerbRead
		schema, name := x.qualified()
		x.addTable(schema, name, false)
	default:
		x.unknown()
	}
}

// tableAdmin reads ANALYZE TABLE, CHECK TABLE and the like, which commit.
func (x *extraction) tableAdmin(verb string) {
	x.facts.Verb = VerbAdmin
	x.add(EffectMember)
	if verb != "checksum" {
		x.add(EffectCommits)
	}
	x.skip("no_write_to_binlog", "local")
	if !x.accept("table", "tables") {
		x.facts.Complete = false
		return
	}
	x.tableList(verb != "checksum" && verb != "check")
}

// tableList reads names of tables, with commas between.
func (x *extraction) tableList(written bool) {
	for x.peek(0).isName() {
		schema, name := x.qualified()
		x.addTable(schema, name, written)
		if !x.acceptKind(',') {
			return
		}
	}
	x.facts.Complete = false
}
