package verify_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sqlring/sqlring/internal/verify"
	"github.com/sqlring/sqlring/pkg/rowcheck"
)

func start(t *testing.T, w *world, file string) *verify.Verifier {
	t.Helper()
	before := goleak.IgnoreCurrent()
	v, err := verify.New(verify.Config{File: file, GiveUp: 3 * time.Second}, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, before)
	})
	return v
}

func begin(t *testing.T, v *verify.Verifier, resume bool) {
	t.Helper()
	if _, err := v.Start("dba@n1", rowcheck.Options{Chunk: 10}, resume); err != nil {
		t.Fatal(err)
	}
}

// until waits for a state of the last run.
func until(t *testing.T, v *verify.Verifier, what string, holds func(rowcheck.Run) bool) rowcheck.Run {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		run, _ := v.Last()
		if holds(run) {
			return run
		}
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s: %+v", what, run)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func over(r rowcheck.Run) bool { return r.State != rowcheck.StateRunning }

func TestEveryDifferenceIsFound(t *testing.T) {
	w := newWorld(100)
	w.rows["m2"][5], w.rows["m2"][500] = "other", "extra"
	delete(w.rows["m2"], 50)
	for id := 200; id < 3000; id++ { // more than are looked at at once, on m2 alone, after the last row of m1
		w.rows["m2"][id] = "many"
	}
	v := start(t, w, "")
	begin(t, v, false)
	run := until(t, v, "it ends", over)
	if run.State != rowcheck.StateDone || run.Found != 2802 || len(run.Differences) != rowcheck.MaxDifferences || run.Verdict() != 3 {
		t.Fatalf("%s %s: %d found, %d listed", run.State, run.Why, run.Found, len(run.Differences))
	}
	d := run.Differences[0]
	if d.Shown != "id=5" || len(d.Columns) != 1 || d.Columns[0].Values["m1"] != `"v5"` || d.Columns[0].Values["m2"] != `"other"` {
		t.Errorf("the first: %+v", d)
	}
	if d := run.Differences[1]; d.Shown != "id=50" || !slices.Equal(d.Missing(), []string{"m2"}) {
		t.Errorf("the second: %+v", d)
	}
}

func TestARunIsStoppedAndResumedEvenByAnotherProcess(t *testing.T) {
	w := newWorld(100)
	w.rows["m2"][5], w.rows["m2"][95] = "other", "other"
	file := filepath.Join(t.TempDir(), "verify.json")
	v := start(t, w, file)
	reached := make(chan struct{})
	w.onSum = func(n int) {
		if n == 14 { // some way behind row 5
			close(reached)
		}
		if n >= 14 && n < 30 {
			time.Sleep(50 * time.Millisecond) // so that the stop finds it under way
		}
	}
	begin(t, v, false)
	if _, err := v.Start("dba@n1", rowcheck.Options{}, false); !errors.Is(err, verify.ErrBusy) {
		t.Errorf("a second one at once: %v", err)
	}
	if _, err := v.Plan(t.Context(), verify.RepairRequest{}); err == nil {
		t.Error("a repair is planned while it runs")
	}
	<-reached
	if err := v.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopped, _ := v.Last()
	if stopped.State != rowcheck.StateStopped || stopped.Cursor.After == nil || stopped.Verdict() == 0 {
		t.Fatalf("stopped: %+v", stopped)
	}
	again := start(t, w, file)
	begin(t, again, true)
	run := until(t, again, "it ends", over)
	if run.State != rowcheck.StateDone || run.ID != stopped.ID || run.Found != 2 || run.Rows < 100 || run.Rows > 100+20 {
		t.Errorf("resumed: %+v", run)
	}
	if _, err := again.Start("dba@n1", rowcheck.Options{}, true); !errors.Is(err, verify.ErrNothing) {
		t.Errorf("to resume one that is through: %v", err)
	}
}

// A table that could not be read before the break is told after it too: else all would be
// said to be equal.
func TestWhatWasSkippedBeforeABreakIsToldAfterIt(t *testing.T) {
	w := newWorld(100)
	w.barred = "bill"
	v := start(t, w, "")
	reached := make(chan struct{})
	w.onSum = func(n int) {
		if n == 14 {
			close(reached)
		}
		if n >= 14 && n < 30 {
			time.Sleep(50 * time.Millisecond)
		}
	}
	begin(t, v, false)
	<-reached
	if err := v.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if run, _ := v.Last(); run.State != rowcheck.StateStopped || len(run.Skipped) != 1 {
		t.Fatalf("stopped: %+v", run)
	}
	begin(t, v, true)
	run := until(t, v, "it ends", over)
	if run.State != rowcheck.StateDone || run.Verdict() != 2 || len(run.Skipped) != 1 || run.Skipped[0].Table != "shop.bill" {
		t.Errorf("resumed: verdict %d, %+v", run.Verdict(), run)
	}
}

func TestANodeThatEndedLeavesAStoppedRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "verify.json")
	text := `{"id":"v1","state":"running","cursor":{"table":"shop.card","after":["50"]},"options":{"chunk":10},"repair":{"state":"running"}}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	v := start(t, newWorld(100), file)
	if run, ok := v.Last(); !ok || run.State != rowcheck.StateStopped || run.Repair.State != rowcheck.StateStopped {
		t.Errorf("%+v", run)
	}
	begin(t, v, true)
	if run := until(t, v, "it ends", over); run.Rows != 49 {
		t.Errorf("it went over %d rows, 49 were left", run.Rows)
	}
	if err := os.WriteFile(file, []byte("half a"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := verify.New(verify.Config{File: file}, newWorld(1)); err == nil || !strings.Contains(err.Error(), "remove "+file) {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestAMemberThatGoesAwayIsWaitedFor(t *testing.T) {
	w := newWorld(100)
	w.onSum = func(n int) {
		if n == 10 {
			w.set(func() { w.away["m2"] = true })
		}
	}
	v := start(t, w, "")
	begin(t, v, false)
	until(t, v, "it says why it waits", func(r rowcheck.Run) bool { return strings.Contains(r.Why, "m2 does not answer") })
	w.set(func() { delete(w.away, "m2") })
	if run := until(t, v, "it ends", over); run.State != rowcheck.StateDone || run.Found != 0 || run.Rows != 100 {
		t.Errorf("%+v", run)
	}
	w.set(func() { w.away["m2"], w.onSum = true, nil })
	begin(t, v, false)
	if run := until(t, v, "it gives up", over); run.State != rowcheck.StateStopped || !strings.Contains(run.Why, "gave up after 3s") {
		t.Errorf("with m2 away for good: %+v", run)
	}
}

func TestItWaitsWhileMembersLag(t *testing.T) {
	w := newWorld(30)
	w.held = "m2: it lags 7 s"
	v := start(t, w, "")
	begin(t, v, false)
	run := until(t, v, "it says why it waits", func(r rowcheck.Run) bool { return r.Why == "it waits: m2: it lags 7 s" })
	if run.Rows != 0 {
		t.Errorf("it read %d rows", run.Rows)
	}
	w.set(func() { w.held = "" })
	if run := until(t, v, "it ends", over); run.State != rowcheck.StateDone || run.Why != "" {
		t.Errorf("%+v", run)
	}
}

func TestWhatCanNotBeJudgedIsUnsettled(t *testing.T) {
	w := newWorld(30)
	w.rows["m2"][7] = "other"
	w.behind["m2"] = true
	v := start(t, w, "")
	begin(t, v, false)
	if run := until(t, v, "it ends", over); run.Found != 0 || len(run.Unsettled) != 1 || run.Verdict() != 2 || !strings.Contains(run.Unsettled[0].Why, "m2 has not reached") {
		t.Errorf("with m2 behind: %+v", run)
	}
}

func TestARepairWritesTheWrongMemberAlone(t *testing.T) {
	w := newWorld(30)
	w.rows["m2"][7], w.rows["m2"][70] = "other", "extra"
	delete(w.rows["m2"], 9)
	v := start(t, w, "")
	if _, err := v.Plan(t.Context(), verify.RepairRequest{}); !errors.Is(err, verify.ErrNothing) {
		t.Errorf("before a comparison: %v", err)
	}
	begin(t, v, false)
	until(t, v, "it ends", over)
	plan, err := v.Plan(t.Context(), verify.RepairRequest{})
	if err != nil || plan.Total != 3 || len(w.written) != 0 {
		t.Fatalf("plan: %+v, %v; written: %q", plan, err, w.written)
	}
	if _, err := v.Plan(t.Context(), verify.RepairRequest{From: "m7"}); !errors.Is(err, verify.ErrSource) {
		t.Errorf("from a stranger: %v", err)
	}
	if _, err := v.Repair(t.Context(), verify.RepairRequest{By: "dba@n1"}); err != nil {
		t.Fatal(err)
	}
	run := until(t, v, "the repair ends", func(r rowcheck.Run) bool { return r.Repair.State != rowcheck.StateRunning })
	if run.Repair.Written != 3 || run.Verdict() != 0 {
		t.Errorf("%+v", run.Repair)
	}
	want := []string{"m2 70 []", "m2 7 [{7 false} {v7 false}]", "m2 9 [{9 false} {v9 false}]"}
	if !slices.Equal(w.written, want) {
		t.Errorf("written: %q, want %q", w.written, want)
	}
}

// TestARowThatChangesWhileItIsRepaired: what the source has is read again under the lock,
// and what has moved is not written over.
func TestARowThatChangesWhileItIsRepaired(t *testing.T) {
	for name, c := range map[string]struct {
		onLock func(member string, w *world)
		from   string
		want   string
		equal  int
	}{
		"the source changes once the row is locked": {
			onLock: func(_ string, w *world) { w.rows["m1"][7] = "newer" }, want: "newer",
		},
		"the source loses the row": {
			onLock: func(_ string, w *world) { delete(w.rows["m1"], 7) }, want: "",
		},
		"from the other side": {onLock: nil, from: "m2", want: "other"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(30)
			w.rows["m2"][7] = "other"
			v := start(t, w, "")
			begin(t, v, false)
			until(t, v, "it ends", over)
			w.set(func() { w.onLock = c.onLock })
			if _, err := v.Repair(t.Context(), verify.RepairRequest{From: c.from}); err != nil {
				t.Fatal(err)
			}
			run := until(t, v, "the repair ends", func(r rowcheck.Run) bool { return r.Repair.State != rowcheck.StateRunning })
			for _, member := range w.names {
				if got := w.rows[member][7]; got != c.want {
					t.Errorf("%s has %q, want %q; %+v", member, got, c.want, run.Repair)
				}
			}
			if !run.Differences[0].Mended {
				t.Error("it is not marked as mended")
			}
		})
	}
}

// TestARowThatIsNotWhatWasSeenIsLeftAlone: somebody has changed the wrong row since.
func TestARowThatIsNotWhatWasSeenIsLeftAlone(t *testing.T) {
	w := newWorld(30)
	w.rows["m2"][7] = "other"
	v := start(t, w, "")
	begin(t, v, false)
	until(t, v, "it ends", over)
	w.set(func() { w.rows["m2"][7] = "changed since" })
	if _, err := v.Repair(t.Context(), verify.RepairRequest{}); err != nil {
		t.Fatal(err)
	}
	run := until(t, v, "the repair ends", func(r rowcheck.Run) bool { return r.Repair.State != rowcheck.StateRunning })
	if w.rows["m2"][7] != "changed since" || len(w.written) != 0 || len(run.Repair.Failed) != 1 || !strings.Contains(run.Repair.Failed[0].Why, "compare again") {
		t.Errorf("written %q; %+v", w.written, run.Repair)
	}
}

// Who has seen the end of a comparison may begin the next, or the repair, at once: its
// connections may still be on their way to be closed.
func TestTheNextOneBeginsRightBehindTheLast(t *testing.T) {
	w := newWorld(20)
	w.closing = 100 * time.Millisecond
	w.rows["m2"][5] = "other"
	v := start(t, w, filepath.Join(t.TempDir(), "verify.json"))
	over := func() {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			if run, _ := v.Last(); run.State != rowcheck.StateRunning && (run.Repair == nil || run.Repair.State != rowcheck.StateRunning) {
				return
			}
			if time.Now().After(end) {
				t.Fatal("it does not end")
			}
		}
	}
	for range 2 {
		if _, err := v.Start("dba@n1", rowcheck.Options{}, false); err != nil {
			t.Fatal(err)
		}
		over()
	}
	if _, err := v.Repair(t.Context(), verify.RepairRequest{}); err != nil {
		t.Fatal(err)
	}
	over()
	if _, err := v.Start("dba@n1", rowcheck.Options{}, false); err != nil {
		t.Error(err)
	}
	over()
}

// Whoever has stopped it may take the directory away: what has just ended is still to be
// kept there. The file is a pipe here, so that to write it takes as long as the test wants.
func TestStopWaitsForTheEndToBeKept(t *testing.T) {
	w := newWorld(100)
	file := filepath.Join(t.TempDir(), "verify.json")
	v := start(t, w, file)
	w.onSum = func(n int) {
		if n == 18 { // behind the first chunk, whose place is kept at once
			if err := syscall.Mkfifo(file+".new", 0o600); err != nil {
				t.Error(err)
			}
		}
	}
	begin(t, v, false)
	until(t, v, "it ends", over)
	stopped := make(chan error, 1)
	go func() { stopped <- v.Stop(context.Background()) }()
	select {
	case <-stopped:
		t.Error("it was not waited for the end to be kept")
		stopped <- nil
	case <-time.After(200 * time.Millisecond):
	}
	pipe, err := os.Open(file + ".new")
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if kept, err := io.ReadAll(pipe); err != nil || !strings.Contains(string(kept), `"state":"done"`) {
		t.Errorf("kept: %.200s, %v", kept, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
