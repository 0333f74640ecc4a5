package topology

import "fmt"

// MemberID names one MySQL or MariaDB server of the ring: lower-case letters,
// digits and "-", at most 32 characters, starting with a letter.
type MemberID string

// UnitID names what has one writer: a schema, or "*" for the rest.
type UnitID string

// UnitRest is the unit of everything that no other unit holds.
const UnitRest UnitID = "*"

// OperationID names an operation: "op1", "op2", … in the order of the raft log.
type OperationID string

// NodeID names one sqlring process. The same rules as for MemberID.
type NodeID string

// ValidName returns an error, saying what is wrong, if name can not be a
// MemberID, a NodeID or a site.
func ValidName(name string) error {
	const limit = 32
	if name == "" {
		return fmt.Errorf("a name is missing")
	}
	if len(name) > limit {
		return fmt.Errorf("name %q has %d characters, at most %d are allowed", name, len(name), limit)
	}
	for i, c := range []byte(name) {
		letter, digit := c >= 'a' && c <= 'z', c >= '0' && c <= '9'
		if letter || (i > 0 && (digit || c == '-')) {
			continue
		}
		return fmt.Errorf("name %q: use lower-case letters, digits and '-', and start with a letter", name)
	}
	return nil
}
