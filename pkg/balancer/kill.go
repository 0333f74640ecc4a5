package balancer

import (
	"bytes"
	"strconv"
)

// Kill is a KILL statement of one connection, or of what it runs. Start and End are
// where its number, or what stands for it, is in the text.
type Kill struct {
	Query      bool // KILL QUERY: the connection stays
	Own        bool // CONNECTION_ID() stands for the number
	Asked      bool // a parameter stands for it
	Variable   bool // a user variable stands for it
	Thread     uint64
	Start, End int
}

// ParseKill reads KILL [HARD | SOFT] [CONNECTION | QUERY] number, CONNECTION_ID(), a
// parameter or a user variable. ok is false for anything else, KILL USER and KILL QUERY ID of MariaDB
// included; Query is set as far as it was read.
func ParseKill(text []byte) (k Kill, ok bool) {
	word, rest := firstWord(text)
	if !is(word, "kill") {
		return Kill{}, false
	}
	word, rest = firstWord(rest)
	if is(word, "hard") || is(word, "soft") {
		word, rest = firstWord(rest)
	}
	if k.Query = is(word, "query"); k.Query || is(word, "connection") {
		word, rest = firstWord(rest)
	}
	k.End = len(text) - len(rest)
	k.Start = k.End - len(word)
	switch {
	case len(word) == 0 && len(rest) > 0 && rest[0] == '?':
		k.Asked = true
		k.End++
	case len(word) == 0 && len(rest) > 0 && rest[0] == '@':
		size := userVariable(rest)
		k.Variable = size > 0
		k.End += size
	case is(word, "connection_id"):
		size := emptyCall(rest)
		k.Own = size > 0
		k.End += size
	default:
		thread, err := strconv.ParseUint(string(word), 10, 64)
		if err != nil {
			return Kill{Query: k.Query}, false
		}
		k.Thread = thread
	}
	if k.End == k.Start || len(bytes.Trim(text[k.End:], " \t\r\n;")) > 0 || is(word, "connection_id") && !k.Own {
		return Kill{Query: k.Query}, false
	}
	return k, true
}

// userVariable returns the size of the user variable that text, which begins with @,
// begins with; 0 if it is none.
func userVariable(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	if quote := text[1]; quote == '`' || quote == '\'' || quote == '"' {
		end := bytes.IndexByte(text[2:], quote)
		if end <= 0 || bytes.IndexByte(text[2:2+end], '\\') >= 0 {
			return 0
		}
		return 2 + end + 1
	}
	end := 1
	for end < len(text) && (isWord(text[end]) || text[end] == '.') {
		end++
	}
	if end == 1 {
		return 0
	}
	return end
}

// emptyCall returns the size of "()", spaces included, that text begins with; 0 if
// it does not.
func emptyCall(text []byte) int {
	rest := bytes.TrimLeft(text, " \t\r\n")
	if len(rest) == 0 || rest[0] != '(' {
		return 0
	}
	rest = bytes.TrimLeft(rest[1:], " \t\r\n")
	if len(rest) == 0 || rest[0] != ')' {
		return 0
	}
	return len(text) - len(rest) + 1
}
