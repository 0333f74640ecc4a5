// Package store is the memory of a node: the replicated intent of the ring
// ([topology.Snapshot]), kept by raft on the node's own disk.
//
// It does: hold the log and raft's votes in one bbolt file, apply committed
// commands through [topology.Apply], publish the result as an immutable
// snapshot, propose commands, run the leader's work as a scope ([Store.Lead]), and
// keep raft's configuration: who is in it, and how a node comes into it ([Store.Join]).
// It does not: decide anything about the ring, keep observations, speak to a
// member, or forward a proposal to the leader. raft and bbolt are imported
// nowhere else.
//
// # Other nodes
//
// One port carries raft's messages and what nodes ask each other ([Store.Call],
// [Store.Handle]); the first byte of a connection tells them apart. With TLS both ends
// show a node's certificate. Addresses are kept as they were written, and looked up at
// each dial.
//
// A node without a state speaks raft with nobody before it was let in: it may have been
// a voter that has lost its votes (S18). It is let in by the leader, first as one that
// only listens; or it makes a new cluster with others that have none, once each of them
// knows the same ones and has written down that it does.
//
// # Reading and writing
//
// [Store.Snapshot] never blocks and works on every node, without a leader and
// after a failure. It is what this node has applied; another node may be ahead.
// Who must not act on an old state holds [Store.Lead]'s scope, and confirms by
// [Store.VerifyLeader]. [Store.Propose] has exactly four ends: nil (committed and
// applied here), [ErrRefused] (committed, and refused by the law on every node
// alike), an error that says that nothing was appended ([ErrNotLeader],
// [ErrBusy], [ErrFailed], [ErrStopped], an invalid command), or
// [ErrOutcomeUnknown].
//
// A restarted node republishes what it knows to be committed before [Open]
// returns, without waiting for a leader: the commit index is written with each
// batch of log entries and once more by [Store.Stop]. After a crash the last
// command may be missing until a leader has confirmed it.
//
// # Invariants
//
//   - A write that was answered is on disk (fsync) before raft counts it.
//   - The log has no gaps; it and the newest snapshot overlap or touch. Open
//     verifies this, every checksum and the structure of the file, before raft
//     starts; what does not fit is [ErrDamaged], never a panic and never a guess.
//   - Two nodes that applied the same log hold byte-equal states.
//   - A command is never skipped. A node that can not read one stops applying,
//     leaves raft, and goes on answering reads: the state [ErrFailed].
//   - f of [Store.Lead] runs at most once at a time, after a barrier, and has
//     returned before the leadership is handed on by Stop.
//
// # Failing
//
// A node fails, for good until it is restarted, when it meets a command of a
// later release, a snapshot that it can not decode, or a disk that does not take
// or give a record that raft can not go on without. raft itself panics on the
// last of these; here the node leaves raft instead (failure.go), since losing a
// controller must not end the queries that the same process relays.
//
// # Damage
//
// The way out of [ErrDamaged]: with other voters alive, remove the node from
// raft (sqlring raft remove), move its directory away and let it join anew; it must not
// keep its old votes. A sole node begins with a saved state ([Restore]), or adopts the
// members anew; with an older copy of the directory it would give numbers out twice. If the majority is gone for good, [Recover]. Nothing is repaired
// in place: a vote or an acknowledged command that is silently lost can give a
// unit two owners.
//
// Tested by: the contract of raft's log and stable stores; byte flips and
// truncations over the whole file; restarts, and copies of the directory of a
// running node; three nodes over raft's in-memory transport, and over TLS; two
// machines fed with the same log; what the previous release left on its disk.
package store
