package mysqld_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

func someSlots() topology.SlotTable {
	return topology.SlotTable{
		Ring: "shop", Stride: 16, Next: 104,
		Slots: []topology.SlotLine{
			{Member: "m1", Identity: 101, Layout: autoinc.Layout{Offset: 1, Stride: 16}},
			{
				Member: "old", Identity: 102, Retired: []uint32{99, 100}, Layout: autoinc.Layout{Offset: 2, Stride: 8}, Left: true, Unread: true,
				Last: "102-102-7", At: time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC),
			},
		},
	}
}

// The copy of the table of slots is written and read back; no transaction of it stands in
// the binlog, on a closed member either; what is later, or another ring's, stays as it is.
func TestTheTableOfSlotsIsWrittenUnlogged(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare()) // closed
	if found, err := n.Member.SlotTable(t.Context()); err != nil || found.Ring != "" {
		t.Fatalf("before anything is written: %+v, %v", found, err)
	}
	if o := n.see(t); !o.Slots.Looked || o.Slots.Sum != 0 {
		t.Errorf("a probe of before: %+v", o.Slots)
	}
	before, want := n.see(t).Position(), someSlots()
	write := topology.Action{Kind: topology.ActSlots, Identity: n.identity, Slots: want}
	for range 2 {
		n.do(t, write)
	}
	found, err := n.Member.SlotTable(t.Context())
	if told := want.Differences(found); err != nil || len(told) > 0 || found.Sum() != want.Sum() {
		t.Errorf("read back: %+v, %v, %q", found, err, told)
	}
	o := n.see(t)
	if s := o.Slots; s.Sum != want.Sum() || s.Ring != "shop" || s.Stride != 16 || s.Next != 104 {
		t.Errorf("a probe: %+v", s)
	}
	if after := o.Position(); after.String() != before.String() || !o.ReadOnly {
		t.Errorf("position %s, was %s; read-only %t", after, before, o.ReadOnly)
	}
	if got := n.Query(t, "SELECT GROUP_CONCAT(member, ' ', slot, '/', stride, ' ', state ORDER BY identity) FROM sqlring.slots"); got != "m1 1/16 member,old 2/8 left" {
		t.Errorf("a DBA reads %q", got)
	}

	later := want
	later.Next = 103 // what is there is of a later state
	n.refused(t, topology.Action{Kind: topology.ActSlots, Identity: n.identity, Slots: later}, mysqld.ErrPrecondition)
	other := want
	other.Ring = "other"
	n.refused(t, topology.Action{Kind: topology.ActSlots, Identity: n.identity, Slots: other}, mysqld.ErrPrecondition)
	stranger := topology.Action{Kind: topology.ActSlots, Identity: n.identity + 1, Slots: want}
	stranger.Slots.Next++
	n.refused(t, stranger, mysqld.ErrPrecondition)

	n.Exec(t, "SET SESSION sql_log_bin=0; UPDATE sqlring.slots SET slot=9 WHERE member='m1'")
	found, err = n.Member.SlotTable(t.Context())
	if told := want.Differences(found); err != nil || len(told) != 1 || !strings.Contains(told[0], "m1 has slot 9/16") {
		t.Errorf("after somebody has changed a row: %q, %v", told, err)
	}
	n.do(t, write) // the sum still stands, so nothing is written
	n.Exec(t, "SET SESSION sql_log_bin=0; DROP TABLE sqlring.layout")
	if o := n.see(t); !o.HasRing || o.Slots.Sum != 0 || len(o.Slots.Trouble) > 0 {
		t.Errorf("without sqlring.layout: %t, %+v", o.HasRing, o.Slots)
	}
	n.do(t, write)
}

// Rows that somebody has locked are waited for a second; then that is told, and the hands
// are free for anything else.
func TestATableOfSlotsThatIsLockedIsTold(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	patience := func(when string) string {
		t.Helper()
		text, err := n.HandsAnswer(t.Context(), "SELECT CONCAT(@@session.innodb_lock_wait_timeout, ' of ', @@global.innodb_lock_wait_timeout)")
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		return text
	}
	before := patience("before")
	write := topology.Action{Kind: topology.ActSlots, Identity: n.identity, Slots: someSlots()}
	n.do(t, write)
	if after := patience("written"); after != before || strings.HasPrefix(before, "1 ") {
		t.Errorf("the hands wait for a row for %s s, before they had written for %s", after, before)
	}
	conn, err := n.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, statement := range []string{"BEGIN", "SELECT * FROM sqlring.slots FOR UPDATE"} {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	write.Slots.Next++
	began := time.Now()
	if err := n.Member.Execute(t.Context(), write); err == nil || time.Since(began) > 4*time.Second {
		t.Fatalf("%v after %s", err, time.Since(began))
	}
	if o := n.see(t); !strings.Contains(o.Slots.Trouble, "sqlring.slots") || o.Slots.Next != 104 {
		t.Errorf("%+v", o.Slots)
	}
	if after := patience("it was locked"); after != before {
		t.Errorf("the hands wait for a row for %s s, before they had tried for %s", after, before)
	}
	n.do(t, open(5)) // nothing is left of the transaction
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	n.do(t, write)
	if o := n.see(t); o.Slots.Trouble != "" || o.Slots.Sum != write.Slots.Sum() {
		t.Errorf("%+v", o.Slots)
	}
}

// Whatever keeps the copy from being written is told, so that it is left alone for a while;
// but who was called away, or deposed, has nothing to tell.
func TestATableOfSlotsThatIsNotEvenTriedIsTold(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	write := topology.Action{Kind: topology.ActSlots, Identity: n.identity, Slots: someSlots()}
	away, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.Member.Execute(away, write); err == nil {
		t.Fatal("it was written by who was called away")
	}
	if o := n.see(t); o.Slots.Trouble != "" {
		t.Errorf("it was given up: %+v", o.Slots)
	}
	stranger := write
	stranger.Identity++
	n.refused(t, stranger, mysqld.ErrPrecondition)
	if o := n.see(t); !strings.Contains(o.Slots.Trouble, "its server_id is") || o.Slots.TroubleAt.IsZero() {
		t.Errorf("it was refused before it ran: %+v", o.Slots)
	}
	n.do(t, write)
	if o := n.see(t); o.Slots.Trouble != "" || o.Slots.Sum != write.Slots.Sum() {
		t.Errorf("it is written: %+v", o.Slots)
	}
	earlier, later := handle(t, n.Server, config()), handle(t, n.Server, config())
	earlier.Lead(6)
	later.Lead(7)
	if err := later.Execute(t.Context(), topology.Action{Kind: topology.ActSeize}); err != nil {
		t.Fatal(err)
	}
	write.Slots.Next++
	if err := earlier.Execute(t.Context(), write); !errors.Is(err, mysqld.ErrDeposed) {
		t.Fatalf("got %v, want ErrDeposed", err)
	}
	if o := earlier.Observe(t.Context()); o.Reach != topology.ReachAnswers || o.Slots.Trouble != "" {
		t.Errorf("it was deposed: %s, %+v", o.Reach, o.Slots)
	}
}
