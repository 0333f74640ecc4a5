package balancer

// insertKeys finds what the only row has that an INSERT, or a REPLACE, of one row brings,
// by the names of its columns: where it meets a row that is there, it is about that one.
// names is where the columns stand, -1 if they do not; rows is what follows them. An
// INSERT that gives an error in that case is left out: nothing goes on at that row then.
func (x *extraction) insertKeys(names, rows int, replaces bool) {
	if x.mentions != 1 || !x.facts.Complete || rows >= len(x.items) {
		return
	}
	end, meets := len(x.items), replaces
	for i := rows; i < len(x.items); i++ {
		switch t := x.items[i]; {
		case t.is("select", "union", "table", "with"):
			return
		case t.is("on") && i+1 < len(x.items) && x.items[i+1].named("duplicate"), t.named("returning"), t.is("as") && end == len(x.items):
			end = min(end, i)
			meets = meets || t.is("on")
		}
	}
	for i := end; i < len(x.items); i++ {
		meets = meets || x.items[i].is("on") && i+1 < len(x.items) && x.items[i+1].named("duplicate")
	}
	switch body := x.items[rows:end]; {
	case !meets || len(body) < 2:
	case body[0].is("set"):
		x.facts.Keys = keysOfSet(body[1:])
	case body[0].is("values", "value") && names >= 0:
		x.facts.Keys = keysOfRow(columnNames(x.items[names:rows]), body[1:])
	}
}

// columnNames returns the names in (a, t.b), nil if something else stands there.
func columnNames(items []item) []string {
	var names []string
	if len(items) < 3 || items[0].kind != '(' || items[len(items)-1].kind != ')' {
		return nil
	}
	name := ""
	for _, t := range items[1:] {
		switch {
		case t.isName():
			name = t.name
		case t.kind == '.':
		case (t.kind == ',' || t.kind == ')') && name != "":
			names, name = append(names, name), ""
		default:
			return nil
		}
	}
	return names
}

// keysOfSet reads column = value, …; what is no value of its own is left out.
func keysOfSet(items []item) []Key {
	var keys []Key
	eachElement(items, func(element []item) {
		if n := len(element); n >= 3 && element[n-1].kind == tokenValue && element[n-2].kind == '=' {
			if k, ok := keyOf(element); ok {
				keys = append(keys, k)
			}
		}
	})
	return keys
}

// keysOfRow reads one row of values for columns of these names: (1, 'a', NOW()).
func keysOfRow(names []string, row []item) []Key {
	if len(names) == 0 || len(row) == 0 {
		return nil
	}
	var keys []Key
	add := func(column, slot, nth int) {
		if column < len(names) {
			keys = append(keys, Key{Column: names[column], Value: slot, Row: true, Nth: nth})
		}
	}
	if len(row) == 1 { // a row of values alone
		switch {
		case row[0].kind == tokenRow && len(names) == 1:
			add(0, row[0].slot, 0)
		case row[0].kind == tokenWideRow:
			for i := range names {
				add(i, row[0].slot, i)
			}
		}
		return keys
	}
	if row[0].kind != '(' || row[len(row)-1].kind != ')' {
		return nil
	}
	// How many values a run of them has is not in the digest: with one run, it is what the
	// others leave.
	elements, runs := 0, 0
	eachElement(row[1:len(row)-1], func(element []item) {
		elements++
		if len(element) == 1 && element[0].kind == tokenValues {
			runs++
		}
	})
	long := len(names) - (elements - runs)
	if runs > 1 || runs == 0 && elements != len(names) || runs == 1 && long < 2 || closesEarly(row) {
		return nil
	}
	at := 0
	eachElement(row[1:len(row)-1], func(element []item) {
		switch {
		case len(element) == 1 && element[0].kind == tokenValue:
			add(at, element[0].slot, 0)
		case len(element) == 1 && element[0].kind == tokenValues:
			for nth := range long {
				add(at+nth, element[0].slot, nth)
			}
			at += long - 1
		}
		at++
	})
	return keys
}

// closesEarly reports whether the bracket that row begins with is closed before its end:
// then there are several rows.
func closesEarly(row []item) bool {
	depth := 0
	for i, t := range row {
		switch t.kind {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i+1 < len(row)
			}
		}
	}
	return false
}

// eachElement calls f with what stands between the commas outside of brackets.
func eachElement(items []item, f func(element []item)) {
	depth, start := 0, 0
	for i, t := range items {
		switch {
		case t.kind == '(':
			depth++
		case t.kind == ')':
			depth--
		case t.kind == ',' && depth == 0:
			f(items[start:i])
			start = i + 1
		}
	}
	f(items[start:])
}

// ValueIn returns the value that stands nth in a list that a digest shows as one, v being
// what [Digester.Values] says of the list. ok is false if it has no such value.
func ValueIn(text []byte, dialect Dialect, v Value, nth int) (value Value, ok bool) {
	if nth >= v.Count || nth < 0 {
		return Value{}, false
	}
	if nth == 0 {
		v.Count = 1
		return v, true
	}
	l := NewLexer(text, dialect)
	for params := 0; ; {
		t := l.Next()
		switch {
		case t.Kind == TokenEnd:
			return Value{}, false
		case t.Start >= v.Start && (t.Kind.isValue() || t.Kind == kwNull):
			if nth--; nth < 0 {
				value = Value{Start: t.Start, End: t.End, Count: 1, Param: -1}
				if t.Kind == TokenParam {
					value.Param = params
				}
				return value, true
			}
		case t.Start >= v.Start && t.Kind != ',' && t.Kind != '-' && t.Kind != '+':
			return Value{}, false
		}
		if t.Kind == TokenParam {
			params++
		}
	}
}
