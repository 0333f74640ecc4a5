// Package autoinc decides which auto_increment values a master may give out.
//
// It answers questions that are all arithmetic on residue classes: which two
// layouts can ever produce the same value, which slot a new member gets, which
// values an observed layout really produces (a server ignores an offset larger
// than its increment), what a resize does to each slot, and how long the keys of
// a column last.
//
// It does not talk to a server, and it does not remember who holds which slot:
// that is intent, kept by topology in raft. Slots are sticky, not leases: a
// member that is cut off goes on inserting safely.
//
// Invariant I2 (docs/invariants.md) rests on [Layout.Collides]. It is tested
// exhaustively for strides up to 24 and by properties above that.
package autoinc
