package mysqld

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-mysql-org/go-mysql/replication"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// judgement collects the transactions of a tail and judges them. Its zero value,
// less own, layout, keys and list, is an empty tail.
//
// Only inserts by the member's own slot into tables whose only key is the
// AUTO_INCREMENT column cannot meet anything that has happened elsewhere since.
// All else is for a person to decide: what another member wrote, which the ring
// has given up; statements, whatever their default schema; transactions in two
// phases, which may still be undecided and hold locks; and what is not known.
// sqlring's heartbeats alone are nobody's data.
type judgement struct {
	own    []uint32 // the identities that the member has and had
	layout autoinc.Layout
	keys   tableInfo
	list   *tailList

	transactions int
	conflict     string          // the first thing that may not flow
	phased       []topology.GTID // the transactions in two phases
	foreign      []uint32        // whose transactions are among them, besides its own
	counted      topology.GTID
}

// tableInfo answers what a table is.
type tableInfo interface {
	// key returns what decides whether an insert may flow.
	key(ctx context.Context, schema, name string) (tableKey, error)
	// volatile reports whether the table's rows do not outlive a restart.
	volatile(ctx context.Context, schema, name string) (bool, error)
}

// tableKey is what decides whether an insert may flow.
type tableKey struct {
	columns int
	auto    int  // position of the AUTO_INCREMENT column, from 0; -1: none
	simple  bool // that column alone is the primary key, and there is no other unique or foreign key
}

func (j *judgement) read() int { return j.transactions }

func (j *judgement) verdict() topology.TailVerdict {
	switch {
	case j.conflict != "":
		return topology.TailConflict
	case j.transactions == 0:
		return topology.TailEmpty
	}
	return topology.TailMayFlow
}

func (j *judgement) reason() string {
	switch {
	case j.conflict != "":
		return j.conflict + j.warnings()
	case j.transactions == 0:
		return "it holds nothing above the cut but sqlring's own rows"
	}
	return fmt.Sprintf("%d transactions insert by the member's own slot %s, into tables without other keys", j.transactions, j.layout)
}

// warnings names what the first conflict may hide, and has to be known before a
// tail is let flow.
func (j *judgement) warnings() string {
	var more strings.Builder
	if len(j.foreign) > 0 {
		fmt.Fprintf(&more, "; there are transactions of other domains: %v", j.foreign)
	}
	if len(j.phased) > 0 {
		fmt.Fprintf(&more, "; there are XA transactions, first %s: see XA RECOVER there", j.phased[0])
	}
	return more.String()
}

func (j *judgement) begins(topology.GTID, uint32) {}

// statement takes in a statement event: DDL, or a change that was logged as text.
// sqlring logs none.
func (j *judgement) statement(ctx context.Context, g topology.GTID, schema, text string) error {
	if framesRows(text) {
		return nil
	}
	if s, table, ok := emptied(text); ok {
		volatile, err := j.keys.volatile(ctx, s, table)
		if err != nil || volatile {
			return err
		}
	}
	j.count(g)
	kind := "statement"
	if isXA(text) {
		kind = "xa"
		j.twoPhase(g)
	}
	j.refuse("%s is a statement, not rows: %s", g, firstWords(text))
	return j.add(g, tailEntry{Kind: kind, Schema: schema, Statement: text})
}

// twoPhase takes in that a transaction is prepared, or that an earlier one was
// decided.
func (j *judgement) twoPhase(g topology.GTID) {
	j.count(g)
	if !slices.Contains(j.phased, g) {
		j.phased = append(j.phased, g)
	}
	j.refuse("%s is a part of an XA transaction", g)
}

// rows takes in a row event.
func (j *judgement) rows(ctx context.Context, g topology.GTID, kind string, e *replication.RowsEvent) error {
	schema, name := string(e.Table.Schema), string(e.Table.Table)
	if schema == "sqlring" && name == "heartbeat" {
		return nil
	}
	j.count(g)
	if j.conflict == "" {
		why, err := j.mayNotFlow(ctx, kind, e)
		if err != nil {
			return err
		}
		if why != "" {
			j.refuse("%s: %s", g, why)
		}
	}
	return j.add(g, tailEntry{Kind: kind, Schema: schema, Table: name, Rows: e.Rows})
}

// unknown takes in an event that this release does not know to be harmless; g is
// zero for one that stands outside of any transaction.
func (j *judgement) unknown(g topology.GTID, e *replication.BinlogEvent) error {
	entry := tailEntry{Kind: "event", Statement: fmt.Sprintf("%s (type %d)", e.Header.EventType, e.Header.EventType), Raw: e.RawData}
	if g == (topology.GTID{}) {
		j.refuse("there is an event that is not known to be harmless: %s", entry.Statement)
		return j.list.add(entry)
	}
	j.count(g)
	j.refuse("%s has an event that is not known to be harmless: %s", g, entry.Statement)
	return j.add(g, entry)
}

func (j *judgement) mayNotFlow(ctx context.Context, kind string, e *replication.RowsEvent) (string, error) {
	table := string(e.Table.Schema) + "." + string(e.Table.Table)
	if kind != "insert" {
		return fmt.Sprintf("%s in %s: its rows may have changed elsewhere since", kind, table), nil
	}
	if j.layout.Validate() != nil {
		return "the member's slot was not told", nil
	}
	key, err := j.keys.key(ctx, string(e.Table.Schema), string(e.Table.Table))
	if err != nil || !key.simple {
		return fmt.Sprintf("insert into %s, which has keys other than an AUTO_INCREMENT column", table), err
	}
	for _, row := range e.Rows {
		if key.columns != len(row) {
			return fmt.Sprintf("insert into %s, whose columns have changed", table), nil
		}
		id, ok := asKey(row[key.auto])
		if !ok || !j.layout.Produces(id) {
			return fmt.Sprintf("insert into %s of id %v, which is not of slot %s", table, row[key.auto], j.layout), nil
		}
	}
	return "", nil
}

// asKey reads an integer column of a row event; a negative one is none.
func asKey(v any) (uint64, bool) {
	switch n := v.(type) {
	case int8:
		return uint64(n), n > 0
	case int16:
		return uint64(n), n > 0
	case int32:
		return uint64(n), n > 0
	case int64:
		return uint64(n), n > 0
	// MySQL's binlog says which columns have no sign.
	case uint8:
		return uint64(n), n > 0
	case uint16:
		return uint64(n), n > 0
	case uint32:
		return uint64(n), n > 0
	case uint64:
		return n, n > 0
	}
	return 0, false
}

// count counts a transaction once, whatever it holds. One that is not the
// member's own never flows by itself.
func (j *judgement) count(g topology.GTID) {
	if g == j.counted {
		return
	}
	j.counted = g
	j.transactions++
	if slices.Contains(j.own, g.Domain) {
		return
	}
	if !slices.Contains(j.foreign, g.Domain) {
		j.foreign = append(j.foreign, g.Domain)
	}
	j.refuse("%s is of domain %d, not of the member's own %s: the ring went on without it", g, g.Domain, domainList(j.own))
}

func (j *judgement) refuse(format string, args ...any) {
	if j.conflict == "" {
		j.conflict = fmt.Sprintf(format, args...)
	}
}

func (j *judgement) add(g topology.GTID, e tailEntry) error {
	e.GTID, e.Domain, e.Own = g.String(), g.Domain, slices.Contains(j.own, g.Domain)
	return j.list.add(e)
}
