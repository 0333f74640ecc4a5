package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/sqlring/sqlring/pkg/rowcheck"
)

const (
	sumRounds  = 2               // unequal digests of a chunk, after which its rows are looked at
	rowRounds  = 10              // rounds of single rows, after which one is unsettled
	reachLimit = 5 * time.Second // for a member to reach the positions of all
	reachTries = 6               // of that; then the chunk is unsettled
	mostRows   = 4               // times the chunk's size: a range with more rows on a member is split
)

// errBehind: a member did not reach the positions of all.
var errBehind = errors.New("has not reached what the others have")

// chunk compares one range, and notes what differs.
func (j *job) chunk(ctx context.Context, t rowcheck.Table, in rowcheck.Range) error {
	rows, equal, err := j.sums(ctx, t, in)
	if err != nil {
		return err
	}
	if !equal {
		j.edit(func(r *rowcheck.Run) { r.Rechecks++ })
	}
	for round := 0; !equal && round < sumRounds; round++ {
		if err := j.barrier(ctx, round); err != nil {
			return j.unsettled(t, "", err)
		}
		if rows, equal, err = j.sums(ctx, t, in); err != nil {
			return err
		}
	}
	j.edit(func(r *rowcheck.Run) { r.Rows += rows })
	if equal {
		return nil
	}
	return j.narrow(ctx, t, in)
}

// sums has each member digest the range.
func (j *job) sums(ctx context.Context, t rowcheck.Table, in rowcheck.Range) (rows uint64, equal bool, err error) {
	var mu sync.Mutex
	digests := map[string]bool{}
	err = j.each(func(_ string, member Rows) error {
		n, digest, err := member.Sum(ctx, t, in)
		mu.Lock()
		defer mu.Unlock()
		digests[digest], rows = true, max(rows, n)
		return err
	})
	return rows, len(digests) == 1, err
}

// barrier waits until every member has what all members have now: longer, the more rounds
// there were.
func (j *job) barrier(ctx context.Context, round int) error {
	if err := pause(ctx, min(20*time.Millisecond<<round, time.Second)); err != nil {
		return err
	}
	var mu sync.Mutex
	var positions []string
	err := j.each(func(_ string, member Rows) error {
		p, err := member.Position(ctx)
		mu.Lock()
		defer mu.Unlock()
		positions = append(positions, p)
		return err
	})
	if err != nil {
		return err
	}
	return j.each(func(name string, member Rows) error {
		for range reachTries {
			if ok, err := member.Reach(ctx, positions, reachLimit); ok || err != nil {
				return err
			}
		}
		return fmt.Errorf("%s %w within %s", name, errBehind, reachTries*reachLimit)
	})
}

// unsettled notes what could not be judged since a member was behind; other errors are
// the caller's.
func (j *job) unsettled(t rowcheck.Table, what string, err error) error {
	if !errors.Is(err, errBehind) {
		return err
	}
	j.aside(rowcheck.Aside{Table: t.FullName(), What: what, Why: err.Error()})
	return nil
}

func (j *job) aside(a rowcheck.Aside) {
	j.edit(func(r *rowcheck.Run) {
		if len(r.Unsettled) < rowcheck.MaxUnsettled {
			r.Unsettled = append(r.Unsettled, a)
		}
	})
}

// narrow looks at the rows of a range that is unequal still.
func (j *job) narrow(ctx context.Context, t rowcheck.Table, in rowcheck.Range) error {
	limit := mostRows * max(j.size, 500)
	if len(t.Key) == 0 {
		limit = 500_000
	}
	first, keys, full, err := j.read(ctx, t, in, limit)
	if err != nil {
		return err
	}
	if full != "" {
		return j.split(ctx, t, in, full, limit)
	}
	judge := rowcheck.NewJudge(first)
	for round := 0; round < rowRounds && len(judge.Open()) > 0; round++ {
		if err := j.barrier(ctx, round); err != nil {
			return j.unsettled(t, fmt.Sprintf("%d rows", len(judge.Open())), err)
		}
		open := make([]rowcheck.Key, 0, len(judge.Open()))
		for _, id := range judge.Open() {
			open = append(open, keys[id])
		}
		next, err := j.readOf(ctx, t, open)
		if err != nil {
			return err
		}
		judge.Add(next)
	}
	for _, id := range judge.Open() {
		j.aside(rowcheck.Aside{Table: t.FullName(), What: t.ShowKey(keys[id]), Why: "it changes all the time: it was never equal, and never stood still"})
	}
	for _, id := range judge.Differ() {
		if err := j.differs(ctx, t, keys[id], judge.Seen(id)); err != nil {
			return err
		}
	}
	return nil
}

// read takes a first reading of a range; full names a member that has more rows than are
// read at once.
func (j *job) read(ctx context.Context, t rowcheck.Table, in rowcheck.Range, limit int) (first map[string]rowcheck.Reading, keys map[string]rowcheck.Key, full string, err error) {
	var mu sync.Mutex
	first, keys = map[string]rowcheck.Reading{}, map[string]rowcheck.Key{}
	err = j.each(func(name string, member Rows) error {
		reading, found, more, err := member.Rows(ctx, t, in, limit)
		mu.Lock()
		defer mu.Unlock()
		first[name] = reading
		maps.Copy(keys, found)
		if more {
			full = name
		}
		return err
	})
	return first, keys, full, err
}

func (j *job) readOf(ctx context.Context, t rowcheck.Table, keys []rowcheck.Key) (map[string]rowcheck.Reading, error) {
	var mu sync.Mutex
	round := map[string]rowcheck.Reading{}
	err := j.each(func(name string, member Rows) error {
		reading, err := member.RowsOf(ctx, t, keys)
		mu.Lock()
		defer mu.Unlock()
		round[name] = reading
		return err
	})
	return round, err
}

// split narrows both halves of a range that has too many rows on a member.
func (j *job) split(ctx context.Context, t rowcheck.Table, in rowcheck.Range, member string, limit int) error {
	middle, err := j.members[member].Bound(ctx, t, in, limit/2)
	if err != nil {
		return err
	}
	if middle == nil {
		j.aside(rowcheck.Aside{Table: t.FullName(), Why: "it has too many rows to be looked at one by one, and no key to divide them by"})
		return nil
	}
	if err := j.narrow(ctx, t, rowcheck.Range{After: in.After, Upto: middle}); err != nil {
		return err
	}
	return j.narrow(ctx, t, rowcheck.Range{After: middle, Upto: in.Upto})
}

// differs notes a row, with the columns that differ.
func (j *job) differs(ctx context.Context, t rowcheck.Table, key rowcheck.Key, digests map[string]string) error {
	d := rowcheck.Difference{Schema: t.Schema, Table: t.Name, Key: key, Shown: t.ShowKey(key), Digests: digests, Columns: []rowcheck.Differing{}}
	if len(t.Key) == 0 {
		d.Shown = "rows whose digest is " + key[0]
	}
	run, _ := j.Last()
	if len(run.Differences) < rowcheck.MaxDifferences && len(t.Key) > 0 {
		var err error
		if d.Columns, err = j.columns(ctx, t, key, digests); err != nil {
			return err
		}
	}
	j.edit(func(r *rowcheck.Run) {
		known := slices.ContainsFunc(r.Differences, func(o rowcheck.Difference) bool {
			return o.FullName() == d.FullName() && o.Key.ID() == key.ID()
		})
		if known { // a chunk that was begun anew
			return
		}
		r.Found++
		if len(r.Differences) < rowcheck.MaxDifferences {
			r.Differences = append(r.Differences, d)
		}
	})
	return nil
}

// columns reads the row on each member that has it, and returns what differs.
func (j *job) columns(ctx context.Context, t rowcheck.Table, key rowcheck.Key, digests map[string]string) ([]rowcheck.Differing, error) {
	values := map[string][]rowcheck.Value{}
	for _, name := range j.names {
		if digests[name] == "" {
			continue
		}
		v, err := j.members[name].Values(ctx, t, key)
		if err != nil && ctx.Err() == nil && len(v) == 0 {
			return []rowcheck.Differing{{Name: "*", Values: map[string]string{name: err.Error()}}}, nil
		}
		if err != nil {
			return nil, err
		}
		if v != nil {
			values[name] = v
		}
	}
	differing := []rowcheck.Differing{}
	for i, c := range t.Compared() {
		shown, first, unequal := map[string]string{}, "", len(values) < 2
		for _, name := range slices.Sorted(maps.Keys(values)) {
			v := values[name][i]
			text := fmt.Sprint(v.Null, v.Text)
			unequal = unequal || first != "" && text != first
			first, shown[name] = text, c.Show(v)
		}
		if unequal && len(shown) > 0 {
			differing = append(differing, rowcheck.Differing{Name: c.Name, Values: shown})
		}
	}
	return differing, nil
}
