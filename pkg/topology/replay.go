package topology

import "fmt"

// MaxReplayLines bounds how many transactions of a replay are told one by one; its list
// in the file has all.
const MaxReplayLines = 200

// ReplayOrder is what ActReplay is to do.
type ReplayOrder struct {
	Operation OperationID
	Owners    []ReplayOwner // sorted as the units are
	Trial     bool          // nothing is kept: what would happen is found out
}

// ReplayOwner is where transactions of a unit are replayed.
type ReplayOwner struct {
	Unit   UnitID
	Member MemberID
	Addr   string // host:port
}

// Of returns the owner of a schema: that of its own unit, else that of "*".
func (r ReplayOrder) Of(schema string) (owner ReplayOwner, ok bool) {
	for _, o := range r.Owners {
		if o.Unit == UnitID(schema) {
			return o, true
		}
		if o.Unit == UnitRest {
			owner, ok = o, true
		}
	}
	return owner, ok
}

// ReplaySum is how many transactions of a tail had which fate.
type ReplaySum struct {
	Replayed  int `json:"replayed"`
	Already   int `json:"already,omitempty"` // by an earlier attempt
	Conflicts int `json:"conflicts,omitempty"`
	// First is what the first conflict is.
	First string `json:"first,omitempty"`
	File  string `json:"file,omitempty"` // on the node that replayed: each transaction, and its fate
}

// String says it in words.
func (r ReplaySum) String() string {
	text := fmt.Sprintf("%d transactions replayed", r.Replayed+r.Already)
	if r.Already > 0 {
		text += fmt.Sprintf(" (%d of them before)", r.Already)
	}
	if r.Conflicts > 0 {
		text += fmt.Sprintf(", %d conflict with what the ring has, first: %s", r.Conflicts, r.First)
	}
	return text
}

// Replay is what came of a replay, or of a trial.
type Replay struct {
	Operation OperationID  `json:"operation,omitempty"` // empty: a trial
	Cut       Position     `json:"cut"`
	End       Position     `json:"end"`
	Sum       ReplaySum    `json:"sum"`
	Lines     []ReplayLine `json:"lines,omitempty"` // the first MaxReplayLines of them
}

// ReplayLine is the fate of one transaction.
type ReplayLine struct {
	GTID   string   `json:"gtid"`
	Tables []string `json:"tables"` // "insert shop.t (2)": kind, table, rows
	Fate   string   `json:"fate"`   // replayed, already or conflict
	Why    string   `json:"why,omitempty"`
}

// ReplayOrderOf returns whom the units belong to, or which unit has no owner.
func ReplayOrderOf(s *Snapshot, op OperationID) (order ReplayOrder, lacks UnitID) {
	order.Operation = op
	for _, u := range s.Units {
		owner, ok := s.Member(u.Owner)
		if !ok {
			return order, u.ID
		}
		order.Owners = append(order.Owners, ReplayOwner{Unit: u.ID, Member: owner.ID, Addr: owner.Addr})
	}
	return order, ""
}
