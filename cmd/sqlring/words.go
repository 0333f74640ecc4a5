package main

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sqlring/sqlring/internal/api"
)

// What is wrong with a command line is said by cobra, by the parsers of Go and by the node, each in
// its own words. Here all of it becomes a sentence that names the flag, what was given, and
// what is expected.

var (
	badValue  = regexp.MustCompile(`^invalid argument "(.*)" for "(?:-\w, )?(--[\w-]+)" flag: (.*)$`)
	badCount  = regexp.MustCompile(`(\d+) arg\(s\)(?:, only)?,? received (\d+)`)
	noFlag    = regexp.MustCompile(`^required flag\(s\) (.*) not set$`)
	badField  = regexp.MustCompile(`^(?:query\.|body\.)?([a-z]+(?:_[a-z]+)*): expected (.*)$`)
	atMost    = regexp.MustCompile(`^number <= (\d+)(?: \((.*)\))?$`)
	atLeast   = regexp.MustCompile(`^number >= (-?\d+)(?: \((.*)\))?$`)
	oneOf     = regexp.MustCompile(`^value to be one of "(.*)"$`)
	plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)
)

// flagWords turns a flag's value that can not be read into a sentence.
func flagWords(err error) string {
	m := badValue.FindStringSubmatch(err.Error())
	if m == nil {
		return err.Error()
	}
	value, flag, why := m[1], m[2], m[3]
	switch {
	case strings.Contains(why, "value out of range"):
		why = "it is too large"
	case strings.HasPrefix(why, "strconv.ParseFloat"):
		why = "it is no number"
	case strings.HasPrefix(why, "strconv.Parse"):
		why = "it is no whole number"
	case strings.HasPrefix(why, "time: missing unit"):
		why = "a span of time has a unit, as 500ms, 10s, 5m or 2h"
	case strings.HasPrefix(why, "time: "):
		why = "it is no span of time, as 500ms, 10s, 5m or 2h"
	}
	return fmt.Sprintf("%s %q: %s", flag, value, why)
}

// countWords says how many arguments a command takes, and shows them. Who writes a * without
// quotes gives the names of files.
func countWords(cmd *cobra.Command, a []string, err error) string {
	m := badCount.FindStringSubmatch(err.Error())
	if m == nil {
		return err.Error()
	}
	parent := ""
	if cmd.HasParent() {
		parent = cmd.Parent().CommandPath() + " "
	}
	text := fmt.Sprintf("it takes other arguments than these %d: %s%s", len(a), parent, cmd.Use)
	if wanted, _ := strconv.Atoi(m[1]); len(a) < wanted {
		text = fmt.Sprintf("something is missing: %s%s", parent, cmd.Use)
	}
	if len(a) > 1 && (strings.Contains(cmd.Use, "UNIT") || strings.Contains(cmd.Use, "STATEMENT")) {
		text += " (quote * and statements, or the shell takes them apart)"
	}
	return text
}

// wordsOf says what cmd's error means in terms of its flags.
func wordsOf(cmd *cobra.Command, err error) error {
	var p *api.Problem
	switch {
	case err == nil || cmd == nil:
		return err
	case errors.As(err, &p) && p.Kind() == api.ProblemInvalid:
		if text := fieldWords(cmd, p.Detail); text != "" {
			return errUsage{cmd.CommandPath(), text}
		}
	default:
		if m := noFlag.FindStringSubmatch(err.Error()); m != nil {
			return errUsage{cmd.CommandPath(), usageOf(cmd, m[1])}
		}
	}
	return err
}

// usageOf says of flags that they are missing, and what they are for.
func usageOf(cmd *cobra.Command, quoted string) string {
	var says []string
	for _, name := range strings.Split(strings.ReplaceAll(quoted, `"`, ""), ", ") {
		if f := cmd.Flags().Lookup(name); f != nil {
			says = append(says, fmt.Sprintf("--%s is missing: %s", name, f.Usage))
		}
	}
	return strings.Join(says, "; ")
}

// fieldWords is what the node says of a field of a request, in terms of the flag that sets it; ""
// if there is none.
func fieldWords(cmd *cobra.Command, detail string) string {
	m := badField.FindStringSubmatch(detail)
	if m == nil {
		return ""
	}
	name, expected := strings.ReplaceAll(strings.TrimSuffix(m[1], "_ms"), "_", "-"), m[2]
	f := cmd.Flags().Lookup(name)
	if f == nil {
		return ""
	}
	bound := func(found []string) string { // a span of time is said as one
		if found[2] != "" {
			return found[2]
		}
		return found[1]
	}
	if found := atMost.FindStringSubmatch(expected); found != nil {
		expected = "at most " + bound(found)
	} else if found := atLeast.FindStringSubmatch(expected); found != nil {
		expected = "at least " + bound(found)
	} else if found := oneOf.FindStringSubmatch(expected); found != nil {
		expected = "one of " + found[1]
	}
	return fmt.Sprintf("--%s %s: expected is %s", name, shellWord(f.Value.String()), expected)
}

// shellWord quotes what a shell would not leave as it is.
func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// typed is the command line without its --api, as it can be typed again.
func typed(line []string) string {
	var words []string
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] == "--api":
			i++
		case strings.HasPrefix(line[i], "--api="):
		default:
			words = append(words, shellWord(line[i]))
		}
	}
	return strings.Join(words, " ")
}
