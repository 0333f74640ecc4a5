// Package lagguard turns heartbeats into lag.
//
// One clock: a node writes numbered beats on every member and sees them arrive
// on the others, all against its own monotonic clock. What it knows is exact: at
// the moment of a reading, beat s had arrived and beat s+1 had not. From that
// follow two bounds, and the lag is always given as both. The clocks of the
// servers' hosts do not enter.
//
// From lag follows a [Level], with separate thresholds and hold times for entering
// and leaving ([Step]): entering asks for proof that a member lags, leaving for proof
// that it does not, so that a lag that swings about a threshold moves nothing. An
// origin that does not answer is held against nobody: nothing newer is known of it.
//
// The package does not send beats, read servers or hold a clock: the monitor
// does, and passes times in. It does not decide what lag leads to; routing and
// alerts do that with its levels.
//
// "Unknown" is a lag and a level of its own, and dominates: a lag that can not be
// bounded is never reported as small. Tests drive the functions with written-down
// times.
package lagguard
