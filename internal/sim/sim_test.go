package sim

import (
	"bufio"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	simSeeds = flag.Int("sim.seeds", 200, "how many seeds TestSim runs")
	simFirst = flag.Uint64("sim.first", laterFrom, "the first of them")
	simSeed  = flag.Uint64("sim.seed", 0, "the one seed that TestSeed replays")
)

const keptSeeds = "../../testdata/sim/seeds.txt"

// TestSim runs many seeds.
func TestSim(t *testing.T) {
	began := time.Now()
	var total Stats
	broken := 0
	for i := range *simSeeds {
		seed := *simFirst + uint64(i)
		r := Run(Draw(seed))
		total.add(r.Stats)
		if r.Broken == nil {
			continue
		}
		t.Errorf("seed %d: %s", seed, r.Broken)
		if broken++; broken == 1 {
			replay(t, Draw(seed))
		}
		if broken == 20 {
			t.Fatal("enough")
		}
	}
	t.Logf("%d seeds in %s: %s", *simSeeds, time.Since(began).Round(time.Millisecond), total)
	if *simSeeds >= 100 && (total.Heals < *simSeeds/2 || total.Rejoins < *simSeeds/2 || total.Joins < *simSeeds/50 || total.Resized < *simSeeds/20 || total.Outcomes[outcomeUnknown] == 0) {
		t.Errorf("the world is too quiet to prove anything: %s", total)
	}
	few := min(total.Five, total.TwoLost, total.Parted, total.Trapped) < *simSeeds/10
	if *simSeeds >= 100 && *simFirst >= laterFrom && (few || total.Stopped < *simSeeds/2) {
		t.Errorf("five voters and stopped nodes are too rare to prove anything: %s", total)
	}
}

// TestSeed replays one seed and prints all of it.
func TestSeed(t *testing.T) {
	if *simSeed == 0 {
		t.Skip("no -sim.seed")
	}
	opt := Draw(*simSeed)
	r := replay(t, opt)
	t.Logf("%s: %s", opt, r.Stats)
	if r.Broken != nil {
		t.Errorf("seed %d: %s", *simSeed, r.Broken)
	}
}

// TestKeptSeeds runs the seeds that have found something once.
func TestKeptSeeds(t *testing.T) {
	f, err := os.Open(keptSeeds)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		number, _, _ := strings.Cut(lines.Text(), "#")
		if number = strings.TrimSpace(number); number == "" {
			continue
		}
		seed, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Fatalf("%s: %s", keptSeeds, err)
		}
		if r := Run(Draw(seed)); r.Broken != nil {
			t.Errorf("seed %d is back: %s", seed, r.Broken)
		}
	}
}

// TestSameSeedSameRun proves that a failing seed replays: two runs are equal to
// the last line.
func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		opt := Draw(seed)
		opt.Trace = true
		a, b := Run(opt), Run(opt)
		if a.Transcript != b.Transcript {
			t.Fatalf("seed %d: two runs differ", seed)
		}
		opt.Trace = false
		if c := Run(opt); c.Stats != a.Stats {
			t.Fatalf("seed %d: the transcript changes the run: %v and %v", seed, c.Stats, a.Stats)
		}
	}
}

// replay runs a seed again with its transcript, prints the end of it, and leaves
// the whole in a file.
func replay(t *testing.T, opt Options) Result {
	t.Helper()
	opt.Trace = true
	r := Run(opt)
	lines := strings.Split(r.Transcript, "\n")
	dir, err := os.MkdirTemp("", "sim")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "seed-"+strconv.FormatUint(opt.Seed, 10)+".txt")
	if err := os.WriteFile(file, []byte(r.Transcript), 0o600); err != nil {
		t.Fatal(err)
	}
	const shown = 60
	t.Logf("%s\nthe last %d of %d lines, all in %s; again: go test ./internal/sim -run TestSeed -sim.seed=%d -v\n%s",
		opt, min(shown, len(lines)), len(lines), file, opt.Seed, strings.Join(lines[max(0, len(lines)-shown):], "\n"))
	return r
}
