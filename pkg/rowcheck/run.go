package rowcheck

import (
	"slices"
	"time"
)

// What a run can be at.
const (
	StateRunning = "running"
	StateDone    = "done"
	StateStopped = "stopped" // by word, or because a member was away for long: it can be resumed
	StateFailed  = "failed"
)

// Options says what is compared, and how.
type Options struct {
	Schema   string `json:"schema,omitempty" doc:"only this schema; empty: all"`
	Table    string `json:"table,omitempty" doc:"only this table of the schema"`
	Chunk    int    `json:"chunk" doc:"most rows of one chunk"`
	MaxLagMS int64  `json:"max_lag_ms" doc:"it waits while a member lags further; 0: by the ring's threshold of throttle"`
}

// Run is a comparison of all members, or of its last one: what is known so far.
type Run struct {
	ID       string     `json:"id"`
	By       string     `json:"by"`
	Options  Options    `json:"options"`
	Began    time.Time  `json:"began"`
	Ended    *time.Time `json:"ended" doc:"null: it runs"`
	State    string     `json:"state" enum:"running,done,stopped,failed"`
	Why      string     `json:"why" doc:"why it stopped, failed, or waits now"`
	Members  []string   `json:"members" doc:"who is compared"`
	Table    string     `json:"table" doc:"the table that it is at"`
	Cursor   Cursor     `json:"cursor" doc:"from where it can be resumed"`
	Tables   int        `json:"tables"`
	Compared int        `json:"tables_compared"`
	Expected uint64     `json:"rows_expected" doc:"about how many rows there are"`
	Rows     uint64     `json:"rows" doc:"rows that were compared"`
	Chunks   int        `json:"chunks"`
	Rechecks int        `json:"rechecks" doc:"chunks that were unequal when they were read first"`
	PerS     float64    `json:"rows_per_s"`
	ETAMS    *int64     `json:"eta_ms" doc:"null: not known"`

	Found       int          `json:"found" doc:"rows that differ, those that are not listed among them"`
	Differences []Difference `json:"differences" doc:"1000 at most"`
	Unsettled   []Aside      `json:"unsettled" doc:"what never held still: neither equal nor different; 200 at most"`
	Skipped     []Aside      `json:"skipped" doc:"tables that were not compared, and why"`

	Repair *Repair `json:"repair" doc:"the last repair of what was found; null: none"`
}

// Cursor is from where a run goes on: the rows of Table after After.
type Cursor struct {
	Table string `json:"table"`
	After Key    `json:"after"`
}

// Difference is one row that is not the same on all members.
type Difference struct {
	Schema  string            `json:"schema"`
	Table   string            `json:"table"`
	Key     Key               `json:"key" doc:"as the server gives it: texts and bytes in hexadecimal"`
	Shown   string            `json:"shown" doc:"the key in words"`
	Digests map[string]string `json:"digests" doc:"of the row by member; empty: it is not there"`
	Columns []Differing       `json:"columns" doc:"where it is there, what differs"`
	Mended  bool              `json:"mended" doc:"a repair has made it equal, and that was verified"`
}

// Differing is one column, as each member has it.
type Differing struct {
	Name   string            `json:"name"`
	Values map[string]string `json:"values" doc:"by member; of bounded length"`
}

// FullName is schema.table.
func (d Difference) FullName() string { return d.Schema + "." + d.Table }

// Missing returns the members that do not have the row, sorted.
func (d Difference) Missing() []string {
	var members []string
	for m, digest := range d.Digests {
		if digest == "" {
			members = append(members, m)
		}
	}
	slices.Sort(members)
	return members
}

// Aside is what was not judged.
type Aside struct {
	Table string `json:"table"`
	What  string `json:"what" doc:"the row, or empty for the table"`
	Why   string `json:"why"`
}

// Repair is how far a repair is.
type Repair struct {
	From    string     `json:"from" doc:"the member that is right; empty: the owner"`
	By      string     `json:"by"`
	Why     string     `json:"why"`
	Began   time.Time  `json:"began"`
	Ended   *time.Time `json:"ended" doc:"null: it runs"`
	State   string     `json:"state" enum:"running,done,stopped,failed"`
	Error   string     `json:"error"`
	Total   int        `json:"total" doc:"rows, once for each member where they are wrong"`
	Written int        `json:"written"`
	Equal   int        `json:"equal" doc:"were equal by themselves when their turn came"`
	Failed  []Aside    `json:"failed"`
}

// Write is one row that a repair makes equal on one member.
type Write struct {
	Table     string `json:"table"`
	Row       string `json:"row"`
	Member    string `json:"member" doc:"where it is written, and nowhere else"`
	Statement string `json:"statement" doc:"run under sql_log_bin=0; long ones are cut here"`
}

// RepairPlan is what a repair would do.
type RepairPlan struct {
	From    string  `json:"from" doc:"the member that is right; empty: the owner of each table's unit"`
	Writes  []Write `json:"writes" doc:"the first 200"`
	Total   int     `json:"total"`
	Refused []Aside `json:"refused" doc:"rows that are left alone, and why"`
}

// Limits of what a run keeps.
const (
	MaxDifferences = 1000
	MaxUnsettled   = 200
	MaxWritesShown = 200
)

// Clone returns a copy that shares nothing which is changed later.
func (r Run) Clone() Run {
	r.Members, r.Unsettled, r.Skipped = slices.Clone(r.Members), slices.Clone(r.Unsettled), slices.Clone(r.Skipped)
	r.Differences = slices.Clone(r.Differences)
	if r.Repair != nil {
		repair := *r.Repair
		repair.Failed = slices.Clone(repair.Failed)
		r.Repair = &repair
	}
	return r
}

// Verdict returns 0 if all that was to be compared is equal, 3 if rows differ that were
// not mended, else 2: it is not through, or something was not judged.
func (r Run) Verdict() int {
	open := r.Found - len(r.Differences)
	for _, d := range r.Differences {
		if !d.Mended {
			open++
		}
	}
	switch {
	case open > 0:
		return 3
	case r.State != StateDone, len(r.Unsettled) > 0, len(r.Skipped) > 0:
		return 2
	}
	return 0
}
