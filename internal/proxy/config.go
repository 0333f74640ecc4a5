package proxy

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Config is what a proxy can be told. The zero value of each field stands for
// its default, except that at least one of Addr and Socket is needed.
type Config struct {
	Node topology.NodeID // that this proxy is part of
	Eyes Eyes            // who is told what the proxy notices; nil: nobody

	// Lease is asked whether writes may be acknowledged; nil: for as long as the newest
	// view has an owner, which is the rule of a node that is the only one.
	Lease       Lease
	Picture     Picture                         // which members reads may go to; nil: the owner alone
	Site        string                          // where this proxy is; members there are read from first
	Consistency map[string]balancer.Consistency // of reads, by user; default: account

	Limited         func() []topology.LimitRule      // rules that hold statements back, asked at every tick; nil: none
	AccountDefaults func() []topology.AccountDefault // asked at every tick; nil: none
	Gates           func() gate.Settings             // of the members' gates, asked at every tick; nil: the default ones
	// UniqueKeys reads the unique keys of a table at a member; nil: no key is ever hot.
	UniqueKeys func(ctx context.Context, id topology.MemberID, schema, table string) ([]balancer.UniqueKey, error)
	Pressure   func(topology.MemberID) gate.Pressure // what a member says of itself; nil: not known
	// Room is this node's share of the connections that a member takes, asked at every tick:
	// MemberLinks is the bound if that is fewer; 0, and nil: not known.
	Room func(topology.MemberID) int

	Addr   string // host:port to listen on; empty: no TCP
	Socket string // path of a unix socket to listen on; empty: none

	MaxSessions    int           // client connections at once; default 4096
	Limits         Limits        // what one client can take from others
	LoginTimeout   time.Duration // from accept to the password; default 10 s
	LoginBytes     int           // what a client may send before it is logged in; default 64 KiB
	QueueTimeout   time.Duration // how long a command waits for an owner in all; default 30 s
	MaxQueued      int           // sessions that may wait for an owner; default MaxSessions
	MemberLinks    int           // connections to one member at once; default 100
	LinkIdle       time.Duration // how long a connection that nobody needs is kept; default 5 min
	LinkLifetime   time.Duration // after which a connection is not used again; default 1 h
	BackendTimeout time.Duration // to connect, log in and set up at a member; default 5 s
	RefreshTimeout time.Duration // how long a failed login waits for newer accounts; default 1 s
	WatchInterval  time.Duration // how often running sessions' clients are looked at; default 250 ms
	DrainTimeout   time.Duration // how long Run lets sessions finish at its end; default 5 s

	ProxyProtocol ProxyProtocol // balancers in front of us
	// DecoyKey is a secret that all nodes of a ring have; see [Proxy.decoy]. Default: one
	// of this process, by which unknown names can be told by asking two nodes.
	DecoyKey []byte

	TLS               ClientTLS
	MemberTLS         MemberTLS
	MemberCompression wire.Compression // of what goes to members and comes from them
	// IgnoreSlot has a client's own SET of its auto_increment slot ignored, with a
	// warning, where it sets nothing else; else it is refused.
	IgnoreSlot bool
	// Churn is for tests alone: no session comes back to the connection that it has given
	// back, unless that is kept for it; see churn.go.
	Churn bool
	// Permits are the hazards that statements of clients may have; the others are refused.
	Permits balancer.Hazards

	Logger *slog.Logger // default: no log
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if c.MaxSessions == 0 {
		c.MaxSessions = 4096
	}
	if c.MaxQueued == 0 {
		c.MaxQueued = c.MaxSessions
	}
	if c.MemberLinks == 0 {
		c.MemberLinks = 100
	}
	if c.LoginBytes == 0 {
		c.LoginBytes = 64 << 10
	}
	c.Limits = c.Limits.withDefaults(c.MaxSessions)
	if len(c.DecoyKey) == 0 {
		c.DecoyKey = make([]byte, sha256.Size)
		_, _ = rand.Read(c.DecoyKey) // never fails
	}
	def(&c.LoginTimeout, 10*time.Second)
	def(&c.QueueTimeout, 30*time.Second) // an heir may have to apply 20 s of lag first
	def(&c.LinkIdle, 5*time.Minute)
	def(&c.LinkLifetime, time.Hour)
	def(&c.BackendTimeout, 5*time.Second)
	def(&c.RefreshTimeout, time.Second)
	def(&c.WatchInterval, 250*time.Millisecond)
	def(&c.DrainTimeout, 5*time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// consistencyOf returns what reads of a user have to see.
func (c *Config) consistencyOf(user string) balancer.Consistency { return c.Consistency[user] }

// Validate returns all that is wrong with c, or nil.
func (c Config) Validate() error {
	var errs []error
	if c.Addr == "" && c.Socket == "" {
		errs = append(errs, errors.New("neither an address nor a socket to listen on"))
	}
	for _, f := range []struct {
		name string
		v    int64
	}{
		{"MaxSessions", int64(c.MaxSessions)},
		{"LoginBytes", int64(c.LoginBytes)},
		{"MaxQueued", int64(c.MaxQueued)},
		{"MemberLinks", int64(c.MemberLinks)},
		{"LinkIdle", int64(c.LinkIdle)},
		{"LinkLifetime", int64(c.LinkLifetime)},
		{"LoginTimeout", int64(c.LoginTimeout)},
		{"QueueTimeout", int64(c.QueueTimeout)},
		{"BackendTimeout", int64(c.BackendTimeout)},
		{"RefreshTimeout", int64(c.RefreshTimeout)},
		{"WatchInterval", int64(c.WatchInterval)},
		{"DrainTimeout", int64(c.DrainTimeout)},
	} {
		if f.v < 0 {
			errs = append(errs, fmt.Errorf("%s is negative", f.name))
		}
	}
	errs = append(errs, c.TLS.Validate(), c.MemberTLS.Validate(), c.Limits.validate())
	const limit = 1 << 20 // a login is a packet of some hundred bytes
	if c.LoginBytes > limit {
		errs = append(errs, fmt.Errorf("LoginBytes is %d, more than %d", c.LoginBytes, limit))
	}
	return errors.Join(errs...)
}
