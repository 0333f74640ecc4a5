package topology

import "testing"

func TestUnread(t *testing.T) {
	for name, c := range map[string]struct{ base, binlog, cut, from, buried string }{
		"never copied":                {"", "102-102-9", "102-102-7", "102-102-7", ""},
		"the ring has the copy":       {"102-102-5", "102-102-9", "102-102-7", "102-102-7", ""},
		"the ring has just the copy":  {"102-102-7", "102-102-9", "102-102-7", "102-102-7", ""},
		"more by its copy":            {"101-101-3,102-102-9", "101-101-3,102-102-9", "102-102-7", "102-102-9", "102-102-9"},
		"the ring has nothing of it":  {"102-102-9", "102-102-9", "102-102-0", "102-102-9", "102-102-9"},
		"more, and of its own":        {"102-102-9", "102-102-9,104-104-3", "102-102-7,104-104-1", "102-102-9,104-104-1", "102-102-9"},
		"an older disk than the copy": {"102-102-9", "102-102-8", "102-102-7", "102-102-7", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := Member{ID: "m4", Base: position(t, c.base)}
			from, buried := unread(m, position(t, c.binlog), position(t, c.cut))
			if from.String() != c.from || buried.String() != c.buried {
				t.Errorf("from %q, buried %q, want %q and %q", from, buried, c.from, c.buried)
			}
		})
	}
}

// What it holds by its copy alone is judged without a look at its binlog, which has nothing of it.
func TestACopyThatHoldsWhatTheRingGaveUpIsQuarantinedUnread(t *testing.T) {
	m := Member{ID: "m4", Base: position(t, "102-102-9")}
	end := position(t, "102-102-9")
	step := judgeBuried(NewSnapshot(), Operation{ID: "op5"}, m, Observation{}, end, end, end)
	judged, is := step.Change.(JudgeTail)
	if !is || judged.Tail.Verdict != TailConflict || judged.Tail.File != "" || judged.Tail.Transactions != 0 {
		t.Fatalf("%s", step)
	}
	if want := "its data anew: sqlring master reclone m4"; judged.Tail.Why[len(judged.Tail.Why)-len(want):] != want {
		t.Errorf("no command is named: %s", judged.Tail.Why)
	}
}
