package wire

import "fmt"

// Capability is a set of CLIENT_… bits (protocol manual, "Capabilities Flags").
// The zero value is the empty set.
type Capability uint32

// The bits by their names in the protocol, without CLIENT_.
const (
	Mysql           Capability = 1 << 0 // LONG_PASSWORD on MySQL; on MariaDB: no extended capabilities
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
	SessionTrack    Capability = 1 << 23
	DeprecateEOF    Capability = 1 << 24
)

// passed are the bits that a member must see exactly as the client chose them:
// they change packets, or what a statement does.
const passed = FoundRows | LongFlag | NoSchema | ODBC | LocalFiles | IgnoreSpace |
	Protocol41 | Interactive | IgnoreSigpipe | Transactions |
	MultiStatements | MultiResults | PSMultiResults | DeprecateEOF

// framing are the bits of passed that change packets and that a server would
// ignore in silence if it did not know them.
const framing = Protocol41 | MultiStatements | MultiResults | PSMultiResults | DeprecateEOF

// Offered is what clients are offered, whatever member they will be sent to. SSL
// and Compress join it when they come; each connection has its own of those.
const Offered = passed | Mysql | ConnectWithDB | SecureConn | PluginAuth |
	ConnectAttrs | PluginAuthLen | SessionTrack

// Has reports whether all bits of want are in c.
func (c Capability) Has(want Capability) bool { return c&want == want }

// Towards returns the bits for a connection to a server that offers server, on
// behalf of a client that agreed on c. It returns an error if that server can not
// frame packets as the client expects them; the remedy is to upgrade the server
// (MySQL 5.7.5, MariaDB 10.2 and later can).
func (c Capability) Towards(server Capability) (Capability, error) {
	need := c&framing | Protocol41 | SecureConn | PluginAuth | SessionTrack
	if missing := need &^ server; missing != 0 {
		return 0, fmt.Errorf("the server lacks capabilities %#x that this connection needs", uint32(missing))
	}
	own := Mysql | Protocol41 | SecureConn | PluginAuth | SessionTrack
	return c&passed | own | server&(ConnectAttrs|PluginAuthLen|ConnectWithDB), nil
}
