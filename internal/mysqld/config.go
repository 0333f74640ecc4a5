package mysqld

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Config says who we are towards the members. The accounts are required.
type Config struct {
	Node                topology.NodeID // whose heartbeat rows these are
	ManagerUser         string          // sqlring's own account
	ManagerPassword     string
	ReplicationUser     string // the account that members follow each other by
	ReplicationPassword string

	// TLS returns the configuration of TLS for the member at addr, a host:port; nil
	// for none. With TLSOptional a member that offers no TLS is reached without.
	TLS         func(addr string) *tls.Config
	TLSOptional bool

	// TailDir is where the transactions of a returning member are listed, one
	// file per member; empty: they are judged, not listed.
	TailDir string

	Probe time.Duration // longest probe and heartbeat; default 1 s
	Act   time.Duration // longest action; default 5 s: stopping a receiver takes 2 s
	Tail  time.Duration // longest reading of a tail; default 60 s
}

// Validate returns an error that says what is missing.
func (c Config) Validate() error {
	for _, f := range []struct{ name, value string }{
		{"node", string(c.Node)},
		{"manager user", c.ManagerUser},
		{"manager password", c.ManagerPassword},
		{"replication user", c.ReplicationUser},
		{"replication password", c.ReplicationPassword},
	} {
		if f.value == "" {
			return fmt.Errorf("access to the members: the %s is missing", f.name)
		}
	}
	return nil
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&c.Probe, time.Second)
	set(&c.Act, 5*time.Second)
	set(&c.Tail, time.Minute)
	return c
}
