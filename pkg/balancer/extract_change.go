package balancer

// insert reads INSERT and REPLACE.
func (x *extraction) insert() {
	x.facts.Verb = VerbChange
	meets := x.at > 0 && x.items[x.at-1].is("replace")
	x.hints()
	for x.peek(0).is("low_priority", "delayed", "high_priority", "ignore", "quick") {
		meets = meets || x.peek(0).is("ignore")
		x.at++
	}
	x.accept("into")
	if !x.peek(0).isName() {
		x.unknown()
		return
	}
	schema, name := x.qualified()
	x.addTable(schema, name, true)
	if x.accept("partition") {
		x.group()
	}
	names := -1
	if x.peek(0).kind == '(' && !x.peek(1).is("select", "with", "values", "table") && x.peek(1).kind != '(' {
		names = x.at
		x.group() // columns
	}
	rows := x.at
	if x.accept("table") && x.peek(0).isName() { // INSERT INTO t TABLE u
		schema, name = x.qualified()
		x.addTable(schema, name, false)
	}
	s := scan{extraction: x, levels: []level{{}}}
	s.run()
	x.insertKeys(names, rows, meets)
}

// update reads UPDATE: each table that it names may be changed.
func (x *extraction) update() {
	x.facts.Verb = VerbChange
	x.hints()
	x.skip("low_priority", "ignore")
	start := x.at
	s := scan{extraction: x, levels: []level{{query: true, from: true, expect: true}}, written: true}
	s.run()
	x.keys(start)
}

// delete reads DELETE: each table that it names may be changed.
func (x *extraction) delete() {
	x.facts.Verb = VerbChange
	x.hints()
	x.skip("low_priority", "quick", "ignore")
	start := x.at
	s := scan{extraction: x, levels: []level{{query: true}}, written: true, deletes: true}
	s.run()
	x.keys(start)
}

// hints passes optimizer hints.
func (x *extraction) hints() {
	if x.peek(0).kind == TokenHintOpen {
		s := scan{extraction: x, levels: []level{{}}}
		s.hint()
	}
}

// load reads LOAD DATA and LOAD XML; LOAD INDEX is for the server.
func (x *extraction) load() {
	if !x.peek(0).is("data", "xml") {
		x.facts.Verb, x.facts.Complete = VerbAdmin, false
		x.add(EffectMember, EffectCommits)
		return
	}
	x.facts.Verb = VerbChange
	x.add(EffectLoadData)
	for !x.ended() && !(x.peek(0).is("into") && x.peek(1).is("table")) {
		x.at++
	}
	x.at += 2
	if !x.peek(0).isName() {
		x.unknown()
		return
	}
	schema, name := x.qualified()
	x.addTable(schema, name, true)
	for !x.ended() { // columns may be user variables; expressions follow SET
		if x.peek(0).kind == '@' {
			x.add(EffectUserVariable)
		}
		if x.accept("set") {
			x.scan()
			return
		}
		x.at++
	}
}

// keys finds the equalities at the top of WHERE, in a statement of one table whose
// items begin at start.
func (x *extraction) keys(start int) {
	if x.mentions != 1 || !x.facts.Complete {
		return
	}
	where, end := -1, len(x.items)
	depth := 0
	for i := start; i < end; i++ {
		switch t := x.items[i]; {
		case t.kind == '(':
			depth++
		case t.kind == ')':
			depth--
		case depth == 0 && t.is("where"):
			where = i + 1
		case depth == 0 && where > 0 && t.is("order", "limit", "for", "group", "having", "lock", "into", "window", "returning", "procedure"):
			end = i
		case t.is("select", "union", "except", "intersect") && i > start:
			return // a further query: it is not said which rows are whose
		}
	}
	if where > 0 {
		x.facts.Keys = keysOf(x.items[where:end])
	}
}

// keysOf returns the equalities of a condition that are joined by AND alone.
func keysOf(condition []item) []Key {
	var keys []Key
	depth, start := 0, 0
	between := false // the next AND is BETWEEN's
	term := func(items []item) {
		if k, ok := keyOf(items); ok {
			keys = append(keys, k)
		}
	}
	for i, t := range condition {
		switch {
		case t.kind == '(':
			depth++
		case t.kind == ')':
			depth--
		case depth > 0:
		case t.is("or", "xor") || t.kind == TokenOrOr || t.kind == TokenAssign:
			return nil
		case t.is("between"):
			between = true
		case t.is("and") && between:
			between = false
		case t.is("and") || t.kind == TokenAndAnd:
			term(condition[start:i])
			start = i + 1
		}
	}
	term(condition[start:])
	return keys
}

// keyOf reads column = value, value = column or column IN (value).
func keyOf(term []item) (Key, bool) {
	column := func(items []item) string {
		switch {
		case len(items) == 1 && items[0].isName(): // many a column is called as a keyword: name, status, type
			return items[0].name
		case len(items) == 3 && items[1].kind == '.' && items[2].isName():
			return items[2].name
		case len(items) == 5 && items[3].kind == '.' && items[4].isName():
			return items[4].name
		}
		return ""
	}
	n := len(term)
	switch {
	case n >= 3 && term[n-1].kind == tokenValue && term[n-2].kind == '=':
		name := column(term[:n-2])
		return Key{Column: name, Value: term[n-1].slot}, name != ""
	case n >= 3 && term[0].kind == tokenValue && term[1].kind == '=':
		name := column(term[2:])
		return Key{Column: name, Value: term[0].slot}, name != ""
	case n >= 2 && term[n-1].kind == tokenIn:
		name := column(term[:n-1])
		return Key{Column: name, Value: term[n-1].slot}, name != ""
	}
	return Key{}, false
}
