// Package controller is the hands of the leader.
//
// Its tick is synchronous and small: snapshot and observations go into
// [topology.Next], and exactly one thing comes out and is done: an action on one
// member, or one command through raft. It holds no intent of its own. What it
// remembers is only when it acted on whom, so that nothing is done because of an
// observation from before the last action, or from before this node led.
//
// It speaks no SQL (mysqld does) and decides nothing (topology does). It runs
// only inside the leadership scope that store gives, in the goroutine that
// called [Controller.Run].
//
// Invariants: a tick ends within the action's deadline; an action that failed is
// not a fact, the next tick looks again.
//
// It is tested with a scripted fleet, by the simulation, and on real servers.
package controller
