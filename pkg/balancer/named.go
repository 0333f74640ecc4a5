package balancer

import "strings"

// Named returns the schemas that the body of a view, trigger, routine or event may
// name: every identifier in front of a full stop, aliases of tables among them, and
// what CREATE, ALTER or DROP DATABASE is about; each once, as it is written, in order
// of appearance. known is false if the body may name others, because it makes
// statements of texts (PREPARE, EXECUTE), or can not be read.
func Named(body []byte, dialect Dialect) (schemas []string, known bool) {
	lexer := NewLexer(body, dialect)
	known = true
	seen := map[string]bool{}
	add := func(t Token) {
		if name := unquoted(body[t.Start:t.End], t.Kind); !seen[name] {
			seen[name] = true
			schemas = append(schemas, name)
		}
	}
	var before Token
	behind := false // in a name of several parts already
	database := false
	for t := lexer.Next(); t.Kind != TokenEnd; t = lexer.Next() {
		name := t.Kind.isName() || t.Kind.isKeyword()
		word := ""
		if t.Kind.isKeyword() {
			word = t.Kind.String()
		}
		switch {
		case t.Kind == TokenInvalid:
			return schemas, false
		case word == "PREPARE" || word == "EXECUTE":
			known = false
		case t.Kind == '.' && !behind && (before.Kind.isName() || before.Kind.isKeyword()):
			add(before)
		case database && name && word != "IF" && word != "NOT" && word != "EXISTS":
			add(t)
			database = false
		}
		switch {
		case word == "DATABASE" || word == "SCHEMA":
			database = true
		case !name:
			database = false
		}
		behind = t.Kind == '.' || name && before.Kind == '.'
		before = t
	}
	return schemas, known
}

// unquoted returns a name as it is meant.
func unquoted(text []byte, kind TokenKind) string {
	if kind != TokenQuoted || len(text) < 2 {
		return string(text)
	}
	quote := string(text[0])
	return strings.ReplaceAll(string(text[1:len(text)-1]), quote+quote, quote)
}
