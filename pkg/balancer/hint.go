package balancer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A comment that begins with the word sqlring is meant for the proxy, whatever kind of
// comment it is, and holds for the whole text that it stands in:
//
//	/* sqlring consistency=strong, priority=high, deadline=200ms */ SELECT title FROM card WHERE id = 7
//
// Digests do not see comments, so a hint is never part of a plan: it is read off each text.

// Hint is what a text asks of the proxy by a comment. The zero value asks for nothing.
type Hint struct {
	Consistency Consistency
	Says        bool   // it says which; else Consistency has no meaning
	Priority    string // in lower case, as it was written: who knows priorities judges it; "": none is said
	Deadline    time.Duration
	HasDeadline bool // 0 is one that is said, too: none
	// Within is for how long the statement itself says to the server that it may run
	// ([Plan.Within]), in no comment for the proxy; 0 is no limit, if SaysWithin.
	Within     time.Duration
	SaysWithin bool
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
			return Hint{}, fmt.Errorf("the comment %q is no hint: it is to say consistency=…, priority=… or deadline=… (a comment that begins with sqlring is one)", clip(comment))
		}
		if err := h.add(words[i], strings.ToLower(strings.Trim(words[i+2], `'"`))); err != nil {
			return Hint{}, err
		}
	}
	if h == (Hint{}) {
		return Hint{}, fmt.Errorf("the comment %q is no hint: it is to say consistency=…, priority=… or deadline=… (a comment that begins with sqlring is one)", clip(comment))
	}
	return h, nil
}

// add takes in one name with its value.
func (h *Hint) add(name, value string) error {
	was := *h
	switch strings.ToLower(name) {
	case "consistency":
		level, err := ParseConsistency(value)
		if err != nil {
			return fmt.Errorf("hint: %w", err)
		}
		h.Consistency, h.Says = level, true
		if was.Says && was.Consistency != level {
			return errTwice
		}
	case "priority":
		h.Priority = value
		if was.Priority != "" && was.Priority != value {
			return errTwice
		}
	case "deadline":
		d, err := time.ParseDuration(value)
		if err != nil || d < 0 {
			return fmt.Errorf("hint: deadline %q is no time, as 200ms or 5s", clip(value))
		}
		h.Deadline, h.HasDeadline = d, true
		if was.HasDeadline && was.Deadline != d {
			return errTwice
		}
	default:
		return fmt.Errorf("the hint %q is not known: consistency, priority and deadline are", clip(name))
	}
	return nil
}

var errTwice = errors.New("a comment for sqlring asks for two values of one thing")

// LeadingHint returns what comments in front of a text ask for whose end is not there.
func LeadingHint(text []byte, dialect Dialect) (Hint, error) {
	l := NewLexer(text, dialect)
	if l.Next(); l.remarks == 0 {
		return Hint{}, nil
	}
	return ParseHint(string(l.Remark()))
}

// clip keeps what a client has written from filling its error.
func clip(text string) string {
	const limit = 60
	if len(text) <= limit {
		return text
	}
	return text[:limit] + "…"
}
