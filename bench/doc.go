// Command bench measures what sqlring costs, against the proxies that it is
// compared with, on one machine:
//
//	make bench                        # everything, 3 rounds of 5 s
//	make bench ROUNDS=5 SECONDS=10
//	go run ./bench -quick             # does it work at all? 15 s
//
// It starts a ring of two MariaDB servers, one sqlring node (`sqlring serve`, the
// binary under test), HAProxy in tcp mode with one thread, and MySQL Router and
// ProxySQL where they are installed. All of them lead to the same server, the
// ring's owner; "direct" is that server without a proxy. What stands still uses next
// to no CPU, so everything stays up while another peer is measured.
//
// # How it measures
//
// Other work on the machine disturbs every figure. So each round measures every
// peer once in each case, in an order drawn anew, and only ratios of two peers
// within one round are compared; the result is the median of those ratios. The
// steadiest figure is the CPU time of the proxy's process per query (utime and
// stime of /proc/PID/stat); throughput is that of client, proxy and server on the
// same cores. How much CPU went to processes that are not ours is recorded with
// each sample.
//
// CPU is counted from the moment when sysbench has connected to the moment when it
// prints its results, and memory comes from /proc/PID/smaps_rollup. The cases of
// connections, big results, idle and busy clients have their own client, in this
// process.
//
// What a peer can not do is reported in words ("not built", "partial"), never left
// out and never replaced by something easier.
//
// # What it does not
//
// It judges no correctness (see conformance), tests no failover, and says nothing
// about more cores or a real network. docs/performance.md says how to read it.
//
// The parsers and the statistics are tested by tables; TestSmoke runs everything
// once, small. TestProfile writes a CPU profile of the node under load.
package main
