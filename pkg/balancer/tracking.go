package balancer

import "bytes"

// ShowsTracking reports whether text reads or sets what a session is told of its own
// changes (session_track_…), and surely changes no other variable of the session: a
// proxy that has those variables set for itself can let such a statement see the
// client's, and not miss a thing. SHOW VARIABLES without a pattern is one.
func ShowsTracking(text []byte, d Dialect) bool {
	word, rest := firstWord(text)
	shows := is(word, "show") && showsVariables(rest)
	if !shows && !containsFold(text, "session_track_") && !containsFold(text, "session_variables") {
		return false
	}
	var digester Digester
	digester.Digest(text, d)
	p := MakePlan(&digester, d)
	if len(p.Statements) != 1 {
		return false
	}
	const (
		reads = harmless | 1<<EffectReadsUserVariable | 1<<EffectUserVariable | 1<<EffectMember
		sets  = reads | 1<<EffectTracking | 1<<EffectGlobalVariable
	)
	switch f := &p.Statements[0]; f.Verb {
	case VerbRead:
		return f.Effects&^reads == 0
	case VerbSet:
		return f.Effects&^sets == 0
	default:
		return false
	}
}

// showsVariables reports whether the rest of a SHOW is VARIABLES, and may be about
// those of tracking: a pattern that does not have the word is not.
func showsVariables(rest []byte) bool {
	word, rest := firstWord(rest)
	if is(word, "global") || is(word, "session") || is(word, "local") {
		word, rest = firstWord(rest)
	}
	return is(word, "variables") && (len(bytes.Trim(rest, " \t\r\n;")) == 0 || containsFold(rest, "session"))
}

// containsFold reports whether text contains word, of lower-case letters, in any case.
func containsFold(text []byte, word string) bool {
	for i := 0; i+len(word) <= len(text); i++ {
		if startsFold(text[i:], word) {
			return true
		}
	}
	return false
}

// Release is whether a statement ends the connection with its transaction.
type Release uint8

// The ways.
const (
	ReleaseNone  Release = iota // it does not end a transaction, or says NO RELEASE
	ReleaseAsSet                // as the session's completion_type has it
	ReleaseYes                  // it says RELEASE
)

// ReleaseOf returns what text, a COMMIT or ROLLBACK, does with the connection (MySQL
// manual, "START TRANSACTION, COMMIT, and ROLLBACK Statements"). Others release nothing.
func ReleaseOf(text []byte) Release {
	word, rest := firstWord(text)
	if !is(word, "commit") && !is(word, "rollback") {
		return ReleaseNone
	}
	release, no := ReleaseAsSet, false
	for {
		if word, rest = firstWord(rest); len(word) == 0 {
			return release
		}
		switch {
		case is(word, "to"): // a savepoint
			return ReleaseNone
		case is(word, "release") && no:
			return ReleaseNone
		case is(word, "release"):
			release = ReleaseYes
		}
		no = is(word, "no")
	}
}
