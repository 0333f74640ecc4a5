package balancer

import (
	"encoding/binary"
	"strings"
)

// keywords finds keywords. It is built once, from the lists, and never changes.
var keywords = indexKeywords()

type keywordFlags uint8

const (
	isFunctionName   keywordFlags = 1 << iota // a keyword only with a bracket right behind it
	isHintName                                // a keyword of hints
	onlyHintName                              // and a name everywhere else
	startsExpression                          // a sign behind it is a number's, not an operator
	beforeLiteral                             // NULL behind it is a value
)

// keyword is a word as the table has it: head and tail are its first and its last
// eight bytes in lower case.
type keyword struct {
	head, tail uint64
	name       string
	shown      TokenKind // the index of the synonym that stands for it
	length     uint8
	flags      keywordFlags
}

const keywordBits = 12

type keywordIndex struct {
	words []keyword
	slots [1 << keywordBits]uint16 // index in words + 1, at the hash or behind it
}

func indexKeywords() *keywordIndex {
	x := &keywordIndex{}
	add := func(list string, flags keywordFlags) {
		for _, name := range strings.Fields(list) {
			x.add(name, flags)
		}
	}
	add(namedKeywords, 0)
	add(otherKeywords, 0)
	add(functionKeywords, isFunctionName)
	add(hintKeywords, isHintName|onlyHintName)
	for _, group := range strings.Fields(synonyms) {
		names := strings.Split(group, "=")
		shown := x.lookup(names[0])
		for _, name := range names[1:] {
			x.words[x.lookup(name)].shown = TokenKind(shown)
		}
	}
	mark := func(list string, flag keywordFlags) {
		for _, name := range strings.Fields(list) {
			x.words[x.lookup(name)].flags |= flag
		}
	}
	mark("MERGE INDEX", isHintName)
	mark(beforeExpression, startsExpression)
	mark(beforeExpression+beforeNull, beforeLiteral)
	return x
}

// synonyms are words that are one token to the server; the first of a group is how a
// digest shows all of them.
const synonyms = "CHARACTER=CHAR CURDATE=CURRENT_DATE CURTIME=CURRENT_TIME NOW=CURRENT_TIMESTAMP=LOCALTIME=LOCALTIMESTAMP " +
	"SCHEMA=DATABASE SCHEMAS=DATABASES DECIMAL=DEC EXPLAIN=DESCRIBE DISTINCTROW=DISTINCT FIELDS=COLUMNS FLOAT4=FLOAT FLOAT8=DOUBLE " +
	"GEOMETRYCOLLECTION=GEOMCOLLECTION INTEGER=INT=INT4 TINYINT=INT1 SMALLINT=INT2 MIDDLEINT=MEDIUMINT=INT3 INT8=BIGINT " +
	"RELAY_THREAD=IO_THREAD NDBCLUSTER=NDB RLIKE=REGEXP SOME=ANY SQL_TSI_SECOND=SECOND SQL_TSI_MINUTE=MINUTE SQL_TSI_HOUR=HOUR " +
	"SQL_TSI_DAY=DAY WEEK=SQL_TSI_WEEK SQL_TSI_MONTH=MONTH SQL_TSI_QUARTER=QUARTER YEAR=SQL_TSI_YEAR SYSTEM_USER=USER=SESSION_USER " +
	"VARCHARACTER=VARCHAR SUBSTRING=SUBSTR=MID STDDEV_POP=STD=STDDEV VAR_POP=VARIANCE"

// beforeExpression are the keywords behind which the server's digest takes a sign for
// a number's own. Others may stand there too (WHERE -1): it does not look further.
const beforeExpression = "EVERY AT STARTS ENDS DEFAULT RETURN IF ELSEIF CASE WHEN WHILE UNTIL SELECT OR XOR AND NOT BETWEEN LIKE REGEXP RLIKE " +
	"INTERVAL DIV MOD THEN ELSE "

// beforeNull are further keywords behind which NULL is a value.
const beforeNull = "BY WHERE HAVING ON IN VALUES VALUE ALL DISTINCT DISTINCTROW STRAIGHT_JOIN SQL_NO_CACHE SQL_CALC_FOUND_ROWS HIGH_PRIORITY DO " +
	"COLLATE ROW USING ESCAPE OF TRAILING LEADING BOTH FROM CONDITION"

func (x *keywordIndex) add(name string, flags keywordFlags) {
	lower := []byte(strings.ToLower(name))
	w := keyword{name: name, length: uint8(len(lower)), flags: flags, shown: TokenKind(len(x.words))}
	w.head, w.tail = ends(lower, 0, len(lower))
	x.words = append(x.words, w)
	slot := slotOf(w.head, w.tail)
	for x.slots[slot] != 0 {
		slot = (slot + 1) % (1 << keywordBits)
	}
	x.slots[slot] = uint16(len(x.words))
}

// lookup returns the index of a word of the lists.
func (x *keywordIndex) lookup(name string) int {
	for i := range x.words {
		if x.words[i].name == name {
			return i
		}
	}
	panic("balancer: " + name + " is in no list of keywords")
}

// find returns the keyword that text[start:end] is, in any case, or TokenWord.
// called says that an opening bracket follows.
func (x *keywordIndex) find(text []byte, start, end int, called bool) TokenKind {
	head, tail := ends(text, start, end)
	for slot := slotOf(head, tail); x.slots[slot] != 0; slot = (slot + 1) % (1 << keywordBits) {
		i := int(x.slots[slot]) - 1
		w := &x.words[i]
		if w.head != head || w.tail != tail || int(w.length) != end-start {
			continue
		}
		if end-start > 16 && !equalFold(text[start+8:end-8], w.name[8:]) {
			continue
		}
		if w.flags&onlyHintName != 0 || w.flags&isFunctionName != 0 && !called {
			return TokenWord
		}
		return firstKeyword + TokenKind(i)
	}
	return TokenWord
}

// findHint is find inside of a hint.
func (x *keywordIndex) findHint(text []byte, start, end int) TokenKind {
	head, tail := ends(text, start, end)
	for slot := slotOf(head, tail); x.slots[slot] != 0; slot = (slot + 1) % (1 << keywordBits) {
		i := int(x.slots[slot]) - 1
		w := &x.words[i]
		if w.flags&isHintName != 0 && int(w.length) == end-start && equalFold(text[start:end], w.name) {
			return firstKeyword + TokenKind(i)
		}
	}
	return TokenWord
}

// flagsOf returns the flags of a token.
func (x *keywordIndex) flagsOf(k TokenKind) keywordFlags {
	if k < firstKeyword {
		return 0
	}
	return x.words[k-firstKeyword].flags
}

// ends returns the first and the last eight bytes of text[start:end] in lower case;
// tail is 0 for eight and less. Setting the bit that makes letters small maps no two
// bytes of a word to one, but for case.
func ends(text []byte, start, end int) (head, tail uint64) {
	const small = 0x2020202020202020
	n := end - start
	switch {
	case n > 8:
		return binary.LittleEndian.Uint64(text[start:]) | small, binary.LittleEndian.Uint64(text[end-8:]) | small
	case start+8 <= len(text):
		head = binary.LittleEndian.Uint64(text[start:])
	default:
		for i := end - 1; i >= start; i-- {
			head = head<<8 | uint64(text[i])
		}
	}
	return (head | small) & (1<<(8*n) - 1), 0
}

func slotOf(head, tail uint64) uint {
	return uint((head*0x9E3779B97F4A7C15 ^ tail*0xD1B54A32D192ED03) >> (64 - keywordBits))
}

// equalFold reports whether text is name, of capital letters, in any case, as far as
// text goes.
func equalFold(text []byte, name string) bool {
	if len(text) > len(name) {
		return false
	}
	for i, c := range text {
		if lower(c) != lower(name[i]) {
			return false
		}
	}
	return true
}
