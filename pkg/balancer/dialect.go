package balancer

import "github.com/sqlring/sqlring/pkg/topology"

// Dialect is what has to be known of a session and its server to read a statement
// as they do. The zero value is a server of unknown flavour, whose executable
// comments can not be told, with sql_mode ” and utf8mb4.
type Dialect struct {
	Flavour topology.Flavour
	Version int     // major*10000 + minor*100 + patch, as in executable comments: 90704
	Charset Charset // character_set_client

	// sql_mode
	AnsiQuotes         bool // "…" is an identifier
	NoBackslashEscapes bool // a backslash in a string is a character
	IgnoreSpace        bool // a function's bracket may stand apart
}

// VersionOf returns a server's release as Dialect.Version.
func VersionOf(v topology.ServerVersion) int { return v.Major*10000 + v.Minor*100 + v.Patch }

// Charset is how a client's bytes become characters, as far as it matters for where
// a string ends.
type Charset uint8

// The kinds of charsets.
const (
	// CharsetUTF8 is utf8mb4 and utf8mb3; ascii and binary do as well: letters are all
	// bytes from 0x80 on.
	CharsetUTF8 Charset = iota
	CharsetLatin1
	// CharsetEUC is ujis, eucjpms, euckr and gb2312: two bytes, neither of them a quote
	// or a backslash.
	CharsetEUC
	CharsetGBK
	CharsetSJIS // and cp932
	CharsetBig5
	CharsetGB18030
	// CharsetOther is any other one of single bytes. Outside of quotes its letters are
	// not read: a statement with an identifier of such letters is of unknown effects.
	CharsetOther
)

// CharsetNamed returns the charset of a value of character_set_client. Names that it
// does not know, those of a later server included, are CharsetOther.
func CharsetNamed(name string) Charset {
	switch name {
	case "utf8mb4", "utf8mb3", "utf8", "ascii", "binary":
		return CharsetUTF8
	case "latin1":
		return CharsetLatin1
	case "ujis", "eucjpms", "euckr", "gb2312":
		return CharsetEUC
	case "gbk":
		return CharsetGBK
	case "sjis", "cp932":
		return CharsetSJIS
	case "big5":
		return CharsetBig5
	case "gb18030":
		return CharsetGB18030
	}
	return CharsetOther
}

// multibyte reports whether the second byte of a character may be ASCII.
func (c Charset) multibyte() bool { return c >= CharsetGBK && c <= CharsetGB18030 }

// size returns how many bytes the character at the beginning of text has, which is
// not empty. What is no character of the charset is one byte, as for the server.
func (c Charset) size(text []byte) int {
	if text[0] < 0x80 || len(text) < 2 || !c.multibyte() {
		return 1
	}
	first, second := text[0], text[1]
	between := func(b, low, high byte) bool { return b >= low && b <= high }
	switch c {
	case CharsetGBK:
		if between(first, 0x81, 0xFE) && (between(second, 0x40, 0x7E) || between(second, 0x80, 0xFE)) {
			return 2
		}
	case CharsetSJIS:
		if (between(first, 0x81, 0x9F) || between(first, 0xE0, 0xFC)) && (between(second, 0x40, 0x7E) || between(second, 0x80, 0xFC)) {
			return 2
		}
	case CharsetBig5:
		if between(first, 0xA1, 0xF9) && (between(second, 0x40, 0x7E) || between(second, 0xA1, 0xFE)) {
			return 2
		}
	case CharsetGB18030:
		if !between(first, 0x81, 0xFE) {
			return 1
		}
		if between(second, 0x40, 0x7E) || between(second, 0x80, 0xFE) {
			return 2
		}
		if len(text) >= 4 && between(second, '0', '9') && between(text[2], 0x81, 0xFE) && between(text[3], '0', '9') {
			return 4
		}
	case CharsetUTF8, CharsetLatin1, CharsetEUC, CharsetOther:
	}
	return 1
}

// runs reports whether the server executes the contents of a comment that begins
// with /*! or, if maria, with /*M!, and how many digits of digits are its version.
// MariaDB leaves out what is meant for MySQL 5.7 and later.
func (d Dialect) runs(digits []byte, maria bool) (run bool, length int) {
	n := 0
	for n < 6 && n < len(digits) && digits[n] >= '0' && digits[n] <= '9' {
		n++
	}
	if n < 5 {
		return true, 0
	}
	if d.Flavour != topology.FlavourMariaDB && n == 6 && (len(digits) == 6 || !isSpace(digits[6])) {
		n = 5 // MySQL wants a space behind the sixth digit
	}
	version := 0
	for _, c := range digits[:n] {
		version = version*10 + int(c-'0')
	}
	if d.Flavour == topology.FlavourMariaDB && !maria && version >= 50700 && version <= 99999 {
		return false, n
	}
	return version <= d.Version, n
}
