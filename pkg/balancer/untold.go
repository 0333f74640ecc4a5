package balancer

import (
	"slices"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Untold returns what the body of a trigger, a routine or an event may leave in its session
// of which the server tells nobody, each once, in order of appearance: "SET @@name" and
// "SET TRANSACTION" at MariaDB, whose session tracking, as it is switched on, does not have them (seen on 10.11; MySQL
// refuses the second in functions and triggers), and "GET_LOCK" at both.
// Nothing is known of a lock that the body releases, or of what other routines do that it calls.
func Untold(body []byte, dialect Dialect) (found []string) {
	lexer := NewLexer(body, dialect)
	add := func(what string) {
		if !slices.Contains(found, what) {
			found = append(found, what)
		}
	}
	maria := dialect.Flavour != topology.FlavourMySQL
	set := false        // a SET is being read
	var before [3]Token // the newest first
	target := ""        // the variable that is set if an assignment stands behind it
	for t := lexer.Next(); t.Kind != TokenEnd && t.Kind != TokenInvalid; t = lexer.Next() {
		word := strings.ToUpper(string(body[t.Start:t.End]))
		name := t.Kind.isName() || t.Kind.isKeyword()
		switch {
		case t.Kind == ';' || word == "BEGIN" || word == "THEN" || word == "ELSE" || word == "DO":
			set = false
		case word == "SET" && name && before[0].Kind != '.':
			set = true
		case word == "TRANSACTION" && maria && set && isSet(body, before[0]):
			add("SET TRANSACTION")
		case t.Kind == '(' && strings.EqualFold(string(body[before[0].Start:before[0].End]), "GET_LOCK"):
			add("GET_LOCK")
		case (t.Kind == '=' || t.Kind == TokenAssign) && target != "":
			add("SET @@" + target)
		}
		target = ""
		if name && maria && set && before[0].Kind == '@' && before[1].Kind == '@' && (before[2].Kind == ',' || isSet(body, before[2])) {
			target = strings.ToLower(unquoted(body[t.Start:t.End], t.Kind))
		}
		before = [3]Token{t, before[0], before[1]}
	}
	return found
}

// isSet reports whether a token is the word SET.
func isSet(body []byte, t Token) bool { return strings.EqualFold(string(body[t.Start:t.End]), "SET") }
