package wire

import "testing"

// A procedure that has a cursor of its own leaves the flag of one in the EOF packet
// behind the definitions, although rows follow (MariaDB 10.11, found by PHP's
// bug77935.phpt).
func TestRowsFollowTheCursorOfARoutine(t *testing.T) {
	classic := Offered &^ DeprecateEOF
	stream := packets("\x01", def, eofOpen, "\x00\x00\x01\x00\x00\x00", eofMore, okPlain)
	var seen transcript
	var r Response
	r.Begin(ComStmtExecute, classic, &seen)
	r.NoCursor()
	out, rest, err := feed(&r, stream, len(stream))
	if err != nil || !r.Done() || len(rest) > 0 || string(out) != string(stream) {
		t.Fatalf("rest %q, done %v, error %v; want all of it", rest, r.Done(), err)
	}
	r.Begin(ComStmtExecute, classic, &seen)
	if _, rest, err = feed(&r, stream, len(stream)); err != nil || !r.Done() || len(rest) == 0 {
		t.Fatalf("a client that asked for a cursor gets the rows: rest %q, done %v, error %v", rest, r.Done(), err)
	}
}
