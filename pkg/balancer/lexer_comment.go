package balancer

import (
	"bytes"

	"github.com/sqlring/sqlring/pkg/topology"
)

// lineComment passes a comment up to the end of its line. A NUL byte ends it too, for
// the servers; what follows is not read.
func (l *Lexer) lineComment(start int) (Token, bool) {
	rest := l.text[start:]
	end := bytes.IndexByte(rest, '\n')
	if end < 0 {
		end = len(rest)
	}
	if nul := bytes.IndexByte(rest[:end], 0); nul >= 0 {
		return l.invalid(start + nul), true
	}
	l.at = start + end
	l.note(start+len("-"), l.at)
	return Token{}, false
}

// note remembers a comment that is meant for the proxy.
func (l *Lexer) note(start, end int) {
	if start < end && l.text[start] == '-' { // the second one
		start++
	}
	if !isRemark(l.text[start:end]) {
		return
	}
	if l.remarks++; l.remarks == 1 {
		l.remark = span{start, end}
	}
}

// comment passes a comment, or enters one that the server executes.
func (l *Lexer) comment(start int) (Token, bool) {
	marker := start + 2
	maria := l.dialect.Flavour == topology.FlavourMariaDB && marker < len(l.text) && l.text[marker] == 'M'
	if maria {
		marker++
	}
	depth := 0
	if marker < len(l.text) && l.text[marker] == '!' {
		if l.dialect.Flavour == topology.FlavourUnknown {
			return l.invalid(start), true
		}
		run, digits := l.dialect.runs(l.text[marker+1:], maria)
		if run {
			l.at, l.exec = marker+1+digits, true
			return Token{}, false
		}
		depth = 1
	}
	end := commentEnd(l.text, start+2, depth)
	if end == 0 {
		return l.invalid(start), true
	}
	if depth == 0 {
		l.note(start+2, end-2)
	}
	l.at = end
	return Token{}, false
}

// Remark returns the contents of the first comment so far that begins with "sqlring":
// a hint to the proxy. It is nil if there was none.
func (l *Lexer) Remark() []byte {
	if l.remark.end == 0 {
		return nil
	}
	return bytes.TrimSpace(l.text[l.remark.start:l.remark.end])
}

// commentEnd returns where the comment ends whose contents begin at i, 0 if it does
// not. depth says how many levels of comments may stand in it.
func commentEnd(text []byte, i, depth int) int {
	for i+1 < len(text) {
		switch {
		case text[i] == '*' && text[i+1] == '/':
			return i + 2
		case depth > 0 && text[i] == '/' && text[i+1] == '*':
			if i = commentEnd(text, i+2, 0); i == 0 {
				return 0
			}
		default:
			i++
		}
	}
	return 0
}

// hints reports whether the server reads optimizer hints; to the others they are
// comments.
func (l *Lexer) hints() bool {
	return l.since(topology.FlavourMySQL, 50700) || l.since(topology.FlavourMariaDB, 120000)
}

// expectHint looks for a hint behind the keyword that the lexer is behind.
func (l *Lexer) expectHint() {
	i := l.at
	for i < len(l.text) && classes[l.text[i]] == classSpace {
		i++
	}
	if i < len(l.text) && l.text[i] == '/' && bytes.HasPrefix(l.text[i:], []byte("/*+")) && l.hints() {
		l.at, l.state = i, lexHint
	}
}

// hint reads a token of a hint.
func (l *Lexer) hint() Token {
	for l.at < len(l.text) && classes[l.text[l.at]] == classSpace {
		l.at++
	}
	start := l.at
	if start == len(l.text) {
		return l.invalid(start)
	}
	l.state = lexInHint
	switch c := l.text[start]; {
	case c == '*' && l.peek(1) == '/':
		l.at, l.state = start+2, lexStart
		return Token{TokenHintClose, start, l.at}
	case classes[c] == classQuote:
		t := l.quote(start)
		if t.Kind == TokenInvalid {
			return t
		}
		return l.hintName(t)
	case isDigit(c):
		for l.at = start; l.at < len(l.text) && (l.continues(l.at) || l.text[l.at] == '.'); l.at++ {
		}
		return Token{TokenNumber, start, l.at}
	case l.continues(start):
		l.at = l.nameEnd(start)
		return l.hintName(Token{keywords.findHint(l.text, start, l.at), start, l.at})
	case classes[c] == classOther, c >= 0x80:
		return l.invalid(start)
	default:
		l.at++
		return Token{TokenKind(c), start, l.at}
	}
}

// hintName says of a name whether the name of a query block is tied to it.
func (l *Lexer) hintName(t Token) Token {
	if l.peek(0) == '@' && t.Kind.isName() {
		t.Kind = TokenHintName
	}
	return t
}
