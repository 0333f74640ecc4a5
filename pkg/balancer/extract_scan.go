package balancer

import "strings"

// scan is how a statement's expressions and queries are read: from left to right,
// with a stack of what the open brackets are. It finds tables, functions, variables
// and locks; it does not parse.
type scan struct {
	*extraction
	levels  []level
	written bool // tables of the outermost list are changed
	deletes bool // it is a DELETE
}

// level is an open bracket, or the statement itself.
type level struct {
	query  bool // it is a query: FROM begins a list of tables
	from   bool // in that list
	expect bool // a table's name comes next, or a bracket in its place
	table  bool // the bracket stands in a table's place: an alias may follow it
	with   bool // in the list of WITH, whose names come next if expect
	// recursive says that the list knows its own names
	recursive bool
	joined    bool // it is a bracket within the outermost list
	cte       string
	ctes      int // how many names of WITH are known outside
}

// scan reads what is left of the statement, which is no query.
func (x *extraction) scan() {
	s := scan{extraction: x, levels: []level{{}}}
	s.run()
}

// query reads what is left as a query.
func (x *extraction) query() {
	x.facts.Verb = VerbRead
	start := x.at
	s := scan{extraction: x, levels: []level{{query: true}}}
	s.run()
	x.keys(start)
}

func (s *scan) run() {
	for !s.ended() {
		s.step()
	}
	if len(s.levels) != 1 {
		s.unknown()
	}
}

func (s *scan) top() *level { return &s.levels[len(s.levels)-1] }

// before returns the item in front of the current one.
func (s *scan) before() item {
	if s.at == 0 {
		return item{}
	}
	return s.items[s.at-1]
}

// step reads an item, or some that belong together.
func (s *scan) step() {
	t, top := s.peek(0), s.top()
	switch {
	case t.kind == '(':
		s.open()
	case t.kind == ')':
		s.close()
	case t.kind == ',':
		top.expect = top.from || top.with
		s.at++
	case top.expect && top.with && t.isName():
		s.cteName()
	case top.expect && !t.is("select", "with", "values") && !s.isLateral():
		s.table()
	case t.kind == '@':
		s.variable()
	case t.kind == TokenAssign:
		s.add(EffectUserVariable)
		s.at++
	case t.kind == TokenHintOpen:
		s.hint()
	case t.kind.isKeyword():
		s.keyword(t)
	case t.kind == TokenWord:
		s.name(t)
	default:
		s.at++
	}
}

// isLateral reports whether the current item is LATERAL: a table's name to MariaDB, if
// no bracket follows.
func (s *scan) isLateral() bool {
	return s.peek(0).is("lateral") && (s.peek(1).kind == '(' || s.peek(1).isName() && s.peek(2).opens())
}

// open enters a bracket.
func (s *scan) open() {
	top := s.top()
	next := s.peek(1)
	inner := level{ctes: len(s.ctes)}
	switch {
	case next.is("select", "with", "values", "table"):
		inner.query, inner.table = true, top.expect
	case top.expect && !top.with: // (t1 JOIN t2), or a query in more brackets
		inner.query, inner.from, inner.expect, inner.table = true, true, true, true
		inner.joined = top.joined || len(s.levels) == 1
	case next.kind == '(': // perhaps brackets around a query's brackets
		inner.query = top.query && !top.from
	}
	top.expect = false
	s.at++
	s.levels = append(s.levels, inner)
}

// close leaves a bracket, and passes the alias of what it held.
func (s *scan) close() {
	s.at++
	if len(s.levels) == 1 {
		s.unknown()
		return
	}
	closed := *s.top()
	s.levels = s.levels[:len(s.levels)-1]
	s.ctes = s.ctes[:min(closed.ctes, len(s.ctes))]
	top := s.top()
	if top.with && top.cte != "" {
		s.ctes = append(s.ctes, top.cte)
		top.cte = ""
	}
	if closed.table {
		s.alias()
	}
}

// alias passes the alias behind a table, and the names of its columns.
func (s *scan) alias() {
	if s.accept("as") || s.peek(0).kind == TokenWord {
		s.at++
		if s.peek(0).kind == '(' {
			s.group()
		}
	}
}

// group passes a bracket with all that is in it, which is read by nobody: names only.
func (x *extraction) group() {
	for depth := 0; !x.ended(); {
		switch x.peek(0).kind {
		case '(':
			depth++
		case ')':
			depth--
		}
		x.at++
		if depth == 0 {
			return
		}
	}
}

// cteName reads a name of WITH up to the bracket of its query. The name is known in
// the query itself if the list is recursive, else behind it.
func (s *scan) cteName() {
	top := s.top()
	name := strings.ToLower(s.peek(0).name)
	s.at++
	top.expect = false
	if s.peek(0).kind == '(' {
		s.group()
	}
	if !s.accept("as") || s.peek(0).kind != '(' {
		s.unknown()
		return
	}
	if top.recursive {
		s.ctes = append(s.ctes, name)
	} else {
		top.cte = name
	}
}

// table reads what stands in a table's place.
func (s *scan) table() {
	top := s.top()
	t := s.peek(0)
	if t.kind == '{' { // {OJ t1 LEFT JOIN t2 …}
		s.at += 2
		return
	}
	top.expect = false
	if !t.isName() {
		s.facts.Complete = false
		s.at++
		return
	}
	if s.peek(1).opens() { // a function that gives a table
		if !t.is("json_table") {
			s.facts.Complete = false
		}
		top.table = true
		s.at++
		return
	}
	if s.acceptDual() {
		return
	}
	schema, name := s.qualified()
	if schema != "" || !s.isCTE(name) {
		s.addTable(schema, name, s.written && (top.joined || len(s.levels) == 1))
	}
	s.tableEnd()
}

func (s *scan) acceptDual() bool { return s.peek(1).kind != '.' && s.accept("dual") }

func (s *scan) isCTE(name string) bool {
	for _, cte := range s.ctes {
		if cte == strings.ToLower(name) {
			return true
		}
	}
	return false
}

// tableEnd passes what may follow a table's name: partitions, an alias, the indexes to
// use.
func (s *scan) tableEnd() {
	if s.peek(0).is("partition") && s.peek(1).kind == '(' {
		s.at++
		s.group()
	}
	if s.peek(0).is("for") && s.peek(1).named("system_time") {
		s.at += 2
	}
	if s.accept("as") || s.peek(0).kind == TokenWord {
		s.at++
	}
	for s.indexHint(0) || s.peek(0).kind == ',' && s.indexHint(1) {
		s.acceptKind(',')
		s.at += 2
		if s.accept("for") {
			s.skip("join", "order", "group", "by")
		}
		if s.peek(0).kind == '(' {
			s.group()
		}
	}
}

// indexHint reports whether USE INDEX or the like begins n behind the current item.
func (s *scan) indexHint(n int) bool {
	return s.peek(n).is("use", "force", "ignore") && s.peek(n+1).is("index", "key")
}

// qualified reads a name with or without a schema.
func (x *extraction) qualified() (schema, name string) {
	name = x.peek(0).name
	x.at++
	if x.peek(0).kind == '.' && x.peek(1).isName() {
		schema, name = name, x.peek(1).name
		x.at += 2
	}
	return schema, name
}

// addTable adds a table, once.
func (x *extraction) addTable(schema, name string, written bool) {
	x.mentions++
	x.add(systemTable(schema, name)...)
	for i := range x.facts.Tables {
		if t := &x.facts.Tables[i]; t.Schema == schema && t.Name == name {
			t.Written = t.Written || written
			return
		}
	}
	x.facts.Tables = append(x.facts.Tables, Table{Schema: schema, Name: name, Written: written})
}

// systemTable returns EffectMember for tables of a server's own state.
func systemTable(schema, name string) []Effect {
	name = strings.ToLower(name)
	switch strings.ToLower(schema) {
	case "performance_schema", "sys":
		return []Effect{EffectMember}
	case "information_schema":
		for _, prefix := range []string{
			"processlist", "innodb_", "session_", "global_", "system_variables", "profiling", "optimizer_trace", "user_statistics", "client_statistics",
			"index_statistics", "table_statistics", "metadata_lock_info", "query_", "thread_pool", "user_variables", "plugins", "all_plugins", "feedback",
		} {
			if strings.HasPrefix(name, prefix) {
				return []Effect{EffectMember}
			}
		}
	}
	return nil
}
