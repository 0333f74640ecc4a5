// Package herald says what is news: on the node that leads it holds what is seen
// against what stands in the outbox of the replicated state, and has raft take down the
// difference.
//
// It does: look ten times a second, ask [topology.News] what has to be told, and propose
// that; open the outbox once every node knows its law; tell who leads, and for how long
// nobody did; say, on every node, when nobody has led for a while. It does not decide
// what is wrong or for how long it has to be (pkg/topology, pkg/lagguard), and tells
// nobody: internal/hook delivers.
//
// # Invariants
//
//   - What it proposes names what stands: of two leaders that saw the same, one is
//     refused. A transition is taken down once (I13).
//   - It holds nothing that a new leader would need: what is lost with a leader is for how
//     long something was seen, never that it was told.
//   - What was not looked at is not over; what is not known is no news.
//   - It is of a goroutine of its own: a proposal that waits holds nothing up but news.
//
// Tested by: a scripted world of eyes and log; and, in internal/app, three nodes on real
// servers of which the leader is killed as a level is entered.
package herald
