package balancer

import "testing"

func TestComparable(t *testing.T) {
	for _, c := range []struct {
		name, typ, collation string
		same                 []string // values of one row
		other                string   // of another one; "": none to be told
	}{
		{"integers", "int", "", []string{"5", "05", "+5", " 5 ", "005"}, "6"},
		{"zero", "bigint", "", []string{"0", "00", "-0"}, "1"},
		{"binary", "varbinary", "", []string{"Abc"}, "abc"},
		{"case and accents do not matter", "varchar", "utf8mb4_general_ci", []string{"Émile", "emile", "EMILE  ", "émile"}, "emil"},
		{"no pad, but equal is more than enough", "varchar", "utf8mb4_0900_ai_ci", []string{"a", "A", "à"}, "b"},
		{"dates", "date", "", []string{"2026-01-31"}, "2026-02-01"},
		{"other alphabets", "varchar", "utf8mb4_unicode_ci", []string{"ПРИВЕТ", "привет"}, "приве"},
		{"everything matters", "varchar", "utf8mb4_bin", []string{"a", "a "}, "A"},
	} {
		how := ComparisonOf(c.typ, c.collation)
		first, ok := AppendComparable(nil, []byte(c.same[0]), how)
		if !ok {
			t.Fatalf("%s: not comparable", c.name)
		}
		for _, v := range c.same[1:] {
			if got, ok := AppendComparable(nil, []byte(v), how); !ok || string(got) != string(first) {
				t.Errorf("%s: %q is %q, %q is %q", c.name, v, got, c.same[0], first)
			}
		}
		if got, ok := AppendComparable(nil, []byte(c.other), how); !ok || string(got) == string(first) {
			t.Errorf("%s: %q is %q too", c.name, c.other, got)
		}
	}
	for _, c := range []struct{ typ, value string }{{"int", "5.0"}, {"int", "abc"}, {"int", ""}, {"datetime", "2026-01-01"}, {"date", "2026-1-1"}, {"date", "20260101"}, {"date", "2026-01-0x"}, {"date", "2026/01/01"}, {"decimal", "5"}, {"float", "1"}} {
		if got, ok := AppendComparable(nil, []byte(c.value), ComparisonOf(c.typ, "")); ok {
			t.Errorf("%s %q is %q: not known which others are equal", c.typ, c.value, got)
		}
	}
}

func TestLiteral(t *testing.T) {
	for text, want := range map[string]string{"5": "5", "'abc'": "abc", `"abc"`: "abc", "''": ""} {
		if got, ok := Literal([]byte(text)); !ok || string(got) != want {
			t.Errorf("%s: %q, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "x'41'", "0x41", "1e3", "1.5", "N'a'", "'a''b'", `'a\'b'`, "'a", "?", "_latin1'a'"} {
		if got, ok := Literal([]byte(text)); ok {
			t.Errorf("%s: %q", text, got)
		}
	}
}
