package mysqld

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sqlring/sqlring/pkg/topology"
)

func refuseTail(o topology.Observation, _ topology.Action) string {
	if !o.ReadOnly {
		return "it is open: its tail still grows"
	}
	return ""
}

// runTail reads what the member's binlog holds above a.After and nobody else
// has, judges it, and keeps the result for the next observations.
//
// Whose transactions these are is said by a.Identity and a.Retired; without
// them by the domains of a.After, and an empty position means all of them.
// a.Layout is the member's slot; without it no insert counts as harmless.
func runTail(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	m := w.member
	own := ownDomains(a)
	tail := topology.Tail{Cut: a.After, End: tailEnd(o.Binlog, own), Verdict: topology.TailEmpty, Why: "it holds nothing above the cut"}
	if !a.After.Covers(tail.End) {
		list, err := openTailList(m.cfg.TailDir, m.id)
		if err != nil {
			return err
		}
		j := judgement{layout: a.Layout, keys: tableKeys{w: w}, list: list}
		r := tailRange{from: tailStart(o.Binlog, own, a.After), cut: a.After, end: tail.End}
		if err := errors.Join(readTail(ctx, w, r, &j), list.close()); err != nil {
			return err
		}
		tail.Verdict, tail.Why, tail.Transactions, tail.File = j.verdict(), j.reason(), j.transactions, list.path
	}
	m.tail.Store(&tail)
	return nil
}

// ownDomains returns the domains that the tail is about; nil means all.
func ownDomains(a topology.Action) []uint32 {
	var own []uint32
	if a.Identity != 0 {
		own = append(own, a.Identity)
	}
	own = append(own, a.Retired...)
	if len(own) == 0 {
		for _, g := range a.After {
			own = append(own, g.Domain)
		}
	}
	return own
}

// tailEnd returns the binlog's position in the member's own domains.
func tailEnd(binlog topology.Position, own []uint32) topology.Position {
	if own == nil {
		return binlog
	}
	return slices.DeleteFunc(slices.Clone(binlog), func(g topology.GTID) bool { return !slices.Contains(own, g.Domain) })
}

// tailStart returns the position to read from: the cut, and of every other
// domain its end, so that nothing of it is sent.
func tailStart(binlog topology.Position, own []uint32, cut topology.Position) topology.Position {
	start := tailEnd(cut, own)
	for _, g := range binlog {
		if own != nil && !slices.Contains(own, g.Domain) {
			start = start.With(g)
		}
	}
	return start
}

// tableKeys answers what a table's keys are, from the member itself; each table
// is asked for once.
type tableKeys struct {
	w     work
	known map[string]tableKey
}

// tableKey is what decides whether an insert may flow.
type tableKey struct {
	auto   int  // position of the AUTO_INCREMENT column, from 0; -1: none
	simple bool // that column alone is the primary key, and there is no other unique key
}

func (k *tableKeys) of(ctx context.Context, schema, name string) (tableKey, error) {
	id := schema + "." + name
	if key, ok := k.known[id]; ok {
		return key, nil
	}
	key := tableKey{auto: -1}
	columns, err := k.w.query(ctx, `SELECT ordinal_position, extra LIKE '%auto_increment%' AND column_key='PRI'
		FROM information_schema.columns WHERE table_schema=? AND table_name=? ORDER BY ordinal_position`, schema, name)
	if err != nil {
		return key, fmt.Errorf("read columns of %s: %w", id, err)
	}
	for i, row := range columns.rows {
		if row[1] == "1" {
			key.auto = i
		}
	}
	// One column in one unique index: the primary key, and nothing else.
	unique, err := k.w.query(ctx, `SELECT COUNT(*) FROM information_schema.statistics
		WHERE table_schema=? AND table_name=? AND non_unique=0`, schema, name)
	if err != nil {
		return key, fmt.Errorf("read keys of %s: %w", id, err)
	}
	key.simple = key.auto >= 0 && unique.value() == "1"
	if k.known == nil {
		k.known = map[string]tableKey{}
	}
	k.known[id] = key
	return key, nil
}
