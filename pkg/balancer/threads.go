package balancer

import "bytes"

// Threads says whose connection ids a statement's result has in its first column:
// the server's, where a client knows the proxy's. The zero value is nobody's.
type Threads uint8

// The kinds.
const (
	ThreadsNone Threads = iota
	ThreadsOwn          // CONNECTION_ID() of the session itself
	ThreadsAll          // of whoever is connected: SHOW PROCESSLIST
)

// threadsOf finds statements of the plain forms SHOW [FULL] PROCESSLIST and
// SELECT CONNECTION_ID(), with an alias and more columns or without, by their first
// word and what follows it. An id anywhere else is left as it is.
func threadsOf(first, rest []byte, mentions Mentions) Threads {
	switch {
	case is(first, "show"):
		word, rest := firstWord(rest)
		if is(word, "full") {
			word, _ = firstWord(rest)
		}
		if is(word, "processlist") {
			return ThreadsAll
		}
	case is(first, "select") && mentions.Has(MentionsThread):
		word, rest := firstWord(rest)
		size := emptyCall(rest)
		if is(word, "connection_id") && size > 0 && endsColumn(rest[size:]) {
			return ThreadsOwn
		}
	}
	return ThreadsNone
}

// endsColumn reports whether text, which follows an expression, does not go on with
// it: what comes is its alias, the next column, or the end.
func endsColumn(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	if len(text) == 0 {
		return true
	}
	if bytes.IndexByte([]byte(",;`'\""), text[0]) >= 0 {
		return true
	}
	word, _ := firstWord(text)
	if len(word) == 0 || word[0] >= '0' && word[0] <= '9' {
		return false
	}
	for _, operator := range []string{"div", "mod", "in", "is", "like", "between", "and", "or", "xor", "not", "rlike", "regexp", "sounds", "collate"} {
		if is(word, operator) {
			return false
		}
	}
	return true
}
