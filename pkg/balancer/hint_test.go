package balancer

import (
	"strings"
	"testing"
	"time"
)

func TestHints(t *testing.T) {
	for text, want := range map[string]string{ // "": it asks for nothing; what begins with ! is part of the error
		"SELECT 1": "",
		"/* sqlring consistency=strong */ SELECT 1":                                  "strong",
		"SELECT 1 /*sqlring consistency=eventual*/":                                  "eventual",
		"SELECT /* SQLRING  Consistency\n=\tSession ; */ 1":                          "session",
		"SELECT 1 -- sqlring: consistency=account":                                   "account",
		"/* sqlring consistency=strong, consistency=STRONG */ SELECT 1":              "strong",
		"/* sqlrings consistency=strong */ SELECT 1":                                 "",
		"SELECT '/* sqlring consistency=strong */'":                                  "",
		"SELECT 1 /* why sqlring consistency=strong */":                              "",
		"/* sqlring consistency=some */ SELECT 1":                                    `!consistency "some" is not one of`,
		"/* sqlring consistency='strong' */ SELECT 1":                                "strong",
		"/* sqlring consistency= */ SELECT 1":                                        "!is no hint: it is to say consistency=",
		"/* sqlring strong */ SELECT 1":                                              "!is no hint: it is to say consistency=",
		"/* sqlring */ SELECT 1":                                                     "!is no hint: it is to say consistency=",
		"/* sqlring(consistency=strong) */ SELECT 1":                                 `!the hint "(consistency" is not known`,
		"/* sqlring consistency=strong owner=1 */ SELECT 1":                          `!the hint "owner" is not known`,
		"/* sqlring priority=1, priority=2 */ SELECT 1":                              "!asks for two values of one thing",
		"/* sqlring deadline=soon */ SELECT 1":                                       `!deadline "soon" is no time`,
		"/* sqlring deadline=-1s */ SELECT 1":                                        `!deadline "-1s" is no time`,
		"/* sqlring deadline=1s deadline=2s */ SELECT 1":                             "!asks for two values of one thing",
		"/* sqlring consistency=strong owner */ SELECT 1":                            "!is no hint",
		"/* sqlring consistency=strong, consistency=eventual */ SELECT 1":            "!asks for two values of one thing",
		"/* sqlring consistency=strong */ SELECT 1 /* sqlring consistency=strong */": "!several comments",
		"/* sqlring " + strings.Repeat("x", 1000) + " */ SELECT 1":                   "!is no hint",
	} {
		var d Digester
		d.Digest([]byte(text), mysql97)
		h, err := d.Hint()
		wrong, bad := strings.CutPrefix(want, "!")
		switch {
		case bad:
			if err == nil || !strings.Contains(err.Error(), wrong) || len(err.Error()) > 300 {
				t.Errorf("%s: %v, %v; want an error with %q", text, h, err, wrong)
			}
		case err != nil, h.Says != (want != ""), h.Says && h.Consistency.String() != want:
			t.Errorf("%s: %v, %v; want %q", text, h, err, want)
		}
	}
}

// Priority and deadline are said beside consistency, in whatever order.
func TestHintsOfUrgency(t *testing.T) {
	for text, want := range map[string]Hint{
		"/* sqlring priority=High deadline=200ms */ SELECT 1":        {Priority: "high", Deadline: 200 * time.Millisecond, HasDeadline: true},
		"SELECT 1 /* sqlring deadline='1.5s', consistency=strong */": {Deadline: 1500 * time.Millisecond, HasDeadline: true, Consistency: ConsistencyStrong, Says: true},
		"SELECT 1 /* sqlring deadline=0 */":                          {HasDeadline: true},
	} {
		var d Digester
		d.Digest([]byte(text), mysql97)
		if h, err := d.Hint(); err != nil || h != want {
			t.Errorf("%s: %+v, %v", text, h, err)
		}
	}
	for text, want := range map[string]Hint{
		"/* sqlring priority=high */ INSERT INTO t VALUES ('cut of":       {Priority: "high"},
		" -- sqlring priority=low\nINSERT /* sqlring priority=high */ 'x": {Priority: "low"},
		"INSERT /* sqlring priority=high */ 'x":                           {},
		"/* sqlring priority=high":                                        {},
	} {
		if h, err := LeadingHint([]byte(text), mysql97); err != nil || h != want {
			t.Errorf("%s: %+v, %v", text, h, err)
		}
	}
	if h, err := LeadingHint([]byte("/* sqlring now */ INSERT 'x"), mysql97); err == nil {
		t.Errorf("%+v", h)
	}
}

// Texts that differ in their hint have one digest, and one plan; the hint of one is never
// another one's.
func TestHintsAreNotPartOfPlans(t *testing.T) {
	cache := NewPlanCache(16)
	var d Digester
	var first *Plan
	for _, tt := range []struct{ text, want string }{
		{"SELECT a FROM t WHERE id=1", "none"},
		{"/* sqlring consistency=strong */ SELECT a FROM t WHERE id=2", "strong"},
		{"SELECT a FROM t WHERE id=3", "none"},
		{"SELECT a FROM t WHERE id=4 /* sqlring consistency=eventual */", "eventual"},
		{"SELECT a /* x */ FROM t WHERE id=5", "none"},
	} {
		d.Digest([]byte(tt.text), mysql97)
		plan := cache.Plan(&d, mysql97)
		if first == nil {
			first = plan
		}
		h, err := d.Hint()
		got := "none"
		if h.Says {
			got = h.Consistency.String()
		}
		if err != nil || got != tt.want || plan != first {
			t.Errorf("%s: %s, %v, the same plan: %v", tt.text, got, err, plan == first)
		}
	}
}

// A text without a comment costs nothing.
func TestHintsCostNothing(t *testing.T) {
	var d Digester
	text := []byte("SELECT a FROM t WHERE id=1")
	if n := testing.AllocsPerRun(100, func() {
		d.Digest(text, mysql97)
		if h, err := d.Hint(); h.Says || err != nil {
			t.Error(h, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzHint(f *testing.F) {
	f.Add("/* sqlring consistency=strong */ SELECT 1")
	f.Add("SELECT 1 -- sqlring = = =")
	f.Fuzz(func(t *testing.T, text string) {
		var d Digester
		for _, dialect := range []Dialect{mysql97, {}} {
			d.Digest([]byte(text), dialect)
			if h, err := d.Hint(); err != nil && h != (Hint{}) {
				t.Errorf("%q: %v with %v", text, h, err)
			}
		}
	})
}
