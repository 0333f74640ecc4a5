// Package wire speaks the MySQL client/server protocol on both sides: as a
// server towards an application, as a client towards a member of the ring.
//
// It knows framing (packets of at most 16 MiB - 1 that continue each other,
// sequence numbers), the handshake, mysql_native_password and
// caching_sha2_password on both sides, the numbers and SQLSTATEs of the errors that
// sqlring gives, and where the response to a command ends and what state it left
// ([Response]). It opens no socket, starts no goroutine, and knows nothing of rings,
// routes or sessions.
//
// # One set of capabilities
//
// What a packet looks like depends on the capabilities of the connection it
// travels on. The proxy passes packets on as they are, so the connection to the
// member must be framed as the one to the client. What clients are offered depends
// therefore on the flavour of the ring alone ([Offered], and what [OfferedByMySQL] or
// [OfferedByMariaDB] adds to it), never on the member that they will end on; and the
// member's connection is opened with what the client chose ([Capability.Towards]). A
// member that is too old to frame packets so is refused by name.
//
//	bit                             MySQL   MariaDB
//	0   LONG_PASSWORD / MYSQL       yes     as chosen: a client without it has the bits from 32 up
//	25  OPTIONAL_RESULTSET_METADATA yes     -
//	27  QUERY_ATTRIBUTES            yes     -       so they are never to be taken out
//	28  MULTI_FACTOR_AUTHENTICATION no      -       its second factor can not be shown to members
//	31  REMEMBER_OPTIONS            no      no      concerns the client's library alone
//	32  PROGRESS                    -       yes     a report is an error packet that ends nothing
//	33  COM_MULTI                   -       no      was withdrawn
//	34  STMT_BULK_OPERATIONS        -       yes
//	35  EXTENDED_METADATA           -       yes
//	36  CACHE_METADATA              -       no      a statement that is prepared again elsewhere would
//	                                                be described to the proxy instead of to the client
//	37  BULK_UNIT_RESULTS           -       no      MariaDB 11.5; the flavour's oldest here is 10.11
//
// One bit differs on purpose: CLIENT_SESSION_TRACK is always on towards a
// member, because its OK packets are how the proxy learns schema, variables and
// GTIDs. For a client that did not ask for it [Response] takes the block out of
// each OK packet again; what remains is byte for byte what the server sends to
// such a client (measured on MariaDB 10.11).
//
// TLS and compression are no part of that: each connection has its own
// ([Transport]; compressed packets: [Packer], [Unpacker]).
//
// # Invariants
//
//   - No input panics, whoever sent it. Every decoder is fuzzed.
//   - No declared length is believed before it is compared with a limit. What is
//     inflated never exceeds what was announced, and nothing is reserved for an
//     announcement but the windows of zstd, which are counted ([Codecs]).
//   - Rows are never decoded, but for connection ids in front of them, in the few
//     results that list such ([Renumber]). Only packets that can end or steer a
//     response are looked into, one at a time, and none of more than [MaxInspect]
//     bytes.
//   - How a response is cut into chunks never changes what is read from it.
//   - A password goes over the wire as it is only where nobody can listen, and
//     encrypted elsewhere. mysql_native_password never needs it: a client's scramble
//     shows SHA1 of it, and that is enough to log in elsewhere ([Digest]). Of
//     caching_sha2_password a member may want all of it ([Secret]).
//   - Nothing that logs in anywhere is printed by any verb.
//
// It is tested by tables of packets as MariaDB 10.11 and MySQL 9.7 sent them, by fuzz targets
// with those as seeds, and through internal/proxy against real servers.
package wire
