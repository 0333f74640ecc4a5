// Package verify compares the tables of all members while they are written, and mends
// single rows.
//
// A run goes through the tables chunk by chunk, by ranges of their key, and has each
// member digest a chunk in one statement. Chunks that are unequal are read again after
// every member has reached the positions of all, then row by row; what is judged to
// differ is pkg/rowcheck's decision. A run waits while members lag, keeps its place in a
// file, and can be stopped and resumed. A node has one run at a time, and its last one.
//
// A repair takes the rows that the last run found. It writes a row on the wrong member
// alone, out of the binlog, after it has locked it there and seen that nothing was under
// way between the two members (repair.go, ADR 16).
//
// It decides nothing about the ring, and reaches members only through [World], which app
// plugs in.
//
// Invariants:
//   - A comparison takes no lock, and has one statement at a time run on each member.
//   - What was not judged is told: it is neither equal nor different.
//   - A repair writes a row only if it is, under a lock, what the run saw to differ, and
//     only what the source has at that time. Nothing it writes is replicated.
//
// It is tested with three real servers under load, damaged on purpose, and with fakes for
// stops, resumptions and members that go away.
package verify
