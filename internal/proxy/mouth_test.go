package proxy

import (
	"slices"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/gate"
)

// What is for sqlring is known however clients write it: with comments that a library adds
// to all statements, with other white space, and with a scope.
func TestWhatIsForSqlringIsKnownHoweverItIsWritten(t *testing.T) {
	f, m2 := spreadOver(t, "", writes, writes)
	c := f.client(t)
	for i, text := range []string{
		"SET sqlring_consistency='strong'",
		"SET\tsqlring_consistency\t=\t'strong' ;",
		"set\n@@session.sqlring_consistency = 'strong'",
		"/* app=web */ SET SESSION sqlring_consistency := strong",
		"  SET sqlring_consistency='strong' /* traceparent='00-1' */",
		"SET /*a*/ sqlring_consistency /*b*/ = /*c*/ \"strong\" -- d",
		"/* x */ set local sqlring_consistency = 'strong' # why",
	} {
		if n, _ := c.query("SET sqlring_consistency = DEFAULT"); n != 0 {
			t.Fatalf("the default: error %d", n)
		}
		before := len(m2.commands())
		if n, _ := c.query(text); n != 0 {
			t.Errorf("%q: error %d", text, n)
		}
		c.query("SELECT a FROM t")
		if got := m2.commands()[before:]; len(got) != 0 {
			t.Errorf("%d: %q: a read went to the other member: %q", i, text, got)
		}
	}
	for _, text := range []string{"SET @a = 'sqlring_consistency=strong'", "SET time_zone='+01:00' /* sqlring_consistency='strong' */"} {
		c.query("SET sqlring_consistency = DEFAULT")
		c.query(text)
		if owners := f.fake.commands(); !slices.Contains(owners, text) {
			t.Errorf("%q is the member's, which has seen %q", text, owners)
		}
	}
	for _, text := range []string{"/* app */ EXPLAIN ROUTE SELECT 1", "\n SHOW /* x */ SQLRING PINS"} {
		if n, _ := c.query(text); n != 0 {
			t.Errorf("%q: error %d", text, n)
		}
	}
	if n, _ := c.query("SHOW SQLRING"); n != 1231 {
		t.Errorf("of nothing: %d", n)
	}
}

// A variable of ours that is misspelt is named here: the member knows none of them.
func TestOwnVariablesAreNamed(t *testing.T) {
	b := newBusy()
	t.Cleanup(b.release)
	s := gate.Settings{Floor: 1, Ceiling: 1}
	c := startFaked(t, Config{Gates: func() gate.Settings { return s }}, b.answer).client(t)
	for _, tt := range []struct {
		text, says string // says nothing: it is taken
	}{
		{"SET sqlring_deadlin='5s'", "sqlring_deadlin is not known: sqlring_consistency, sqlring_priority and sqlring_deadline are"},
		{"SET SESSION sqlring_x = 1", "sqlring_x is not known"},
		{"SET sqlring_deadline=DEFAULT, sqlring_priority=DEFAULT", "sqlring_deadline is set in a SET of its own"},
		{"SET sqlring_deadline='5'", `deadline "5" is no time`},
		{"SET sqlring_deadline='5s'", ""},
		{"SET sqlring_deadline=DEFAULT", ""},
		{"SET sqlring_priority='urgent'", ""},
		{"SET sqlring_priority=DEFAULT", ""},
		{"SET sqlring_consistency=DEFAULT", ""},
		{"EXPLAIN ROUTE", "EXPLAIN ROUTE of what?"},
		{"EXPLAIN ROUTE  ", "EXPLAIN ROUTE of what?"},
	} {
		payload, err := c.do(wire.ComQuery, tt.text)
		switch {
		case err != nil:
			t.Fatalf("%s: %v", tt.text, err)
		case tt.says == "" && payload[0] != 0:
			t.Errorf("%s: %q", tt.text, payload)
		case tt.says != "" && (payload[0] != 0xFF || !strings.Contains(string(payload), tt.says)):
			t.Errorf("%s: %q, want an error that says %q", tt.text, payload, tt.says)
		}
	}
}
