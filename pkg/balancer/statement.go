package balancer

import "bytes"

// Kind is what a statement is, as far as its first word tells.
type Kind uint8

// The kinds.
const (
	KindOther    Kind = iota // anything may happen, an implicit commit included
	KindRead                 // SELECT, SHOW and the like
	KindChange               // INSERT, UPDATE, DELETE, REPLACE: rows, inside the transaction
	KindBegin                // BEGIN, START TRANSACTION
	KindCommit               // COMMIT
	KindRollback             // ROLLBACK, SAVEPOINT, RELEASE SAVEPOINT
	KindSet                  // SET, USE
	KindKill                 // KILL
)

// String returns the kind's name.
func (k Kind) String() string {
	switch k {
	case KindRead:
		return "read"
	case KindChange:
		return "change"
	case KindBegin:
		return "begin"
	case KindCommit:
		return "commit"
	case KindRollback:
		return "rollback"
	case KindSet:
		return "set"
	case KindKill:
		return "kill"
	case KindOther:
	}
	return "other"
}

// Stick is why a session can not leave its connection after a statement: it may
// have left state there that nobody can carry over. The zero value is "it can".
type Stick uint8

// The reasons.
const (
	StickNone      Stick = iota
	StickUnknown         // a statement of unknown effects
	StickUserLock        // GET_LOCK and its relatives
	StickBatch           // several statements in one
	StickPrepared        // prepared statements that could not be prepared alike elsewhere
	StickCursor          // rows of an open cursor
	StickLongData        // a parameter that was sent ahead of its statement
	StickState           // the server reports a change that it does not name
	StickTruncated       // too long to be looked at
)

// String returns the reason as people read it.
func (s Stick) String() string {
	switch s {
	case StickNone:
		return "none"
	case StickUnknown:
		return "a statement of unknown effects"
	case StickUserLock:
		return "user locks"
	case StickBatch:
		return "several statements in one"
	case StickPrepared:
		return "prepared statements that could not be prepared alike elsewhere"
	case StickCursor:
		return "an open cursor"
	case StickLongData:
		return "a parameter that was sent ahead"
	case StickState:
		return "user variables, temporary tables or the like"
	case StickTruncated:
		return "a statement too long to be looked at"
	}
	return "unknown"
}

// Statement is what Classify finds. The zero value is a statement of unknown
// kind without mentions.
type Statement struct {
	Kind     Kind
	Stick    Stick
	Mentions Mentions
	Threads  Threads
	Listed   bool // it may read a table that has connection ids
}

// Classify says what text is by its first word and by what it mentions. whole
// says that text is all of the statement and not just its beginning.
func Classify(text []byte, whole bool) Statement {
	s := Statement{Mentions: Mention(text)}
	word, rest := firstWord(text)
	s.Kind, s.Stick = kindOf(word, rest)
	switch {
	case s.Mentions.Has(MentionsNext):
		s.Kind, s.Stick = KindOther, StickBatch
	case !whole: // its end may be another statement
		s.Kind, s.Stick = KindOther, StickTruncated
	case s.Stick == StickNone && s.Mentions.Has(MentionsUserLock):
		s.Stick = StickUserLock
	}
	s.Listed = s.Mentions.Has(MentionsSystem) && ListsThreads(text)
	if s.Kind == KindRead {
		s.Threads = threadsOf(word, rest, s.Mentions)
	}
	return s
}

// kindOf knows the statements that leave nothing behind but rows, schema,
// variables and transactions. DDL may commit, so it is KindOther, but it leaves
// no state in the session unless it is about temporary tables, which the server
// reports.
func kindOf(word, rest []byte) (Kind, Stick) {
	switch {
	case is(word, "select"), is(word, "show"), is(word, "explain"), is(word, "describe"), is(word, "desc"),
		is(word, "with"), is(word, "values"), is(word, "table"):
		return KindRead, StickNone
	case is(word, "insert"), is(word, "update"), is(word, "delete"), is(word, "replace"):
		return KindChange, StickNone
	case is(word, "begin"):
		return KindBegin, StickNone
	case is(word, "start"):
		if second, _ := firstWord(rest); is(second, "transaction") {
			return KindBegin, StickNone
		}
	case is(word, "commit"):
		return KindCommit, StickNone
	case is(word, "rollback"), is(word, "savepoint"), is(word, "release"):
		return KindRollback, StickNone
	case is(word, "set"):
		if second, _ := firstWord(rest); !is(second, "role") && !is(second, "statement") {
			return KindSet, StickNone
		}
	case is(word, "use"):
		return KindSet, StickNone
	case is(word, "kill"):
		return KindKill, StickNone
	case is(word, "create"), is(word, "drop"), is(word, "alter"), is(word, "truncate"), is(word, "rename"),
		is(word, "analyze"), is(word, "optimize"), is(word, "check"), is(word, "grant"), is(word, "revoke"),
		is(word, "load"):
		return KindOther, StickNone
	}
	return KindOther, StickUnknown
}

// firstWord returns the first word of text, behind white space, comments and
// opening brackets, and what follows it. An executable comment is not looked
// into: its statement is of unknown kind.
func firstWord(text []byte) (word, rest []byte) {
	i := 0
	for i < len(text) {
		c := text[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '(':
			i++
		case bytes.HasPrefix(text[i:], []byte("/*")) && !executable(text[i+2:]):
			end := bytes.Index(text[i+2:], []byte("*/"))
			if end < 0 {
				return nil, nil
			}
			i += 2 + end + 2
		case c == '#', isDashComment(text[i:]):
			end := bytes.IndexByte(text[i:], '\n')
			if end < 0 {
				return nil, nil
			}
			i += end + 1
		default:
			start := i
			for i < len(text) && isWord(text[i]) {
				i++
			}
			return text[start:i], text[i:]
		}
	}
	return nil, nil
}

// executable reports whether a comment that begins with text is run by servers.
func executable(text []byte) bool {
	return len(text) > 0 && (text[0] == '!' || (len(text) > 1 && text[0] == 'M' && text[1] == '!'))
}

func isDashComment(text []byte) bool {
	return len(text) >= 2 && text[0] == '-' && text[1] == '-' && (len(text) == 2 || text[2] <= ' ')
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || lower(c) >= 'a' && lower(c) <= 'z'
}

func is(word []byte, want string) bool { return len(word) == len(want) && startsFold(word, want) }
