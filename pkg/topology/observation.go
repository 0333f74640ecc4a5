package topology

import (
	"slices"
	"strings"
	"time"

	"github.com/sqlring/sqlring/pkg/autoinc"
)

// Reach is how a server answered a probe. The zero value is ReachUnknown.
type Reach uint8

// The answers.
const (
	ReachUnknown Reach = iota // not probed yet, or the prober itself is not well
	ReachAnswers              // the probe's questions were answered
	ReachRefused              // the connection was refused or reset: no process listens there
	ReachSilent               // nothing came back in time: frozen, cut off, or we are
	ReachDenied               // it answers, but not to us: a login or a privilege is missing
)

var reachNames = [...]string{"unknown", "answers", "refused", "silent", "denied"}

func (r Reach) String() string { return enumName(reachNames[:], int(r)) }

// MarshalText writes the answer's name.
func (r Reach) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads an answer's name.
func (r *Reach) UnmarshalText(text []byte) error { return enumParse(reachNames[:], text, r) }

// ThreadState is the state of a replication thread.
type ThreadState uint8

// The states of a replication thread. The zero value is ThreadUnknown.
const (
	ThreadUnknown ThreadState = iota
	ThreadStopped
	ThreadConnecting // the receiver, between two attempts (Slave_IO_Running: Connecting)
	ThreadRunning
)

var threadNames = [...]string{"unknown", "stopped", "connecting", "running"}

func (t ThreadState) String() string { return enumName(threadNames[:], int(t)) }

// MarshalText writes the state's name.
func (t ThreadState) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads a state's name.
func (t *ThreadState) UnmarshalText(text []byte) error { return enumParse(threadNames[:], text, t) }

// Link is a member's connection to its upstream (SHOW SLAVE STATUS; on MySQL the
// replication tables of performance_schema). The zero
// value is a member that follows nobody.
type Link struct {
	Upstream      string      `json:"upstream"`       // host:port; empty: it follows nobody
	Receiver      ThreadState `json:"receiver"`       // the IO thread
	Since         time.Time   `json:"since"`          // since when every probe has seen this Upstream and Receiver
	Lost          bool        `json:"lost,omitempty"` // it was seen to receive from this Upstream, and connects anew
	ReceiverErrno int         `json:"receiver_errno,omitempty"`
	ReceiverError string      `json:"receiver_error,omitempty"`
	Applier       ThreadState `json:"applier"`            // the SQL thread
	Plain         bool        `json:"plain,omitempty"`    // it goes by file and position, not by GTID
	Filters       string      `json:"filters,omitempty"`  // what it leaves out; empty: nothing
	Halted        time.Time   `json:"halted,omitzero"`    // since when every probe has seen the applier stopped; zero: it runs
	Channels      int         `json:"channels,omitempty"` // MySQL: how many links there are; this is the first. 0 on MariaDB
	ApplierErrno  int         `json:"applier_errno,omitempty"`
	ApplierError  string      `json:"applier_error,omitempty"`
	// Received is how far the receiver has come (Gtid_IO_Pos, Retrieved_Gtid_Set): drained means that
	// the observation's Applied covers it, read while the receiver is stopped.
	Received Position `json:"received"`
}

// lasting returns l with Since: that of the link seen before if it was in the same
// state, else now; with Halted, and with Lost.
func (l Link) lasting(before Link, now time.Time) Link {
	l.Since = now
	same := before.Upstream == l.Upstream
	if same && before.Receiver == l.Receiver && !before.Since.IsZero() {
		l.Since = before.Since
	}
	l.Halted = time.Time{}
	if l.Applier == ThreadStopped {
		if l.Halted = now; same && before.Applier == ThreadStopped && !before.Halted.IsZero() {
			l.Halted = before.Halted
		}
	}
	l.Lost = same && l.Receiver == ThreadConnecting && (before.Receiver == ThreadRunning || before.Lost)
	return l
}

// SemiSyncStatus is what a server says of its semi-synchronous replication.
type SemiSyncStatus struct {
	Enabled bool `json:"enabled"` // rpl_semi_sync_master_enabled
	On      bool `json:"on"`      // Rpl_semi_sync_master_status: commits do wait
	Ackers  int  `json:"ackers"`  // Rpl_semi_sync_master_clients
	Waiting int  `json:"waiting"` // Rpl_semi_sync_master_wait_sessions
	Acking  bool `json:"acking"`  // Rpl_semi_sync_slave_status: it acks towards its upstream
	// Replicas are the server ids of whoever pulls from it, sorted (SHOW SLAVE
	// HOSTS), with an ack or without; an id stands twice while the server ends its
	// earlier connection. The server does not say which of them the Ackers are: one
	// acker is the expected one if that alone is listed here, and says itself that it
	// is Acking. Who gives no id is counted in Ackers and not listed.
	Replicas []uint32 `json:"replicas"`
}

// Settings are the variables of a server that the ring's law is about.
type Settings struct {
	LogBin           bool   `json:"log_bin"`
	LogReplica       bool   `json:"log_replica_updates"`
	RowFormat        bool   `json:"row_format"`
	GTIDStrict       bool   `json:"gtid_strict"`
	IgnoreDuplicates bool   `json:"gtid_ignore_duplicates"`
	ParallelThreads  int    `json:"parallel_threads"`
	StrictDDL        bool   `json:"strict_ddl"` // slave_ddl_exec_mode=STRICT
	NetTimeout       int    `json:"net_timeout_s"`
	AckerEnabled     bool   `json:"acker_enabled"`         // rpl_semi_sync_slave_enabled
	EndlessWait      bool   `json:"endless_wait"`          // the semi-sync timer never degrades by itself
	AfterSync        bool   `json:"after_sync"`            // rpl_semi_sync_master_wait_point
	ReadOnlyInFile   bool   `json:"read_only_in_file"`     // boots closed: read_only comes from the config file
	LogReplicaInFile bool   `json:"log_replica_in_file"`   // log_slave_updates comes from the config file
	ConfigFile       string `json:"config_file,omitempty"` // where read_only was read from
	ServerUUID       string `json:"server_uuid,omitempty"` // MySQL; empty on MariaDB
	// ServerID is what a MySQL replicates under, prepared or not; 0 on MariaDB.
	ServerID uint32 `json:"server_id,omitempty"`
	// MySQL: a restart throws away what was received and not applied.
	RelayRecovery bool `json:"relay_recovery,omitempty"`
}

// Beat is the newest heartbeat row of one origin and node that a server has.
type Beat struct {
	Origin MemberID `json:"origin"`
	Node   NodeID   `json:"node"`
	Seq    uint64   `json:"seq"`
}

// Renewal says which sessions count by the global layout for sure: a server copies it
// into a session when that begins. It stands in the server's memory; the zero value: not
// since it was started.
type Renewal struct {
	Stride int    `json:"stride"` // of the layout that was set
	Below  uint64 `json:"below"`  // connections with a lower id are from before
	Older  int    `json:"older"`  // of those of applications, or that log in, so many are left
}

// Observation is what one server said in one probe. Everything but Member, At,
// Asked, Reach, Since and Error is meaningful only if Reach is ReachAnswers.
type Observation struct {
	Member MemberID  `json:"member"`
	Asked  time.Time `json:"asked"` // when the probe was sent
	At     time.Time `json:"at"`    // when its answer was complete, or given up
	Reach  Reach     `json:"reach"`
	Since  time.Time `json:"since"` // since when every probe has ended with this Reach
	Error  string    `json:"error,omitempty"`

	Version  ServerVersion  `json:"version"`
	Greeting string         `json:"greeting,omitempty"` // @@version, as clients are told it
	Boot     uint64         `json:"boot"`               // the token of this process, 0 for none
	ServerID uint32         `json:"server_id"`          // on MySQL 0 until this process was prepared
	Domain   uint32         `json:"domain"`             // gtid_domain_id; on MySQL the SourceDomain of its server_uuid
	ReadOnly bool           `json:"read_only"`
	Layout   autoinc.Layout `json:"layout"` // the global variables
	Renewed  Renewal        `json:"renewed,omitzero"`
	Settings Settings       `json:"settings"`
	Link     Link           `json:"link"`
	SemiSync SemiSyncStatus `json:"semi_sync"`
	Applied  Position       `json:"applied"`             // gtid_slave_pos: what came over the link and is done
	Binlog   Position       `json:"binlog"`              // gtid_binlog_pos: what it can pass on
	BinlogAt BinlogPlace    `json:"binlog_at,omitzero"`  // where its last commit stands in the binlog; zero: not known
	Schemas  []string       `json:"schemas"`             // the schemas that are neither the server's nor sqlring's, sorted
	HasRing  bool           `json:"has_ring"`            // schema sqlring with its tables is there
	Apps     int            `json:"apps"`                // connections of accounts that are neither sqlring's nor the server's
	Busy     int            `json:"busy,omitempty"`      // of them, those that are at work: not idle
	AppsFrom uint64         `json:"apps_from,omitempty"` // the lowest id of them; 0: there are none
	AppsTo   uint64         `json:"apps_to,omitempty"`   // the highest
	Beats    []Beat         `json:"beats"`               // sorted by origin, then node
	Tail     *Tail          `json:"tail,omitempty"`
	Replay   *Replay        `json:"replay,omitempty"` // what came of the last one that this node did
	Copy     *CopyProgress  `json:"copy,omitempty"`   // the copy into it that this node makes, or made
	Events   EventsSeen     `json:"events,omitzero"`
	Slots    SlotsSeen      `json:"slots,omitzero"`
	Room     Room           `json:"room,omitzero"` // of its disk
	// SuperReadOnly says that it refuses writes of administrators too, as a MySQL does from its
	// start until it is prepared.
	SuperReadOnly bool `json:"super_read_only,omitempty"`
	// Held is who holds a user-level lock there that is the nodes' own, and what to do; "" if
	// nobody is known to. It is told whatever Reach is.
	Held string `json:"held,omitempty"`

	// Earlier is the position in the probe before, and EarlierAt when that was
	// complete; empty if the member did not answer it. Where one position has to be
	// read after another, probes that keep time with each other would never do.
	Earlier   Position  `json:"earlier"`
	EarlierAt time.Time `json:"earlier_at,omitzero"`
	// Still is since when every probe has found this very Position.
	Still time.Time `json:"still,omitzero"`
	Past  Past      `json:"past,omitzero"` // of its binlog, by all probes; told whatever Reach is
	// Gap is what the GTIDs lack that a MySQL has executed ([FirstGap]). Then Reach is
	// ReachUnknown, and besides this only who it is is told: Boot, ServerID and Domain.
	Gap string `json:"gap,omitempty"`
}

// TailVerdict is what the transactions that only a returning member holds allow.
type TailVerdict uint8

// The verdicts. The zero value is TailUnknown.
const (
	TailUnknown  TailVerdict = iota
	TailEmpty                // nothing but sqlring's own rows
	TailMayFlow              // inserts only, in its own slot, no other unique key
	TailConflict             // anything else: the DBA decides
)

var tailNames = [...]string{"unknown", "empty", "may flow", "conflict"}

func (v TailVerdict) String() string { return enumName(tailNames[:], int(v)) }

// MarshalText writes the verdict's name.
func (v TailVerdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads a verdict's name.
func (v *TailVerdict) UnmarshalText(text []byte) error { return enumParse(tailNames[:], text, v) }

// BinlogFileMost is how large a file of a MariaDB's binlog may become, in bytes (S116).
const BinlogFileMost = 64 << 20

// Tail is what was read from the binlog of a returning member, above a cut.
type Tail struct {
	Cut          Position    `json:"cut"` // read from here
	End          Position    `json:"end"` // up to here
	Verdict      TailVerdict `json:"verdict"`
	Why          string      `json:"why"`          // what decided the verdict
	Transactions int         `json:"transactions"` // sqlring's own aside
	File         string      `json:"file,omitempty"`
	// Unread is when reading it was given up, on the clock of the node that reads; zero: it was
	// read. Verdict and what it counts say nothing then.
	Unread time.Time `json:"unread,omitzero"`
}

// Position returns everything that the member has: what it applied and what it
// wrote itself.
func (o Observation) Position() Position { return o.Applied.Union(o.Binlog) }

// Visible returns what a read on the member is sure to see: what it applied of others
// and committed, and its own transactions. One of others that only stands in the
// binlog is still being committed. Of its own the newest may be too, but nobody has
// been told of those yet.
func (o Observation) Visible() Position {
	own, ok := o.Binlog.Last(o.Domain)
	if !ok {
		return o.Applied
	}
	return o.Applied.With(own)
}

// PositionBefore returns the newest position of the member that was read before
// now, and when; ok is false if there is none.
func (o Observation) PositionBefore(now time.Time) (p Position, at time.Time, ok bool) {
	switch {
	case o.At.Before(now):
		return o.Position(), o.At, true
	case !o.EarlierAt.IsZero() && o.EarlierAt.Before(now):
		return o.Earlier, o.EarlierAt, true
	}
	return nil, time.Time{}, false
}

// After returns o with what the probe before it adds: since when its link is as it
// is, and the earlier position. Whoever notes observations calls it once for each.
func (o Observation) After(before Observation) Observation {
	o.Link = o.Link.lasting(before.Link, o.At)
	o.Still = o.At
	o.Room = o.Room.lasting(before, o)
	o.Past = before.Past.with(o)
	if before.Reach == ReachAnswers {
		o.Earlier, o.EarlierAt = before.Position(), before.At
		if p := o.Position(); !before.Still.IsZero() && p.Covers(o.Earlier) && o.Earlier.Covers(p) {
			o.Still = before.Still
		}
	}
	return o
}

// Drained reports whether the member has applied all that it received, and will
// receive no more: safety rule 1 asks for this before a link is changed. A
// transaction that the applier is still committing stands in the binlog already,
// so only what it says to have applied counts; its own transactions, which it
// does not apply when they come round, aside.
func (o Observation) Drained() bool {
	return o.Link.Receiver == ThreadStopped && len(o.Unapplied()) == 0
}

// Unapplied returns what the member has received and not applied: one entry a
// domain, with the sequence number to be reached. A MySQL is not sent what it has, so
// what it received of its own it has lost, and applies.
func (o Observation) Unapplied() Position {
	if o.Version.Flavour == FlavourMySQL {
		return o.Applied.Missing(o.Link.Received)
	}
	return o.Applied.Missing(o.Link.Received.Without(o.Domain))
}

// Reached returns how far the member has come in a domain, what it received and has not applied
// included; 0 for nothing.
func (o Observation) Reached(domain uint32) uint64 {
	return max(o.Position().Seq(domain), o.Unapplied().Seq(domain))
}

// Writer is what one proxy says of its lease on a unit.
type Writer struct {
	Node    NodeID    `json:"node"`
	Unit    UnitID    `json:"unit"`
	Epoch   uint64    `json:"epoch"`   // the newest epoch that it knows of
	Holding bool      `json:"holding"` // it may still acknowledge writes of an epoch before
	Acked   Position  `json:"acked"`   // the newest transactions that it acknowledged
	Since   time.Time `json:"since"`   // since when Acked is complete: when the proxy was started; tells processes apart; the same for every unit
	// At is when the leader heard it, on the leader's clock.
	At time.Time `json:"at"`
	// Timed says that the proxy acts on a lease that ends by itself (LeaseTTL after it
	// was asked for). A proxy that is the only one there is needs none.
	Timed bool `json:"timed,omitempty"`
	// Isolations is the newest change of isolation that it had heard of when it said Timed: of
	// one after that it may hear any time, and be cut off before it hears of the next (S121).
	Isolations uint64 `json:"isolations,omitempty"`
	// Quiet says that nothing which this proxy has begun in the unit is without its
	// final answer, and that it begins nothing: the unit is Draining, or has no
	// owner, in that Epoch. It covers what was begun in earlier epochs, and before
	// the unit was parted from "*". A statement or transaction that was cut has no
	// final answer: the member may still be at it. Then it is false until the unit
	// has an owner again.
	Quiet bool `json:"quiet,omitempty"`
}

// timed reports whether w's lease ends by itself, whatever w hears from now on.
func (w Writer) timed(r *Ring) bool { return w.Timed && w.Isolations == r.Isolations }

// began reports whether w is of that process.
func (w Writer) began(p ProxyStart) bool { return w.Node == p.Node && w.Since.Equal(p.Since) }

// Observations is everything that was seen of the ring, by this node.
type Observations struct {
	Members []Observation `json:"members"` // sorted by member
	Writers []Writer      `json:"writers"` // sorted by node, then unit
	Nodes   []NodeID      `json:"nodes"`   // the nodes whose proxies may hold leases
	Others  []Sighting    `json:"others"`  // how the other nodes see the members
	Grants  []Grant       `json:"grants"`  // what this leadership has given; the newest for each node and unit
	// Led is since when this node leads without a break. Zero: it is not the leader
	// that asks.
	Led time.Time `json:"led,omitzero"`
	// Site is where this node stands, and Hears are the nodes that answered it within
	// about a second; Places are the other nodes, sorted. Of the leader's observations.
	Site   string    `json:"site,omitempty"`
	Hears  []Hearing `json:"hears,omitempty"`
	Places []Place   `json:"places,omitempty"`
}

// MaxAge is how old an observation may be for anything to be done because of
// it. Nothing acts on an older one.
const MaxAge = 2 * time.Second

// Of returns the observation of a member, whatever its age.
func (o Observations) Of(id MemberID) (Observation, bool) {
	for _, m := range o.Members {
		if m.Member == id {
			return m, true
		}
	}
	return Observation{Member: id}, false
}

// Good returns the observation of a member that answered within MaxAge.
func (o Observations) Good(id MemberID, now time.Time) (Observation, bool) {
	m, ok := o.Of(id)
	return m, ok && m.Reach == ReachAnswers && now.Sub(m.At) <= MaxAge
}

// With returns o with m in the place of the member's earlier observation.
func (o Observations) With(m Observation) Observations {
	members := slices.Clone(o.Members)
	i, found := slices.BinarySearchFunc(members, m.Member, func(x Observation, id MemberID) int {
		return strings.Compare(string(x.Member), string(id))
	})
	if found {
		members[i] = m
	} else {
		members = slices.Insert(members, i, m)
	}
	o.Members = members
	return o
}
