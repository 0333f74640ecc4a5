package mysqld

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

func refuseTail(o topology.Observation, a topology.Action) string {
	switch {
	case !o.ReadOnly:
		return "it is open: its tail still grows"
	case a.Identity == 0:
		return "the member's identity was not told"
	case len(a.After) == 0:
		return "no domain was named"
	}
	return ""
}

// tailTries is after how many failures in a row an order that gives up says that a tail can not
// be read.
const tailTries = 3

// runTail is readsTail for whoever waits until it is read, and for whoever does not ([topology.Action.GivesUp]).
func runTail(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	m := w.member
	err := readsTail(ctx, w, o, a)
	if err == nil {
		m.tailFails.Store(0)
		return nil
	}
	if m.tailFails.Add(1) < tailTries || !a.GivesUp {
		return err
	}
	m.tailFails.Store(0)
	m.tail.Store(&topology.Tail{
		Cut: a.After, End: rangeOf(o.Binlog, a.After).end, Verdict: topology.TailConflict,
		Why: fmt.Sprintf("it can not be read: %v", err), Unread: time.Now(),
	})
	return nil
}

// readsTail reads what the member's binlog holds above a.After, in each domain that
// a.After names (at 0: from the beginning), judges it, and keeps the result for
// the next observations. Transactions of other domains are no part of the tail.
//
// a.Identity and a.Retired are the member's own domains; what is of any other is somebody's
// transaction that the ring has given up, and never flows by itself. a.Layout is
// the member's slot; without it no insert counts as harmless.
func readsTail(ctx context.Context, w work, o topology.Observation, a topology.Action) error {
	m := w.member
	r := rangeOf(o.Binlog, a.After)
	tail := topology.Tail{Cut: a.After, End: r.end, Verdict: topology.TailEmpty, Why: "it holds nothing above the cut"}
	if len(r.open()) > 0 {
		list, err := openTailList(m.cfg.TailDir, m.id, r.openEnd())
		if err != nil {
			return err
		}
		j := judgement{own: ownDomains(o, a), layout: a.Layout, keys: &catalogue{w: w}, list: list}
		if err := errors.Join(readTail(ctx, w, r, &j), list.close()); err != nil {
			return err
		}
		tail.Verdict, tail.Why, tail.Transactions, tail.File = j.verdict(), j.reason(), j.transactions, list.path
	}
	m.tail.Store(&tail)
	return nil
}

// ownDomains are those of the identities that the member has and had. A MySQL has one,
// whatever its identities.
func ownDomains(o topology.Observation, a topology.Action) []uint32 {
	if o.Version.Flavour == topology.FlavourMySQL {
		return []uint32{o.Domain}
	}
	return append(slices.Clone(a.Retired), a.Identity)
}

// catalogue answers what a table is, from the member itself; each table is asked
// for once.
type catalogue struct {
	w     work
	known map[string]tableKey
}

func (c *catalogue) key(ctx context.Context, schema, name string) (tableKey, error) {
	id := schema + "." + name
	if key, ok := c.known[id]; ok {
		return key, nil
	}
	key := tableKey{auto: -1}
	columns, err := c.w.query(ctx, `SELECT ordinal_position, extra LIKE '%auto_increment%' AND column_key='PRI'
		FROM information_schema.columns WHERE table_schema=? AND table_name=? ORDER BY ordinal_position`, schema, name)
	if err != nil {
		return key, fmt.Errorf("read columns of %s: %w", id, err)
	}
	key.columns = len(columns.rows)
	for i, row := range columns.rows {
		if row[1] == "1" {
			key.auto = i
		}
	}
	// One column in one unique index: the primary key, and nothing else. A row that
	// refers to another one needs that to be there still.
	others, err := c.w.query(ctx, `SELECT
		(SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema=? AND table_name=? AND non_unique=0),
		(SELECT COUNT(*) FROM information_schema.referential_constraints WHERE constraint_schema=? AND table_name=?)`,
		schema, name, schema, name)
	if err != nil {
		return key, fmt.Errorf("read keys of %s: %w", id, err)
	}
	key.simple = key.auto >= 0 && others.rows[0][0] == "1" && others.rows[0][1] == "0"
	if c.known == nil {
		c.known = map[string]tableKey{}
	}
	c.known[id] = key
	return key, nil
}

func (c *catalogue) volatile(ctx context.Context, schema, name string) (bool, error) {
	engine, err := c.w.query(ctx, "SELECT engine FROM information_schema.tables WHERE table_schema=? AND table_name=?", schema, name)
	if err != nil {
		return false, fmt.Errorf("read engine of %s.%s: %w", schema, name, err)
	}
	return engine.value() == "MEMORY", nil
}
