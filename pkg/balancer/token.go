package balancer

// TokenKind is what a token is. The kinds below 128 are ASCII characters that stand
// for themselves; from firstKeyword on they are keywords, whose String is the one
// spelling that stands for all synonyms (INTEGER for INT).
type TokenKind uint16

// The kinds that are neither characters nor keywords.
const (
	TokenEnd           TokenKind = 0          // nothing is left
	TokenInvalid       TokenKind = 127 + iota // the rest of the text can not be read: an open quote, a NUL byte
	TokenWord                                 // an identifier
	TokenQuoted                               // an identifier in backticks, or in quotes under ANSI_QUOTES
	TokenString                               // '…', "…", N'…'
	TokenDollar                               // $tag$…$tag$, MySQL's text of a routine in another language
	TokenNumber                               // any number, x'…' and b'…' too
	TokenParam                                // ?
	TokenHost                                 // what follows a single @, quoted names aside; may be empty
	TokenCharset                              // _utf8mb4 in front of a string
	TokenAssign                               // :=
	TokenLessEqual                            // <=
	TokenGreaterEqual                         // >=
	TokenNotEqual                             // <> or !=
	TokenNullSafeEqual                        // <=>
	TokenShiftLeft                            // <<
	TokenShiftRight                           // >>
	TokenAndAnd                               // &&
	TokenOrOr                                 // ||
	TokenArrow                                // ->
	TokenUnquoteArrow                         // ->>
	TokenHintOpen                             // /*+
	TokenHintClose                            // the end of a hint
	TokenHintName                             // a query block's table: an identifier in front of @ in a hint

	// What a digest makes of values and of lists of them.
	tokenValue              // ?
	tokenValues             // ?, ...
	tokenRow                // (?)
	tokenRows               // (?) /* , ... */
	tokenWideRow            // (...)
	tokenWideRows           // (...) /* , ... */
	tokenIn                 // IN (...)
	tokenColumn             // ORDER BY 1
	lastSymbol              // none: a bound
	firstKeyword  TokenKind = 256
)

// Token is a piece of a statement. Text[Start:End] of the lexer's text is how it is
// written; an executable comment's contents are tokens like others.
type Token struct {
	Kind       TokenKind
	Start, End int
}

// symbolNames has the names of the kinds from TokenInvalid on, as a digest shows them.
var symbolNames = [...]string{
	"(invalid)", "(id)", "(id)", "(text)", "(text)", "(num)", "?", "(hostname)", "(_charset)", ":=", "<=", ">=", "!=", "<=>",
	"<<", ">>", "&&", "||", "->", "->>", "/*+", "*/", "(id)",
	"?", "?, ...", "(?)", "(?) /* , ... */", "(...)", "(...) /* , ... */", "IN (...)", "(column)",
}

// String returns the token as a digest shows it: keywords in capitals.
func (k TokenKind) String() string {
	switch {
	case k == TokenEnd:
		return ""
	case k < TokenInvalid:
		return string(rune(k))
	case k < lastSymbol:
		return symbolNames[k-TokenInvalid]
	case k >= firstKeyword && int(k-firstKeyword) < len(keywords.words):
		return keywords.words[keywords.words[k-firstKeyword].shown].name
	}
	return "(unknown)"
}

// isValue reports whether a digest shows the token as "?".
func (k TokenKind) isValue() bool { return k >= TokenString && k <= TokenHost }

// isName reports whether the token is an identifier whatever stands around it.
func (k TokenKind) isName() bool { return k == TokenWord || k == TokenQuoted }

func (k TokenKind) isKeyword() bool { return k >= firstKeyword }
