package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/rowcheck"
)

const (
	rowTries  = 6           // to write one row that changes meanwhile
	underLock = time.Second // the source may take to reach what the locked member has
	cutAt     = 500         // bytes of a statement that are shown
)

// target is one row on one member where it is wrong.
type target struct {
	at     int // of Run.Differences
	table  rowcheck.Table
	row    rowcheck.Difference
	source string
	member string
}

// RepairRequest says what is repaired.
type RepairRequest struct {
	From   string // the member that is right; empty: the owner of each table's unit
	Schema string // only its tables; empty: all
	Table  string // only this table of it
	By     string
	Why    string
}

// Plan says what a repair would write, by what the rows are now. Nothing is written. It
// returns ErrNothing, ErrBusy or ErrSource, wrapped.
func (v *Verifier) Plan(ctx context.Context, req RepairRequest) (rowcheck.RepairPlan, error) {
	run, ok := v.Last()
	switch {
	case !ok || len(run.Differences) == 0:
		return rowcheck.RepairPlan{}, fmt.Errorf("repair: %w: no comparison that found a difference", ErrNothing)
	case run.State == rowcheck.StateRunning || run.Repair != nil && run.Repair.State == rowcheck.StateRunning:
		return rowcheck.RepairPlan{}, fmt.Errorf("repair: %w: wait for its end", ErrBusy)
	}
	j := &job{Verifier: v}
	defer j.close()
	if err := j.open(ctx); err != nil {
		return rowcheck.RepairPlan{}, err
	}
	targets, refused, err := j.targets(ctx, run, req)
	if err != nil {
		return rowcheck.RepairPlan{}, err
	}
	plan := rowcheck.RepairPlan{From: req.From, Total: len(targets), Writes: []rowcheck.Write{}, Refused: refused}
	for _, t := range targets {
		if len(plan.Writes) == rowcheck.MaxWritesShown {
			break
		}
		statement, err := j.statement(ctx, t)
		if err != nil {
			return rowcheck.RepairPlan{}, err
		}
		plan.Writes = append(plan.Writes, rowcheck.Write{Table: t.table.FullName(), Row: t.row.Shown, Member: t.member, Statement: statement})
	}
	return plan, nil
}

// statement is what would be written now.
func (j *job) statement(ctx context.Context, t target) (string, error) {
	values, err := j.members[t.source].Values(ctx, t.table, t.row.Key)
	if err != nil {
		return "", err
	}
	here, err := j.members[t.member].RowsOf(ctx, t.table, []rowcheck.Key{t.row.Key})
	if err != nil {
		return "", err
	}
	_, exists := here[t.row.Key.ID()]
	if values == nil && !exists {
		return "-- it is on neither any more", nil
	}
	text := j.members[t.member].Statement(t.table, t.row.Key, values, exists)
	if len(text) > cutAt {
		text = fmt.Sprintf("%s… (%d bytes)", text[:cutAt], len(text))
	}
	return text, nil
}

// targets lists what is to be written, rows that are to go before those that are to come:
// they may stand in each other's way in a unique key.
func (j *job) targets(ctx context.Context, run rowcheck.Run, req RepairRequest) ([]target, []rowcheck.Aside, error) {
	if req.From != "" && !slices.Contains(j.names, req.From) {
		return nil, nil, fmt.Errorf("repair from %s: %w: %s can", req.From, ErrSource, strings.Join(j.names, " or "))
	}
	tables := map[string]rowcheck.Table{}
	list, err := j.members[j.names[0]].Tables(ctx, req.Schema)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range list {
		tables[t.FullName()] = t
	}
	var targets []target
	refused := []rowcheck.Aside{}
	for at, d := range run.Differences {
		if d.Mended || req.Schema != "" && d.Schema != req.Schema || req.Table != "" && d.Table != req.Table {
			continue
		}
		t, found := tables[d.FullName()]
		source := req.From
		if source == "" {
			source = j.world.Owner(d.Schema)
		}
		if why := leftAlone(t, found, source, j.names, d); why != "" {
			refused = append(refused, rowcheck.Aside{Table: d.FullName(), What: d.Shown, Why: why})
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(d.Digests)) {
			if name != source && d.Digests[name] != d.Digests[source] {
				targets = append(targets, target{at: at, table: t, row: d, source: source, member: name})
			}
		}
	}
	slices.SortStableFunc(targets, func(a, b target) int {
		return cmp.Compare(goes(a), goes(b))
	})
	return targets, refused, nil
}

func goes(t target) string {
	if t.row.Digests[t.source] == "" {
		return "1"
	}
	return "2"
}

// leftAlone returns why a row is not repaired; empty: it is.
func leftAlone(t rowcheck.Table, found bool, source string, names []string, d rowcheck.Difference) string {
	switch {
	case !found || t.Unfit != "":
		return "the table is not there any more, or can not be compared"
	case len(t.Key) == 0:
		return "the table has no key: its rows can not be told apart"
	case t.Triggers:
		return "the table has triggers, which would run: drop them for the time of the repair, or write the row by hand"
	case !slices.Contains(names, source):
		return "its source " + source + " does not take part now"
	}
	for name := range d.Digests {
		if !slices.Contains(names, name) {
			return name + " does not take part now"
		}
	}
	return ""
}

// Repair writes what the last run found, in the background; the run's Repair tells how far
// it is. It returns what Plan returns.
func (v *Verifier) Repair(ctx context.Context, req RepairRequest) (rowcheck.Run, error) {
	if _, err := v.Plan(ctx, req); err != nil {
		return rowcheck.Run{}, err
	}
	v.settle()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.busyLocked() {
		return rowcheck.Run{}, fmt.Errorf("repair: %w: wait for its end", ErrBusy)
	}
	next := v.last.Clone()
	next.Repair = &rowcheck.Repair{
		From: req.From, By: req.By, Why: req.Why, Began: time.Now().UTC(), State: rowcheck.StateRunning, Failed: []rowcheck.Aside{},
	}
	v.last = &next
	v.cfg.Logger.Info("repair begins", "from", req.From, "by", req.By, "why", req.Why)
	v.background(func(ctx context.Context) { v.repair(ctx, req) })
	return v.last.Clone(), nil
}

// repair writes row by row, and looks whether they are equal then.
func (v *Verifier) repair(ctx context.Context, req RepairRequest) {
	run, _ := v.Last()
	j := &job{Verifier: v}
	defer j.close()
	err := j.open(ctx)
	var targets []target
	var refused []rowcheck.Aside
	if err == nil {
		targets, refused, err = j.targets(ctx, run, req)
	}
	if err == nil {
		v.edit(func(r *rowcheck.Run) { r.Repair.Total, r.Repair.Failed = len(targets), refused })
		err = j.writeAll(ctx, targets)
	}
	if err == nil {
		err = j.proveAll(ctx, targets)
	}
	now := time.Now().UTC()
	v.edit(func(r *rowcheck.Run) {
		r.Repair.Ended, r.Repair.State = &now, rowcheck.StateDone
		if err != nil {
			r.Repair.State, r.Repair.Error = rowcheck.StateFailed, err.Error()
		}
		if ctx.Err() != nil {
			r.Repair.State, r.Repair.Error = rowcheck.StateStopped, "it was stopped; what was written is right, and what was not differs still"
		}
		v.cfg.Logger.Info("repair ended", "state", r.Repair.State, "error", r.Repair.Error, "written", r.Repair.Written)
	})
}

// writeAll writes the rows, those that failed once more at the end: another row may have
// stood in the way of a unique key.
func (j *job) writeAll(ctx context.Context, targets []target) error {
	ready := map[string]bool{}
	var again []target
	for pass := range 2 {
		list := targets
		if pass == 1 {
			list = again
		}
		for _, t := range list {
			if err := j.allowed(ctx, rowcheck.Options{}); err != nil {
				return err
			}
			if !ready[t.member] {
				if err := j.members[t.member].Writing(ctx); err != nil {
					return err
				}
				ready[t.member] = true
			}
			written, err := j.mend(ctx, t)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil && (j.members[t.member].Broken() || j.members[t.source].Broken()):
				return err
			case err != nil && pass == 0 && !final(err):
				again = append(again, t)
			case err != nil:
				j.edit(func(r *rowcheck.Run) {
					r.Repair.Failed = append(r.Repair.Failed, rowcheck.Aside{Table: t.table.FullName(), What: t.row.Shown + " on " + t.member, Why: err.Error()})
				})
			case written:
				j.edit(func(r *rowcheck.Run) { r.Repair.Written++ })
			default:
				j.edit(func(r *rowcheck.Run) { r.Repair.Equal++ })
			}
		}
	}
	return nil
}

var (
	errMoving = errors.New("it changes all the time")
	errSlow   = errors.New("the source did not reach what the member has, while the row was locked")
)

// mend writes one row on one member; false: it was equal by itself. A member that has
// gone away ends the repair.
func (j *job) mend(ctx context.Context, t target) (written bool, err error) {
	for try := range rowTries {
		if try > 0 {
			if err := pause(ctx, 50*time.Millisecond<<try); err != nil {
				return false, err
			}
		}
		written, err = j.tryRow(ctx, t)
		if err == nil || ctx.Err() != nil || final(err) {
			return written, err
		}
	}
	return false, err
}

// tryRow is one try, by ADR 16: first the member catches up with the source; then its row
// is locked, and the source catches up with the member; only if the source's row is then
// still what it was, it is written. So a change of the row that is not in the source's
// values comes to the member after them.
func (j *job) tryRow(ctx context.Context, t target) (written bool, err error) {
	source, wrong, id := j.members[t.source], j.members[t.member], []rowcheck.Key{t.row.Key}
	key := t.row.Key.ID()
	before, err := source.RowsOf(ctx, t.table, id)
	if err != nil {
		return false, err
	}
	if err := reached(ctx, source, wrong, reachLimit); err != nil {
		return false, err
	}
	locked, err := wrong.LockRow(ctx, t.table, t.row.Key)
	defer func() {
		if !written {
			undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			err = errors.Join(err, wrong.Undo(undo))
		}
	}()
	if err != nil || locked == before[key] {
		return false, err
	}
	if locked != t.row.Digests[t.member] {
		return false, fmt.Errorf("%w: on %s it is not what the comparison saw; compare again", errMoving, t.member)
	}
	if err := reached(ctx, wrong, source, underLock); err != nil {
		return false, err
	}
	values, err := source.Values(ctx, t.table, t.row.Key)
	if err != nil {
		return false, err
	}
	after, err := source.RowsOf(ctx, t.table, id)
	if err != nil {
		return false, err
	}
	if after[key] != before[key] || (values == nil) != (after[key] == "") {
		return false, errMoving
	}
	if err := wrong.WriteRow(ctx, t.table, t.row.Key, values, locked != ""); err != nil {
		return false, err
	}
	return true, wrong.Keep(ctx)
}

// reached waits until one member has what the other one has now.
func reached(ctx context.Context, of, by Rows, limit time.Duration) error {
	position, err := of.Position(ctx)
	if err != nil {
		return err
	}
	ok, err := by.Reach(ctx, []string{position}, limit)
	if err == nil && !ok {
		err = errSlow
	}
	return err
}

// proveAll looks at the rows again, table by table, and marks those that are equal on all
// members.
func (j *job) proveAll(ctx context.Context, targets []target) error {
	var names []string
	by := map[string][]target{}
	for _, t := range targets {
		name := t.table.FullName()
		if by[name] == nil {
			names = append(names, name)
		}
		by[name] = append(by[name], t)
	}
	for _, name := range names {
		if err := j.prove(ctx, by[name]); err != nil {
			return err
		}
	}
	return nil
}

func (j *job) prove(ctx context.Context, list []target) error {
	keys := make([]rowcheck.Key, len(list))
	for i, t := range list {
		keys[i] = t.row.Key
	}
	first, err := j.readOf(ctx, list[0].table, keys)
	if err != nil {
		return err
	}
	judge := rowcheck.NewJudge(first)
	for round := 0; round < rowRounds && len(judge.Open()) > 0; round++ {
		if err := j.barrier(ctx, round); err != nil {
			return err
		}
		next, err := j.readOf(ctx, list[0].table, keys)
		if err != nil {
			return err
		}
		judge.Add(next)
	}
	left := slices.Concat(judge.Open(), judge.Differ())
	j.edit(func(r *rowcheck.Run) {
		for _, t := range list {
			r.Differences[t.at].Mended = !slices.Contains(left, t.row.Key.ID())
		}
	})
	return nil
}
