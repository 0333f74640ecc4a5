package balancer

import "bytes"

// Mentions is a set of words that occur somewhere in a text, in whatever role: a
// quick sieve in front of a careful look. The zero value is "none".
type Mentions uint8

// The words.
const (
	MentionsLayout   Mentions = 1 << iota // auto_increment_increment, auto_increment_offset
	MentionsTracking                      // session_track_…
	MentionsUserLock                      // get_lock, …_lock(s): GET_LOCK and its relatives
	MentionsVariable                      // a single @: a user variable, or an e-mail address
	MentionsNext                          // a semicolon with something behind it
	MentionsThread                        // connection_id: CONNECTION_ID()
	MentionsSystem                        // information_schema, performance_schema
)

// Has reports whether any of want is in m.
func (m Mentions) Has(want Mentions) bool { return m&want != 0 }

// Mention finds the words in text, in any case. It looks at underscores only,
// which makes it about as fast as a search for one byte.
func Mention(text []byte) Mentions {
	var m Mentions
	for i := 0; ; i++ {
		next := bytes.IndexByte(text[i:], '_')
		if next < 0 {
			break
		}
		i += next
		before, after := text[:i], text[i+1:]
		switch {
		case endsFold(before, "auto") && (startsFold(after, "increment_increment") || startsFold(after, "increment_offset")):
			m |= MentionsLayout
		case endsFold(before, "session") && startsFold(after, "track_"):
			m |= MentionsTracking
		case startsFold(after, "lock"):
			m |= MentionsUserLock
		case startsFold(after, "id") && endsFold(before, "connection"):
			m |= MentionsThread
		case startsFold(after, "schema") && (endsFold(before, "information") || endsFold(before, "performance")):
			m |= MentionsSystem
		}
	}
	for i := 0; ; {
		next := bytes.IndexByte(text[i:], '@')
		if next < 0 {
			break
		}
		if i += next + 1; i == len(text) || text[i] != '@' {
			m |= MentionsVariable
			break
		}
		i++
	}
	if i := bytes.IndexByte(text, ';'); i >= 0 && len(bytes.TrimSpace(text[i+1:])) > 0 {
		m |= MentionsNext
	}
	return m
}

// startsFold reports whether text begins with word, of lower-case letters, in any
// case.
func startsFold(text []byte, word string) bool {
	if len(text) < len(word) {
		return false
	}
	for i := range len(word) {
		if lower(text[i]) != word[i] {
			return false
		}
	}
	return true
}

func endsFold(text []byte, word string) bool {
	return len(text) >= len(word) && startsFold(text[len(text)-len(word):], word)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
