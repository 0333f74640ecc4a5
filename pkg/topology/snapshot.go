package topology

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/sqlring/sqlring/pkg/gate"
)

// Format is the version of the stored state. A node refuses a state of a later
// format than its own.
const Format = 1

// Limits of what a snapshot keeps. The oldest entries go first.
const (
	MaxMembers    = 16
	MaxUnits      = 256
	MaxOperations = 64
	MaxEvents     = 512
)

// Durability says when a commit may be acknowledged to the client.
type Durability uint8

// The two durabilities.
const (
	DurabilitySemiSync Durability = iota // when the owner's downstream has it; the default
	DurabilityAsync                      // when the owner has it
)

var durabilityNames = [...]string{"semisync", "async"}

func (d Durability) String() string { return enumName(durabilityNames[:], int(d)) }

// MarshalText writes the durability's name.
func (d Durability) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a durability's name.
func (d *Durability) UnmarshalText(text []byte) error { return enumParse(durabilityNames[:], text, d) }

// DegradedPolicy says what an owner does that has no acker left.
type DegradedPolicy uint8

// The two policies.
const (
	DegradedAllow  DegradedPolicy = iota // it goes on, and says so; the default
	DegradedRefuse                       // its writes wait
)

var degradedNames = [...]string{"allow", "refuse"}

func (d DegradedPolicy) String() string { return enumName(degradedNames[:], int(d)) }

// MarshalText writes the policy's name.
func (d DegradedPolicy) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a policy's name.
func (d *DegradedPolicy) UnmarshalText(text []byte) error {
	return enumParse(degradedNames[:], text, d)
}

// Ring is what concerns all members.
type Ring struct {
	Name       string         `json:"name"`
	Stride     int            `json:"stride"` // auto_increment_increment of every member; slots up to it are given away
	Durability Durability     `json:"durability"`
	Degraded   DegradedPolicy `json:"degraded"`
	Isolation  Isolation      `json:"isolation,omitempty"`
	Isolations uint64         `json:"isolations,omitempty"` // how often Isolation was changed
	// Unfenced says that a proxy may act without a lease: isolation is continue, or was,
	// and not every proxy has said since that it obeys.
	Unfenced bool `json:"unfenced,omitempty"`
	// Lag is when a member is in which lag level; nil: [DefaultLagThresholds].
	Lag *LagThresholds `json:"lag,omitempty"`
	// Gates are the settings of the gates in front of the members; nil: the default ones.
	Gates *gate.Settings `json:"gates,omitempty"`
	// Resize is the change of Stride that is under way; nil: none.
	Resize *Resize `json:"resize,omitempty"`
}

// Unit is what has one writer.
type Unit struct {
	ID    UnitID    `json:"id"`
	Owner MemberID  `json:"owner"`          // empty: nobody, its writes wait
	Epoch uint64    `json:"epoch"`          // counts the changes of Owner; never goes back
	Since time.Time `json:"since,omitzero"` // of this epoch
	// Proxies are those that were there when it was granted last.
	Proxies []ProxyStart `json:"proxies,omitempty"`
	// Heir gets the unit once its commits are acknowledged by a peer; it is set
	// while Owner is empty, outside of a heal, under DegradedRefuse.
	Heir MemberID `json:"heir,omitempty"`
	// Restored says that a state which was saved earlier says who owned it. Another member may
	// have since: Heir gets it only when it has all that the others have (S120).
	Restored bool `json:"restored,omitempty"`

	// Draining says that the unit is about to leave its owner, or to be divided,
	// in a planned way. The epoch still counts, and so does the lease: a proxy lets
	// what it has begun in the unit come to its end, and begins nothing new in it;
	// that waits as if the unit had no owner. Once nothing is under way it says so
	// ([Writer.Quiet]). What is still under way after Grace it cuts, as it does
	// when an epoch ends. If Draining is withdrawn, all goes on in the same epoch; a
	// proxy that has heard of nothing else for Grace and 5 s more may withdraw it for
	// itself: the lease is still its own, and whoever takes the unit waits for that.
	Draining bool `json:"draining,omitempty"`
	// Grace is how long a proxy lets work end, from when it learned of Draining.
	Grace time.Duration `json:"grace,omitempty"`
	// Pinned units are moved by nobody but a heal.
	Pinned bool `json:"pinned,omitempty"`
}

// left returns the unit in the next epoch, without an owner; heir gets it.
func (u Unit) left(heir MemberID, at time.Time) Unit {
	u.Owner, u.Heir, u.Epoch, u.Since = "", heir, u.Epoch+1, at.UTC()
	u.Draining, u.Grace = false, 0
	return u
}

// given returns the unit in the next epoch, with an owner.
func (u Unit) given(owner MemberID, proxies []ProxyStart, at time.Time) Unit {
	u = u.left("", at)
	u.Owner, u.Proxies, u.Restored = owner, proxies, false
	return u
}

// ProxyStart is a proxy process, known by when its memory of what it acknowledged
// begins ([Writer.Since]): two are the same if they are equal, whatever their clocks
// say. A heal trusts the memory of those alone that were there at the grant.
type ProxyStart struct {
	Node  NodeID    `json:"node"`
	Since time.Time `json:"since"`
}

// proxies lists who is there; a proxy says the same Since of each of its units.
func proxies(o Observations) []ProxyStart {
	found := make([]ProxyStart, 0, len(o.Writers))
	for _, w := range o.Writers {
		if p := (ProxyStart{Node: w.Node, Since: w.Since.UTC().Round(0)}); !slices.Contains(found, p) {
			found = append(found, p)
		}
	}
	return found
}

// Event is one line of the audit: what was changed, by whom and why. Index is
// the raft index of the command that made it.
type Event struct {
	Index    uint64    `json:"index"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Kind     string    `json:"kind"`
	Member   MemberID  `json:"member,omitempty"`
	What     string    `json:"what"`
	Why      string    `json:"why,omitempty"`
	Evidence []string  `json:"evidence,omitempty"`
}

// Snapshot is the replicated intent. It is immutable once published: [Apply]
// returns a changed copy. The zero value is the state before any command.
//
// Members stand in ring order: each pulls from the linked member before it, the
// first from the last.
type Snapshot struct {
	Format        int         `json:"format"`
	Index         uint64      `json:"index"` // raft index of the last command applied
	Ring          *Ring       `json:"ring,omitempty"`
	Members       []Member    `json:"members"`
	Units         []Unit      `json:"units"`
	Operations    []Operation `json:"operations"` // oldest first; at most the last one runs
	Events        []Event     `json:"events"`     // oldest first
	Tokens        []Token     `json:"tokens,omitempty"`
	NextIdentity  uint32      `json:"next_identity"`
	NextOperation uint64      `json:"next_operation"`
	NextBoot      uint64      `json:"next_boot"`
	// Tombstones are the slots of members that have left, oldest first.
	Tombstones []Tombstone `json:"tombstones,omitempty"`
	// Throttles are the rules that hold applications back, sorted by application;
	// those that are over among them.
	Throttles []ThrottleRule `json:"throttles,omitempty"`
	// Outbox is what is to be told, and what stands; nil until it was opened.
	Outbox *Outbox `json:"outbox,omitempty"`
	// Limits are the rules that hold statements back, sorted by scope; those that are
	// over among them.
	Limits []LimitRule `json:"limits,omitempty"`
	// Accounts are what statements of users ask for who say nothing, sorted by user; those
	// that are over among them.
	Accounts []AccountDefault `json:"accounts,omitempty"`
}

// NewSnapshot returns the state of a node that has seen no command.
func NewSnapshot() *Snapshot {
	return &Snapshot{Format: Format, NextIdentity: firstIdentity, NextOperation: 1, NextBoot: 1}
}

// firstIdentity leaves the small numbers to servers that were numbered by hand.
const firstIdentity = 101

// Member returns the member with that id.
func (s *Snapshot) Member(id MemberID) (Member, bool) {
	if i := s.memberIndex(id); i >= 0 {
		return s.Members[i], true
	}
	return Member{}, false
}

// Unit returns the unit with that id.
func (s *Snapshot) Unit(id UnitID) (Unit, bool) {
	for _, u := range s.Units {
		if u.ID == id {
			return u, true
		}
	}
	return Unit{}, false
}

// Owns reports whether the member owns a unit.
func (s *Snapshot) Owns(id MemberID) bool {
	return slices.ContainsFunc(s.Units, func(u Unit) bool { return u.Owner == id })
}

// Inherits reports whether the member is to get a unit that nobody owns now.
func (s *Snapshot) Inherits(id MemberID) bool {
	return slices.ContainsFunc(s.Units, func(u Unit) bool { return u.Owner == "" && u.Heir == id })
}

// Running returns the operation that is under way.
func (s *Snapshot) Running() (Operation, bool) {
	if n := len(s.Operations); n > 0 && s.Operations[n-1].State == OperationRunning {
		return s.Operations[n-1], true
	}
	return Operation{}, false
}

// Operation returns the operation with that id.
func (s *Snapshot) Operation(id OperationID) (Operation, bool) {
	for _, op := range s.Operations {
		if op.ID == id {
			return op, true
		}
	}
	return Operation{}, false
}

// Upstream returns the member that id pulls from in the wiring: the linked
// member before it. ok is false if id is not linked or stands alone.
func (s *Snapshot) Upstream(id MemberID) (Member, bool) { return s.neighbour(id, -1) }

// Downstream returns the member that pulls from id in the wiring.
func (s *Snapshot) Downstream(id MemberID) (Member, bool) { return s.neighbour(id, +1) }

func (s *Snapshot) neighbour(id MemberID, step int) (Member, bool) {
	if m, ok := s.Member(id); !ok || !m.Linked() {
		return Member{}, false
	}
	return s.nearest(id, step, Member.Linked)
}

// nearest walks the ring order from id, forwards (+1) or backwards (-1), and
// returns the first other member for which counts holds.
func (s *Snapshot) nearest(id MemberID, step int, counts func(Member) bool) (Member, bool) {
	at, n := s.memberIndex(id), len(s.Members)
	for i := 1; at >= 0 && i < n; i++ {
		if m := s.Members[((at+step*i)%n+n)%n]; counts(m) {
			return m, true
		}
	}
	return Member{}, false
}

func (s *Snapshot) memberIndex(id MemberID) int {
	return slices.IndexFunc(s.Members, func(m Member) bool { return m.ID == id })
}

// clone returns a copy that shares nothing that Apply changes.
func (s *Snapshot) clone() *Snapshot {
	c := *s
	if s.Ring != nil {
		ring := *s.Ring
		c.Ring = &ring
	}
	c.Members = slices.Clone(s.Members)
	c.Units = slices.Clone(s.Units)
	c.Operations = slices.Clone(s.Operations)
	c.Events = slices.Clone(s.Events)
	c.Tokens = slices.Clone(s.Tokens)
	c.Outbox = s.Outbox.clone()
	c.Tombstones = slices.Clone(s.Tombstones)
	return &c
}

// EncodeSnapshot returns the stored form of s. Equal snapshots give equal bytes.
func EncodeSnapshot(s *Snapshot) ([]byte, error) { return json.Marshal(s) }

// DecodeSnapshot reads the stored form. It replaces everything, and returns an
// error for a later format, an unknown field or a state that breaks the law.
func DecodeSnapshot(data []byte) (*Snapshot, error) {
	var s Snapshot
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return nil, fmt.Errorf("decode state: %w", err)
	}
	if s.Format > Format {
		return nil, fmt.Errorf("state has format %d, this release reads up to %d: use the release that wrote it", s.Format, Format)
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return &s, nil
}
