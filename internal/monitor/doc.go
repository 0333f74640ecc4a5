// Package monitor is the eyes of a node.
//
// For each member of the ring it runs one probe loop and one beat loop. The beat
// loop writes numbered heartbeats on the member; the probe loop asks the member
// how it is, and shortly after each beat which beats have arrived. From the two
// it publishes immutable values: [topology.Observations] for the controller,
// [balancer.View] and [balancer.Reads] for the proxy, and for people and whoever asks
// whether he may write, the lag of every pair, the [lagguard.Picture] of the ring, and
// the changes of levels. The picture and what reads are routed by are replaced at each
// probe, in the same moment.
//
// While a member of the ring lags, beats and probes come every 100 ms.
//
// A beat may hang (a commit that waits for an acker, a full disk), a probe may
// not: they are two loops on two connections, so that a hanging write is seen
// for what it is. A member that is frozen slows nobody else's loop.
//
// A member that ceases to answer, or that the proxy suspects, is probed at once and
// often, together with its neighbours, until a verdict is possible (suspicion.go).
// What the proxy says of its leases is passed on with the observations.
//
// The package decides nothing: levels, the hop to blame and verdicts come from
// lagguard and topology. It writes nothing on a member but the heartbeat row.
//
// Invariants: an observation is never older than it says; what was not answered
// is ReachSilent, ReachRefused or ReachDenied, never a copy of what was answered
// before.
//
// It is tested with a scripted prober under testing/synctest, and on real
// servers.
package monitor
