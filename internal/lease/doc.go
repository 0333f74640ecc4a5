// Package lease is how a ring with several nodes keeps the law that a unit has one
// writer at a time: a proxy acknowledges writes only while its lease lasts, and the
// leader moves a unit only when no lease is left (S15-S17 of docs/invariants.md).
//
// [Holder] is the proxy's side, on every node: it asks the leader again and again,
// tells it on the same way what the proxy knows and has acknowledged, and says how
// long a lease lasts still. A lease counts from when the question was sent, on a
// clock that runs on while the machine is suspended. [Book] is the leader's side: it
// has the majority confirm that it leads, looks which epoch stands, writes down what
// it gives, and then answers.
//
// A node that is the only one needs no lease, since nobody else can move anything;
// it asks itself all the same, so that it holds one when a second node is added.
//
// The package decides nothing about units: the Book gives what the replicated state
// says, and the Holder what the Book says. It knows no network: both ends are
// functions. What a node says comes with a number, so that late mail is not taken for
// news.
//
// Invariants: the end of a lease by the Book's clock is never before its end by the
// Holder's; what was given by an earlier leadership is not in the Book, so the
// controller waits for [topology.LeaseTTL] after its leadership began.
//
// Tested under testing/synctest; the law itself is tested by internal/sim, with
// mutations.
package lease
