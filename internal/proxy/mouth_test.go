package proxy

import (
	"slices"
	"testing"
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
