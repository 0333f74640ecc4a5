package balancer

import (
	"strings"
	"testing"
)

func TestScannerFindsAssignments(t *testing.T) {
	found := []string{
		"SET auto_increment_increment=5",
		"set auto_increment_offset := 2",
		"SET SESSION auto_increment_increment = 5",
		"SET LOCAL auto_increment_increment = 5",
		"SET GLOBAL AUTO_Increment_Offset=5",
		"SET PERSIST auto_increment_offset=5",
		"SET @@auto_increment_increment=5",
		"SET @@session.auto_increment_increment=5",
		"SET @@SESSION . auto_increment_increment=5",
		"SET `auto_increment_increment` = 5",
		"SET @@session.`auto_increment_increment` = 5",
		`SET "auto_increment_increment" = 5`,
		"SET sql_mode='', auto_increment_increment=5",
		`SET sql_mode="begin", auto_increment_increment=5`,
		"SET x=(SELECT MAX(a), 1 FROM t), auto_increment_offset=5",
		"SET x = CASE WHEN 1 THEN 2 ELSE 3 END, auto_increment_offset=5",
		"SET @a='it''s', auto_increment_offset=5",
		`SET @a='it\'s', auto_increment_offset=5`,
		"/* hello */ SET auto_increment_offset=5",
		"-- hello\nSET auto_increment_offset=5",
		"# hello\nSET auto_increment_offset=5",
		"SET /* x */ auto_increment_offset /* y */ = 5",
		"SET /*+ it's */ auto_increment_offset = 5",
		"/*!50000 SET auto_increment_offset=5 */",
		"/*!SET auto_increment_offset=5 */",
		"/*M!100100 SET auto_increment_offset=5 */",
		"SET SESSION /*!50000 auto_increment_offset=5 */",
		"SELECT 1; SET auto_increment_offset=5",
		"SELECT ';'; SET auto_increment_offset=5; SELECT 2",
		"SET STATEMENT auto_increment_increment=3 FOR INSERT INTO t VALUES(1)",
		"SET STATEMENT sort_buffer_size=3, auto_increment_increment=3 FOR INSERT INTO t VALUES(1)",
		"SET STATEMENT sort_buffer_size=3 FOR SET auto_increment_increment=3",
		"INSERT /*+ SET_VAR(auto_increment_increment=5) */ INTO t VALUES (1)",
		"SELECT /*+ MAX_EXECUTION_TIME(9) SET_VAR( `auto_increment_offset` = 5 ) */ 1",
		"CREATE PROCEDURE p() BEGIN SET auto_increment_offset=5; END",
		"CREATE PROCEDURE p() BEGIN IF a THEN SET auto_increment_offset=5; END IF; END",
		"BEGIN NOT ATOMIC SET auto_increment_offset=5; END",
		"SET a=2*3, auto_increment_offset=5",
		"SET a=1--1, auto_increment_offset=5",
	}
	for _, text := range found {
		if !scanPieces(text, len(text)) {
			t.Errorf("not found in %q", text)
		}
		if !Mention([]byte(text)).Has(MentionsLayout) {
			t.Errorf("not mentioned in %q", text)
		}
	}
}

func TestScannerLeavesOthersAlone(t *testing.T) {
	clean := []string{
		"",
		"SELECT @@auto_increment_increment = 5",
		"SELECT @@session.auto_increment_increment, @@auto_increment_offset",
		"SHOW VARIABLES LIKE 'auto_increment_increment'",
		"SET @auto_increment_increment=5",
		"SET @`auto_increment_increment`=5",
		"SET @x=@@auto_increment_increment",
		"SET @x=(@@auto_increment_increment=5)",
		"SET @x='SET auto_increment_increment=5'",
		"INSERT INTO posts VALUES ('x; SET auto_increment_increment=5')",
		`INSERT INTO posts VALUES ('it\'s; SET auto_increment_increment=5')`,
		"INSERT INTO posts VALUES ('it''s; SET auto_increment_increment=5')",
		"INSERT INTO `SET auto_increment_increment=5` VALUES (1)",
		"/* SET auto_increment_increment=5 */ SELECT 1",
		"-- SET auto_increment_increment=5\nSELECT 1",
		"SELECT 1 # ; SET auto_increment_increment=5",
		"SELECT 2*/*'*/3; /* ' */ SELECT 1",
		"UPDATE t SET auto_increment_increment=5",
		"UPDATE t SET a = CASE WHEN 1 THEN 2 ELSE 3 END, auto_increment_increment=5",
		"INSERT INTO t SET auto_increment_offset=5",
		"CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT) AUTO_INCREMENT=5",
		"ALTER TABLE t AUTO_INCREMENT = 5",
		"SET auto_increment_increments=5",
		"SET NAMES utf8mb4",
		"SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO'",
		"/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;",
		"SELECT /*+ SET_VAR(sort_buffer_size=5) */ auto_increment_increment = 5 FROM t",
		"SELECT /* SET_VAR(auto_increment_increment=5) */ 1",
	}
	for _, text := range clean {
		if scanPieces(text, len(text)) {
			t.Errorf("found in %q", text)
		}
	}
}

// In a session with NO_BACKSLASH_ESCAPES the backslash does not keep the quote.
func TestScannerFollowsNoBackslashEscapes(t *testing.T) {
	text := `SELECT 'a\'; SET auto_increment_offset=5 -- '`
	if scanPieces(text, len(text)) {
		t.Error("found inside a string")
	}
	s := Scanner{NoBackslashEscapes: true}
	if !s.Feed([]byte(text)) {
		t.Error("not found behind a string that ends with a backslash")
	}
}

// A statement of megabytes is scanned without a buffer, and quickly.
func TestScannerLongLiteral(t *testing.T) {
	text := "INSERT INTO t VALUES ('" + strings.Repeat(`auto_increment_increment=1 \' `, 100000) + "'); SET auto_increment_offset=5"
	if !scanPieces(text, 16384) {
		t.Error("not found behind a long literal")
	}
	if scanPieces(text[:len(text)-40], 16384) {
		t.Error("found inside a long literal")
	}
}

// Long runs of one byte are passed at once, and mean what they mean byte by byte.
func TestScannerPassesRuns(t *testing.T) {
	starts := []string{"", "'", "`", "SET ", "SET x", "SET x=", "SET x=(", "/*", "/*!", "/*+", "-- ", "#", "SELECT 1;", "SET @", "SET STATEMENT "}
	ends := []string{"", "SET auto_increment_offset=1", ";SET auto_increment_offset=1", "' ;SET auto_increment_offset=1", ", auto_increment_offset=1", "), auto_increment_offset=1", "*/;SET auto_increment_offset=1", "\nSET auto_increment_offset=1", "@auto_increment_offset=1"}
	found := 0
	for _, start := range starts {
		for _, end := range ends {
			for _, c := range []byte("\x00 x'`\"@;(),=*/-+!#\\\n7\xff") {
				text := []byte(start + strings.Repeat(string([]byte{c}), 101) + end)
				var whole, single Scanner
				whole.Feed(text)
				for i := range text {
					single.Feed(text[i : i+1])
				}
				if whole.Found() != single.Found() {
					t.Errorf("%q: %v at once, %v byte by byte", text, whole.Found(), single.Found())
				}
				if single.Found() {
					found++
				}
			}
		}
	}
	if found < 100 {
		t.Errorf("found %d times", found)
	}
}

func FuzzScanner(f *testing.F) {
	for _, text := range []string{
		"SET auto_increment_increment=5", "/*!50000 SET @@session.`auto_increment_offset` := 5 */",
		`SELECT 'it\'s'; -- x` + "\nSET a=1--1, auto_increment_offset=5", "/*+ SET_VAR(auto_increment_offset=1) */",
	} {
		f.Add(text, uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, piece uint8) {
		whole := scanPieces(text, len(text))
		if cut := scanPieces(text, int(piece)); cut != whole {
			t.Fatalf("whole %v, in pieces of %d %v", whole, piece, cut)
		}
		if whole && !Mention([]byte(text)).Has(MentionsLayout) {
			t.Fatal("an assignment was found that the sieve lets through")
		}
		Classify([]byte(text), true)
		ParseKill([]byte(text))
	})
}

func scanPieces(text string, piece int) bool {
	var s Scanner
	for piece = max(piece, 1); len(text) > piece; text = text[piece:] {
		s.Feed([]byte(text[:piece]))
	}
	return s.Feed([]byte(text)) && s.Found()
}

func BenchmarkMention(b *testing.B) {
	text := []byte("SELECT c FROM sbtest1 WHERE id=4711")
	b.ReportAllocs()
	for b.Loop() {
		Classify(text, true)
	}
}

func TestClassifyAllocatesNothing(t *testing.T) {
	text := []byte("INSERT INTO cards (sender, text) VALUES ('a@b.c', 'x')")
	if n := testing.AllocsPerRun(100, func() { Classify(text, true) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
