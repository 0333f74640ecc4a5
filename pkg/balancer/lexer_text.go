package balancer

import (
	"bytes"

	"github.com/sqlring/sqlring/pkg/topology"
)

// continues reports whether a name goes on, or begins, at i.
func (l *Lexer) continues(i int) bool {
	if i >= len(l.text) || classes[l.text[i]] < classDigit {
		return false
	}
	return l.text[i] < 0x80 || l.dialect.Charset < CharsetOther && (l.dialect.Charset != CharsetLatin1 || l.text[i] != 0xA0)
}

// nameEnd returns where the name ends that goes on at i.
func (l *Lexer) nameEnd(i int) int {
	text := l.text
	for {
		for i < len(text) && classes[text[i]]-classDigit <= classLetter-classDigit {
			i++
		}
		if i >= len(text) || text[i] < 0x80 || !l.continues(i) {
			return i
		}
		i += l.dialect.Charset.size(text[i:])
	}
}

// word reads a name or a keyword from start on, of which from has been looked at.
func (l *Lexer) word(start, from int) Token {
	if l.text[start] == '$' {
		if t, ok := l.dollarQuoted(start); ok {
			return t
		}
	}
	end := l.nameEnd(from)
	l.at = end
	after := byte(0)
	if end < len(l.text) {
		after = l.text[end]
	}
	if after == '.' && l.continues(end+1) {
		l.state = lexDot
		return l.introducer(start, end)
	}
	if l.dialect.IgnoreSpace {
		for i := end; i < len(l.text); i++ {
			if after = l.text[i]; !isSpace(after) {
				break
			}
		}
	}
	kind := keywords.find(l.text, start, end, after == '(')
	if kind == TokenWord {
		return l.introducer(start, end)
	}
	if kind <= kwReplace { // the keywords that hints may follow come first
		l.expectHint()
	}
	return Token{kind, start, end}
}

// introducer returns the name, which is no keyword, or the charset of the string that
// follows it.
func (l *Lexer) introducer(start, end int) Token {
	if l.text[start] == '_' && isCharset(l.text[start+1:end]) {
		return Token{TokenCharset, start, end}
	}
	return Token{TokenWord, start, end}
}

// isCharset reports whether name is a charset of any server.
func isCharset(name []byte) bool {
	const names = " armscii8 ascii big5 binary cp1250 cp1251 cp1256 cp1257 cp850 cp852 cp866 cp932 dec8 eucjpms euckr gb18030 gb2312 gbk " +
		"geostd8 greek hebrew hp8 keybcs2 koi8r koi8u latin1 latin2 latin5 latin7 macce macroman sjis swe7 tis620 ucs2 ujis utf16 utf16le " +
		"utf32 utf8 utf8mb3 utf8mb4 "
	var buffer [10]byte
	if len(name) == 0 || len(name) > len(buffer)-2 {
		return false
	}
	word := append(buffer[:0], ' ')
	for _, c := range name {
		word = append(word, lower(c))
	}
	return bytes.Contains([]byte(names), append(word, ' '))
}

// name reads a name that is one even if it is a keyword.
func (l *Lexer) name(start int) Token {
	l.at = l.nameEnd(start)
	if l.peek(0) == '.' && l.continues(l.at+1) {
		l.state = lexDot
	}
	return Token{TokenWord, start, l.at}
}

// prefixed reads what begins with a letter that may stand in front of a quote.
func (l *Lexer) prefixed(start int) Token {
	if l.peek(1) != '\'' {
		return l.word(start, start+1)
	}
	l.at++
	t := l.quote(start + 1)
	if t.Kind == TokenString && lower(l.text[start]) != 'n' {
		t.Kind = TokenNumber
	}
	t.Start = start
	return t
}

// quote reads what begins with a quote at start, to the quote that ends it.
func (l *Lexer) quote(start int) Token {
	text, quote := l.text, l.text[start]
	kind, escapes := TokenString, !l.dialect.NoBackslashEscapes
	if quote == '`' || quote == '"' && l.dialect.AnsiQuotes {
		kind, escapes = TokenQuoted, false
	}
	multibyte := l.dialect.Charset.multibyte()
	for i := start + 1; i < len(text); i++ {
		c := text[i]
		if c != quote && c != '\\' && c < 0x80 && c != 0 {
			continue
		}
		switch {
		case c == quote:
			if i+1 < len(text) && text[i+1] == quote {
				i++
				continue
			}
			l.at = i + 1
			return Token{kind, start, l.at}
		case c == '\\' && escapes:
			i++
		case c == 0 && kind == TokenQuoted:
			return l.invalid(start)
		case c >= 0x80 && multibyte:
			i += l.dialect.Charset.size(text[i:]) - 1
		}
	}
	return l.invalid(start)
}

// dollarQuoted reads $tag$…$tag$. Which of the releases before 9.0 have it is not
// known: there it is not read.
func (l *Lexer) dollarQuoted(start int) (t Token, ok bool) {
	if !l.since(topology.FlavourMySQL, 80000) {
		return Token{}, false
	}
	open := start + 1
	for open < len(l.text) && l.text[open] != '$' && l.continues(open) {
		open += l.dialect.Charset.size(l.text[open:])
	}
	if open >= len(l.text) || l.text[open] != '$' {
		return Token{}, false
	}
	tag := l.text[start : open+1]
	end := bytes.Index(l.text[open+1:], tag)
	if end < 0 || !l.since(topology.FlavourMySQL, 90000) || l.dialect.Charset.multibyte() {
		return l.invalid(start), true
	}
	l.at = open + 1 + end + len(tag)
	return Token{TokenDollar, start, l.at}, true
}

// number reads what begins with a digit: a number, or a name.
func (l *Lexer) number(start int) Token {
	text := l.text
	i := start + 1
	if text[start] == '0' && i < len(text) && (text[i] == 'x' || text[i] == 'b') {
		isOf := isHex
		if text[i] == 'b' {
			isOf = func(c byte) bool { return c == '0' || c == '1' }
		}
		for i++; i < len(text) && isOf(text[i]); i++ {
		}
		if i-start >= 3 && !l.continues(i) {
			l.at = i
			return Token{TokenNumber, start, i}
		}
		return l.name(start)
	}
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	l.at = i
	switch {
	case i < len(text) && text[i] == '.':
		return l.real(start)
	case !l.continues(i):
		return Token{TokenNumber, start, i}
	case lower(text[i]) == 'e':
		if end := exponentEnd(text, i); end > 0 {
			l.at = end
			return Token{TokenNumber, start, end}
		}
	}
	return l.name(start)
}

// real reads a number from its full stop on, which the lexer is at.
func (l *Lexer) real(start int) Token {
	text := l.text
	i := l.at + 1
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	if i < len(text) && lower(text[i]) == 'e' {
		if i = exponentEnd(text, i); i == 0 {
			return l.invalid(start)
		}
	}
	l.at = i
	return Token{TokenNumber, start, i}
}

// exponentEnd returns where the exponent ends whose letter is at i, 0 if it is none.
func exponentEnd(text []byte, i int) int {
	i++
	if i < len(text) && (text[i] == '+' || text[i] == '-') {
		i++
	}
	digits := i
	for i < len(text) && isDigit(text[i]) {
		i++
	}
	if i == digits {
		return 0
	}
	return i
}

func isHex(c byte) bool { return isDigit(c) || lower(c) >= 'a' && lower(c) <= 'f' }
