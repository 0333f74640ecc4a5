// Package topology is the vocabulary of sqlring and the law of the ring.
//
// It holds three kinds of data apart. A [Snapshot] is intent: members, slots,
// units and owners, the running operation with its cursor; it lives in raft and
// is changed by [Apply] alone. An [Observation] is what one server said, and
// when; it lives in a node's memory and ages. A decision (a [Step], a
// [Violation]) is computed from the two and never stored.
//
// The four functions of the package:
//
//   - [Apply] takes a snapshot and a command and returns the next snapshot, or an
//     error and no change. Every node runs it on the same log, so it reads no
//     clock, draws nothing at random and never ranges over a map to produce
//     output.
//   - [Check] compares a snapshot with observations and lists what breaks the law.
//   - [Next] is level-triggered: it looks whether the post-condition of the
//     present step holds, and returns exactly one thing to do. A controller that
//     died anywhere resumes by observation, not by memory.
//   - [News] holds what a leader sees against what stands in the [Outbox], and
//     returns what is to be told. What raft decides is told by Apply itself.
//
// The package does no I/O, reads no clock and starts no goroutine. "Unknown"
// dominates every fold: an observation that is missing, failed or past its
// deadline never counts as a good one.
//
// It is tested by scenario files under testdata/topology: commands and
// observations in, transcript out. The numbers I1… in comments refer to
// docs/invariants.md.
package topology
