package balancer

import "github.com/sqlring/sqlring/pkg/topology"

// Lexer cuts the text of a statement, or of a batch, into tokens the way the server
// does: what it calls a string, the server does not execute. It allocates nothing
// and reads each byte once. It is not safe for concurrent use; copies are
// independent.
//
// Comments and white space are no tokens. What an executable comment holds is, if
// the server would execute it. Where the text can not be read as the server reads
// it (an open quote or comment, a NUL byte, a byte that the charset does not have)
// the rest is one TokenInvalid.
type Lexer struct {
	text    []byte
	dialect Dialect
	at      int
	state   lexState
	exec    bool // in an executable comment
	remark  span // the first comment that begins with "sqlring"
	remarks int  // how many do
}

type span struct{ start, end int }

// lexState is what the token before says about the next one.
type lexState uint8

const (
	lexStart  lexState = iota
	lexDot             // the next character is a full stop, between two names
	lexName            // the next is a name, even if it is a keyword
	lexAt              // behind a single @
	lexAtAt            // at the second @ of @@
	lexSystem          // behind @@
	lexHint            // a hint begins
	lexInHint          // in a hint
)

// NewLexer returns a lexer at the beginning of text, which it does not change.
func NewLexer(text []byte, dialect Dialect) Lexer {
	return Lexer{text: text, dialect: dialect}
}

// The classes of ASCII characters, and of bytes from 0x80 on. Those from classDigit
// on may go on with a name.
const (
	classOther  = 'o' // not ASCII's to know: NUL and control characters
	classChar   = 'c' // a token of its own
	classSpace  = ' '
	classQuote  = 'q'
	classSymbol = 's' // may be a token of several characters
	classDigit  = 'x'
	classPrefix = 'y' // N x b: may stand in front of a quote
	classLetter = 'z'
	classHigh   = '{'
)

// classes has the class of each byte.
const classes = "ooooooooo     oooooooooooooooooo" + // 00
	" sqszcsqccsccsssxxxxxxxxxxscssss" + // 20
	"szyzzzzzzzzzzzyzzzzzzzzzyzzccccz" + // 40
	"qzyzzzzzzzzzzzyzzzzzzzzzyzzcscco" + // 60
	"{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{" + // 80
	"{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{" // C0

// Next returns the next token; TokenEnd, again and again, at the end.
func (l *Lexer) Next() Token {
	if l.state != lexStart {
		if t, ok := l.special(); ok {
			return t
		}
	}
	return l.start()
}

// start reads a token where nothing is known of it.
func (l *Lexer) start() Token {
	for l.at < len(l.text) {
		start := l.at
		switch classes[l.text[start]] {
		case classSpace:
			l.at++
		case classLetter:
			return l.word(start, start+1)
		case classPrefix:
			return l.prefixed(start)
		case classDigit:
			return l.number(start)
		case classQuote:
			return l.quote(start)
		case classChar:
			l.at++
			return Token{TokenKind(l.text[start]), start, l.at}
		case classSymbol:
			if t, ok := l.symbol(start); ok {
				return t
			}
		case classHigh:
			switch {
			case l.dialect.Charset == CharsetLatin1 && l.text[start] == 0xA0:
				l.at++ // a space that does not break
			case l.dialect.Charset == CharsetOther:
				return l.invalid(start)
			default:
				return l.word(start, start+l.dialect.Charset.size(l.text[start:]))
			}
		default:
			return l.invalid(start)
		}
	}
	if l.exec {
		l.exec = false
		return l.invalid(len(l.text))
	}
	return Token{TokenEnd, len(l.text), len(l.text)}
}

// invalid gives up: the rest of the text is one token.
func (l *Lexer) invalid(start int) Token {
	l.at, l.state, l.exec = len(l.text), lexStart, false
	return Token{TokenInvalid, start, len(l.text)}
}

// peek returns the byte n behind the current one, 0 at the end.
func (l *Lexer) peek(n int) byte {
	if l.at+n < len(l.text) {
		return l.text[l.at+n]
	}
	return 0
}

// symbol reads what begins with a character that may begin a longer token, or a
// comment; ok is false for a comment that has been passed.
func (l *Lexer) symbol(start int) (t Token, ok bool) {
	token := func(kind TokenKind, size int) (Token, bool) {
		l.at += size
		return Token{kind, start, l.at}, true
	}
	c, next := l.text[start], l.peek(1)
	switch c {
	case '#':
		return l.lineComment(start)
	case '-':
		switch {
		case next == '-' && isSpaceOrControl(l.peek(2)):
			return l.lineComment(start)
		case next == '>' && l.peek(2) == '>':
			return token(TokenUnquoteArrow, 3)
		case next == '>':
			return token(TokenArrow, 2)
		}
	case '/':
		if next == '*' {
			return l.comment(start)
		}
	case '*':
		if next == '/' && l.exec {
			l.at, l.exec = l.at+2, false
			return Token{}, false
		}
	case '<', '>', '=', '!':
		kind, size := comparison(c, next, l.peek(2))
		if kind == TokenInvalid {
			return l.invalid(start), true
		}
		return token(kind, size)
	case '&', '|':
		if c == next && c == '&' {
			return token(TokenAndAnd, 2)
		} else if c == next {
			return token(TokenOrOr, 2)
		}
	case ':':
		if next == '=' {
			return token(TokenAssign, 2)
		}
	case '?':
		return token(TokenParam, 1)
	case '@':
		l.state = lexAt
		if next == '@' {
			l.state = lexAtAt
		} else if next == '\'' || next == '"' || next == '`' {
			l.state = lexStart
		}
	case '.':
		if isDigit(next) {
			return l.real(start), true
		}
		if l.continues(l.at + 1) {
			l.state = lexName
		}
	}
	return token(TokenKind(c), 1)
}

// comparison returns the operator that a, b and c begin with, and its size. The
// servers take all such characters together, two of them or three after "<", and know
// no other operators of them: "=!" is an error there, and "!!" means "!".
func comparison(a, b, c byte) (TokenKind, int) {
	isPart := func(c byte) bool { return c == '<' || c == '>' || c == '=' || c == '!' }
	switch {
	case !isPart(b):
		return TokenKind(a), 1
	case a == '<' && b == '=' && c == '>':
		return TokenNullSafeEqual, 3
	case a == '<' && isPart(c) && c != '<':
		return TokenInvalid, 0
	case a == '<' && b == '=':
		return TokenLessEqual, 2
	case a == '>' && b == '=':
		return TokenGreaterEqual, 2
	case a == '<' && b == '>', a == '!' && b == '=':
		return TokenNotEqual, 2
	case a == '<' && b == '<':
		return TokenShiftLeft, 2
	case a == '>' && b == '>':
		return TokenShiftRight, 2
	case a == '!':
		return '!', 2
	}
	return TokenInvalid, 0
}

// special reads a token whose meaning depends on the one before; ok is false if it is
// like any other.
func (l *Lexer) special() (t Token, ok bool) {
	state, start := l.state, l.at
	l.state = lexStart
	switch state {
	case lexDot:
		l.at++
		if l.continues(l.at) {
			l.state = lexName
		}
		return Token{'.', start, l.at}, true
	case lexName:
		return l.name(start), true
	case lexAt:
		for l.at < len(l.text) && isHost(l.text[l.at]) {
			l.at++
		}
		return Token{TokenHost, start, l.at}, true
	case lexAtAt:
		l.at++
		if l.peek(0) != '`' {
			l.state = lexSystem
		}
		return Token{'@', start, l.at}, true
	case lexSystem:
		t := l.name(start)
		if l.peek(0) == '.' {
			l.state = lexDot
		}
		if t.End == start {
			return l.invalid(start), true
		}
		t.Kind = keywords.find(l.text, t.Start, t.End, false)
		return t, true
	case lexHint:
		l.at, l.state = start+3, lexInHint
		return Token{TokenHintOpen, start, l.at}, true
	case lexInHint:
		return l.hint(), true
	case lexStart:
	}
	return Token{}, false
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHost(c byte) bool { return classes[c] >= classDigit || c == '.' }

func isSpaceOrControl(c byte) bool { return c <= ' ' || c == 0x7F }

// flavour reports whether the server is of a flavour, and of version or later.
func (l *Lexer) since(flavour topology.Flavour, version int) bool {
	return l.dialect.Flavour == flavour && l.dialect.Version >= version
}
