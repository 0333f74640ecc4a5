package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// askTimeout bounds the questions to members that one request asks. The members
// are asked by one request at a time: who asks often waits, and they do not.
const askTimeout = 5 * time.Second

// maxWrongSessions is how many sessions of another layout are listed of a member.
const maxWrongSessions = 100

// Counting is by what a member gives out ids. The zero value means not known.
type Counting struct {
	Global   autoinc.Layout            // what a new session gets
	Sessions map[uint64]autoinc.Layout // of others, by connection id; nil: the server shows them to nobody
	Open     int                       // connections of others
}

// VerifyReport is what the members say of how they count, asked anew.
type VerifyReport struct {
	Ring    string         `json:"ring"`
	At      time.Time      `json:"at"`
	OK      *bool          `json:"ok" doc:"whether all count as meant; null: something is not known"`
	Members []VerifyMember `json:"members" doc:"in ring order"`
	Tables  *bool          `json:"tables_ok" doc:"whether the table of slots on each member that is in the ring is that of the replicated state; null: something is not known"`
}

// VerifyMember is how one member counts.
type VerifyMember struct {
	Name         string          `json:"name"`
	State        string          `json:"state"`
	Meant        autoinc.Layout  `json:"meant"`
	Global       *autoinc.Layout `json:"global" doc:"what a new session gets; null: not known"`
	OK           *bool           `json:"ok" doc:"whether it, and every session that can be seen, counts as meant; null: not known"`
	SessionsSeen *int            `json:"sessions_seen" doc:"sessions whose layout could be read; null: the server shows it to nobody"`
	SessionsOpen *int            `json:"sessions_open" doc:"connections that are open, replication and sqlring's own aside; null: not known"`
	Wrong        []WrongSession  `json:"wrong_sessions" doc:"sessions of another layout, 100 at most"`
	Table        *SlotCopy       `json:"table" doc:"its own copy of the table of slots; null: it is not in the ring"`
	What         string          `json:"what" doc:"what is wrong or not known, and what to do; empty: nothing"`
}

// WrongSession is a session that does not count as its member is meant to.
type WrongSession struct {
	Connection uint64         `json:"connection" doc:"id at the member: KILL ends it"`
	Layout     autoinc.Layout `json:"layout"`
}

// enterAsking waits for the turn to ask members; leave gives it back.
func (s *Server) enterAsking(ctx context.Context) (leave func(), err error) {
	select {
	case s.asking <- struct{}{}:
		return func() { <-s.asking }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("another request asks the members: %w", ctx.Err())
	}
}

// verify asks every member.
func (s *Server) verify(ctx context.Context) VerifyReport {
	l := s.look()
	r := VerifyReport{At: l.now.UTC(), Members: make([]VerifyMember, len(l.snap.Members))}
	if l.snap.Ring == nil {
		return r
	}
	r.Ring = l.snap.Ring.Name
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	leave, turn := s.enterAsking(ctx)
	var group errgroup.Group
	for i, m := range l.snap.Members {
		group.Go(func() error {
			counting, err := Counting{}, turn
			if err == nil {
				counting, err = s.node.AskCounting(ctx, m)
			}
			r.Members[i] = l.verdictOf(m, counting, err)
			if turn == nil {
				r.Members[i].Table = s.slotCopy(ctx, l, m)
			}
			return nil
		})
	}
	_ = group.Wait() // each tells of its own error
	if turn == nil {
		leave()
	}
	if r.OK = allOf(r.Members); turn == nil {
		r.Tables = copiesOf(r.Members)
	}
	return r
}

func allOf(members []VerifyMember) *bool {
	all := true
	for _, m := range members {
		if m.OK == nil {
			return nil
		}
		all = all && *m.OK
	}
	return &all
}

func (l look) verdictOf(m topology.Member, c Counting, err error) VerifyMember {
	meant, class := m.Layout(l.snap.Ring.Stride), m.Layout(l.snap.Ring.Stride)
	if l.snap.Ring.Resize != nil { // both strides are right until it is done
		class = autoinc.Layout{Offset: m.Slot, Stride: l.snap.Ring.Stride}
	}
	v := VerifyMember{Name: string(m.ID), State: m.State.String(), Meant: meant, Wrong: []WrongSession{}}
	if err != nil {
		v.What = err.Error()
		return v
	}
	v.Global, v.SessionsOpen = &c.Global, &c.Open
	right := l.snap.CountsAs(m, c.Global)
	if !right {
		v.What = fmt.Sprintf("a new session counts by %s: it is put right within a second, or the member is closed; find who changes it", c.Global)
	}
	if c.Sessions == nil {
		if right && c.Open > 0 {
			v.What = fmt.Sprintf("open sessions: %d; this server shows to nobody but themselves by what they count. Those of sqlring's proxies were set and read back; direct ones have what the server had when they connected", c.Open)
		}
		v.OK = &right
		return v
	}
	seen := len(c.Sessions)
	v.SessionsSeen = &seen
	wrong := 0
	for _, id := range slices.Sorted(maps.Keys(c.Sessions)) {
		if c.Sessions[id].Within(class) {
			continue
		}
		if wrong++; wrong <= maxWrongSessions {
			v.Wrong = append(v.Wrong, WrongSession{id, c.Sessions[id]})
		}
	}
	if wrong > 0 && right {
		v.What = fmt.Sprintf("sessions that count otherwise: %d; have their applications connect anew, or KILL them", wrong)
	}
	right = right && wrong == 0
	v.OK = &right
	return v
}
