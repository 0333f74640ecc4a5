package apitest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/rowcheck"
)

// Verifier is a fake api.Verifier: a comparison finds one row at once, and a repair mends
// it. The zero value has compared nothing. It is safe for concurrent use.
type Verifier struct {
	mu   sync.Mutex
	last *rowcheck.Run
}

var _ api.Verifier = (*Verifier)(nil)

// Last implements api.Verifier.
func (v *Verifier) Last() (rowcheck.Run, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.last == nil {
		return rowcheck.Run{}, false
	}
	return v.last.Clone(), true
}

// Start implements api.Verifier: the schema "good" has no difference, "half" is stopped.
func (v *Verifier) Start(by string, o rowcheck.Options, resume bool) (rowcheck.Run, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if resume && v.last == nil {
		return rowcheck.Run{}, fmt.Errorf("resume a comparison: %w: there is none on this node that was stopped", api.ErrRefused)
	}
	at := Began()
	ended := at.Add(2 * time.Second)
	v.last = &rowcheck.Run{
		ID: "v1", By: by, Options: o, Began: at, Ended: &ended, State: rowcheck.StateDone, Members: []string{"m1", "m2"},
		Tables: 3, Compared: 3, Expected: 1200, Rows: 1200, Chunks: 4, PerS: 600,
		Differences: []rowcheck.Difference{}, Unsettled: []rowcheck.Aside{}, Skipped: []rowcheck.Aside{},
	}
	switch {
	case resume || o.Schema == "good":
	case o.Schema == "half":
		v.last.State, v.last.Why, v.last.Compared, v.last.Rows = rowcheck.StateStopped, "it was stopped", 1, 400
	default:
		v.last.Found = 2
		v.last.Differences = []rowcheck.Difference{
			{
				Schema: "shop", Table: "card", Key: rowcheck.Key{"7"}, Shown: "id=7", Digests: map[string]string{"m1": "a", "m2": "b"},
				Columns: []rowcheck.Differing{{Name: "greeting", Values: map[string]string{"m1": `"Happy New Year"`, "m2": `"Happy"`}}},
			},
			{Schema: "shop", Table: "card", Key: rowcheck.Key{"9"}, Shown: "id=9", Digests: map[string]string{"m1": "c", "m2": ""}, Columns: []rowcheck.Differing{}},
		}
		v.last.Skipped = []rowcheck.Aside{{Table: "shop.log", Why: "its engine is MyISAM: to read it would lock it"}}
	}
	return v.last.Clone(), nil
}

// Stop implements api.Verifier.
func (v *Verifier) Stop(context.Context) error { return nil }

// Plan implements api.Verifier.
func (v *Verifier) Plan(_ context.Context, req api.RepairRequest) (rowcheck.RepairPlan, error) {
	run, ok := v.Last()
	if !ok || run.Found == 0 {
		return rowcheck.RepairPlan{}, fmt.Errorf("repair: %w: there is no comparison on this node that found a difference", api.ErrRefused)
	}
	return rowcheck.RepairPlan{
		From: req.From, Total: 2, Refused: []rowcheck.Aside{},
		Writes: []rowcheck.Write{
			{Table: "shop.card", Row: "id=7", Member: "m2", Statement: "UPDATE `shop`.`card` SET `id`=7, `greeting`=_utf8mb4 X'48' WHERE (`id`=7)"},
			{Table: "shop.card", Row: "id=9", Member: "m2", Statement: "INSERT INTO `shop`.`card` (`id`, `greeting`) VALUES (9, NULL)"},
		},
	}, nil
}

// Repair implements api.Verifier.
func (v *Verifier) Repair(ctx context.Context, by string, req api.RepairRequest) (rowcheck.Run, error) {
	if _, err := v.Plan(ctx, req); err != nil {
		return rowcheck.Run{}, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	ended := Began().Add(time.Minute)
	v.last.Repair = &rowcheck.Repair{From: req.From, By: by, Why: req.Why, Began: Began(), Ended: &ended, State: rowcheck.StateDone, Total: 2, Written: 2, Failed: []rowcheck.Aside{}}
	for i := range v.last.Differences {
		v.last.Differences[i].Mended = true
	}
	return v.last.Clone(), nil
}
