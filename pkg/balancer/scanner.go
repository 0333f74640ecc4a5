package balancer

import "bytes"

// Scanner finds out whether SQL text assigns auto_increment_increment or
// auto_increment_offset: SET in all its forms, SET STATEMENT … FOR, MySQL's
// SET_VAR hint, in any statement of a batch. The text may come in pieces of any
// size, so that a statement of many megabytes needs no buffer. It understands
// quotes, comments and executable comments; it does not parse. Text that is data
// (a quoted string, a comment) never counts.
//
// It does not see what only the server knows: text executed from a string,
// routines, and multi-byte charsets in which a backslash can be half a character.
// See the package comment for what stands behind it.
//
// The zero value is ready, for a session without NO_BACKSLASH_ESCAPES.
type Scanner struct {
	NoBackslashEscapes bool // sql_mode of the session

	found   bool
	mode    mode
	quote   byte // the quote that ends modeQuoted
	escaped bool // the byte before was a backslash
	prev    byte // the byte before, in modes that end with two
	word    [maxWord]byte
	wordLen int  // length of the word so far; more than maxWord for longer ones
	exec    bool // in an executable comment
	place   place
	outer   place    // place in front of a hint
	before  wordKind // in a hint: the word before this one
	ats     int      // how many @ stand directly before
	depth   int      // of brackets, since the SET
}

// maxWord is the length of the longest word of interest,
// auto_increment_increment.
const maxWord = 24

type mode uint8

const (
	modeText    mode = iota
	modeQuoted       // '…', "…" or `…`
	modeLine         // # or -- up to the end of the line
	modeComment      // /* … */
	modeSlash        // a / has been seen
	modeDash         // a - has been seen
	modeDashes       // -- has been seen
	modeOpen         // /* has been seen
	modeOpenM        // /*M has been seen
	modeVersion      // the number of an executable comment
	modeStar         // a * has been seen
	modeHint         // /*+ … */
)

// place is where in a statement the scanner stands.
type place uint8

const (
	placeStart  place = iota // where a statement may begin
	placeOther               // where no assignment is of interest
	placeTarget              // where the name of an assigned variable stands
	placeAssign              // behind such a name that is one of the two
	placeValue               // in the value of an assignment
)

// wordKind is what the scanner remembers of the word before.
type wordKind uint8

const (
	wordOther  wordKind = iota
	wordSetVar          // in a hint: SET_VAR, and then one of the two variables
)

// Feed takes the next piece of the text and reports whether an assignment has
// been found in all that was fed.
func (s *Scanner) Feed(text []byte) bool {
	for i := 0; i < len(text) && !s.found; i++ {
		if s.mode == modeQuoted && !s.escaped && s.wordLen > maxWord {
			i += s.skipQuoted(text[i:])
			if i == len(text) {
				break
			}
		}
		was := *s
		s.step(text[i])
		if i+longRun < len(text) && text[i+longRun] == text[i] && *s == was {
			i += run(text[i:]) - 1
		}
	}
	return s.found
}

// longRun is from how many equal bytes on it is worth looking whether they change
// anything: what did not change by one of them does not by the next.
const longRun = 16

// run returns how many equal bytes text begins with.
func run(text []byte) int {
	n := 1
	for n < len(text) && text[n] == text[0] {
		n++
	}
	return n
}

// Found reports whether an assignment has been found, the text being at its end.
func (s *Scanner) Found() bool { return s.found }

// skipQuoted returns how many bytes of a long quoted text can not end it.
func (s *Scanner) skipQuoted(text []byte) int {
	n := bytes.IndexByte(text, s.quote)
	if n < 0 {
		n = len(text)
	}
	if s.quote != '`' && !s.NoBackslashEscapes {
		if b := bytes.IndexByte(text[:n], '\\'); b >= 0 {
			n = b
		}
	}
	return n
}

// step takes one byte. It is a flat table of modes, the way the servers' own
// lexers are.
func (s *Scanner) step(c byte) {
	switch s.mode {
	case modeQuoted:
		s.quoted(c)
	case modeLine:
		if c == '\n' {
			s.mode = modeText
		}
	case modeComment:
		if c == '/' && s.prev == '*' {
			s.mode = modeText
		}
		s.prev = c
	case modeOpen, modeOpenM, modeVersion:
		s.open(c)
	case modeSlash:
		s.mode = modeText
		if c == '*' {
			s.mode = modeOpen
			return
		}
		s.symbol('/')
		s.text(c)
	case modeDash:
		s.mode = modeText
		if c == '-' {
			s.mode = modeDashes
			return
		}
		s.symbol('-')
		s.text(c)
	case modeDashes:
		s.mode = modeText
		if c <= ' ' {
			if c != '\n' {
				s.mode = modeLine
			}
			return
		}
		s.symbol('-')
		s.text(c)
	case modeStar:
		s.mode = modeText
		if c == '/' && s.exec { // the end of an executable comment is white space
			s.exec = false
			return
		}
		s.symbol('*')
		s.text(c)
	case modeHint:
		s.hint(c)
	case modeText:
		s.text(c)
	}
}

// open decides what a comment is: a plain one, a hint, or an executable one,
// whose number is skipped.
func (s *Scanner) open(c byte) {
	switch {
	case s.mode == modeVersion && c >= '0' && c <= '9':
	case s.mode == modeVersion:
		s.mode = modeText
		s.text(c)
	case c == '!':
		s.mode, s.exec = modeVersion, true
	case s.mode == modeOpen && c == 'M':
		s.mode = modeOpenM
	case s.mode == modeOpen && c == '+':
		s.mode, s.prev = modeHint, c
		s.outer, s.place = s.place, placeOther
	default:
		s.mode, s.prev = modeComment, c
	}
}

// hint takes a byte of a hint. A server without hints (MariaDB 10, 11) takes it
// for a comment, so nothing but its own end ends it, and quotes mean nothing.
func (s *Scanner) hint(c byte) {
	switch {
	case isWord(c):
		s.grow(c)
	case c == '/' && s.prev == '*':
		s.endHint()
		s.mode, s.place = modeText, s.outer
	default:
		s.endHint()
		if s.place == placeTarget && s.before == wordSetVar && c == '=' {
			s.found = true
		}
		if c > ' ' && c != '(' && c != '`' {
			s.place = placeOther
		}
	}
	s.prev = c
}

func (s *Scanner) quoted(c byte) {
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\' && s.quote != '`' && !s.NoBackslashEscapes:
		s.escaped = true
	case c == s.quote: // a doubled quote goes on as a text of its own: no harm
		s.mode = modeText
		s.endWord()
		return
	}
	s.grow(c)
}

func (s *Scanner) text(c byte) {
	if isWord(c) {
		s.grow(c)
		return
	}
	s.endWord()
	switch c {
	case '\'', '"', '`':
		s.mode, s.quote, s.wordLen = modeQuoted, c, 0
		if c == '\'' || s.place != placeTarget {
			s.wordLen = maxWord + 1 // no name of interest: what it says does not matter
		}
	case '#':
		s.mode = modeLine
	case '/':
		s.mode = modeSlash
	case '-':
		s.mode = modeDash
	case '*':
		s.mode = modeStar
	case ' ', '\t', '\n', '\r', '\f', '\v':
	default:
		s.symbol(c)
	}
}

func (s *Scanner) grow(c byte) {
	if s.wordLen < maxWord {
		s.word[s.wordLen] = lower(c)
	}
	if s.wordLen <= maxWord {
		s.wordLen++
	}
}
