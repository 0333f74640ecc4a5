// Package history checks what clients and the ring did, in the order of one clock: the
// epochs of a unit, and the writes that were acknowledged in them, must be linearizable.
// Only tests use it.
//
// A unit is an object with two operations. A grant ends one epoch and begins the next,
// with an owner or with nobody. A write succeeds if its epoch is the unit's, and if the
// member that took it is that epoch's owner. The history is linearizable if each
// operation can have happened at one moment between its call and its return: so no write
// is acknowledged in an ended epoch once a later one was begun for everybody, and no
// two members write in one epoch (I5, I9 of docs/invariants.md).
//
// Raft may commit a grant long before every proxy obeys it: that is what leases are
// waited for. So a grant has a call, and no return; that a write of the later epoch was
// acknowledged is what bounds it.
//
// The search is porcupine's; this package is its only door. It knows no ring, no clock
// and no server: times are numbers of whoever recorded them.
package history
