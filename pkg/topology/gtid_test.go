package topology

import (
	"testing"

	"pgregory.net/rapid"
)

func TestPosition(t *testing.T) {
	a := position(t, "102-102-3,101-101-7")
	if got := a.String(); got != "101-101-7,102-102-3" {
		t.Fatalf("String() = %q", got)
	}
	if got := position(t, "101-101-7,101-102-9,101-103-8").String(); got != "101-102-9" {
		t.Errorf("the highest of a domain counts, got %q", got)
	}
	for _, tt := range []struct {
		name   string
		p, q   string
		covers bool
		behind uint64
	}{
		{"equal", "101-101-7", "101-101-7", true, 0},
		{"empty covers empty", "", "", true, 0},
		{"anything covers empty", "101-101-7", "", true, 0},
		{"empty does not cover", "", "101-101-7", false, 7},
		{"another domain", "102-102-9", "101-101-7", false, 7},
		{"behind in one", "101-101-5,102-102-9", "101-101-7,102-102-3", false, 2},
		{"another server of the domain", "101-102-7", "101-101-7", true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, q := position(t, tt.p), position(t, tt.q)
			if got := p.Covers(q); got != tt.covers {
				t.Errorf("Covers = %v, want %v", got, tt.covers)
			}
			if got := p.Behind(q); got != tt.behind {
				t.Errorf("Behind = %d, want %d", got, tt.behind)
			}
		})
	}
	if got := a.Without(101).String(); got != "102-102-3" || a.String() != "101-101-7,102-102-3" {
		t.Errorf("Without(101) = %q, and the receiver is %q", got, a)
	}
}

func TestUnionIsTheLeastThatCoversBoth(t *testing.T) {
	draw := func(t *rapid.T, name string) Position {
		var p Position
		for range rapid.IntRange(0, 4).Draw(t, name) {
			d := rapid.Uint32Range(1, 4).Draw(t, "domain")
			p = p.With(GTID{Domain: d, Server: d, Seq: rapid.Uint64Range(1, 9).Draw(t, "seq")})
		}
		return p
	}
	rapid.Check(t, func(t *rapid.T) {
		p, q := draw(t, "p"), draw(t, "q")
		before := p.String()
		u := p.Union(q)
		if !u.Covers(p) || !u.Covers(q) || p.String() != before {
			t.Fatalf("%s ∪ %s = %s", p, q, u)
		}
		for _, g := range u {
			if p.Seq(g.Domain) != g.Seq && q.Seq(g.Domain) != g.Seq {
				t.Fatalf("%s ∪ %s = %s has %s from nowhere", p, q, u, g)
			}
		}
		if q.Union(p).String() != u.String() {
			t.Fatalf("%s ∪ %s depends on the order", p, q)
		}
	})
}

func FuzzParsePosition(f *testing.F) {
	for _, seed := range []string{"", "101-101-7", "1-2-3, 4-5-6", "1-2", "a-b-c", "1-2-99999999999999999999", ",,,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePosition(text)
		if err != nil {
			return
		}
		again, err := ParsePosition(p.String())
		if err != nil || again.String() != p.String() {
			t.Fatalf("%q -> %q -> %q, %v", text, p, again, err)
		}
	})
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]string{
		"10.11.19-MariaDB-0+deb12u1": "mariadb 10.11.19",
		"5.5.5-10.11.19-MariaDB-log": "mariadb 10.11.19",
		"11.8.9-MariaDB":             "mariadb 11.8.9",
		"9.7.4-2":                    "mysql 9.7.4",
		"8.0.36":                     "mysql 8.0.36",
		"10.11-MariaDB":              "",
		"":                           "",
		"ten.eleven.twelve":          "",
		"10.-1.2-MariaDB":            "",
		"1.2.3.4":                    "",
	} {
		v, err := ParseVersion(text)
		if (err == nil) != (want != "") || (err == nil && v.String() != want) {
			t.Errorf("ParseVersion(%q) = %s, %v; want %q", text, v, err, want)
		}
	}
}
