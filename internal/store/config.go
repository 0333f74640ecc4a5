package store

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/hashicorp/raft"

	"github.com/sqlring/sqlring/pkg/topology"
)

// DefaultBind is the raft address of a node that names none.
const DefaultBind = "127.0.0.1:7406"

// Config is how a node takes part in raft. The zero value of each field but
// NodeID, Dir and Logger is its default.
type Config struct {
	// NodeID names this node, for ever: it is written into Dir.
	NodeID topology.NodeID
	// Dir holds the log, the votes and the snapshots. It is made if it is missing
	// and belongs to one process at a time.
	Dir string
	// Bind is the address to listen on for raft, host:port; a free port with :0.
	// Off loopback TLS is needed. Default DefaultBind.
	Bind string
	// Advertise is the address that the other nodes dial, host:port; a name is looked
	// up at each dial. Default: the address that was bound.
	Advertise string
	// TLS is how nodes talk to each other, at both ends; nil: in clear text.
	TLS *tls.Config
	// Bootstrap makes a node without any state the sole voter of a new cluster. It
	// means nothing on a node that has a state.
	Bootstrap bool
	// Join are raft addresses of other nodes, which Join asks to be let in, and Expect
	// of how many voters without a state, this one included, a new cluster is made; 0:
	// none is made.
	Join   []string
	Expect int
	// Observer: this node is to have no vote. Witness: it votes, and does not want to
	// lead: it is slower to stand for election.
	Observer, Witness bool
	// Profile has the timeouts.
	Profile Profile
	// Logger gets what the store and raft have to say.
	Logger *slog.Logger
	// Transport takes the place of TCP, for tests. Stop closes it.
	Transport raft.Transport
}

// Validate says what is wrong with c, all of it.
func (c Config) Validate() error {
	var errs []error
	if err := topology.ValidName(string(c.NodeID)); err != nil {
		errs = append(errs, fmt.Errorf("node id: %w", err))
	}
	if c.Dir == "" {
		errs = append(errs, errors.New("the directory is missing"))
	}
	if c.Logger == nil {
		errs = append(errs, errors.New("the logger is missing"))
	}
	if int(c.Profile) >= len(profiles()) {
		errs = append(errs, fmt.Errorf("profile %d is unknown", c.Profile))
	}
	if c.Transport == nil {
		for _, addr := range []string{c.Bind, c.Advertise} {
			if err := c.checkAddr(addr); addr != "" && err != nil {
				errs = append(errs, err)
			}
		}
	}
	if c.Expect > MaxVoters || c.Expect < 0 {
		errs = append(errs, fmt.Errorf("%d voters are expected, 1 to %d are possible", c.Expect, MaxVoters))
	}
	if c.Bootstrap && (c.Expect > 1 || c.Observer) {
		errs = append(errs, errors.New("a sole voter expects nobody and is no observer"))
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.Bind == "" {
		c.Bind = DefaultBind
	}
	return c
}

// checkAddr refuses what would carry raft in clear text over a network.
func (c Config) checkAddr(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("raft address %q: %w", addr, err)
	}
	if c.TLS != nil {
		return nil
	}
	if ip := net.ParseIP(host); host == "localhost" || (ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("raft address %q is not on loopback: raft between hosts needs mTLS: make certificates (sqlring tls ca create) and name them in raft.tls, or use 127.0.0.1", addr)
}

// Profile is a set of raft timeouts. They trade the time without a leader
// against elections for nothing on a slow network or disk.
type Profile uint8

// The profiles.
const (
	ProfileLAN  Profile = iota // 500/500/250 ms (heartbeat, election, lease); the default
	ProfileFast                // 200/200/100 ms, for own disks on a quiet network
	ProfileWAN                 // 1000/1000/500 ms, for sites that are far apart
)

type timeouts struct {
	name                       string
	heartbeat, election, lease time.Duration
}

func profiles() []timeouts {
	const ms = time.Millisecond
	return []timeouts{
		ProfileLAN:  {"lan", 500 * ms, 500 * ms, 250 * ms},
		ProfileFast: {"fast", 200 * ms, 200 * ms, 100 * ms},
		ProfileWAN:  {"wan", 1000 * ms, 1000 * ms, 500 * ms},
	}
}

// String returns lan, fast or wan.
func (p Profile) String() string {
	if all := profiles(); int(p) < len(all) {
		return all[p].name
	}
	return fmt.Sprintf("profile(%d)", uint8(p))
}

// ParseProfile reads lan, fast or wan; the empty text is lan.
func ParseProfile(text string) (Profile, error) {
	if text == "" {
		return ProfileLAN, nil
	}
	for p, t := range profiles() {
		if t.name == text {
			return Profile(p), nil
		}
	}
	return 0, fmt.Errorf("raft profile %q: use lan, fast or wan", text)
}

// witnessPatience is how many times longer a witness waits before it stands.
const witnessPatience = 3

// Limits of what stands in the log. The state is small and each command
// matters, so snapshots are taken early and the log stays short.
const (
	snapshotThreshold = 1024 // entries since the last snapshot
	trailingLogs      = 4096 // entries kept for followers that are behind
	snapshotInterval  = time.Minute
	retainSnapshots   = 2
	maxAppendEntries  = 64
)

func (c Config) raft() *raft.Config {
	t := profiles()[c.Profile]
	rc := raft.DefaultConfig()
	rc.LocalID = raft.ServerID(c.NodeID)
	rc.HeartbeatTimeout, rc.ElectionTimeout, rc.LeaderLeaseTimeout = t.heartbeat, t.election, t.lease
	if c.Witness {
		rc.HeartbeatTimeout, rc.ElectionTimeout = witnessPatience*t.heartbeat, witnessPatience*t.election
	}
	rc.SnapshotThreshold, rc.SnapshotInterval, rc.TrailingLogs = snapshotThreshold, snapshotInterval, trailingLogs
	rc.MaxAppendEntries = maxAppendEntries
	rc.RestoreCommittedLogs = false // replay.go says why
	rc.NoLegacyTelemetry = true
	rc.ShutdownOnRemove = false // a removed node goes on serving reads
	rc.Logger = newRaftLogger(c.Logger)
	return rc
}
