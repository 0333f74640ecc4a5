// Package wire speaks the MySQL client/server protocol on both sides: as a
// server towards an application, as a client towards a member of the ring.
//
// It knows framing (packets of at most 16 MiB - 1 that continue each other,
// sequence numbers), the handshake and mysql_native_password on both sides, the
// numbers and SQLSTATEs of the errors that sqlring gives, and where the response
// to a command ends and what state it left ([Response]). It opens no socket,
// starts no goroutine, and knows nothing of rings, routes or sessions.
//
// # One set of capabilities
//
// What a packet looks like depends on the capabilities of the connection it
// travels on. The proxy passes packets on as they are, so the connection to the
// member must be framed as the one to the client. Clients are therefore offered
// one fixed set ([Offered]), whatever member they will end on, and the member's
// connection is opened with what the client chose ([Capability.Towards]).
//
// One bit differs on purpose: CLIENT_SESSION_TRACK is always on towards a
// member, because its OK packets are how the proxy learns schema, variables and
// GTIDs. For a client that did not ask for it [Response] takes the block out of
// each OK packet again; what remains is byte for byte what the server sends to
// such a client (measured on MariaDB 10.11).
//
// TLS, compression, query attributes, optional metadata and MariaDB's extended
// capabilities (bits 32 and up) are not offered: the CLIENT_MYSQL bit is set on
// both sides, which is how a MariaDB server and its clients agree on the classic
// protocol. Each of them has its place: [Offered].
//
// # Invariants
//
//   - No input panics, whoever sent it. Every decoder is fuzzed.
//   - No declared length is believed before it is compared with a limit.
//   - Rows are never decoded. Only packets that can end or steer a response are
//     looked into, one at a time, and none of more than [MaxInspect] bytes.
//   - How a response is cut into chunks never changes what is read from it.
//   - A password is never needed in clear: a client's scramble shows SHA1 of it,
//     and that is enough to log in elsewhere ([Digest]).
//
// It is tested by tables of packets as MariaDB 10.11 sent them, by fuzz targets
// with those as seeds, and through internal/proxy against real servers.
package wire
