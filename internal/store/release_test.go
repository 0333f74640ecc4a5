package store

import (
	"os"
	"testing"
)

// TestDirectoryOfThePreviousRelease opens what the release before the one with several
// nodes left on its disk: a log, votes and a snapshot. It is the ring that it was, and
// goes on.
func TestDirectoryOfThePreviousRelease(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../testdata/release-0/store")); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, soleConfig(dir))
	if got := s.Snapshot(); got.Ring == nil || got.Ring.Name != "ring22" || got.Index != 25 || len(got.Members) != 2 {
		t.Fatalf("the state is %s", encoded(t, got))
	}
	awaitLeader(t, s)
	eventually(t, "it is the only one, as it was", s.Sole)
	mustPropose(t, s, script(24)[23])
}
