package balancer

import "bytes"

// Repeatable reports whether text is surely a read, or sets surely nothing but its
// session, so that it may be run again on another member if nothing of its result
// has reached the client. It is asked only when a connection was lost, so it looks at every
// word: what it does not know makes it say no.
//
// noBackslash says that the session's sql_mode has NO_BACKSLASH_ESCAPES. What a
// view hides (a function that writes) is not seen.
func Repeatable(text []byte, noBackslash bool) bool {
	first, rest := firstWord(text)
	set := false
	switch {
	case is(first, "select"), is(first, "with"), is(first, "values"), is(first, "table"):
	case is(first, "show"), is(first, "describe"), is(first, "desc"), is(first, "explain"):
		if second, _ := firstWord(rest); len(second) == 0 || is(second, "warnings") || is(second, "errors") ||
			is(second, "count") || startsFold(second, "profile") || is(second, "analyze") {
			return false // of the statement before, which ran elsewhere
		}
	case is(first, "set"):
		set = true
	case is(first, "use"):
	default:
		return false
	}
	w := words{text: rest, noBackslash: noBackslash}
	for w.next() {
		switch {
		case w.bad:
			return false
		case w.called && (w.qualified || w.quoted || !w.harmless()):
			return false
		case !w.quoted && !w.called && writes(w.word), set && (w.word[0] == '`' || reaches(w.word)):
			return false
		}
	}
	return !w.bad
}

// writes reports whether an unquoted word can be part of a statement that leaves
// something behind: as a column's name it is refused too, which costs nothing but
// a repetition.
func writes(word []byte) bool {
	for _, w := range []string{
		"insert", "update", "delete", "replace", "into", "outfile", "dumpfile", "call", "do", "procedure",
		"next", "previous", "nextval", "set", "lock", "truncate", "handler", "returning", "current_role",
	} {
		if is(word, w) {
			return true
		}
	}
	return false
}

// reaches reports whether a word in a SET can mean more than this session.
func reaches(word []byte) bool {
	for _, w := range []string{"global", "persist", "persist_only", "password", "role", "for", "statement"} {
		if is(word, w) {
			return true
		}
	}
	return false
}

// harmless reports whether the word in front of a bracket is a keyword, or a
// function of the server that neither changes anything nor tells of the session's
// last statement. A stored function can not take such a function's name, unless
// it is called with a space in front of the bracket.
func (w *words) harmless() bool {
	word := w.lowered()
	return opensBracket(word) || !w.spaced && isFunction(word)
}

// words finds the words of a statement, and what stands behind them.
type words struct {
	text        []byte
	at          int
	noBackslash bool

	word      []byte
	quoted    bool // by backticks or quotes
	qualified bool // behind a full stop
	called    bool // in front of an opening bracket
	spaced    bool // with white space between
	bad       bool // something that is not looked into
	buffer    [maxWord]byte
}

// next moves to the next word; false at the end, and at what makes the text bad.
func (w *words) next() bool {
	w.qualified = false
	for w.at < len(w.text) && !w.bad {
		c := w.text[w.at]
		switch {
		case c == '\'' || c == '"' || c == '`':
			start := w.at
			w.bad = c == '`' && start > 0 && w.text[start-1] >= 0x80 // perhaps the end of a character
			w.quote(c)
			w.finish(start, true)
			return true
		case isWord(c):
			start := w.at
			for w.at < len(w.text) && isWord(w.text[w.at]) {
				w.at++
			}
			w.finish(start, false)
			return true
		case w.comment():
			continue
		case c == '@':
			w.atSign()
		default:
			w.bad = w.bad || c == ';' && len(bytes.TrimSpace(w.text[w.at+1:])) > 0 || c == ':' || c < '\t'
			w.qualified = c == '.' || w.qualified && isSpace(c)
			w.at++
		}
	}
	return false
}

// atSign passes the two signs of a system variable; one is a user variable, which
// may be assigned to.
func (w *words) atSign() {
	if !bytes.HasPrefix(w.text[w.at:], []byte("@@")) {
		w.bad = true
	}
	w.at = min(w.at+2, len(w.text))
}

// quote passes a quoted text. A backslash behind a byte of a multi-byte character
// may be part of it, depending on the character set: that is not decided here.
func (w *words) quote(c byte) {
	for w.at++; w.at < len(w.text); w.at++ {
		switch b := w.text[w.at]; {
		case b == c && w.at+1 < len(w.text) && w.text[w.at+1] == c:
			w.at++
		case b == c:
			w.at++
			return
		case b == '\\' && c != '`' && w.text[w.at-1] >= 0x80:
			w.bad = true
			return
		case b == '\\' && c != '`' && !w.noBackslash:
			w.at++
		}
	}
	w.at, w.bad = len(w.text), true // a last backslash has nothing behind it to pass
}

// comment passes a comment, if one begins here.
func (w *words) comment() bool {
	rest := w.text[w.at:]
	end := -1
	switch {
	case bytes.HasPrefix(rest, []byte("/*")):
		if w.bad = executable(rest[2:]); w.bad {
			return true
		}
		if end = bytes.Index(rest[2:], []byte("*/")); end >= 0 {
			end += 3
		}
	case rest[0] == '#', isDashComment(rest):
		end = bytes.IndexByte(rest, '\n')
	default:
		return false
	}
	if end < 0 {
		w.at = len(w.text)
		return true
	}
	w.at += end + 1
	return true
}

// finish notes the word that ends here, and looks for a bracket behind it.
func (w *words) finish(start int, quoted bool) {
	w.word, w.quoted = w.text[start:w.at], quoted
	end := w.at
	for w.at < len(w.text) && !w.bad {
		if isSpace(w.text[w.at]) {
			w.at++
		} else if !w.comment() {
			break
		}
	}
	w.called = w.at < len(w.text) && w.text[w.at] == '('
	w.spaced = w.at > end
}

// lowered returns the word in lower case, "" if it is longer than any of interest.
func (w *words) lowered() string {
	if len(w.word) > len(w.buffer) {
		return ""
	}
	for i, c := range w.word {
		w.buffer[i] = lower(c)
	}
	return string(w.buffer[:len(w.word)])
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// opensBracket reports whether a bracket may stand behind the keyword word.
func opensBracket(word string) bool {
	switch word {
	case "select", "from", "join", "where", "and", "or", "xor", "not", "on", "in", "exists", "all", "any", "some",
		"union", "except", "intersect", "as", "using", "over", "by", "when", "then", "else", "case", "between", "like",
		"interval", "having", "values", "value", "row", "table", "lateral", "is", "div", "limit", "offset", "distinct",
		"index", "key", "partition", "char", "varchar", "decimal", "numeric", "binary", "varbinary", "signed", "unsigned",
		"datetime", "time", "float", "double", "match", "against", "regexp", "rlike", "with":
		return true
	}
	return false
}

// isFunction reports whether word is a function of both MySQL and MariaDB whose
// result depends on its arguments, the data and the clock alone.
func isFunction(word string) bool {
	switch word {
	case "abs", "ceil", "ceiling", "floor", "round", "truncate", "mod", "pow", "power", "sqrt", "exp", "ln", "log", "log2",
		"log10", "sign", "sin", "cos", "tan", "atan", "atan2", "radians", "degrees", "pi", "greatest", "least", "rand", "crc32", "conv",
		"count", "sum", "min", "max", "avg", "std", "stddev", "variance", "bit_and", "bit_or", "bit_xor", "group_concat",
		"row_number", "rank", "dense_rank", "percent_rank", "ntile", "lag", "lead", "first_value", "last_value", "nth_value",
		"coalesce", "ifnull", "nullif", "if", "isnull", "cast", "convert", "format", "field", "elt", "find_in_set", "interval",
		"concat", "concat_ws", "lower", "lcase", "upper", "ucase", "trim", "ltrim", "rtrim", "lpad", "rpad", "left", "right",
		"substring", "substr", "substring_index", "mid", "length", "char_length", "character_length", "octet_length", "replace",
		"repeat", "reverse", "space", "locate", "position", "instr", "strcmp", "ascii", "ord", "hex", "unhex", "bin", "oct", "quote",
		"md5", "sha", "sha1", "sha2", "to_base64", "from_base64", "inet_aton", "inet_ntoa", "inet6_aton", "inet6_ntoa",
		"uuid", "now", "sysdate", "current_timestamp", "localtimestamp", "localtime", "curdate", "current_date", "curtime", "current_time",
		"utc_timestamp", "utc_date", "utc_time", "unix_timestamp", "from_unixtime", "date", "timestamp", "year", "quarter", "month",
		"week", "weekday", "weekofyear", "yearweek", "day", "dayofmonth", "dayofweek", "dayofyear", "dayname", "monthname", "hour",
		"minute", "second", "microsecond", "date_format", "time_format", "str_to_date", "date_add", "date_sub", "adddate", "subdate",
		"addtime", "subtime", "datediff", "timediff", "timestampdiff", "timestampadd", "to_days", "from_days", "to_seconds",
		"time_to_sec", "sec_to_time", "makedate", "maketime", "last_day", "period_add", "period_diff", "extract",
		"json_extract", "json_unquote", "json_object", "json_array", "json_contains", "json_contains_path", "json_length", "json_type",
		"json_valid", "json_keys", "json_search", "json_value", "json_quote", "json_arrayagg", "json_objectagg", "json_set",
		"json_insert", "json_replace", "json_remove", "json_merge_patch", "json_merge_preserve", "json_table",
		"database", "schema", "user", "version", "current_user", "session_user", "system_user", "charset", "collation":
		return true
	}
	return false
}
