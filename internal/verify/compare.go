package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sqlring/sqlring/pkg/rowcheck"
)

// errAway: a member could not be read for too long.
var errAway = errors.New("gave up")

// job is a run that is under way.
type job struct {
	*Verifier
	names   []string // members, in ring order
	members map[string]Rows
	size    int       // rows of the next chunk
	saved   time.Time // when the place was kept last
	began   time.Time // of this stretch
	before  uint64    // rows compared in earlier stretches
}

// compare runs a comparison to its end, and says how it ended.
func (v *Verifier) compare(ctx context.Context) {
	run, _ := v.Last()
	j := &job{Verifier: v, size: min(run.Options.Chunk, 500), began: time.Now(), before: run.Rows}
	defer j.close()
	err := j.all(ctx, run.Options)
	now := time.Now().UTC()
	v.edit(func(r *rowcheck.Run) {
		r.Ended, r.State, r.Why, r.ETAMS = &now, rowcheck.StateDone, "", nil
		switch {
		case ctx.Err() != nil:
			r.State, r.Why = rowcheck.StateStopped, "it was stopped"
		case errors.Is(err, errAway):
			r.State, r.Why = rowcheck.StateStopped, err.Error()
		case err != nil:
			r.State, r.Why = rowcheck.StateFailed, err.Error()
		default:
			r.Table = ""
		}
		v.cfg.Logger.Info("comparison ended", "state", r.State, "why", r.Why, "rows", r.Rows, "differences", r.Found)
	})
}

func (j *job) close() {
	for _, rows := range j.members {
		rows.Close()
	}
	j.members = nil
}

// open connects to every member that takes part; all of them, or none.
func (j *job) open(ctx context.Context) error {
	if j.members != nil {
		return nil
	}
	members := map[string]Rows{}
	names := j.world.Members()
	for _, name := range names {
		rows, err := j.world.Open(ctx, name)
		if err != nil {
			for _, other := range members {
				other.Close()
			}
			return err
		}
		members[name] = rows
	}
	j.names, j.members = names, members
	return nil
}

// patiently does work, again after a failure, since members come and go; connections are
// made anew each time. It gives up after Config.GiveUp without a success.
func (j *job) patiently(ctx context.Context, work func() error) error {
	deadline := time.Now().Add(j.cfg.GiveUp)
	for {
		err := j.open(ctx)
		if err == nil && len(j.names) < 2 {
			err = fmt.Errorf("members in the ring that answer: %d; there is nothing to compare with", len(j.names))
		}
		if err == nil {
			if err = work(); err == nil || final(err) {
				return err
			}
		}
		j.close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w after %s: %w", errAway, j.cfg.GiveUp, err)
		}
		j.edit(func(r *rowcheck.Run) { r.Why = "it tries again: " + err.Error() })
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
}

// final reports whether the server has said something about a table that it will say
// again: that it is not there, has no such column, or may not be read.
func final(err error) bool {
	var word interface{ Final() bool }
	return errors.As(err, &word) && word.Final()
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// all goes through the tables, from the cursor on.
func (j *job) all(ctx context.Context, o rowcheck.Options) error {
	var tables []rowcheck.Table
	err := j.patiently(ctx, func() (err error) {
		tables, err = j.tables(ctx, o)
		return err
	})
	if err != nil {
		return err
	}
	run, _ := j.Last()
	for i, t := range tables {
		if run.Cursor.Table != "" && t.FullName() < run.Cursor.Table {
			continue
		}
		var after rowcheck.Key
		if t.FullName() == run.Cursor.Table {
			after = run.Cursor.After
		}
		j.edit(func(r *rowcheck.Run) { r.Table, r.Compared = t.FullName(), i })
		err := j.table(ctx, t, after, o)
		if final(err) {
			j.edit(func(r *rowcheck.Run) {
				r.Skipped = append(r.Skipped, rowcheck.Aside{Table: t.FullName(), Why: err.Error()})
			})
			continue
		}
		if err != nil {
			return err
		}
	}
	j.edit(func(r *rowcheck.Run) { r.Compared = len(tables) })
	return nil
}

// tables lists what is compared, sorted by name: what all members have alike. The rest
// is told. A table that was just made or changed may be on its way: the members are asked
// again then.
func (j *job) tables(ctx context.Context, o rowcheck.Options) ([]rowcheck.Table, error) {
	var tables []rowcheck.Table
	var skipped []rowcheck.Aside
	for round := range rowcheck.Rounds {
		var changing bool
		var err error
		if tables, skipped, changing, err = j.list(ctx, o); err != nil {
			return nil, err
		}
		if !changing {
			break
		}
		if err := j.barrier(ctx, round); err != nil && !errors.Is(err, errBehind) {
			return nil, err
		}
	}
	if len(tables)+len(skipped) == 0 && o.Schema+o.Table != "" {
		return nil, noTable{fmt.Errorf("no member has a table %s: name it as the server does", shownTable(o))}
	}
	j.edit(func(r *rowcheck.Run) {
		r.Members, r.Tables, r.Skipped, r.Why, r.Expected = j.names, len(tables), append(behind(r, skipped), skipped...), "", 0
		for _, t := range tables {
			r.Expected += t.Rows
		}
	})
	return tables, nil
}

// behind returns what an earlier stretch of the run did not compare in tables before its
// cursor, to which it does not come again; again is what is told anew.
func behind(r *rowcheck.Run, again []rowcheck.Aside) []rowcheck.Aside {
	told := []rowcheck.Aside{}
	for _, a := range r.Skipped {
		anew := slices.ContainsFunc(again, func(b rowcheck.Aside) bool { return b.Table == a.Table })
		if a.Table < r.Cursor.Table && !anew {
			told = append(told, a)
		}
	}
	return told
}

// noTable is the error of a name that nobody knows.
type noTable struct{ error }

// Final reports that to try again is of no use.
func (noTable) Final() bool { return true }

// list asks each member for its tables; changing: some are not alike.
func (j *job) list(ctx context.Context, o rowcheck.Options) (tables []rowcheck.Table, skipped []rowcheck.Aside, changing bool, err error) {
	lists := map[string][]rowcheck.Table{}
	for _, name := range j.names {
		if lists[name], err = j.members[name].Tables(ctx, o.Schema); err != nil {
			return nil, nil, false, err
		}
	}
	skipped = []rowcheck.Aside{}
	seen := map[string]bool{}
	for _, name := range j.names {
		for _, t := range lists[name] {
			if seen[t.FullName()] || o.Table != "" && t.Name != o.Table {
				continue
			}
			seen[t.FullName()] = true
			if why := unlike(t, j.names, lists); why != "" {
				skipped = append(skipped, rowcheck.Aside{Table: t.FullName(), Why: why})
				changing = changing || t.Unfit == ""
				continue
			}
			tables = append(tables, t)
		}
	}
	slices.SortFunc(tables, func(a, b rowcheck.Table) int { return cmp.Compare(a.FullName(), b.FullName()) })
	return tables, skipped, changing, nil
}

func shownTable(o rowcheck.Options) string {
	if o.Table == "" {
		return "in schema " + o.Schema
	}
	return o.Schema + "." + o.Table
}

// unlike returns why a table is not compared; empty: it is.
func unlike(t rowcheck.Table, names []string, lists map[string][]rowcheck.Table) string {
	if t.Unfit != "" {
		return t.Unfit
	}
	for _, name := range names {
		i := slices.IndexFunc(lists[name], func(other rowcheck.Table) bool { return other.FullName() == t.FullName() })
		if i < 0 {
			return "it is not on " + name + ": sqlring ring check --only tables-equal"
		}
		if lists[name][i].Definition != t.Definition {
			return "its columns or key are others on " + name + ": sqlring ring check --only tables-equal"
		}
	}
	return ""
}

// table goes through one table by ranges, from after on.
func (j *job) table(ctx context.Context, t rowcheck.Table, after rowcheck.Key, o rowcheck.Options) error {
	for {
		in := rowcheck.Range{After: after}
		if err := j.allowed(ctx, o); err != nil {
			return err
		}
		took := time.Now()
		err := j.patiently(ctx, func() (err error) {
			in.Upto, err = j.reference(t).Bound(ctx, t, in, j.size)
			if err == nil {
				err = j.chunk(ctx, t, in)
			}
			return err
		})
		if err != nil {
			return err
		}
		j.pace(time.Since(took), o.Chunk)
		j.edit(func(r *rowcheck.Run) {
			r.Chunks++
			r.Cursor = rowcheck.Cursor{Table: t.FullName(), After: in.Upto}
			if in.Upto == nil {
				r.Cursor = rowcheck.Cursor{Table: t.FullName() + "\x00"} // the next one
			}
			j.estimate(r)
		})
		if time.Since(j.saved) > time.Second {
			j.save()
			j.saved = time.Now()
		}
		if in.Upto == nil {
			return nil
		}
		if err := pause(ctx, min(time.Since(took)/4, time.Second)); err != nil {
			return err
		}
		after = in.Upto
	}
}

// reference is the member whose keys make the ranges: the owner.
func (j *job) reference(t rowcheck.Table) Rows {
	if rows, ok := j.members[j.world.Owner(t.Schema)]; ok {
		return rows
	}
	return j.members[j.names[0]]
}

// pace keeps the time of a chunk between 50 and 300 ms, as far as its most rows allow.
func (j *job) pace(took time.Duration, most int) {
	switch {
	case took > 300*time.Millisecond:
		j.size = max(j.size/2, 50)
	case took < 50*time.Millisecond:
		j.size *= 2
	}
	j.size = min(j.size, most)
}

func (j *job) estimate(r *rowcheck.Run) {
	passed := time.Since(j.began).Seconds()
	if passed < 0.2 || r.Rows <= j.before {
		return
	}
	r.PerS = float64(r.Rows-j.before) / passed
	r.ETAMS = nil
	if r.Expected > r.Rows {
		eta := int64(float64(r.Expected-r.Rows) / r.PerS * 1000)
		r.ETAMS = &eta
	}
}

// allowed waits while members do not bear the load.
func (j *job) allowed(ctx context.Context, o rowcheck.Options) error {
	deadline := time.Now().Add(j.cfg.GiveUp)
	for told := ""; ; {
		ok, why := j.world.Allowed(time.Duration(o.MaxLagMS) * time.Millisecond)
		if ok {
			if told != "" {
				j.edit(func(r *rowcheck.Run) { r.Why = "" })
			}
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w after %s: %s", errAway, j.cfg.GiveUp, why)
		}
		told = why
		j.edit(func(r *rowcheck.Run) { r.Why = "it waits: " + why })
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
}

// each asks all members at once.
func (j *job) each(ask func(name string, rows Rows) error) error {
	var group errgroup.Group
	for _, name := range j.names {
		group.Go(func() error { return ask(name, j.members[name]) })
	}
	return group.Wait()
}
