package topology

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestStateOfEarlierReleases: logs of simulated rings and the states that they came to, as
// earlier releases wrote them: the one before the one with several nodes (0), and the one with
// adoption, growth, resizes, units, several nodes and the outbox (1). They are read, and
// they come to the same bytes, the sentences of the audit aside: their words may change. A file here is never written anew: a
// release adds its own beside it.
func TestStateOfEarlierReleases(t *testing.T) {
	for _, release := range []struct {
		dir    string
		kinds  int
		outbox bool
	}{{"release-0", 17, false}, {"release-1", 56, true}} {
		logs, err := filepath.Glob("../../testdata/" + release.dir + "/*.log")
		if err != nil || len(logs) == 0 {
			t.Fatalf("no logs: %v", err)
		}
		kinds, told := map[string]bool{}, false
		for _, file := range logs {
			told = replayRelease(t, file, kinds).Outbox != nil || told
		}
		if len(kinds) < release.kinds || told != release.outbox {
			t.Errorf("the logs of %s have %d kinds of command, the outbox is opened: %t: %v", release.dir, len(kinds), told, kinds)
		}
	}
}

// replayRelease applies a log that another release wrote, and compares what it comes to with the
// state beside it. It notes the kinds of its commands.
func replayRelease(t *testing.T, file string, kinds map[string]bool) *Snapshot {
	t.Helper()
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
		t.Errorf("%s comes to\n%s\nthat release came to\n%s", file, got, want)
	}
	return s
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
