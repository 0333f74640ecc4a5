package balancer

import (
	"bytes"
	"strconv"
)

// Recall returns text with a number in place of each call of ROW_COUNT(), for a
// connection that has not run the statement that it is about; nil if there is no such
// call, or text can not be read. A call that is a whole column of a result keeps its
// name.
func Recall(text []byte, d Dialect, rowCount int64) []byte {
	var out []byte
	lexer, done := NewLexer(text, d), 0
	var before, last Token // the two in front of next
	depth := 0
	for next := lexer.Next(); ; next = lexer.Next() {
		switch next.Kind {
		case TokenInvalid:
			return nil
		case TokenEnd:
			if out == nil {
				return nil
			}
			return append(out, text[done:]...)
		case ')':
			depth--
		case '(':
			depth++
			if !bytes.EqualFold(text[last.Start:last.End], []byte("row_count")) || before.Kind == '.' || before.Kind == '@' {
				break
			}
			ahead := lexer
			end := ahead.Next()
			if end.Kind != ')' {
				break
			}
			out = strconv.AppendInt(append(append(out, text[done:last.Start]...), "IF(TRUE,"...), rowCount, 10)
			out = append(out, ",ROW_COUNT())"...) // so that it is of the same type
			if follows := ahead.Next(); depth == 1 && startsColumn(before.Kind) && (follows.Kind == TokenEnd || follows.Kind == ',' || follows.Kind == ';') {
				name := bytes.ReplaceAll(text[last.Start:end.End], []byte("`"), []byte("``"))
				out = append(append(append(out, " AS `"...), name...), '`')
			}
			lexer.Next()
			depth--
			done, next = end.End, end
		}
		before, last = last, next
	}
}

// startsColumn reports whether what follows a token may be a column of a result.
func startsColumn(k TokenKind) bool { return k == kwSelect || k == ',' }
