// Package sim is a world in which the real brain (topology.Next and Apply) and
// the real controller tick run against model servers, with faults, in virtual
// time. Only tests use it.
//
// One goroutine, one heap of timed events, one seeded generator: equal options
// give equal runs, to the last line of the transcript. A synchronous call of the
// controller takes virtual time by letting the world go on inside it.
//
// The parts:
//
//   - world.go, run.go, options.go: the clock, the phases of a run, what a seed
//     decides. A ring is made, faults are drawn under load, they end, and within
//     60 virtual seconds the ring must be whole.
//   - server.go, txn.go, commit.go, receiver.go, sender.go, applier.go: a model
//     of MariaDB as it was measured: a binlog with GTIDs that survives a kill, SQL
//     settings that do not, a relay log that is thrown away when both threads
//     stand still and either starts, commits that are in the binlog and wait for
//     their acker before they are visible, rows that are held by who overwrites
//     them until then, appliers that wait likewise, an acker
//     that never acknowledges what it had when it connected, read_only that waits
//     behind commits, processes that freeze with statements in their sockets.
//   - conn.go, network.go: sessions that keep the identity they were opened
//     with, statements whose answer is lost and that run all the same, cuts that
//     hold what was sent and deliver it late.
//   - fleet.go, statements.go: topology's actions as statements on the one
//     connection that holds a member's hands.
//   - eyes.go, raftlog.go, node.go, proxy.go, client.go: probes and heartbeats,
//     raft's contract (committed, refused, unknown), a process that is killed or
//     loses its leadership between any two steps, and clients that never send a
//     write twice.
//   - raft.go, proxy.go: one, three or five voters and an observer, elections, a leader
//     that was cut off or paused and acts on until it notices, and leases that the
//     proxies of all nodes ask for, late answers included.
//   - voters.go: what happens to five voters alone: two of them are lost at once, cut off
//     from the other three, or do not see a member that two see.
//   - stopping.go: nodes that are stopped (SIGSTOP), anywhere and between two steps of
//     something: nothing is read or sent, timers are over all at once when it goes on, and
//     it does what it was about to do.
//   - isolation.go: a person sets isolation to continue, and to fence again.
//   - emptying.go: RESET MASTER by hand, and nodes that are restarted once it was found.
//   - sites.go: two sites that are parted, with a third one that hears both, or one.
//   - planned.go: what a DBA orders among the faults: units are made and moved,
//     members drained.
//   - nemesis.go, ailment.go, fate.go: the faults. At most one member is lost at a time, for
//     the sake of I1, unless the seed allows two.
//   - person.go: a DBA who does what status tells him to, where that is true.
//   - laws.go: I1-I6, I11 and I12 of docs/invariants.md and promise P5, looked at
//     when something happens that could break them. I7 and I10 are asked in
//     run.go, after the faults.
//
// What the model leaves out: statements other than inserts and overwrites of a
// row, transactions of several statements, DDL, large transactions, disks that
// fill, clocks that jump, the MySQL flavour, and raft's own messages.
//
// Seeds from laterFrom (voters.go) on draw all that there is; those below it draw what they drew
// when they were kept, so that they go on to say what they were kept for. What comes next is
// drawn in the same way: by a generator of its own, for later seeds alone.
//
// A seed that breaks a law is printed with its transcript, replays with
//
//	go test ./internal/sim -run TestSeed -sim.seed=N -v
//
// and is kept in testdata/sim/seeds.txt. That the laws can see is proven by
// mutations_test.go, which breaks one rule after another.
package sim
