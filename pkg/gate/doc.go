// Package gate decides who may send a statement to a member, and who waits.
//
// A [Gate] stands in front of one member. It has a limit of places, which follows what
// statements take at the member against what they take there when it has little to do
// (limit.go, baseline.go; the gradient is that of Netflix's concurrency-limits, measured for
// each digest against itself), what the member says of itself (brake.go), and a search for
// the fewest places that carry as much (probe.go). Who finds no place waits in a queue
// (queue.go): by priority, then fair between accounts (start-time fair queueing, Goyal 1996)
// and between the digests of an account, first come, first served within one; who has waited
// for the first statement of an [Errand] is with the next ones before those of his account
// who are new (errand.go). How long
// is a matter of the mode: in [Absorb] up to a set time, in [Shed] no longer than a standing
// queue allows (sojourn.go, after CoDel and Facebook's controlled delay and adaptive LIFO).
//
// Lanes (lane.go) keep those apart who would wait for one another in the member:
// a key that several transactions want at once is hot, and has two of them at a time; the
// others stand in a line that is ordered and bounded as the queue is.
//
// The package reads no clock and takes no lock: [Instant] is an argument, and a caller that
// has several goroutines guards a Gate with a mutex. It wakes nobody: what [Gate.Next]
// returns is the caller's to wake. It knows no SQL: what a statement is, is a [Request].
//
// # What holds
//
//   - At most max(limit, 1) places are taken by who had to ask; who may not wait (a
//     transaction that is open) takes none, and the places of administration are apart.
//   - While somebody waits for whom there is a place, Next returns somebody; there is none for
//     another transaction while several stand in line for a lane with theirs.
//   - A waiter leaves once: granted, shed or dropped.
//   - No account, digest or class starves while others are served: each waits for at most one
//     turn of the others at its priority, and every eighth turn is that of a lower priority.
//     Within an account an errand that goes on comes first, for eight statements, and every
//     eighth turn of an account is that of who is new.
//   - Count, bytes and time of those who wait are bounded.
//   - One that finds a free place costs no memory.
//
// It is tested by random sequences of calls against these laws, and by a simulation of
// open-loop arrivals at a member that collapses beyond a concurrency.
package gate
