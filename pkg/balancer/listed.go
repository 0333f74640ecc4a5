package balancer

import (
	"bytes"
	"strconv"
)

// The server's tables of connections have its own ids, where a client knows the
// proxy's. A statement that reads one gets the ids that the client has written
// translated on the way there, and those in the tables' own columns on the way back.
// What it computes of ids is left as it is: CONNECTION_ID() and the tables agree at
// the server.

// ListsThreads reports whether text mentions a table that has connection ids.
func ListsThreads(text []byte) bool {
	for i := range text {
		switch lower(text[i]) {
		case 'p':
			if startsFold(text[i:], "processlist") {
				return true
			}
		case 't':
			if startsFold(text[i:], "threads") {
				return true
			}
		case 'i':
			if startsFold(text[i:], "innodb_trx") {
				return true
			}
		}
	}
	return false
}

// IsSystemSchema reports whether a schema has such tables.
func IsSystemSchema(name string) bool {
	return is([]byte(name), "information_schema") || is([]byte(name), "performance_schema")
}

// IsThreadColumn reports whether a column of a result, of so named a table and column
// of the server, has connection ids (seen on MariaDB 10.11 and MySQL 9.7: an alias
// changes neither name). An expression has no name; it is one by what it is called.
func IsThreadColumn(table, name, called []byte) bool {
	switch {
	case is(name, "id"):
		return is(table, "processlist")
	case len(name) == 0:
		return is(called, "connection_id()")
	}
	return is(name, "processlist_id") || is(name, "trx_mysql_thread_id")
}

// Translate returns text with another number in place of each that is one of to's,
// alone in quotes or without. It returns nil if there is none, or text can not be read.
func Translate(text []byte, d Dialect, to func(uint64) (uint64, bool)) []byte {
	var out []byte
	lexer, done := NewLexer(text, d), 0
	for {
		token := lexer.Next()
		start, end := token.Start, token.End
		switch token.Kind {
		case TokenEnd:
			if out == nil {
				return nil
			}
			return append(out, text[done:]...)
		case TokenInvalid:
			return nil
		case TokenString:
			if end-start < 3 || bytes.IndexByte([]byte("'\""), text[start]) < 0 {
				continue
			}
			start, end = start+1, end-1
		case TokenNumber:
		default:
			continue
		}
		number, err := strconv.ParseUint(string(text[start:end]), 10, 64)
		if err != nil {
			continue
		}
		if other, ok := to(number); ok {
			out = strconv.AppendUint(append(out, text[done:start]...), other, 10)
			done = end
		}
	}
}
