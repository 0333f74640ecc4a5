package wire

import "fmt"

// Capability is a set of CLIENT_… bits (protocol manual, "Capabilities Flags"),
// MariaDB's extended ones (MariaDB manual, "Connection") from bit 32 up. The zero
// value is the empty set.
type Capability uint64

// The bits by their names in the protocol, without CLIENT_ or MARIADB_CLIENT_.
const (
	Mysql           Capability = 1 << 0 // LONG_PASSWORD on MySQL; on MariaDB: the extended bits are not there
	FoundRows       Capability = 1 << 1
	LongFlag        Capability = 1 << 2
	ConnectWithDB   Capability = 1 << 3
	NoSchema        Capability = 1 << 4
	Compress        Capability = 1 << 5
	ODBC            Capability = 1 << 6
	LocalFiles      Capability = 1 << 7
	IgnoreSpace     Capability = 1 << 8
	Protocol41      Capability = 1 << 9
	Interactive     Capability = 1 << 10
	SSL             Capability = 1 << 11
	IgnoreSigpipe   Capability = 1 << 12
	Transactions    Capability = 1 << 13
	SecureConn      Capability = 1 << 15
	MultiStatements Capability = 1 << 16
	MultiResults    Capability = 1 << 17
	PSMultiResults  Capability = 1 << 18
	PluginAuth      Capability = 1 << 19
	ConnectAttrs    Capability = 1 << 20
	PluginAuthLen   Capability = 1 << 21 // PLUGIN_AUTH_LENENC_CLIENT_DATA
	Expired         Capability = 1 << 22 // CAN_HANDLE_EXPIRED_PASSWORDS
	SessionTrack    Capability = 1 << 23
	DeprecateEOF    Capability = 1 << 24

	OptionalMetadata Capability = 1 << 25 // OPTIONAL_RESULTSET_METADATA, MySQL 8.0.3
	ZstdCompress     Capability = 1 << 26 // ZSTD_COMPRESSION_ALGORITHM, MySQL 8.0.18
	QueryAttributes  Capability = 1 << 27 // MySQL 8.0.23

	Progress         Capability = 1 << 32 // reports of progress during long statements
	BulkOperations   Capability = 1 << 34 // STMT_BULK_OPERATIONS, MariaDB 10.2.4
	ExtendedMetadata Capability = 1 << 35 // MariaDB 10.5.2
)

// extended are the bits that travel in what other servers keep in reserve, between
// peers that both leave out Mysql.
const extended Capability = 0xFFFF_FFFF << 32

// passed are the bits that a member must see exactly as the client chose them:
// they change packets, or what a statement does.
const passed = Mysql | FoundRows | LongFlag | NoSchema | ODBC | LocalFiles | IgnoreSpace |
	Protocol41 | Interactive | IgnoreSigpipe | Transactions |
	MultiStatements | MultiResults | PSMultiResults | DeprecateEOF | Expired |
	OptionalMetadata | QueryAttributes | Progress | BulkOperations | ExtendedMetadata

// framing are the bits of passed that change packets and that a server would
// ignore in silence if it did not know them.
const framing = Protocol41 | MultiStatements | MultiResults | PSMultiResults | DeprecateEOF |
	OptionalMetadata | QueryAttributes | BulkOperations | ExtendedMetadata

// Transport are the bits of how bytes travel. They say nothing of what packets look
// like: the two sides of the proxy have theirs each on its own.
const Transport = SSL | Compress | ZstdCompress

// What clients are offered depends on the flavour of the ring, and on nothing
// else: never on the member that they will be sent to. What of Transport is offered
// joins it.
const (
	// Offered is what all flavours have, and what clients get while the flavour is
	// not known.
	Offered = Mysql | FoundRows | LongFlag | NoSchema | ODBC | LocalFiles | IgnoreSpace |
		Protocol41 | Interactive | IgnoreSigpipe | Transactions |
		MultiStatements | MultiResults | PSMultiResults | DeprecateEOF |
		ConnectWithDB | SecureConn | PluginAuth | ConnectAttrs | PluginAuthLen | SessionTrack | Expired
	// OfferedByMySQL is what MySQL has beyond that.
	OfferedByMySQL = OptionalMetadata | QueryAttributes
	// OfferedByMariaDB is what MariaDB has beyond it.
	OfferedByMariaDB = Progress | BulkOperations | ExtendedMetadata
	// offeredByAny is all that a client can have been offered.
	offeredByAny = Offered | OfferedByMySQL | OfferedByMariaDB | Transport
)

// Has reports whether all bits of want are in c.
func (c Capability) Has(want Capability) bool { return c&want == want }

// Towards returns the bits for a connection to a server that offers server, on
// behalf of a client that agreed on c. It returns an error if that server can not
// frame packets as the client expects them; the remedy is to upgrade the server
// (MySQL 5.7.5, MariaDB 10.2 and later can).
func (c Capability) Towards(server Capability) (Capability, error) {
	need := c&framing | Protocol41 | SecureConn | PluginAuth | SessionTrack
	if missing := need &^ server; missing != 0 {
		return 0, fmt.Errorf("the server lacks capabilities %#x that this connection needs", uint64(missing))
	}
	own := Protocol41 | SecureConn | PluginAuth | SessionTrack
	return c&passed | own | server&(ConnectAttrs|PluginAuthLen|ConnectWithDB), nil
}

// Passed returns the bits of c that a member sees as the client chose them: clients
// that differ in others alone are the same to it.
func (c Capability) Passed() Capability { return c & passed }
