package balancer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// A comment that begins with the word sqlring is meant for the proxy, whatever kind of
// comment it is, and holds for the whole text that it stands in:
//
//	/* sqlring consistency=strong */ SELECT title FROM card WHERE id = 7
//
// Digests do not see comments, so a hint is never part of a plan: it is read off each text.

// Hint is what a text asks of the proxy by a comment. The zero value asks for nothing.
type Hint struct {
	Consistency Consistency
	Says        bool // it says which; else Consistency has no meaning
}

// remarkWord is what a comment begins with that is meant for the proxy.
const remarkWord = "sqlring"

// isRemark reports whether a comment's contents are meant for the proxy.
func isRemark(comment []byte) bool {
	comment = bytes.TrimLeft(comment, " \t\r\n")
	if len(comment) < len(remarkWord) || !startsFold(comment, remarkWord) {
		return false
	}
	if len(comment) == len(remarkWord) {
		return true
	}
	next := comment[len(remarkWord)]
	return classes[next] < classDigit && !strings.ContainsRune(".-/@", rune(next)) // else it is a longer name
}

// Hint returns what the text that was digested last asks for. The error says what of it
// can not be followed: a text must not be run then as if it did not say it.
func (d *Digester) Hint() (Hint, error) {
	switch {
	case d.remark == nil:
		return Hint{}, nil
	case d.remarks > 1:
		return Hint{}, errors.New("the text has several comments that begin with sqlring: it takes one")
	}
	return ParseHint(string(d.remark))
}

// ParseHint reads the contents of a comment that begins with the word sqlring: behind it
// stand name=value, apart from each other by white space or commas. Case and white space
// do not matter. What is not known is an error, and so is a comment that says nothing.
func ParseHint(comment string) (Hint, error) {
	comment = strings.TrimSpace(comment)
	words := strings.FieldsFunc(strings.ReplaceAll(comment[min(len(remarkWord), len(comment)):], "=", " = "), func(r rune) bool {
		return r == ' ' || r == '\t' || r == '\r' || r == '\n' || strings.ContainsRune(",;:", r)
	})
	var h Hint
	for i := 0; i < len(words); i += 3 {
		if i+2 >= len(words) || words[i+1] != "=" {
			return Hint{}, fmt.Errorf("the comment %q is no hint: it is to say consistency=… (a comment that begins with sqlring is one)", clip(comment))
		}
		if !strings.EqualFold(words[i], "consistency") {
			return Hint{}, fmt.Errorf("the hint %q is not known: consistency is", clip(words[i]))
		}
		level, err := ParseConsistency(strings.ToLower(words[i+2]))
		switch {
		case err != nil:
			return Hint{}, fmt.Errorf("hint: %w", err)
		case h.Says && h.Consistency != level:
			return Hint{}, fmt.Errorf("the comment %q asks for two consistencies", clip(comment))
		}
		h = Hint{Consistency: level, Says: true}
	}
	if !h.Says {
		return Hint{}, fmt.Errorf("the comment %q is no hint: it is to say consistency=… (a comment that begins with sqlring is one)", clip(comment))
	}
	return h, nil
}

// clip keeps what a client has written from filling its error.
func clip(text string) string {
	const limit = 60
	if len(text) <= limit {
		return text
	}
	return text[:limit] + "…"
}
