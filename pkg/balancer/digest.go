package balancer

// Digester reduces statements to their digest: the same text for all statements that
// differ in their values, in white space, comments and letter case only. It follows
// MySQL's own STATEMENT_DIGEST_TEXT(), so that sqlring's figures and the server's are
// of the same statements.
//
// A Digester is made once and used again for each statement; it then allocates
// nothing. It belongs to one goroutine. The zero value is ready.
type Digester struct {
	key      []byte // tokens of two bytes each, names with their length and text
	floor    int    // where the last name in key ends: reductions do not look behind it
	values   []Value
	params   int
	remark   []byte
	remarks  int
	whole    bool
	by       int // depth of brackets, plus 1, of the ORDER BY or the like that goes on; 0: none
	depth    int
	ordinal  bool // the last token is a number that may be that of a column
	digits   Token
	text     []byte
	previous TokenKind
	fold     *folder // nil: rows are kept as they are
}

// maxDigestKey is where a digest is cut off: what follows is neither looked at nor
// part of the digest.
const maxDigestKey = 64 << 10

// Value is where a statement's text holds a value, or a list of values, that its
// digest shows as "?" or "...".
type Value struct {
	Start, End int
	Count      int // how many values; the span is the first one's if it is not 1
	Param      int // the number of the parameter "?", from 0 on; -1 for a literal
}

// Digest reads text and remembers its digest until the next call, which reuses the
// memory.
func (d *Digester) Digest(text []byte, dialect Dialect) {
	d.fold = nil
	d.digest(text, dialect)
}

func (d *Digester) digest(text []byte, dialect Dialect) {
	d.key, d.values = d.key[:0], d.values[:0]
	d.floor, d.params, d.by, d.depth = 0, 0, 0, 0
	d.whole, d.ordinal, d.previous, d.text, d.remark = true, false, TokenEnd, text, nil
	var l Lexer // built in place: a copy of it would cost a tenth of the whole
	l.text, l.dialect = text, dialect
	for len(d.key) < maxDigestKey {
		t := l.Next()
		if d.ordinal {
			d.column(t.Kind)
		}
		if t.Kind == TokenEnd {
			if n := len(d.key) - 2; n >= d.floor && d.token(n) == ';' {
				d.key = d.key[:n]
			}
			d.text = nil
			if d.remarks = l.remarks; d.remarks > 0 {
				d.remark = l.Remark()
			}
			return
		}
		d.add(t)
		d.previous = t.Kind
	}
	d.whole, d.text, d.remark, d.remarks = false, nil, l.Remark(), l.remarks
}

// Key returns the digest as bytes to compare. Statements with equal keys have equal
// digests; those with equal digests have equal keys if they use the same ones of
// synonymous keywords (INT or INTEGER). It is valid until the next call of Digest.
func (d *Digester) Key() []byte { return d.key }

// Values returns where the values are, in the order of the digest. It is valid until
// the next call of Digest.
func (d *Digester) Values() []Value { return d.values }

// Whole reports whether all of the text is in the digest. It is not if the text has
// more than 64 KiB without its values, and, if it was folded, its rows' repetitions.
func (d *Digester) Whole() bool { return d.whole }

// Remark returns the first comment that begins with "sqlring", nil if there is none.
func (d *Digester) Remark() []byte { return d.remark }

// Hash returns a number of the digest for tables and samples. Two digests may have
// the same one, and a client can make them so: whoever looks a digest up compares
// the keys too.
func (d *Digester) Hash() uint64 { return hashKey(d.key) }

// add appends a token and reduces what the tokens then are.
func (d *Digester) add(t Token) {
	switch k := t.Kind; {
	case k >= firstKeyword:
		if k == kwNull && d.isLiteralNull() {
			d.value(t)
			return
		}
		d.push(k)
		if d.by != 0 || k == kwBy {
			d.clause(k)
		}
		if d.fold != nil && d.depth == 0 {
			d.fold.clause(k)
		}
	case k == TokenWord, k == TokenHintName:
		d.name(k, d.text[t.Start:t.End])
	case k == TokenQuoted:
		d.quoted(t)
	case k.isValue():
		minus := k == TokenNumber && d.sign()
		d.value(t)
		d.ordinal = d.ordinal && !minus // a column's number is positive
	case k == ')':
		d.depth--
		if d.by > d.depth+1 {
			d.by = 0
		}
		d.closeRow()
		if d.fold != nil {
			d.fold.ends(d)
		}
	case k == '(':
		if d.fold != nil {
			d.fold.begins(d)
		}
		d.depth++
		d.push(k)
	case k == TokenHintClose:
		if n := len(d.key) - 2; d.token(n) == TokenHintOpen { // the server forgets an empty hint
			d.key = d.key[:n]
			return
		}
		d.push(k)
	default:
		d.push(k)
	}
}

// clause follows what keywords mean for numbers of columns.
func (d *Digester) clause(k TokenKind) {
	switch k {
	case kwBy:
		if d.previous == kwOrder || d.previous == kwGroup || d.previous == kwPartition {
			d.by = d.depth + 1
		}
	case kwLimit, kwHaving, kwWindow, kwFor, kwLock, kwInto, kwUnion, kwExcept, kwIntersect, kwWith, kwRows, kwRange, kwGroups, kwSeparator, kwOn:
		if d.by == d.depth+1 {
			d.by = 0
		}
	}
}

func (d *Digester) push(k TokenKind) { d.key = append(d.key, byte(k), byte(k>>8)) }

// name appends a name; it is cut at 65535 bytes, which no server accepts.
func (d *Digester) name(kind TokenKind, name []byte) {
	name = name[:min(len(name), 1<<16-1)]
	d.key = append(d.key, byte(kind), byte(kind>>8), byte(len(name)), byte(len(name)>>8))
	d.key = append(d.key, name...)
	d.floor = len(d.key)
}

// quoted appends the name in quotes without them, and with its doubled quotes as one.
func (d *Digester) quoted(t Token) {
	quote := d.text[t.Start]
	d.push(TokenWord)
	d.key = append(d.key, 0, 0)
	start := len(d.key)
	for i := t.Start + 1; i < t.End-1 && len(d.key)-start < 1<<16-1; i++ {
		d.key = append(d.key, d.text[i])
		if d.text[i] == quote {
			i++
		}
	}
	n := len(d.key) - start
	d.key[start-2], d.key[start-1] = byte(n), byte(n>>8)
	d.floor = len(d.key)
}

// token returns the token at an offset of the key behind floor, TokenEnd for any
// other offset.
func (d *Digester) token(at int) TokenKind {
	if at < d.floor {
		return TokenEnd
	}
	return TokenKind(d.key[at]) | TokenKind(d.key[at+1])<<8
}

// pop takes the last n tokens back, which are behind floor.
func (d *Digester) pop(n int) { d.key = d.key[:len(d.key)-2*n] }

// sign takes back the signs in front of a number, and reports whether there was a
// minus among them.
func (d *Digester) sign() (minus bool) {
	for {
		n := len(d.key)
		last := d.token(n - 2)
		if last != '-' && last != '+' || !startsValue(d.token(n-4)) {
			return minus
		}
		minus = minus || last == '-'
		d.pop(1)
	}
}

// startsValue reports whether an expression begins behind the token, so that a sign is
// no operator.
func startsValue(k TokenKind) bool {
	switch k {
	case '(', ',', '|', '&', '+', '-', '*', '/', '%', '^', '=', '<', '>', TokenLessEqual, TokenGreaterEqual, TokenNotEqual,
		TokenNullSafeEqual, TokenShiftLeft, TokenShiftRight, TokenAndAnd, TokenOrOr:
		return true
	}
	return keywords.flagsOf(k)&startsExpression != 0
}

// value appends a value, or makes it part of the list that it goes on with.
func (d *Digester) value(t Token) {
	v := Value{Start: t.Start, End: t.End, Count: 1, Param: -1}
	if t.Kind == TokenParam {
		v.Param = d.params
		d.params++
	}
	n := len(d.key)
	if d.token(n-2) == ',' {
		if before := d.token(n - 4); before == tokenValue || before == tokenValues {
			d.pop(2)
			d.push(tokenValues)
			d.values[len(d.values)-1].Count++
			return
		}
	}
	if d.by != 0 && t.Kind == TokenNumber && d.by == d.depth+1 {
		if last := d.token(n - 2); last == kwBy || last == ',' {
			d.ordinal, d.digits = true, t
		}
	}
	d.push(tokenValue)
	d.values = append(d.values, v)
}

// closeRow appends a closing bracket, or reduces the row that it ends.
func (d *Digester) closeRow() {
	n := len(d.key)
	last := d.token(n - 2)
	if last != tokenValue && last != tokenValues || d.token(n-4) != '(' {
		d.push(')')
		return
	}
	d.pop(2)
	row, rows := tokenRow, tokenRows
	if last == tokenValues {
		row, rows = tokenWideRow, tokenWideRows
	}
	n = len(d.key)
	switch before := d.token(n - 4); {
	case d.token(n-2) == ',' && (before == row || before == rows):
		d.pop(2)
		d.push(rows)
		d.values[len(d.values)-2].Count += d.values[len(d.values)-1].Count
		d.values = d.values[:len(d.values)-1]
	case d.token(n-2) == kwIn:
		d.pop(1)
		d.push(tokenIn)
	default:
		d.push(row)
	}
}
