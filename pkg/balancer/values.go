package balancer

// Rows follows the rest of an INSERT or a REPLACE that is too long to be read at once,
// from its first quote on, in pieces of any size, and tells whether there is nothing but
// rows of values. If so the statement does what its beginning says, and nothing else.
type Rows struct {
	backslash bool // escapes in quotes
	quote     byte // the quote that is open; 0: none
	escaped   bool // the byte before was a backslash
	word      [maxRowsWord]byte
	size      int  // of the word that goes on; more than maxRowsWord for longer ones
	called    bool // a bracket would now make a call
	minus     bool // the byte before was one
	ended     bool // a semicolon was there
	other     bool // something else was there
}

// maxRowsWord is the length of the longest of them, _utf8mb4.
const maxRowsWord = 8

// RowsEnd is what completes the beginning of such a text, up to its first quote.
const RowsEnd = " 0)"

// NewRows returns one for the text whose beginning, completed, has plan p; nil if that is no beginning of an INSERT of rows, or has effects, or if not all quotes are
// quotes of values.
func NewRows(p *Plan, d Dialect) *Rows {
	const harmful = ^Effects(1<<EffectLastInsertID | 1<<EffectWaits)
	if p == nil || len(p.Statements) != 1 || p.Effects&harmful != 0 || !startsInsert(p) || d.AnsiQuotes || d.Charset > CharsetLatin1 {
		return nil
	}
	if tables := p.Statements[0].Tables; len(tables) != 1 || !tables[0].Written {
		return nil
	}
	for _, i := range itemsOf(p.key) {
		if i.is("values", "value") {
			return &Rows{backslash: !d.NoBackslashEscapes}
		}
	}
	return nil
}

// Feed takes the next piece and reports whether there was nothing but rows so far.
func (r *Rows) Feed(text []byte) bool {
	for i := 0; i < len(text) && !r.other; i++ {
		switch c := text[i]; {
		case r.quote == 0:
			r.outside(c)
		case r.escaped:
			r.escaped = false
		case c == '\\' && r.backslash:
			r.escaped = true
		case c == r.quote: // a doubled one begins a text of its own
			r.quote = 0
		}
	}
	return !r.other
}

// outside takes a byte that is not in quotes.
func (r *Rows) outside(c byte) {
	space := c == ' ' || c == '\t' || c == '\n' || c == '\r'
	switch {
	case r.ended:
		r.other = !space
		return
	case r.minus && !isDigit(c) && c != '.':
		r.other = true
		return
	case isWord(c):
		r.minus = false
		if r.size < maxRowsWord {
			r.word[r.size] = lower(c)
		}
		r.size = min(r.size+1, maxRowsWord+1)
		return
	}
	r.minus = false
	r.endWord()
	switch {
	case space:
		return
	case c == '(':
		r.other = r.other || r.called
	case c == '\'' || c == '"':
		r.quote = c
	case c == ';':
		r.ended = true
	case c == '-':
		r.minus = true
	default:
		r.other = r.other || c != ',' && c != ')' && c != '.' && c != '+'
	}
	r.called = false
}

func (r *Rows) endWord() {
	if r.size == 0 {
		return
	}
	known := isDigit(r.word[0]) || r.size <= maxRowsWord && isRowsWord(string(r.word[:r.size]))
	r.other = r.other || !known
	r.called, r.size = true, 0
}

// isRowsWord reports whether rows may have a word outside of quotes.
func isRowsWord(word string) bool {
	switch word {
	case "null", "default", "true", "false", "_binary", "_utf8mb4", "_utf8mb3", "_utf8", "_latin1", "_ascii", "x", "n", "b":
		return true
	}
	return false
}
