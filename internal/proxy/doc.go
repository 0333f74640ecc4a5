// Package proxy is what applications connect to as if it were MySQL or MariaDB.
//
// A client logs in with its own account, checked against what the members keep
// of it; connections to the owners of the units that it uses are opened on its behalf,
// as that account; then packets are passed on in both directions, as they are and in the
// pieces in which they arrive. The proxy keeps no user list, decodes no rows (but
// for connection ids, where a result lists them) and
// gives no statement a meaning beyond what pkg/balancer says.
//
// Life of a session, one goroutine each, half-duplex:
//
//	accept.go     limits before anything is read
//	census.go     who is there: sessions by address, by account, not logged in yet
//	proxyprotocol.go  the client's address, if a balancer says it
//	login.go      greeting, and what a login ends in
//	authenticate.go   account and password (verify.go), by the account's method;
//	                  decoy.go: names that nobody has; secrets.go: what is remembered
//	limits.go     who has failed too often; require.go: REQUIRE SSL and the like
//	transport.go  TLS and compression, on either side; tls_*.go, compress_stream.go
//	units.go      which units a command is about, and what can not be had together
//	begun.go      a transaction goes where its first statement is
//	follow.go     writes at another owner wait for those before
//	route.go      the way to the owner, and waiting for one
//	link.go       the connection to a member; setup.go: slot, tracking
//	confined.go   sessions that have to change their password first
//	session.go    one command after the other (command.go); underway.go: what is known of one
//	relay.go      command there, response back; stream.go: the system calls
//	large.go      commands of any size; file.go: the file of LOAD DATA LOCAL
//	track.go      what the session is, read off its OK packets; collation.go
//	unreported.go what MariaDB does not tell of, read back
//	tracking.go   what the client itself is told of, and COMMIT RELEASE
//	hazard.go     what makes members differ unnoticed, and is refused
//	aftererror.go   what an error leaves: whether a transaction is open
//	prepared.go   its prepared statements, by text; execute.go: their use
//	gate.go       the gates in front of the members: places; gate_queue.go: waiting for
//	              one; gate_urgency.go: priority and deadline; lane.go, rowkey.go: rows that
//	              several want at once; limit.go: the DBA's rules; limit_line.go: who is
//	              held back by them
//	lease.go      what may still be acknowledged, and what was
//	park.go       giving a link back, and taking it again; acquire.go: another one;
//	              linkpool.go: the links to a member; linkpool_wait.go: who waits for one;
//	              churn.go: for tests, that nobody comes back to the same one
//	insertid.go   LAST_INSERT_ID(): asked of the link before anything is done to it
//	adopt.go      making a link of somebody else one's own; shelf.go: what is prepared there
//	pins.go       why a link is kept; recall.go: what the last statement has left
//	hint.go       what a statement says of what it has to see
//	carry.go      user variables that go along to another owner
//	reading.go    what texts do; spread.go: reads at other members than the owner
//	mouth.go      statements that are for sqlring itself; explain.go: where one would go
//	cut.go        a new view: who has to leave its member
//	lost.go       what a client gets when the member goes away
//	status.go     SHOW STATUS, of the client's own connection
//	watch.go      clients that hang up while their query runs
//	sessions.go   what others may know of a session; end.go: ending one from outside
//	kill.go       who ends whom; strikes.go: and no commit by it, but what waits here;
//	              threads.go: their ids
//	memory.go     what a client that does nothing costs; lifetime.go: its context
//	drain.go      the end; fault.go: by a fault of ours
//
// # Invariants
//
//   - A session reaches a member only with that member's auto_increment slot set
//     and read back. A client's own SET of it is refused by name; should one get
//     past the scan (a routine may hold it), the server reports the change and the
//     session ends.
//   - What would make members differ without anybody noticing, or leave a prepared
//     transaction behind, is refused by name, unless the node's file permits it.
//   - A unit is written at its owner alone: a statement that may write units of several
//     owners is refused, and so is what would leave a transaction's owner (I5).
//   - A session's link is to the owner of one epoch. A new owner is never given
//     the rest of a transaction that another one began.
//   - No write is acknowledged to a client whose session began it, in any of its units,
//     by an older epoch than the newest that [Proxy.Writers] may have reported (S3, I5).
//   - Nothing is run twice: once a byte of a command may have left, the command is
//     not sent again by us, unless it surely leaves nothing behind: a read outside
//     of a transaction, of which nothing was delivered.
//   - A session comes to another link with all that it had, or it ends; none sees what
//     another one has left on a link. What can not be told surely keeps the link.
//   - A session reaches only the process that was admitted as the member (S10).
//   - Whatever a client does costs its own session only: reads and writes that
//     block are its own goroutine's, and sessions, waiting sessions, bytes and
//     time before login are bounded. A bound that is reached is counted
//     ([Stats]) and told to the client.
//   - A fault of ours ends the session that it is in, and its link, and nothing else.
//   - TLS is judged by the connection, not by what a client says of it. Nothing that
//     came in the clear counts as protected, and a link that is to have TLS is never
//     made without.
//   - What a command is made of has no size here: it is judged by the member, and
//     streamed, but for statements of up to 4 MiB, of which all sessions together hold
//     64 MiB. The file of LOAD DATA LOCAL gets its last packet only while the link
//     is that of the owner.
//   - Nobody waits at a gate inside of an open transaction, nor for long for a lane (S24).
//   - An idle session holds no buffer, and nothing of its last command. One at work holds
//     its command until some of the response has come.
//
// # A takeover, as clients feel it
//
// Sessions at work on an owner that is no longer one are woken (cut.go), and what
// they were at is judged (lost.go): a read is run on the heir, a transaction that
// had not come to its COMMIT gets 1213, and a COMMIT or a write without an answer
// 08007. A command that finds no owner, or one that can not be reached, waits for
// at most Config.QueueTimeout. Idle sessions get the heir at their next command,
// with schema, variables and prepared statements; a statement is prepared there
// when it is used, so that a thousand sessions do not prepare all of theirs in the
// first second of the heir.
//
// What can not be carried over ends the session, as the death of a server would:
// user variables (unless the old owner can still be asked for them), temporary tables, user locks, open cursors, parameters sent
// ahead, statements that were parsed under another sql_mode or character set than
// the present one, or that are more than a megabyte in all.
//
// # Threads
//
// The connection id of the greeting is the session's own, from 1<<30 up, apart
// from members' ids. SELECT CONNECTION_ID(), SHOW PROCESSLIST and COM_PROCESS_INFO
// speak of sessions by it. So do, in statements that name such a table, the columns with
// connection ids of information_schema.processlist and innodb_trx, and of the tables of
// performance_schema; a number that is a session's id, in quotes or not or as an integer
// parameter, becomes the member's on the way there. The member's number it is in other
// expressions with CONNECTION_ID(), in routines, behind views, derived tables and
// aggregates, in sys, and in rows that are fetched from a cursor. A KILL takes either, as
// a number, a parameter or a user variable (kill.go), and ends the client's connection
// too, not only its link. A KILL QUERY is not passed to a session that commits, nor if
// it does not say which session it means; what was done although one had come for it
// is answered 08007, since MariaDB may have said OK before its replica had it.
//
// # Unknown accounts
//
// A client learns nothing of which accounts exist: an unknown name, a wrong
// password and an account whose plugin is not supported get the same 1045 after
// the same work; the log says which it was. By which method a name that nobody has
// is asked depends on the name and on a secret that the nodes share. That an account
// is locked, or asks for TLS, is told only to who knows its password.
//
// # Passwords
//
// What a client has shown of its password is in this process's memory and nowhere
// else, for as long as a session, or a new one of the account, may need it to log in
// at a member (docs/adr/0008).
//
// It is tested over real sockets against a scripted member, and against real
// servers with the drivers and tools that people use.
package proxy
