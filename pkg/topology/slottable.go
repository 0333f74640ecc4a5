package topology

import (
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// The table of slots says who gives out, and who gave out, which auto_increment values. It
// follows from the state; each member carries a copy, for a DBA who has lost every node,
// and so that another ring's nodes see whose a server is. A copy is nobody's memory: it is
// written because of the state, and the state never because of it (S61, S62).

// SlotTable is that table. The zero value is the one of no ring.
type SlotTable struct {
	Ring   string     `json:"ring"`
	Stride int        `json:"stride"`
	Next   uint32     `json:"next_identity"` // the identity that is issued next: all below were given out
	Slots  []SlotLine `json:"slots"`         // by identity
}

// SlotLine is the slot of a member, or of one that has left.
type SlotLine struct {
	Member   MemberID       `json:"member"`
	Identity uint32         `json:"identity"`          // server_id
	Retired  []uint32       `json:"retired,omitempty"` // identities that it had before
	Layout   autoinc.Layout `json:"layout"`
	Left     bool           `json:"left,omitempty"`   // a tombstone
	Unread   bool           `json:"unread,omitempty"` // it may have given out values that nobody else has
	Last     string         `json:"last,omitempty"`   // a tombstone's own last position
	At       time.Time      `json:"at,omitzero"`      // when it left, to the second
}

// String says the line in words.
func (l SlotLine) String() string {
	text := fmt.Sprintf("%s has slot %s as identity %d", l.Member, l.Layout, l.Identity)
	if len(l.Retired) > 0 {
		text += fmt.Sprintf(", before %v", l.Retired)
	}
	if l.Left {
		text += fmt.Sprintf(", left at %s, last position %q", l.At.UTC().Format(time.RFC3339), l.Last)
	}
	if l.Unread {
		text += ", not read to its end"
	}
	return text
}

// SlotTable returns the table that follows from the state.
func (s *Snapshot) SlotTable() SlotTable {
	if s.Ring == nil {
		return SlotTable{}
	}
	t := SlotTable{Ring: s.Ring.Name, Stride: s.Ring.Stride, Next: s.NextIdentity}
	for _, m := range s.Members {
		t.Slots = append(t.Slots, SlotLine{Member: m.ID, Identity: m.Identity, Retired: m.Retired, Layout: m.Layout(s.Ring.Stride)})
	}
	for _, left := range s.Tombstones {
		layout := autoinc.Layout{Offset: left.Slot, Stride: left.Stride}
		if layout.Stride == 0 {
			layout.Stride = s.Ring.Stride
		}
		t.Slots = append(t.Slots, SlotLine{
			Member: left.Member, Identity: left.Identity, Retired: left.Retired, Layout: layout,
			Left: true, Unread: left.Unread, Last: left.Last.String(), At: left.At.UTC().Truncate(time.Second),
		})
	}
	slices.SortStableFunc(t.Slots, func(a, b SlotLine) int { return int(int64(a.Identity) - int64(b.Identity)) })
	return t
}

// Sum returns a number that tells the table from others, never 0.
func (t SlotTable) Sum() uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%q %d %d", t.Ring, t.Stride, t.Next)
	for _, l := range t.Slots {
		fmt.Fprintf(h, "\n%q %d %v %s %t %t %q %d", l.Member, l.Identity, l.Retired, l.Layout, l.Left, l.Unread, l.Last, l.At.Unix())
	}
	return max(h.Sum64(), 1)
}

// Differences says line by line how a copy differs from t, nothing if it does not.
func (t SlotTable) Differences(found SlotTable) []string {
	var told []string
	if t.Ring != found.Ring {
		told = append(told, fmt.Sprintf("it is of ring %q, not of %q", found.Ring, t.Ring))
	}
	if t.Stride != found.Stride {
		told = append(told, fmt.Sprintf("the stride there is %d, not %d", found.Stride, t.Stride))
	}
	if t.Next != found.Next {
		told = append(told, fmt.Sprintf("the next identity there is %d, not %d", found.Next, t.Next))
	}
	has := func(lines []SlotLine, identity uint32) (SlotLine, bool) {
		i := slices.IndexFunc(lines, func(l SlotLine) bool { return l.Identity == identity })
		if i < 0 {
			return SlotLine{}, false
		}
		return lines[i], true
	}
	for _, l := range t.Slots {
		switch other, ok := has(found.Slots, l.Identity); {
		case !ok:
			told = append(told, "not there: "+l.String())
		case l.String() != other.String():
			told = append(told, fmt.Sprintf("there %s; meant: %s", other, l))
		}
	}
	for _, l := range found.Slots {
		if _, ok := has(t.Slots, l.Identity); !ok {
			told = append(told, "there, and not meant: "+l.String())
		}
	}
	return told
}

// SlotsSeen is what a probe has read of a member's copy of the table. The zero value: it
// was not looked for.
type SlotsSeen struct {
	Looked bool   `json:"looked"`
	Sum    uint64 `json:"sum,omitempty"` // [SlotTable.Sum]; 0: there is none
	Ring   string `json:"ring,omitempty"`
	Stride int    `json:"stride,omitempty"`
	Next   uint32 `json:"next_identity,omitempty"`
	// Trouble is why the node could not write it last, at TroubleAt.
	Trouble   string    `json:"trouble,omitempty"`
	TroubleAt time.Time `json:"trouble_at,omitzero"`
}

// Strange says why a copy is not one of this state, or of an earlier one; "" if it is.
func (t SlotTable) Strange(seen SlotsSeen) string {
	switch {
	case seen.Sum == 0:
	case seen.Ring != t.Ring:
		return fmt.Sprintf("its table of slots is of ring %q, with stride %d", seen.Ring, seen.Stride)
	case seen.Next > t.Next:
		return fmt.Sprintf("its table of slots is later than this state: identities up to %d were given out, here up to %d", seen.Next-1, t.Next-1)
	}
	return ""
}

// whoseSlots is what to do about a copy that is not of this state.
const whoseSlots = "if other nodes of that ring run, it is theirs: stop these. If this state was restored and is right: SET SESSION sql_log_bin=0; DROP TABLE sqlring.layout, sqlring.slots on the member; it is written anew"

// tendSlots has the members' copies be the table that follows from the state. It comes
// after everything else: a copy that can not be written is told, stops nothing and hides
// nothing. again says whether it is tried again later; while something needs a person it
// is not, since that is what this node has to say.
func tendSlots(s *Snapshot, o Observations, now time.Time, again bool) Step {
	if len(s.ownerless()) > 0 {
		return idle("writes wait: the slots are copied later")
	}
	table := s.SlotTable()
	sum := table.Sum()
	for _, m := range s.Members {
		seen, good := o.Good(m.ID, now)
		in := m.State == MemberActive && good && seen.HasRing && seen.Carries(m) && seen.Boot == m.Boot
		slots := seen.Slots
		if !in || !slots.Looked || slots.Sum == sum || table.Strange(slots) != "" {
			continue
		}
		if slots.Trouble != "" && (!again || now.Sub(slots.TroubleAt) < troubledFor) {
			continue
		}
		return do(m.ID, Action{Kind: ActSlots, Identity: m.Identity, Slots: table}, "who has which slot is to stand on %s too", m.ID)
	}
	return idle("each member has the table of slots")
}

// checkSlots says what is wrong with a member's copy, which is in nobody's way.
func checkSlots(s *Snapshot, m Member, seen Observation) []Violation {
	table := s.SlotTable()
	v := Violation{Rule: "slots table", Severity: SeverityWarning, Member: m.ID}
	strange := table.Strange(seen.Slots)
	switch {
	case strange != "":
		v.What, v.Remedy = strange+"; it is left as it is", whoseSlots
	case seen.Slots.Looked && seen.Slots.Sum != table.Sum() && seen.Slots.Trouble != "":
		v.What, v.Remedy = "its table of slots can not be written: "+seen.Slots.Trouble, "mend that (disk, locks on sqlring.slots, the manager's privileges); it is tried again every 30 s while nothing else needs a person"
	default:
		return nil
	}
	return []Violation{v}
}
