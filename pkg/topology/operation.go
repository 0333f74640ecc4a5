package topology

import "time"

// OperationKind is what an operation does.
type OperationKind uint8

// The kinds of operation.
const (
	OperationNone     OperationKind = iota
	OperationInit                   // make a ring of empty servers
	OperationHeal                   // take a lost member out, and give its units an heir
	OperationRejoin                 // let a member back in
	OperationRestart                // bring the ring up again after every member was restarted
	OperationMove                   // give a unit another owner, in a planned way
	OperationDivide                 // make a schema a unit of its own
	OperationRemove                 // take a member out for good
	OperationMaintain               // take a member out for a while
	OperationDissolve               // end the ring
	OperationJoin                   // make a unit a part of "*" again
	OperationAdd                    // give the ring another member, which gets its data from one that is there
	OperationReclone                // the same, for a member whose own data is given up
	OperationResize                 // give the ring a multiple of its auto_increment stride
	OperationAdopt                  // make a ring of servers that replicate in a circle already
	OperationReplay                 // write anew, at the owners, what only a member in quarantine holds
)

var operationKindNames = [...]string{"none", "init", "heal", "rejoin", "restart", "move", "divide", "remove", "maintain", "dissolve", "join", "add", "reclone", "resize", "adopt", "replay"}

func (k OperationKind) String() string { return enumName(operationKindNames[:], int(k)) }

// MarshalText writes the kind's name.
func (k OperationKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *OperationKind) UnmarshalText(text []byte) error {
	return enumParse(operationKindNames[:], text, k)
}

// OperationState is how far an operation is.
type OperationState uint8

// The states of an operation.
const (
	OperationRunning OperationState = iota
	OperationDone
	OperationAborted
)

var operationStateNames = [...]string{"running", "done", "aborted"}

func (s OperationState) String() string { return enumName(operationStateNames[:], int(s)) }

// MarshalText writes the state's name.
func (s OperationState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *OperationState) UnmarshalText(text []byte) error {
	return enumParse(operationStateNames[:], text, s)
}

// Cursor names the step that an operation is at. Each plan file lists its own.
type Cursor string

// Operation is a change that the DBA or the controller started. Its cursor is
// moved by commands that name the cursor they expect, so a deposed leader's
// late command is refused by every node alike.
type Operation struct {
	ID       OperationID    `json:"id"`
	Kind     OperationKind  `json:"kind"`
	Member   MemberID       `json:"member,omitempty"` // whom it is about; empty for init
	State    OperationState `json:"state"`
	Cursor   Cursor         `json:"cursor"`
	Began    time.Time      `json:"began"`
	Moved    time.Time      `json:"moved"` // when the cursor was moved last
	Ended    time.Time      `json:"ended,omitzero"`
	By       string         `json:"by"`
	Why      string         `json:"why,omitempty"`
	Evidence []string       `json:"evidence,omitempty"`

	// Facts that an operation finds on its way.
	Armed       bool     `json:"armed,omitempty"`        // heal: the lost member's commits waited for its acker
	Mark        Position `json:"mark,omitempty"`         // heal: acknowledged to clients; the heir must have it. resize: what every member must have
	MarkUnknown bool     `json:"mark_unknown,omitempty"` // heal: more than Mark may have been acknowledged
	Former      MemberID `json:"former,omitempty"`       // heal, move: who owned the units before
	Heir        MemberID `json:"heir,omitempty"`         // heal, move: who gets the units
	Tail        *Tail    `json:"tail,omitempty"`         // rejoin: what only the returning member had

	Counted []MemberID `json:"counted,omitempty"` // heal: members that were out and count again: they acknowledged nothing

	Data  bool `json:"data,omitempty"`  // init: the first member holds data, and stays open
	Boots bool `json:"boots,omitempty"` // init, adopt: the DBA's word for the config files

	// What a move, a division or a join is about; Grace of a resize too.
	Unit  UnitID        `json:"unit,omitempty"`
	Grace time.Duration `json:"grace,omitempty"` // how long proxies let work in the unit end
	Below uint64        `json:"below,omitempty"` // move: connections at Former up to this id are to be gone

	Open DissolveOpen `json:"open,omitempty"` // dissolve: who takes writes afterwards
	Keep bool         `json:"keep,omitempty"` // dissolve: what sqlring has put on the members stays

	// Words of the DBA.
	AcceptLoss bool       `json:"accept_loss,omitempty"` // heal: go on without what is missing of Mark
	Without    []MemberID `json:"without,omitempty"`     // whose process was gone when that was said; it covers no later loss
	Same       bool       `json:"same,omitempty"`        // rejoin: the process that was admitted last answered when it began
	Quarantine string     `json:"quarantine,omitempty"`  // rejoin: why the member was in quarantine before
	LetFlow    bool       `json:"let_flow,omitempty"`    // rejoin: the tail flows, whatever it is
	Discard    bool       `json:"discard,omitempty"`     // rejoin: the tail does not flow, whatever it is; it is kept in its file
	Renewed    bool       `json:"renewed,omitempty"`     // rejoin: the member got a new identity because of that
}
