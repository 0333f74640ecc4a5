package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

var (
	_ raft.LogStore          = failstop{} // what raft is given
	_ raft.MonotonicLogStore = failstop{}
	_ raft.StableStore       = failstop{}
)

func newLog(t *testing.T) (*logStore, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), logFile)
	if err := createLog(path, "n1", func(*logStore) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return mustOpenLog(t, path), path
}

func mustOpenLog(t *testing.T, path string) *logStore {
	t.Helper()
	s, err := openLog(path, "n1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() }) // some tests close it themselves
	return s
}

func entry(index uint64) *raft.Log {
	return &raft.Log{Index: index, Term: index/10 + 1, Data: fmt.Appendf(nil, "entry %d", index)}
}

func mustStore(t *testing.T, s *logStore, first, last uint64) {
	t.Helper()
	var logs []*raft.Log
	for i := first; i <= last; i++ {
		logs = append(logs, entry(i))
	}
	if err := s.StoreLogs(logs); err != nil {
		t.Fatal(err)
	}
}

func wantRange(t *testing.T, s *logStore, first, last uint64) {
	t.Helper()
	gotFirst, err1 := s.FirstIndex()
	gotLast, err2 := s.LastIndex()
	if gotFirst != first || gotLast != last || err1 != nil || err2 != nil {
		t.Fatalf("the log is %d to %d (%v, %v), want %d to %d", gotFirst, gotLast, err1, err2, first, last)
	}
	for i := max(first, 2) - 1; i <= last+1; i++ {
		var got raft.Log
		err := s.GetLog(i, &got)
		if i < first || i > last || last == 0 {
			if err != raft.ErrLogNotFound { //nolint:errorlint // raft compares it so
				t.Fatalf("get %d: %v, want %v", i, err, raft.ErrLogNotFound)
			}
		} else if err != nil || !reflect.DeepEqual(&got, entry(i)) {
			t.Fatalf("get %d: %+v, %v", i, got, err)
		}
	}
}

func TestLogIsEmptyAtFirst(t *testing.T) {
	s, _ := newLog(t)
	wantRange(t, s, 0, 0)
	if err := s.DeleteRange(1, 10); err != nil {
		t.Errorf("delete from an empty log: %v", err)
	}
	if err := s.StoreLogs(nil); err != nil {
		t.Errorf("store nothing: %v", err)
	}
}

func TestLogKeepsAllFields(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)
	tests := []struct {
		name string
		log  raft.Log
	}{
		{"no data", raft.Log{Term: 1}},
		{"data", raft.Log{Term: 1, Data: []byte("x")}},
		{"extensions", raft.Log{Term: 2, Extensions: []byte("y")}},
		{"all", raft.Log{Term: 1 << 63, Type: raft.LogConfiguration, Data: []byte("x"), Extensions: []byte("y"), AppendedAt: at}},
		{"large", raft.Log{Term: 3, Data: make([]byte, 3*pageSize)}},
	}
	s, path := newLog(t)
	for i := range tests {
		tests[i].log.Index = uint64(i) + 7
		if err := s.StoreLog(&tests[i].log); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpenLog(t, path)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := raft.Log{Index: 99, Data: []byte("old"), Extensions: []byte("old"), AppendedAt: at}
			if err := s.GetLog(tt.log.Index, &got); err != nil || !reflect.DeepEqual(got, tt.log) {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.log)
			}
		})
	}
}

func TestLogDeletesFromEitherEnd(t *testing.T) {
	tests := []struct {
		name        string
		lo, hi      uint64
		first, last uint64
		refused     bool
	}{
		{"prefix", 5, 9, 10, 20, false},
		{"prefix, from before the log", 0, 9, 10, 20, false},
		{"suffix", 15, 20, 5, 14, false},
		{"suffix, past the log", 15, 99, 5, 14, false},
		{"one at the front", 5, 5, 6, 20, false},
		{"one at the end", 20, 20, 5, 19, false},
		{"all", 5, 20, 0, 0, false},
		{"all and more", 0, 99, 0, 0, false},
		{"none, before", 1, 4, 5, 20, false},
		{"none, after", 21, 30, 5, 20, false},
		{"none, upside down", 12, 10, 5, 20, false},
		{"a hole", 10, 12, 5, 20, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, path := newLog(t)
			mustStore(t, s, 5, 20)
			if err := s.DeleteRange(tt.lo, tt.hi); (err != nil) != tt.refused {
				t.Fatalf("delete %d to %d: %v", tt.lo, tt.hi, err)
			}
			if tt.refused {
				tt.first, tt.last = 5, 20
			}
			wantRange(t, s, tt.first, tt.last)
			if err := s.close(); err != nil {
				t.Fatal(err)
			}
			wantRange(t, mustOpenLog(t, path), tt.first, tt.last)
		})
	}
}

func TestLogHasNoGaps(t *testing.T) {
	s, _ := newLog(t)
	if err := s.StoreLog(entry(0)); err == nil {
		t.Error("entry 0 was stored")
	}
	mustStore(t, s, 100, 102) // after a snapshot a log begins anywhere
	for _, logs := range [][]*raft.Log{{entry(104)}, {entry(102)}, {entry(103), entry(105)}, {entry(1)}} {
		if err := s.StoreLogs(logs); err == nil {
			t.Errorf("entry %d was stored after 102", logs[0].Index)
		}
	}
	wantRange(t, s, 100, 102)
	if err := s.DeleteRange(101, 102); err != nil { // a conflict with a new leader
		t.Fatal(err)
	}
	mustStore(t, s, 101, 101)
	wantRange(t, s, 100, 101)
}

func TestStableStore(t *testing.T) {
	s, path := newLog(t)
	_, err := s.Get([]byte("absent"))
	_, err64 := s.GetUint64([]byte("absent"))
	if err == nil || err.Error() != "not found" || err64 == nil || err64.Error() != "not found" {
		t.Fatalf("absent key: %v, %v; raft knows it by the text %q", err, err64, "not found")
	}
	for _, value := range []string{"a", "", "longer than before"} {
		if err := s.Set([]byte("vote"), []byte(value)); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Get([]byte("vote")); err != nil || string(got) != value {
			t.Fatalf("got %q, %v; want %q", got, err, value)
		}
	}
	for _, n := range []uint64{0, 1, 1<<64 - 1} {
		if err := s.SetUint64([]byte("term"), n); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpenLog(t, path)
	if got, err := s.GetUint64([]byte("term")); err != nil || got != 1<<64-1 {
		t.Errorf("term after reopening: %d, %v", got, err)
	}
	if got, err := s.Get([]byte("vote")); err != nil || string(got) != "longer than before" {
		t.Errorf("vote after reopening: %q, %v", got, err)
	}
	if _, err := s.GetUint64([]byte("vote")); !errors.Is(err, ErrDamaged) {
		t.Errorf("a number of 18 bytes: %v, want %v", err, ErrDamaged)
	}
}

func TestCommitIndexIsWrittenWithTheNextEntries(t *testing.T) {
	s, path := newLog(t)
	reopened := func() uint64 {
		t.Helper()
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
		s = mustOpenLog(t, path)
		return s.state.Load().commit
	}
	mustStore(t, s, 1, 3)
	s.stageCommit(2)
	if got := reopened(); got != 0 {
		t.Errorf("staged only: %d, want 0", got)
	}
	steps := []struct{ staged, want uint64 }{{2, 2}, {99, 5}, {1, 5}} // never above the log, never back
	for _, step := range steps {
		s.stageCommit(step.staged)
		last, _ := s.LastIndex()
		mustStore(t, s, last+1, last+1)
		if got := reopened(); got != step.want {
			t.Errorf("staged %d: got %d, want %d", step.staged, got, step.want)
		}
	}
	for _, step := range []struct{ saved, want uint64 }{{6, 6}, {5, 6}, {99, 6}} {
		if err := s.saveCommit(step.saved); err != nil {
			t.Fatal(err)
		}
		if got := reopened(); got != step.want {
			t.Errorf("saved %d: got %d, want %d", step.saved, got, step.want)
		}
	}
}

// A long history: what a running node does all day, and reads meanwhile.
func TestLogUnderReaders(t *testing.T) {
	s, path := newLog(t)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				last, _ := s.LastIndex()
				var l raft.Log
				err := s.GetLog(last, &l)
				if err != nil && !errors.Is(err, raft.ErrLogNotFound) {
					t.Errorf("get %d: %v", last, err)
					return
				}
			}
		})
	}
	next := uint64(1)
	for round := range uint64(40) {
		mustStore(t, s, next, next+round)
		next += round + 1
		if first, _ := s.FirstIndex(); next-first > 100 {
			if err := s.DeleteRange(first, next-50); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.SetUint64([]byte("term"), round); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	readers.Wait()
	first, _ := s.FirstIndex()
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	wantRange(t, mustOpenLog(t, path), first, next-1)
}

func BenchmarkStoreLogs(b *testing.B) {
	path := filepath.Join(b.TempDir(), logFile)
	if err := createLog(path, "n1", func(*logStore) error { return nil }); err != nil {
		b.Fatal(err)
	}
	s, err := openLog(path, "n1")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.close() }()
	next := uint64(1)
	for b.Loop() {
		if err := s.StoreLog(entry(next)); err != nil {
			b.Fatal(err)
		}
		next++
	}
}
