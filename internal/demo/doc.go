// Package demo starts and stops database servers on this machine, each in a
// directory of its own, and makes of them what `sqlring demo` shows.
//
// What it does with servers: [FindBinaries] looks for an installed MariaDB,
// [EnsureServer] installs the distribution's packages if there is none (no
// service of the system is started or touched), [StartServer] fills an empty
// directory, writes a config file with the static safety lines that a member
// needs, and starts the server; [Server] stops, kills, freezes and restarts it.
//
// What it does not do: it makes no ring and sets no identity. A server that it
// has started is closed (read_only), replicates from nobody and has an empty
// GTID state; all else is the controller's work, through mysqld.
//
// Invariants:
//   - A directory that is not empty and was not made here is refused.
//   - Accounts are made before the server accepts a connection, and never enter
//     the binlog.
//   - No server outlives the process that started it, however that one ends: a
//     watcher per server waits for the end of a pipe, and kills what is left.
//   - Only processes that carry the server's own --defaults-file argument are
//     ever signalled. Pid files are written for people, not believed.
//   - Ports lie below the range of outgoing connections, so that no client can
//     take the port of a server that is down for a moment.
//
// It is tested with real servers: first start, second start, kill and restart,
// freeze, a stop while a commit waits for an acknowledgement, and the death of
// the starting process.
package demo
