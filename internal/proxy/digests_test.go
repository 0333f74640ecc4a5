package proxy

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
)

// digest returns what is known of the digest whose text begins so.
func (f *faked) digest(t *testing.T, text string) Digest {
	t.Helper()
	for _, d := range f.Digests(100) {
		if strings.HasPrefix(d.Text, text) {
			return d
		}
	}
	t.Fatalf("no digest %q in %+v", text, f.Digests(100))
	return Digest{}
}

// TestQueueTimeOfADigestIsApartFromItsTimeAtTheMember: one statement is slow at the member,
// another one only waits for it.
func TestQueueTimeOfADigestIsApartFromItsTimeAtTheMember(t *testing.T) {
	b := newBusy()
	f := places(t, 1, b, gate.Settings{})
	first, second := f.client(t), f.client(t)
	for range sampleEvery {
		first.query("UPDATE t SET a=1") // so that one of them is measured
	}
	var all sync.WaitGroup
	all.Go(func() { first.query("UPDATE t SET hold=1") })
	eventually(t, "it is at the member", func() bool { return strings.Contains(b.seen(), "hold") })
	all.Go(func() { second.query("DELETE FROM t WHERE a=1") })
	eventually(t, "the other one waits", func() bool { return f.waitingAt("m1") == 1 })
	if rows := firstRow(f.client(t).rowsOf("SHOW SQLRING QUEUES")); rows != "m1 app 1" {
		t.Errorf("queues: %q", rows)
	}
	time.Sleep(100 * time.Millisecond)
	b.release()
	all.Wait()
	waited := f.digest(t, "DELETE FROM `t`")
	if waited.Waits != 1 || waited.QueueTime() < 100*time.Millisecond || waited.Longest != waited.WaitTime || waited.ServerTime > waited.QueueTime()/2 {
		t.Errorf("what waited: %+v", waited)
	}
	served := f.digest(t, "UPDATE `t` SET `a`")
	if served.Statements < sampleEvery-1 || served.Statements > sampleEvery+1 || served.ServerTime <= 0 || served.Waits != 0 {
		t.Errorf("what was served: %+v", served)
	}
	var shown bool
	for _, row := range f.client(t).rowsOf("SHOW SQLRING DIGESTS") {
		if strings.HasPrefix(row[len(row)-1], "DELETE FROM") {
			shown = row[0] == "m1" && len(row[1]) == 16 && row[5] == "1"
		}
	}
	if !shown {
		t.Errorf("%q", f.client(t).rowsOf("SHOW SQLRING DIGESTS"))
	}
}

func firstRow(rows [][]string) string {
	if len(rows) == 0 {
		return ""
	}
	return strings.Join(rows[0], " ")
}

// Of a transaction that is always the same, each statement is measured at times.
func TestEachStatementOfATransactionIsMeasured(t *testing.T) {
	b := newBusy()
	f := places(t, 4, b, gate.Settings{})
	c := f.client(t)
	for range 2 * sampleEvery {
		for _, text := range []string{"BEGIN", "SELECT a FROM t", "UPDATE t SET a=1", "COMMIT"} {
			c.query(text)
		}
	}
	for _, text := range []string{"BEGIN", "SELECT", "UPDATE", "COMMIT"} {
		if d := f.digest(t, text); d.Statements < sampleEvery || d.Statements > 3*sampleEvery {
			t.Errorf("%s: %+v", text, d)
		}
	}
}

// What is shed, and who goes, is counted with its digest.
func TestADigestCountsWhatIsShed(t *testing.T) {
	b := newBusy()
	f := places(t, 1, b, gate.Settings{Mode: gate.Shed, ShedWait: 60 * time.Millisecond})
	first, second := f.client(t), f.client(t)
	first.query("BEGIN")
	if n, _ := second.query("DELETE FROM t WHERE a=1"); n != 1041 {
		t.Fatalf("%d", n)
	}
	if d := f.digest(t, "DELETE FROM `t`"); d.Shed != 1 || d.Waits > 1 || d.Gone != 0 {
		t.Errorf("%+v", d)
	}
	first.query("COMMIT")
}
