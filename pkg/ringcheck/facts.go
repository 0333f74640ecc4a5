package ringcheck

import (
	"slices"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Facts is everything that checks look at. The zero value is a node without a ring.
type Facts struct {
	At      time.Time // when the facts were read, by the node's clock
	Members []Member  // in ring order, those that are no members yet last
	Node    *Node     // nil: nobody asked for the node's side

	Ring     string // its name; empty: there is none
	Stride   int    // of the ring; 0: there is no ring
	SemiSync bool   // the ring's durability is semisync

	// Owners says who owns each unit.
	Owners map[topology.UnitID]topology.MemberID

	Manager     string // user name of the account that sqlring manages members with
	Replication string // user name of the account that members follow each other with

	Nodes       int           // how many nodes have a proxy; 0: not known
	MemberLinks int           // most connections of a node's proxy to one member; 0: not known
	LinkIdle    time.Duration // how long a pooled connection may idle; 0: not known
}

// Part is a group of facts that are read together, and missing together.
type Part string

// The parts of a member's facts.
const (
	PartSettings    Part = "settings"    // variables
	PartStatus      Part = "status"      // counters
	PartAccounts    Part = "accounts"    // accounts and their privileges
	PartTables      Part = "tables"      // tables, keys
	PartObjects     Part = "objects"     // views, triggers, routines, events
	PartColumns     Part = "columns"     // AUTO_INCREMENT columns
	PartTies        Part = "ties"        // what joins schemas
	PartReplication Part = "replication" // its link and who follows it
	PartSessions    Part = "sessions"    // open transactions
	PartPrepared    Part = "prepared"    // prepared XA transactions
	PartClock       Part = "clock"
	PartDisk        Part = "disk"
)

// Parts lists all parts, in the order in which they are read.
func Parts() []Part {
	return []Part{
		PartSettings, PartStatus, PartClock, PartReplication, PartAccounts, PartSessions, PartPrepared,
		PartDisk, PartTables, PartObjects, PartColumns, PartTies,
	}
}

// Member is what was read of one server. What is not in Unread was read.
type Member struct {
	Name string
	Addr string // host:port
	// Intent is what raft says of it; nil: it is no member.
	Intent *topology.Member
	// Upstream is the address that it is meant to follow; empty: nobody.
	Upstream string
	// AwayFor is for how long it has been out of the ring; 0: it is in.
	AwayFor time.Duration
	// Unread says of each part that could not be read why not.
	Unread map[Part]string

	Version      topology.ServerVersion
	Variables    map[string]Variable // by name in lower case
	Status       map[string]string   // by name in lower case
	Clock        Clock
	Link         *Link // nil: it follows nobody
	Receivers    int   // receiver threads that run: 1 for one upstream
	Replicas     []uint32
	Accounts     []Account
	From         string // from which host our own connection came, as the server sees it
	TLS          bool   // the server offers TLS
	Transactions []Transaction
	Prepared     []string // XA transactions that are prepared
	Disk         *Disk    // nil: nobody can tell
	Tables       []Table
	Objects      []Object
	Columns      []autoinc.Column
	Ties         []topology.Tie
	BinlogBytes  uint64
}

// Variable is one setting of a server.
type Variable struct {
	Value  string
	Origin Origin
}

// Origin is where a value comes from.
type Origin string

// The origins. The zero value is not known.
const (
	OriginDefault   Origin = "default"
	OriginFile      Origin = "file"      // the config file, or the command line
	OriginPersisted Origin = "persisted" // SET PERSIST; MySQL alone
	OriginSQL       Origin = "sql"       // SET GLOBAL: it is gone after a restart
)

// Clock compares the member's clock with the node's.
type Clock struct {
	Ahead time.Duration // of the member; negative: it is behind
	Error time.Duration // how far Ahead may be off: half the round trip
}

// Link is how a member follows its upstream.
type Link struct {
	Source                       string // host:port
	User                         string
	Receiver, Applier            string // Yes, No, Connecting
	ReceiverErrno, ApplierErrno  int
	ReceiverError, ApplierError  string
	TLS, ByGTID                  bool
	ConnectRetry, Heartbeat      float64  // s
	Filters                      []string // replicate_* that are set, with their values
	IgnoredServers               string
	OpenTemporaryTables, Retries int
	Delay                        int // s, by order
}

// Account is one account, with the global privileges that it has by itself or by its
// roles.
type Account struct {
	topology.Account

	Password   string   // a digest of the stored hash, to compare; empty: it has none
	Privileges []string // ON *.*, sorted
	Internal   bool     // it belongs to the server: mysql.sys, mariadb.sys, …
}

// Has reports whether the account has one of the privileges.
func (a Account) Has(privileges ...string) bool {
	return slices.ContainsFunc(privileges, func(p string) bool { return slices.Contains(a.Privileges, p) })
}

// Transaction is one that is open.
type Transaction struct {
	Connection uint64
	For        time.Duration
	User       string
}

// Disk is where the data lies.
type Disk struct {
	Path        string
	Free, Total uint64 // bytes
}

// Table is a base table, or a sequence.
type Table struct {
	Schema, Name, Engine, Collation string
	Sequence                        bool
	Increment                       string // of a sequence: 0 takes auto_increment_increment; empty: not known
	Primary                         bool
	Uniques                         []string // unique keys but the primary, "name (columns)"
	Nullable                        []string // of those, the ones with a column that may be NULL
	Definition                      string   // digest of its columns and keys: equal for equal tables
}

// FullName is schema.table.
func (t Table) FullName() string { return t.Schema + "." + t.Name }

// Object is a view, trigger, routine or event.
type Object struct {
	Sort, Schema, Name string
	Definer            string // user@host
	Status             string // of an event: ENABLED, DISABLED, SLAVESIDE_DISABLED or REPLICA_SIDE_DISABLED
	Untold             string // what its text may leave in a session that no server reports (balancer.Untold); "" for nothing
}

// FullName is "view schema.name".
func (o Object) FullName() string { return o.Sort + " " + o.Schema + "." + o.Name }

// variable returns the first of the names, separated by |, that the server has.
func (m *Member) variable(names string) (name string, v Variable, ok bool) {
	for name := range strings.SplitSeq(names, "|") {
		if v, ok := m.Variables[name]; ok {
			return name, v, true
		}
	}
	return "", Variable{}, false
}

// value returns a variable's value in upper case, "" if the server has no such.
func (m *Member) value(names string) string {
	_, v, _ := m.variable(names)
	return strings.ToUpper(v.Value)
}

// on reports whether a variable is on.
func (m *Member) on(names string) bool {
	switch m.value(names) {
	case "ON", "1", "YES", "TRUE":
		return true
	}
	return false
}

func (m *Member) mariadb() bool { return m.Version.Flavour == topology.FlavourMariaDB }

// expected reports whether the member is meant to take part in replication now.
func (m *Member) expected() bool { return m.Intent != nil && m.Intent.Linked() }

// Node is the node's own side.
type Node struct {
	Name           string
	Leader         string // who leads; empty: nobody
	RaftError      string // why it has left raft; empty: it has not
	LogBytes       int64
	Peers          []Peer
	Certificates   []Certificate
	Disk           *Disk
	OpenFiles      uint64
	OpenFilesLimit uint64   // 0: not known
	ConfigFaults   []string // of the file that it would start from now
	Levels         []Level
	Stuck          string   // what a person has to do; empty: nothing
	Violations     []string // where what is seen breaks what is meant
	Proxy          *Proxy   // nil: it has none
}

// Peer is another node, or itself.
type Peer struct {
	Name, Part string // part: voter, witness, observer
	Self       bool
	Error      string // why its port could not be reached; empty: it could
}

// Certificate is one that the node uses.
type Certificate struct {
	File  string
	Until time.Time
	Error string // why it can not be read
}

// Level is a member's lag level, and why.
type Level struct {
	Member, Level, Why string
}

// Proxy is what the node's proxy has done since it was started.
type Proxy struct {
	Sessions, MaxSessions, Queued    int // MaxSessions 0: not known
	Queries, Errors, OutcomesUnknown uint64
	LinksLost, Links, Abandoned      uint64
	Refused                          map[string]uint64
}
