package balancer

import (
	"bytes"
	"strconv"
)

// Kill is a KILL statement that names a connection by its number. Start and End
// are where the number stands in the text.
type Kill struct {
	Thread     uint64
	Start, End int
}

// ParseKill reads KILL [HARD | SOFT] [CONNECTION | QUERY] number. ok is false for
// anything else, KILL USER and KILL QUERY ID of MariaDB included.
func ParseKill(text []byte) (k Kill, ok bool) {
	word, rest := firstWord(text)
	if !is(word, "kill") {
		return Kill{}, false
	}
	word, rest = firstWord(rest)
	if is(word, "hard") || is(word, "soft") {
		word, rest = firstWord(rest)
	}
	if is(word, "connection") || is(word, "query") {
		word, rest = firstWord(rest)
	}
	thread, err := strconv.ParseUint(string(word), 10, 64)
	if err != nil || len(bytes.Trim(rest, " \t\r\n;")) > 0 {
		return Kill{}, false
	}
	end := len(text) - len(rest)
	return Kill{Thread: thread, Start: end - len(word), End: end}, true
}
