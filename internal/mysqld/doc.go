// Package mysqld is a handle on a member, and the only place that speaks
// administrative SQL.
//
// A [Member] observes, beats, acts and reads accounts; a [Fleet] keeps one
// handle per member of the ring. Statements differ between flavours and live
// behind one interface, dialect. MariaDB's is in the files mariadb_*.go, and with it
// what both do alike; what is otherwise on MySQL is in mysql_*.go, under the same names.
// docs/flavours.md has the differences, and what they mean.
//
// It decides nothing: what is done comes in as a [topology.Action], what was seen
// goes out as a [topology.Observation].
//
// Each purpose has a connection of its own, so that none waits for another: the
// probe's is held (a frozen server shows within the deadline, and a restarted one
// as a broken connection); the heartbeat's may hang in a commit that waits for an
// acknowledgement; the hands' is the one that acts.
//
// Invariants:
//   - An action runs on the connection that holds GET_LOCK('sqlring_hands') on the
//     member, under sql_log_bin=0, and reads the member's state anew before and
//     after. A connection that was killed, lost or late is never used again: the
//     call that met it fails, and only a later call takes the hands again.
//   - Who takes the hands names a term; a lower one than the member has seen is
//     refused. The term lives in the server's memory, not in a table.
//   - Nothing that is acknowledged is thrown away: a link is changed or ended only
//     when the receiver stands still and all that was received is applied, and
//     the receiver is stopped only while the applier runs.
//   - No statement waits for ever: every call ends with its context, metadata
//     locks are given 2 s, and at most one heartbeat per member waits in a server.
//   - No heartbeat is written by a session whose identity is not the server's.
//   - Server errors are judged by number, in errors.go, never by text.
//
// Nothing is retried inside a call, but for a probe or a heartbeat whose held
// connection turns out to be broken before anything was asked.
//
// It is tested on real servers, of the flavour that SQLRING_TEST_FLAVOUR names: every action, twice, refused, and interrupted;
// servers that are killed, frozen, restarted, lagging, or waiting for an acker.
package mysqld
