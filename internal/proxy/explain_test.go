package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// What is explained is what is done: each statement goes where it was said, for a session
// that has just logged in, and by the account's token.
func TestExplainedIsDone(t *testing.T) {
	for _, tt := range []struct {
		has, statement, consistency, schema string
		to                                  topology.MemberID
		why                                 string
	}{
		{"1-1-7", "SELECT a FROM t", "", "", "m2", "a fresh member"},
		{"1-1-6", "SELECT a FROM t", "", "", "m2", "it waits there for 1-1-7, at most 50ms; then the owner"},
		{"1-1-6", "SELECT a FROM t", "session", "", "m2", "a fresh member"},
		{"1-1-6", "SELECT a FROM t", "EVENTUAL", "", "m2", "a fresh member"},
		{"1-1-7", "SELECT a FROM t", "strong", "", "m1", "owner: consistency is strong, a transaction is open, it reads no table, or the members are not known"},
		{"1-1-7", "SELECT 1", "", "", "m1", "owner: consistency is strong, a transaction is open, it reads no table, or the members are not known"},
		{"1-1-7", "UPDATE t SET a=1", "", "", "m1", "owner: it is not surely a read that leaves nothing behind"},
	} {
		t.Run(tt.statement+" "+tt.consistency+" "+tt.has, func(t *testing.T) {
			f, m2 := spreadOver(t, tt.has, writes, func(c *fakeConn, command []byte) {
				if strings.Contains(string(command[1:]), "MASTER_GTID_WAIT") {
					c.rows(1, row("0"))
					return
				}
				c.ok()
			})
			f.client(t).query("INSERT INTO t VALUES (1)")
			e, err := f.Explain(Question{Statement: tt.statement, User: "app", Consistency: tt.consistency, Schema: tt.schema})
			if err != nil || e.GoesTo != tt.to || e.Why != tt.why || e.Refused {
				t.Fatalf("%+v, %v", e, err)
			}
			c := f.client(t)
			if tt.consistency != "" {
				c.query("SET sqlring_consistency=" + tt.consistency)
			}
			before := len(m2.commands())
			c.query(tt.statement)
			if went := strings.Contains(strings.Join(m2.commands()[before:], ";"), tt.statement); went != (tt.to == "m2") {
				t.Errorf("m2 got %q", m2.commands()[before:])
			}
		})
	}
}

// An account that nobody has leaves nothing behind, and a question that makes no sense
// gets an error.
func TestExplainOfNobody(t *testing.T) {
	f, _ := spreadOver(t, "", writes, nil)
	for n := range 100 {
		if e, err := f.Explain(Question{Statement: "SELECT a FROM t", User: fmt.Sprint("user", n)}); err != nil || len(e.Members) != 2 {
			t.Fatalf("%+v, %v", e, err)
		}
	}
	f.tokens.users.Range(func(user, _ any) bool { t.Errorf("%v is remembered", user); return true })
	for _, q := range []Question{{Statement: " "}, {Statement: "SELECT 1", Consistency: "some"}} {
		if e, err := f.Explain(q); err == nil {
			t.Errorf("%+v is %+v", q, e)
		}
	}
	f.world.setView(owned("", 2, f.fake.member("m1")))
	waitFor(t, "the view is taken in", func() bool { _, ok := f.view.Load().OwnerOf(sessionUnit); return !ok })
	if e, err := f.Explain(Question{Statement: "DELETE FROM t"}); err != nil || e.GoesTo != "" || e.Why != "it waits: no member owns the unit" {
		t.Errorf("without an owner: %+v, %v", e, err)
	}
}

// What would be refused is said to be, with the reason that the client would get.
func TestExplainOfTwoOwners(t *testing.T) {
	f, m2 := spreadOver(t, "", writes, nil)
	view := &balancer.View{
		Ring: "test", Members: []balancer.Member{f.fake.member("m1"), m2.member("m2")},
		Units: []balancer.Unit{{ID: "*", Owner: "m1", Epoch: 3}, {ID: "shop", Owner: "m2", Epoch: 5}},
	}
	f.world.setView(view)
	waitFor(t, "the view is taken in", func() bool { return f.view.Load() == view })
	e, err := f.Explain(Question{Statement: "INSERT INTO shop.t SELECT a FROM blog.t"})
	if err != nil || !e.Refused || e.GoesTo != "" || len(e.Units) != 2 || !strings.Contains(e.Why, "Each statement and transaction needs units of one owner") {
		t.Errorf("%+v, %v", e, err)
	}
	e, err = f.Explain(Question{Statement: "INSERT INTO t VALUES (1)", Schema: "shop"})
	if err != nil || e.Refused || e.GoesTo != "m2" || len(e.Units) != 1 || e.Units[0].Epoch != 5 {
		t.Errorf("%+v, %v", e, err)
	}
}
