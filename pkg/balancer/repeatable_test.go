package balancer

import (
	"strings"
	"testing"
)

func TestRepeatable(t *testing.T) {
	tests := []struct {
		text string
		want bool
	}{
		{"SELECT 1", true},
		{"select c from sbtest1 where id=4711;", true},
		{"SELECT COUNT(*), max(a), `count`, now() FROM t WHERE a IN (1,2) AND (b OR c)", true},
		{"/* from the app */ SELECT DATE_FORMAT(at, '%Y') FROM `a`.`t` -- what (ever)\nWHERE x = 'it''s \\'f()\\''", true},
		{"SELECT @@version_comment LIMIT 1", true},
		{"SELECT a FROM t WHERE b IN (SELECT c FROM d WHERE EXISTS (SELECT 1)) ORDER BY (e)", true},
		{"WITH x AS (SELECT 1) SELECT * FROM x", true},
		{"SHOW TABLES", true},
		{"SHOW CREATE TABLE t", true},
		{"DESC t", true},
		{"EXPLAIN SELECT 1", true},
		{"SELECT REPLACE(a, 'b', 'c') FROM t", true},
		{"SELECT * FROM t FORCE INDEX (a) WHERE d BETWEEN 1 AND (2)", true},

		{"SET NAMES utf8mb4 COLLATE utf8mb4_bin", true},
		{"set autocommit=0, @@session.sql_mode='ANSI'", true},
		{"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", true},
		{"USE `shop`", true},
		{"SET GLOBAL x=1", false},
		{"SET @@global.x=1", false},
		{"SET `global`.x=1", false},
		{"SET PASSWORD = ''", false},
		{"SET @a=1", false},
		{"SET sql_mode=f()", false},
		{"SET PERSIST x=1", false},
		{"SET STATEMENT x=1 FOR DELETE FROM t", false},

		{"", false},
		{"INSERT INTO t VALUES (1)", false},
		{"SELECT f(1)", false},
		{"SELECT shop.count(1)", false},
		{"SELECT `count`(1)", false},
		{`SELECT "count"(1)`, false},
		{"SELECT sum (1)", false},
		{"SELECT sum/* */(1)", false},
		{"SELECT 'harmless', f/* */(1)", false},
		{"SELECT GET_LOCK('a', 1)", false},
		{"SELECT SLEEP(1)", false},
		{"SELECT NEXTVAL(s)", false},
		{"SELECT NEXT VALUE FOR s", false},
		{"SELECT LAST_INSERT_ID()", false},
		{"SELECT FOUND_ROWS()", false},
		{"SELECT CONNECTION_ID()", false},
		{"SELECT @a := @a + 1", false},
		{"SELECT @a", false},
		{"SELECT 1 INTO OUTFILE '/tmp/x'", false},
		{"SELECT 1 FROM t FOR UPDATE", false},
		{"WITH x AS (SELECT 1) DELETE FROM t", false},
		{"WITH x AS (SELECT 1) UPDATE t JOIN x SET a=1", false},
		{"EXPLAIN ANALYZE DELETE FROM t", false},
		{"SHOW WARNINGS", false},
		{"SHOW COUNT(*) ERRORS", false},
		{"SHOW", false},
		{"SELECT 1; DELETE FROM t", false},
		{"SELECT 1 /*! , f() */", false},
		{"SELECT 1 /*M!100100 , f() */", false},
		{"SELECT count/*!(*/1)", false},
		{"SELECT 'a", false},
		{"SELECT `a", false},
		{"SELECT '\xbf\\', f(), '", false}, // one character or two, depending on the character set
		{"SELECT a\xbf`, f(), b\xbf`", false},
		{"SELECT 'a\\', f(), '", true}, // one text
		{"SELECT " + strings.Repeat("f", 100) + "(1)", false},
		{"SELECT 1 \x00", false},
	}
	for _, tt := range tests {
		if got := Repeatable([]byte(tt.text), false); got != tt.want {
			t.Errorf("%q: %v", tt.text, got)
		}
	}
}

// Whether a backslash escapes decides where a text ends.
func TestRepeatableWithoutEscapes(t *testing.T) {
	text := []byte(`SELECT 'a\', f(), 'b'`)
	if Repeatable(text, true) {
		t.Errorf("%s: f is called", text)
	}
	text = []byte(`SELECT 'a\'`)
	if !Repeatable(text, true) || Repeatable(text, false) {
		t.Errorf("%s is whole without escapes only", text)
	}
}

// A quoted text that ends in a backslash was read one byte too far: where that was
// behind the buffer, the node died of it.
func TestRepeatableEndsInABackslash(t *testing.T) {
	for _, text := range []string{"SET\"\\", "SELECT '\\", "SELECT '\\\\\\", "SELECT @", "SELECT 'a' '\\"} {
		b := []byte(text)
		if Repeatable(b[:len(b):len(b)], false) {
			t.Errorf("%q may be run twice", text)
		}
	}
}

// Whatever the bytes are, it ends, and a call of an unknown function in front of
// them is never taken for a read.
func FuzzRepeatable(f *testing.F) {
	for _, text := range []string{"SELECT 1", "'", "`a`(", "/*", "/*!", "-- ", "#\n(", "a.b(", "@@x", "\\", "\xbf\\'"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if Repeatable([]byte("SELECT f(1), "+text), false) || Repeatable([]byte("SELECT f(1), "+text), true) {
			t.Errorf("%q", text)
		}
		Repeatable([]byte(text), false)
	})
}
