package balancer

// endWord moves the scanner past the word that ended before this byte, if there
// was one.
func (s *Scanner) endWord() {
	if s.wordLen == 0 {
		return
	}
	word := s.known()
	ats := s.ats
	s.wordLen, s.ats = 0, 0
	switch s.place {
	case placeStart, placeOther:
		s.statement(word)
	case placeTarget:
		s.target(word, ats)
	case placeValue:
		if word == "for" && s.depth == 0 { // SET STATEMENT … FOR statement
			s.place = placeStart
		}
	case placeAssign:
		s.place = placeValue
	}
}

// statement judges a word outside of a SET. UPDATE t SET is none: a SET counts
// where a statement may begin.
func (s *Scanner) statement(word string) {
	switch word {
	case "set":
		if s.place == placeStart {
			s.place, s.depth = placeTarget, 0
		}
	case "begin", "atomic", "then", "else", "do", "loop", "repeat":
		s.place = placeStart // inside a routine a statement begins behind these
	default:
		s.place = placeOther
	}
}

// endHint moves the scanner past a word of a hint: SET_VAR ( name =
func (s *Scanner) endHint() {
	if s.wordLen == 0 {
		return
	}
	word := s.known()
	s.wordLen = 0
	layout := word == "auto_increment_increment" || word == "auto_increment_offset"
	switch {
	case word == "set_var":
		s.before, s.place = wordSetVar, placeOther
	case s.before == wordSetVar && layout:
		s.place = placeTarget
	default:
		s.before, s.place = wordOther, placeOther
	}
}

// target judges a word where the name of a variable is expected.
func (s *Scanner) target(word string, ats int) {
	switch word {
	case "session", "global", "local", "persist", "persist_only", "statement":
	case "auto_increment_increment", "auto_increment_offset":
		if ats != 1 { // with one @ it is a user variable
			s.place = placeAssign
			return
		}
		s.place = placeValue
	default:
		s.place = placeValue
	}
}

// known returns the word if it is one of those that matter.
func (s *Scanner) known() string {
	if s.wordLen > maxWord {
		return ""
	}
	switch string(s.word[:s.wordLen]) {
	case "set":
		return "set"
	case "set_var":
		return "set_var"
	case "session":
		return "session"
	case "global":
		return "global"
	case "local":
		return "local"
	case "persist":
		return "persist"
	case "persist_only":
		return "persist_only"
	case "statement":
		return "statement"
	case "for":
		return "for"
	case "begin":
		return "begin"
	case "atomic":
		return "atomic"
	case "then":
		return "then"
	case "else":
		return "else"
	case "do":
		return "do"
	case "loop":
		return "loop"
	case "repeat":
		return "repeat"
	case "auto_increment_increment":
		return "auto_increment_increment"
	case "auto_increment_offset":
		return "auto_increment_offset"
	}
	return ""
}

// symbol moves the scanner past a byte that is neither a word nor white space.
func (s *Scanner) symbol(c byte) {
	switch {
	case c == '@':
		s.ats++
		return
	case c == ';':
		s.place = placeStart
	case s.place == placeAssign && (c == '=' || c == ':'):
		s.found = true
	case c == '(':
		s.depth++
		if s.place == placeTarget || s.place == placeAssign {
			s.place = placeValue
		}
	case c == ')':
		s.depth--
	case c == ',' && s.depth == 0 && (s.place == placeValue || s.place == placeAssign):
		s.place = placeTarget
	case c == '.' && s.place == placeTarget: // @@session.name
	case s.place == placeStart:
		if c != '(' {
			s.place = placeOther
		}
	case s.place == placeAssign, s.place == placeTarget:
		s.place = placeValue
	}
	s.ats = 0
}
