package history

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// ErrNotLinearizable says that no order of the operations explains the history.
var ErrNotLinearizable = errors.New("not linearizable")

// ErrUndecided says that the search was not over within its time.
var ErrUndecided = errors.New("not decided in time")

// Write is a write that was acknowledged: Member took it in Epoch, between Call and
// Return.
type Write struct {
	Unit         string
	Epoch        uint64
	Member       string
	Call, Return time.Duration
}

// Grant ends the epoch From of a unit and begins To, with an owner or "". It can not have
// happened before Call.
type Grant struct {
	Unit     string
	From, To uint64 // From is 0 for the first one that is known of
	Owner    string
	Call     time.Duration
}

// Inferred returns the grants that the writes themselves tell of, without a time: one for
// each epoch, to the member of whichever write of it returned first.
func Inferred(writes []Write) []Grant {
	type key struct {
		unit  string
		epoch uint64
	}
	first := map[key]Write{}
	for _, w := range writes {
		k := key{w.Unit, w.Epoch}
		if seen, ok := first[k]; !ok || w.Return < seen.Return {
			first[k] = w
		}
	}
	grants := make([]Grant, 0, len(first))
	for _, w := range first {
		grants = append(grants, Grant{Unit: w.Unit, To: w.Epoch, Owner: w.Member, Call: math.MinInt64})
	}
	slices.SortFunc(grants, func(a, b Grant) int { return cmp.Or(cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.To, b.To)) })
	for i := 1; i < len(grants); i++ {
		if grants[i].Unit == grants[i-1].Unit {
			grants[i].From = grants[i-1].To
		}
	}
	return grants
}

// state is what a unit is.
type state struct {
	epoch uint64
	owner string
}

// Check returns nil if the history is linearizable, ErrNotLinearizable with what can not
// be placed if it is not, and ErrUndecided if that is not known within limit.
func Check(grants []Grant, writes []Write, limit time.Duration) error {
	byUnit := map[string][]porcupine.Operation{}
	for _, g := range grants {
		byUnit[g.Unit] = append(byUnit[g.Unit], porcupine.Operation{Input: g, Call: int64(g.Call), Return: math.MaxInt64})
	}
	for _, w := range writes {
		byUnit[w.Unit] = append(byUnit[w.Unit], porcupine.Operation{Input: w, Call: int64(w.Call), Return: int64(w.Return)})
	}
	for unit, ops := range byUnit {
		result, info := porcupine.CheckOperationsVerbose(unitModel(), ops, limit)
		switch result {
		case porcupine.Ok:
		case porcupine.Unknown:
			return fmt.Errorf("unit %s, %d operations: %w", unit, len(ops), ErrUndecided)
		default:
			return fmt.Errorf("unit %s, %d operations: %w: %s", unit, len(ops), ErrNotLinearizable, unplaced(ops, info))
		}
	}
	return nil
}

func unitModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{} },
		Step: func(before, input, _ any) (bool, any) {
			is := before.(state)
			switch op := input.(type) {
			case Grant:
				return op.From == is.epoch && op.To > is.epoch, state{op.To, op.Owner}
			case Write:
				return op.Epoch == is.epoch && op.Member == is.owner, is
			}
			return false, is
		},
		Equal: func(a, b any) bool { return a.(state) == b.(state) },
	}
}

// unplaced names the first operations that the longest order found leaves out.
func unplaced(ops []porcupine.Operation, info porcupine.LinearizationInfo) string {
	placed := map[int]bool{}
	for _, orders := range info.PartialLinearizations() {
		longest := []int{}
		for _, order := range orders {
			if len(order) > len(longest) {
				longest = order
			}
		}
		for _, i := range longest {
			placed[i] = true
		}
	}
	left := make([]porcupine.Operation, 0, len(ops))
	for i, op := range ops {
		if !placed[i] {
			left = append(left, op)
		}
	}
	slices.SortFunc(left, func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) })
	const shown = 3
	text := fmt.Sprintf("%d can not be placed", len(left))
	for _, op := range left[:min(shown, len(left))] {
		text += fmt.Sprintf("; %T %+v", op.Input, op.Input)
	}
	return text
}
