package balancer

import (
	"fmt"
	"strings"
	"testing"
)

// What a row has that an INSERT meets: the values are found in the text where the keys say.
func TestKeysOfAnInsertedRow(t *testing.T) {
	const counts = " ON DUPLICATE KEY UPDATE n = n + 1"
	for _, c := range []struct{ text, want string }{
		{"INSERT INTO hits (page, day, n) VALUES ('a', 7, 1)" + counts, "page='a' day=7 n=1"},
		{"insert into shop.hits (`page`, hits.day) value (?, ?)" + counts, "page=param0 day=param1"},
		{"INSERT INTO hits (day, page, n) VALUES (5, ?, ?)" + counts, "day=5 page=param0 n=param1"},
		{"INSERT INTO hits (day, page) VALUES (-5, NULL)" + counts, "day=5 page=NULL"},
		{"INSERT INTO hits (page) VALUES ('a')" + counts, "page='a'"},
		{"INSERT INTO hits (page, at, day, n) VALUES ('a', NOW(), 7, 1)" + counts, "page='a' day=7 n=1"},
		{"INSERT INTO hits (page, day, at) VALUES (/* x */ 'a', 7, CONCAT('x', 'y', ?))" + counts, "page='a' day=7"},
		{"INSERT INTO hits (at, page, day) VALUES (CONCAT('x', ?), ?, ?)" + counts, "page=param1 day=param2"},
		{"INSERT INTO hits (a, b, at, c, d) VALUES (1, 2, NOW(), 3, 4)" + counts, ""}, // where the second run begins is not said
		{"INSERT INTO hits SET page='a', day=?, n=n+1" + counts, "page='a' day=param0"},
		{"REPLACE INTO hits (page, n) VALUES ('a', 1)", "page='a' n=1"},
		{"REPLACE hits SET page='a'", "page='a'"},
		{"INSERT INTO hits (page, n) VALUES ('a', 1) AS new ON DUPLICATE KEY UPDATE n = new.n", "page='a' n=1"},
		{"INSERT IGNORE INTO hits (page, n) VALUES ('a', 1)", "page='a' n=1"},
		{"INSERT INTO hits (page, n) VALUES ('a', 1)", ""}, // meeting is an error, and nothing is waited for long
		{"INSERT INTO hits VALUES ('a', 1)" + counts, ""},  // the columns' names are not said
		{"INSERT INTO hits (page, n) VALUES ('a', 1), ('b', 1)" + counts, ""},
		{"INSERT INTO hits (page, n) VALUES ('a', NOW()), ('b', NOW())" + counts, ""},
		{"INSERT INTO hits (page, n) VALUES ('a', (SELECT 1))" + counts, ""},
		{"INSERT INTO hits (page, n) SELECT 'a', 1" + counts, ""},
		{"INSERT INTO hits (page, n) VALUES ('a', 1, 2)" + counts, "page='a' n=1"}, // the server refuses it
	} {
		var d Digester
		d.Digest([]byte(c.text), mysql97)
		p := MakePlan(&d, mysql97)
		var got []string
		for _, k := range p.Statements[0].Keys {
			v, ok := ValueIn([]byte(c.text), mysql97, d.Values()[k.Value], k.Nth)
			switch {
			case !ok:
				got = append(got, k.Column+"=none")
			case v.Param >= 0:
				got = append(got, fmt.Sprintf("%s=param%d", k.Column, v.Param))
			default:
				got = append(got, k.Column+"="+c.text[v.Start:v.End])
			}
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.text, got, c.want)
		}
	}
}

func TestValueInAListThatIsShorter(t *testing.T) {
	var d Digester
	text := []byte("SELECT (1, 2)")
	d.Digest(text, mysql97)
	for _, nth := range []int{-1, 2, 99} {
		if v, ok := ValueIn(text, mysql97, d.Values()[0], nth); ok {
			t.Errorf("%d is %+v", nth, v)
		}
	}
	if v, ok := ValueIn(text, mysql97, Value{Start: 8, End: 9, Count: 5, Param: -1}, 3); ok {
		t.Errorf("behind the list: %+v", v)
	}
}
