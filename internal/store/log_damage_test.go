package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"
)

// damageable returns a file whose log has branch pages and overflow pages, and
// what it holds.
func damageable(t *testing.T) (file []byte, holds string) {
	t.Helper()
	s, path := newLog(t)
	mustStore(t, s, 1, 150)
	if err := s.StoreLog(&raft.Log{Index: 151, Term: 9, Data: make([]byte, 2*pageSize)}); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteRange(1, 30); err != nil {
		t.Fatal(err)
	}
	for key, n := range map[string]uint64{"CurrentTerm": 7, "LastVoteTerm": 6} {
		if err := s.SetUint64([]byte(key), n); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	return readFile(t, path), contents(t, path)
}

// contents opens a log and prints all of it, "damaged" if Open says so. Any
// other error, and a panic, fail the test.
func contents(t *testing.T, path string) string {
	t.Helper()
	s, err := openLog(path, "n1")
	if errors.Is(err, ErrDamaged) {
		return "damaged"
	}
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer func() { _ = s.close() }()
	out := fmt.Sprint(*s.state.Load())
	for i := s.state.Load().first; i <= s.state.Load().last && i > 0; i++ {
		var l raft.Log
		if err := s.GetLog(i, &l); err != nil {
			t.Fatalf("get %d: %v", i, err)
		}
		out += fmt.Sprintf("\n%d %d %q", l.Index, l.Term, l.Data)
	}
	for _, key := range []string{"CurrentTerm", "LastVoteTerm"} {
		n, err := s.GetUint64([]byte(key))
		out += fmt.Sprintf("\n%s %d %v", key, n, err)
	}
	// A damage that Open missed may sleep until the next write.
	s.db.NoSync = true // thousands of these
	if err := s.StoreLog(entry(s.state.Load().last + 1)); err != nil {
		t.Fatalf("append: %v", err)
	}
	return out
}

// Bytes all over the file, flipped: the file is refused, or nothing is lost. The
// step is odd, so that each field of a record's and a page's head is met.
func TestFlippedByteIsDamageOrHarmless(t *testing.T) {
	file, holds := damageable(t)
	path := filepath.Join(t.TempDir(), logFile)
	step := 5
	if testing.Short() {
		step = 37
	}
	found := 0
	for at := 0; at < len(file); at += step {
		if inFreePage(file, at) {
			continue
		}
		broken := append([]byte(nil), file...)
		broken[at] ^= byte(1 << (at % 8))
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		switch got := contents(t, path); got {
		case "damaged":
			found++
		case holds:
		default:
			t.Fatalf("byte %d of page %d was flipped, unnoticed:\n%s", at%pageSize, at/pageSize, got)
		}
	}
	if found < 5000/step/2 {
		t.Errorf("only %d flips were found: the test flips the wrong bytes", found)
	}
}

// inFreePage thins the pages out that hold zeros only.
func inFreePage(file []byte, at int) bool {
	return at%16 != 0 && allZero(file[at-at%16:min(at-at%16+16, len(file))])
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func TestTruncatedFileIsDamage(t *testing.T) {
	file, holds := damageable(t)
	path := filepath.Join(t.TempDir(), logFile)
	refused := 0
	for size := 0; size < len(file); size += 512 {
		if err := os.WriteFile(path, file[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		switch got := contents(t, path); got {
		case "damaged":
			refused++
		case holds: // the end of the file was free
		default:
			t.Fatalf("cut to %d bytes, unnoticed:\n%s", size, got)
		}
	}
	if refused == 0 {
		t.Error("no cut was noticed")
	}
}

// Whole ranges of nonsense, as a lost or misplaced write leaves them.
func TestScrambledFileNeverPanics(t *testing.T) {
	file, holds := damageable(t)
	path := filepath.Join(t.TempDir(), logFile)
	const seed = 20260101
	random := rand.New(rand.NewPCG(seed, seed))
	for range 300 {
		broken := append([]byte(nil), file...)
		from, to := random.IntN(len(file)), random.IntN(len(file))
		length := min(1<<random.IntN(13), len(file)-from, len(file)-to)
		switch random.IntN(3) {
		case 0: // garbage
			for i := range length {
				broken[to+i] = byte(random.Uint32())
			}
		case 1: // another place's bytes
			copy(broken[to:to+length], file[from:])
		case 2: // a page's bytes in another page
			copy(broken[to/pageSize*pageSize:], file[from/pageSize*pageSize:][:pageSize])
		}
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, path); got != "damaged" && got != holds {
			t.Fatalf("unnoticed:\n%s", got)
		}
	}
}

// A meta page that is broken makes bbolt fall back to the transaction before: a
// vote would be forgotten.
func TestBrokenMetaPageIsNotRolledBack(t *testing.T) {
	file, _ := damageable(t)
	path := filepath.Join(t.TempDir(), logFile)
	for page := range 2 {
		broken := append([]byte(nil), file...)
		broken[page*pageSize+pageHead+metaSumAt] ^= 1
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, path); got != "damaged" {
			t.Errorf("meta page %d broken: opened", page)
		}
	}
}

// leaves returns the ids of the pages that are leaves of a bucket, with the
// number of their elements.
func leaves(file []byte) map[int]uint16 {
	found := map[int]uint16{}
	for id := 2; id < len(file)/pageSize; id++ {
		page := file[id*pageSize:]
		isPage := binary.NativeEndian.Uint64(page) == uint64(id) && binary.NativeEndian.Uint16(page[8:]) == flagLeaf
		if count := binary.NativeEndian.Uint16(page[10:]); isPage && count > 1 {
			found[id] = count
		}
	}
	return found
}

// A leaf that says it has one element less is well formed, and so is each of its
// records. What fell off may be the newest entry, or a vote.
func TestShortenedLeafIsDamage(t *testing.T) {
	file, holds := damageable(t)
	path := filepath.Join(t.TempDir(), logFile)
	found := 0
	for id, count := range leaves(file) {
		broken := append([]byte(nil), file...)
		binary.NativeEndian.PutUint16(broken[id*pageSize+10:], count-1)
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		switch got := contents(t, path); got {
		case "damaged":
			found++
		case holds: // a page that is free
		default:
			t.Errorf("page %d has lost an element, unnoticed:\n%s", id, got)
		}
	}
	if found < 3 {
		t.Errorf("%d pages were shortened with effect, want several", found)
	}
}

// The last leaf of the log, cut by one: the entries left have no gap.
func TestLostLastEntryIsDamage(t *testing.T) {
	s, path := newLog(t)
	mustStore(t, s, 1, 120)
	lost := func(change func(tx *bolt.Tx) error) {
		t.Helper()
		if err := s.db.Update(change); err != nil { // past the state
			t.Fatal(err)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, path); got != "damaged" {
			t.Errorf("opened:\n%s", got)
		}
	}
	lost(func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketLog)).Delete(indexKey(120)) })
	s, path = newLog(t)
	if err := s.SetUint64([]byte("LastVoteTerm"), 6); err != nil {
		t.Fatal(err)
	}
	lost(func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketStable)).Delete([]byte("LastVoteTerm")) })
}

// Two branches that point to one page: bbolt would panic in a goroutine of its
// own when it looks for the free pages.
func TestPagePointedToTwiceIsDamage(t *testing.T) {
	file, _ := damageable(t)
	path := filepath.Join(t.TempDir(), logFile)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	w := walker{file: bytes.NewReader(file), size: int64(len(file)), seen: map[uint64]bool{0: true, 1: true}}
	if err := w.walk(); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for id := range leaves(file) {
		if !w.seen[uint64(id)] {
			continue // free
		}
		tried++
		if _, err := w.readPage(uint64(id)); err == nil || !strings.Contains(err.Error(), "twice") {
			t.Errorf("page %d, read again: %v", id, err)
		}
	}
	if tried == 0 {
		t.Error("no page was read again")
	}
}

// FuzzVerifyPages looks for a file that passes and still trips bbolt over.
func FuzzVerifyPages(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, logFile)
	if err := createLog(path, "n1", func(*logStore) error { return nil }); err != nil {
		f.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(pageSize), []byte{1})
	f.Add(uint32(3*pageSize+pageHead), []byte{0xff, 0xff, 0, 3})
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		broken := append([]byte(nil), file...)
		copy(broken[int(at)%len(broken):], patch)
		path := filepath.Join(t.TempDir(), logFile)
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		contents(t, path)
	})
}
