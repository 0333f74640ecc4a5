package monitor

import (
	"context"
	"testing"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// filled is a member that is being filled: what it answers, and what happens before the answer
// is noted.
type filled struct {
	*servers
	binlog topology.Position
	before func()
}

func (f *filled) Observe(_ context.Context, m topology.Member) topology.Observation {
	now := time.Now()
	o := topology.Observation{Member: m.ID, Asked: now, At: now, Reach: topology.ReachAnswers, Boot: 3, ServerID: 102, Domain: 102, Binlog: f.binlog}
	if f.before != nil {
		f.before()
	}
	return o
}

// A probe is sent while a copy is made into a member, and finds what an attempt before has put
// into its binlog; the copy empties that, and is complete, and the answer is noted after that
// is known. The next probe finds less: nobody has emptied it by hand.
func TestAProbeThatCrossesTheEndOfACopy(t *testing.T) {
	state := func(edit func(*topology.Member)) *topology.Snapshot {
		s := ring()
		s.Members[1].State, s.Members[1].Copy = topology.MemberCopying, &topology.Copying{ID: 7}
		edit(&s.Members[1])
		return s
	}
	copying := state(func(*topology.Member) {})
	complete := state(func(m *topology.Member) { m.Copy, m.Copied = &topology.Copying{ID: 7, Done: true}, 7 })
	active := state(func(m *topology.Member) { m.State, m.Copy, m.Copied = topology.MemberActive, nil, 7 })
	before := topology.Position{{Domain: 101, Server: 101, Seq: 9}, {Domain: 103, Server: 103, Seq: 4}}
	after := topology.Position{{Domain: 101, Server: 101, Seq: 20}}
	for _, c := range []struct {
		name string
		law  int
	}{{"every node notes of which copy the data is", topology.LawOfCopies}, {"one node is of the release before", topology.LawOfOrders}} {
		t.Run(c.name, func(t *testing.T) {
			known, asked := &fixed{snap: copying, changed: make(chan struct{})}, &filled{servers: &servers{}}
			m := New(Config{Node: "n1"}, known, asked)
			probe := func(binlog topology.Position, meanwhile *topology.Snapshot) topology.Past {
				if asked.binlog, asked.before = binlog, nil; meanwhile != nil {
					s := *meanwhile
					s.Members = append([]topology.Member{}, meanwhile.Members...)
					if c.law < topology.LawOfCopies {
						s.Members[1].Copied = 0
					}
					asked.before = func() { known.set(&s) }
				}
				m.probe(t.Context(), copying.Members[1])
				seen, _ := m.Observations().Of("m2")
				return seen.Past
			}
			probe(before, nil)
			probe(before, complete) // in flight
			probe(after, nil)
			if past := probe(after, active); !past.Emptied.IsZero() || len(past.Gone) > 0 {
				t.Errorf("a copy was no hand's work: %+v", past)
			}
			if past := probe(nil, nil); past.Emptied.IsZero() {
				t.Error("what is emptied by hand after that is not seen")
			}
		})
	}
}
