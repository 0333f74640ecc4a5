package balancer

import "bytes"

// ReachesStoredCode reports whether a routine, a trigger or a view may run by the text
// of a statement, under any sql_mode, character set and release: true in doubt.
//
// It is false for one SELECT that calls nothing and names no table. An error of the
// parser's number (1064, ER_PARSE_ERROR) is the parser's own then, which comes before
// anything is executed; stored code may raise the same number (SIGNAL … SET
// MYSQL_ERRNO) when it has done something already. So the text is not read but searched:
// a text that a server refuses is one that nobody can read.
func ReachesStoredCode(text []byte) bool {
	word, rest := firstWord(text)
	if !is(word, "select") || bytes.ContainsAny(rest, "(;") {
		return true
	}
	return containsFold(rest, "from") || containsFold(rest, "table")
}
