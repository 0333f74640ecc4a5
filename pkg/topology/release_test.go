package topology

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestStateOfThePreviousRelease: logs of simulated rings and the states that they came
// to, as the release before the one with several nodes wrote them. They are read, and
// they come to the same bytes, the sentences of the audit aside: their words may change. A file here is never written anew: a
// release adds its own beside it.
func TestStateOfThePreviousRelease(t *testing.T) {
	logs, err := filepath.Glob("../../testdata/release-0/*.log")
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs: %v", err)
	}
	kinds := map[string]bool{}
	for _, file := range logs {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(file, ".log") + ".json")
		if err != nil {
			t.Fatal(err)
		}
		want = bytes.TrimSpace(want)
		s := NewSnapshot()
		for line := range strings.Lines(string(text)) {
			index, entry, _ := strings.Cut(strings.TrimSpace(line), " ")
			c, err := DecodeCommand([]byte(entry))
			if err != nil {
				t.Fatalf("%s: entry %s: %v", file, index, err)
			}
			if c.Index, err = strconv.ParseUint(index, 10, 64); err != nil {
				t.Fatal(err)
			}
			if s, err = Apply(s, c); err != nil {
				t.Fatalf("%s: entry %s: %v", file, index, err)
			}
			_, kind, _ := strings.Cut(entry, `"kind":"`)
			kind, _, _ = strings.Cut(kind, `"`)
			kinds[kind] = true
		}
		before, err := DecodeSnapshot(want)
		if err != nil {
			t.Fatalf("%s: its state: %v", file, err)
		}
		got, want := withoutWords(t, s), withoutWords(t, before)
		if !bytes.Equal(got, want) {
			t.Errorf("%s comes to\n%s\nthe release before came to\n%s", file, got, want)
		}
	}
	if len(kinds) < 17 {
		t.Errorf("the logs have %d kinds of command: %v", len(kinds), kinds)
	}
}

// withoutWords returns the stored form without the sentences of the audit.
func withoutWords(t *testing.T, s *Snapshot) []byte {
	t.Helper()
	s = s.clone()
	for i := range s.Events {
		s.Events[i].What = ""
	}
	data, err := EncodeSnapshot(s)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
