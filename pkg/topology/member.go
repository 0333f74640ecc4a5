package topology

import (
	"fmt"
	"net"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// MemberState is where a member stands in its life. The zero value is
// MemberJoining: closed, and nothing is expected of it.
type MemberState uint8

// The states of a member.
const (
	MemberJoining     MemberState = iota // is being set up; serves nobody
	MemberActive                         // in the ring
	MemberDown                           // taken out: nothing is pulled from it, nothing is sent to it
	MemberReturning                      // answers again; is judged and caught up
	MemberQuarantined                    // holds transactions that need a word of the DBA
	MemberHeld                           // taken out, and stays out until the DBA lets it back in
	MemberLeaving                        // out of the wiring, and about to be forgotten
	MemberMaintained                     // taken out so that the DBA can stop its server
	MemberCopying                        // gets its data from another member; counts for nothing (S31)
)

var memberStateNames = [...]string{"joining", "active", "down", "returning", "quarantined", "held", "leaving", "maintenance", "copying"}

func (s MemberState) String() string { return enumName(memberStateNames[:], int(s)) }

// MarshalText writes the state's name.
func (s MemberState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *MemberState) UnmarshalText(text []byte) error {
	return enumParse(memberStateNames[:], text, s)
}

// SemiSync is what raft has ordered of a member's commits: whether they wait
// for the acknowledgement of its downstream. Only an owner is ever armed.
type SemiSync uint8

// The orders.
const (
	SemiSyncOff      SemiSync = iota // owns no unit, or durability is async
	SemiSyncArmed                    // no commit is acknowledged before the acker has it
	SemiSyncDegraded                 // an owner that goes on without an acker, by order
)

var semiSyncNames = [...]string{"off", "armed", "degraded"}

func (s SemiSync) String() string { return enumName(semiSyncNames[:], int(s)) }

// MarshalText writes the order's name.
func (s SemiSync) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads an order's name.
func (s *SemiSync) UnmarshalText(text []byte) error { return enumParse(semiSyncNames[:], text, s) }

// Member is the intent for one server. Addr, Identity and Slot are set for
// every member of a snapshot that [Snapshot.Validate] accepts.
type Member struct {
	ID   MemberID `json:"id"`
	Addr string   `json:"addr"` // host:port of its MySQL protocol port
	Site string   `json:"site,omitempty"`
	// Weight is its share of the reads, relative to the others'; 0 stands for 1.
	Weight int         `json:"weight,omitempty"`
	State  MemberState `json:"state"`
	Why    string      `json:"why,omitempty"` // why it is in that state

	// Identity is its server_id and, on MariaDB, its gtid_domain_id. It is
	// issued by raft, never twice, and renewed when the member has lost
	// transactions that others hold: under its old identity it would drop them.
	Identity uint32   `json:"identity"`
	Retired  []uint32 `json:"retired,omitempty"` // identities it had before, oldest first
	// Source is its server_uuid, which numbers its transactions; empty on MariaDB,
	// where the identity does. It is not issued, and never renewed.
	Source string `json:"source,omitempty"`
	// Regain is what a MySQL member has lost of its own transactions: it gives out
	// those numbers again, so nothing is written on it before it has them back.
	Regain Position `json:"regain,omitempty"`
	// Slot is its auto_increment_offset. It stays when the identity changes.
	Slot int `json:"slot"`
	// Stride is what it counts by if that is not the ring's: a resize has got to it.
	Stride int `json:"stride,omitempty"`
	// Boot is the token that its process carries since it was last admitted. A
	// restart wipes it: another value, or none, is another process.
	Boot uint64 `json:"boot"`
	// Unproven says that it was restarted while it was out, and that its disk has
	// not been held against what every other member has of its transactions.
	Unproven bool     `json:"unproven,omitempty"`
	SemiSync SemiSync `json:"semi_sync"`
	// Drained says that it is in the ring and is to serve nobody: its units move
	// away, the pinned ones aside, and reads do not go there.
	Drained bool `json:"drained,omitempty"`
	// Direct says that it was adopted while applications wrote on it past sqlring, and
	// stays open, whether it owns a unit or not, until the DBA says that nobody does any
	// more, or it is lost (S53).
	Direct bool `json:"direct,omitempty"`
	// Leaving says that it is to leave the ring, for good or for a while, and how; nil:
	// it stays.
	Leaving *Leaving `json:"leaving,omitempty"`
	// Cut is the last position of its own transactions that the survivors had
	// when it was taken out; empty while it is in the ring.
	Cut Position `json:"cut,omitempty"`
	// Cuts is the same of identities that a MariaDB had before: what is above was given up (S86).
	// From [LawOfCuts] on.
	Cuts Position `json:"cuts,omitempty"`
	// Base is where its binlog begins if its data came from another member: what is
	// before that it can send to nobody.
	Base Position `json:"base,omitempty"`
	// Copied is the number of the copy that its data is of, which emptied its binlog; 0: it
	// came with its data, or that is not known. From [LawOfCopies] on.
	Copied uint64 `json:"copied,omitempty"`
	// Emptied is how its binlog was found to be emptied by hand (S84), under whatever process
	// of it; empty: it was not, or its data is another member's by now.
	Emptied string `json:"emptied,omitempty"`
	// Copy is what is known of its data while it is MemberCopying, else nil.
	Copy *Copying `json:"copy,omitempty"`
}

// Domain returns under what its own transactions stand in a [Position].
func (m Member) Domain() uint32 {
	if m.Source != "" {
		return SourceDomain(m.Source)
	}
	return m.Identity
}

// Layout returns the auto_increment layout of the member; stride is the ring's.
func (m Member) Layout(stride int) autoinc.Layout {
	if m.Stride != 0 {
		stride = m.Stride
	}
	return autoinc.Layout{Offset: m.Slot, Stride: stride}
}

// MaxWeight is the largest share of reads that a member can be given.
const MaxWeight = 100

// ValidWeight returns an error, saying what is allowed, if weight can not be that of
// a member. 0 is none given.
func ValidWeight(weight int) error {
	if weight < 0 || weight > MaxWeight {
		return fmt.Errorf("weight %d is not in 1..%d", weight, MaxWeight)
	}
	return nil
}

// Linked reports whether the member takes part in the wiring of the ring.
func (m Member) Linked() bool { return m.State == MemberActive || m.State == MemberJoining }

// ValidAddr returns an error, saying what is wrong, if addr is not host:port
// with a port of 1 to 65535.
func ValidAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %q is not of the form host:port", addr)
	}
	if host == "" {
		return fmt.Errorf("address %q names no host", addr)
	}
	for _, c := range []byte(port) {
		if c < '0' || c > '9' {
			return fmt.Errorf("address %q: the port is not a number", addr)
		}
	}
	var n int
	if _, err := fmt.Sscanf(port, "%d", &n); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("address %q: the port is not in 1..65535", addr)
	}
	return nil
}
