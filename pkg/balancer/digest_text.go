package balancer

import (
	"encoding/binary"
	"math/bits"
)

// isLiteralNull reports whether NULL, the next token, is a value, and not part of a
// condition or of a column's definition. Only the server's parser knows for sure.
func (d *Digester) isLiteralNull() bool {
	n := len(d.key) - 2
	for d.token(n) == kwNot || d.token(n) == kwBinary { // attributes of columns, too: what is before them tells
		n -= 2
	}
	last := d.token(n)
	return startsValue(last) || last == TokenAssign || last == '!' || last == '~' || keywords.flagsOf(last)&beforeLiteral != 0
}

// column makes the last value the number of a column if next, which follows it, does
// not make it part of an expression.
func (d *Digester) column(next TokenKind) {
	d.ordinal = false
	switch {
	case next == TokenEnd, next == ',', next == ')', next == ';', next == kwAsc, next == kwDesc:
	case next.isKeyword() && !continuesExpression(next):
	default:
		return
	}
	number := uint64(0)
	for _, c := range d.text[d.digits.Start:d.digits.End] {
		if number = number*10 + uint64(c-'0'); !isDigit(c) || number > 1<<32-1 {
			return
		}
	}
	if number == 0 {
		return
	}
	d.pop(1)
	d.push(tokenColumn)
	d.key = binary.LittleEndian.AppendUint32(d.key, uint32(number))
	d.floor = len(d.key)
	d.values = d.values[:len(d.values)-1]
}

// continuesExpression reports whether a keyword behind a value goes on with it.
func continuesExpression(k TokenKind) bool {
	switch k {
	case kwAnd, kwOr, kwXor, kwNot, kwIn, kwIs, kwLike, kwRegexp, kwRlike, kwBetween, kwDiv, kwMod:
		return true
	}
	return false
}

// AppendText appends the digest as text to into and returns it, as the server shows
// it: SELECT `c` FROM `t` WHERE `id` = ?. It never contains a value of the statement.
func (d *Digester) AppendText(into []byte) []byte { return appendKey(into, d.key) }

// appendKey is AppendText of a key.
func appendKey(into, key []byte) []byte {
	space := false
	r := keyReader{key: key}
	for r.next() {
		if r.kind == TokenWord && len(r.name) == 0 {
			continue // as the server does
		}
		if space {
			into = append(into, ' ')
		}
		space = true
		switch r.kind {
		case TokenWord, TokenHintName:
			into = append(into, '`')
			into = append(into, r.name...)
			into = append(into, '`')
			space = r.kind == TokenWord
		case tokenColumn:
			into = appendUint(into, r.number)
		case '@':
			into = append(into, '@')
			space = false
		default:
			into = append(into, r.kind.String()...)
		}
	}
	return into
}

func appendUint(into []byte, n uint32) []byte {
	if n >= 10 {
		into = appendUint(into, n/10)
	}
	return append(into, byte('0'+n%10))
}

// keyReader reads the tokens of a key.
type keyReader struct {
	key    []byte
	kind   TokenKind
	name   []byte // of TokenWord and TokenHintName
	number uint32 // of tokenColumn
}

// next moves to the next token; false at the end.
func (r *keyReader) next() bool {
	if len(r.key) < 2 {
		return false
	}
	r.kind, r.name = TokenKind(binary.LittleEndian.Uint16(r.key)), nil
	r.key = r.key[2:]
	switch r.kind {
	case TokenWord, TokenHintName:
		n := int(binary.LittleEndian.Uint16(r.key))
		r.name, r.key = r.key[2:2+n], r.key[2+n:]
	case tokenColumn:
		r.number, r.key = binary.LittleEndian.Uint32(r.key), r.key[4:]
	}
	return true
}

// hashKey folds a key, sixteen bytes at a time, by multiplications of 64 with 64 bits.
func hashKey(key []byte) uint64 {
	const k0, k1 = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03
	h := uint64(len(key)) * k0
	for len(key) >= 16 {
		hi, lo := bits.Mul64(binary.LittleEndian.Uint64(key)^h^k0, binary.LittleEndian.Uint64(key[8:])^k1)
		h = hi ^ lo
		key = key[16:]
	}
	var a, b uint64
	if len(key) >= 8 {
		a, key = binary.LittleEndian.Uint64(key), key[8:]
	}
	for i, c := range key {
		b |= uint64(c) << (8 * i)
	}
	hi, lo := bits.Mul64(a^h^k0, b^k1)
	return (hi ^ lo) * k0
}
