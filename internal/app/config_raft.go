package app

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/sqlring/sqlring/internal/authority"
	"github.com/sqlring/sqlring/internal/store"
	"github.com/sqlring/sqlring/pkg/topology"
)

// RaftConfig is how a node talks to the other nodes.
type RaftConfig struct {
	Listen  string `yaml:"listen"`  // host:port; default 127.0.0.1:7406
	Profile string `yaml:"profile"` // timeouts: lan (default), fast or wan
	// Advertise is the host:port that the other nodes dial; a name is looked up each
	// time. Default: Listen.
	Advertise string `yaml:"advertise,omitempty"`
	// Role is voter (default), witness (votes, does nothing else) or observer (a proxy
	// without a vote).
	Role string `yaml:"role"`
	// Join are the addresses of other nodes, by which this one finds the ring. Empty:
	// it is a ring of its own.
	Join []string `yaml:"join,omitempty"`
	// BootstrapExpect is of how many voters without a state a new ring is made; 0: this
	// node joins one that is there.
	BootstrapExpect int           `yaml:"bootstrap_expect,omitempty"`
	TLS             NodeTLSConfig `yaml:"tls"` // needed off loopback
}

// NodeTLSConfig are the files by which nodes know each other: sqlring tls cert create.
type NodeTLSConfig struct {
	CA   string `yaml:"ca,omitempty"`
	Cert string `yaml:"cert,omitempty"`
	Key  string `yaml:"key,omitempty"`
}

// The roles of a node.
const (
	roleVoter    = "voter"
	roleWitness  = "witness"
	roleObserver = "observer"
)

func (t NodeTLSConfig) files() authority.Files {
	return authority.Files{CA: t.CA, Cert: t.Cert, Key: t.Key}
}

func (t NodeTLSConfig) given() bool { return t != NodeTLSConfig{} }

// alone reports whether the node is to be a ring of its own.
func (r RaftConfig) alone() bool { return len(r.Join) == 0 }

// witness reports whether the node votes, and does nothing else.
func (c Config) witness() bool { return c.Raft.Role == roleWitness }

// store returns what the store is told.
func (c Config) store() (store.Config, error) {
	profile, err := store.ParseProfile(c.Raft.Profile)
	if err != nil {
		return store.Config{}, err
	}
	s := store.Config{
		NodeID: c.Node, Dir: filepath.Join(c.Dir, "raft"), Bind: c.Raft.Listen, Advertise: c.Raft.Advertise, Profile: profile,
		Bootstrap: c.Raft.alone(), Join: c.Raft.Join, Expect: c.Raft.BootstrapExpect,
		Observer: c.Raft.Role == roleObserver, Witness: c.witness(),
	}
	if c.Raft.TLS.given() {
		s.TLS = c.Raft.TLS.files().NodeTLS()
	}
	return s, nil
}

func (c Config) raftFaults(l *faultList) {
	r := c.Raft
	oneOf(l, "raft.profile", r.Profile, "lan", "fast", "wan")
	if r.Advertise != "" {
		if err := topology.ValidAddr(r.Advertise); err != nil {
			l.add("raft.advertise", "%v: write it as n1.example:7406", err)
		}
	}
	oneOf(l, "raft.role", r.Role, roleVoter, roleWitness, roleObserver)
	for i, addr := range r.Join {
		if err := topology.ValidAddr(addr); err != nil {
			l.add(fmt.Sprintf("raft.join[%d]", i), "%v: write it as n1.example:7406", err)
		}
	}
	switch n := r.BootstrapExpect; {
	case r.alone() && r.Role != roleVoter:
		l.add("raft.role", "a %s is not a ring of its own: name other nodes in raft.join", r.Role)
	case n != 0 && r.Role == roleObserver:
		l.add("raft.bootstrap_expect", "an observer has no vote and makes no ring: leave it out")
	case n != 0 && (n < 1 || n > store.MaxVoters || n%2 == 0):
		l.add("raft.bootstrap_expect", "%d voters: use 1, 3 or 5", n)
	case n > 1 && r.alone():
		l.add("raft.join", "%d voters are expected, and none is named: list their raft addresses", n)
	case n == 1 && !r.alone():
		l.add("raft.bootstrap_expect", "1 voter, and others are named in raft.join: leave one of the two out")
	}
	r.TLS.faults(l, "raft.tls")
	c.API.TLS.faults(l, "api.tls")
	for _, addr := range append([]string{r.Listen, r.Advertise}, r.Join...) {
		if topology.ValidAddr(addr) == nil && !isLoopback(addr) && !r.TLS.given() {
			l.add("raft.tls", "%s is not loopback, and nodes do not speak clear text over a network: make certificates (sqlring tls ca create) and name them here", addr)
			break
		}
	}
}

func (t NodeTLSConfig) faults(l *faultList, path string) {
	for _, f := range []struct{ key, file string }{{"ca", t.CA}, {"cert", t.Cert}, {"key", t.Key}} {
		switch {
		case f.file == "" && t.given():
			l.missing(path+"."+f.key, "ca, cert and key belong together: sqlring tls cert create makes them")
		case f.file != "" && !filepath.IsAbs(f.file):
			l.add(path+"."+f.key, "%q is not an absolute path", f.file)
		}
	}
}

func (t NodeTLSConfig) fileFaults(l *faultList, path string) {
	files := []string{t.CA, t.Cert, t.Key}
	if t.given() && !slices.ContainsFunc(files, func(f string) bool { return !filepath.IsAbs(f) }) {
		l.check(path, t.files().Load())
	}
}

// raftFileFaults looks at the files that a node with others needs.
func (c Config) raftFileFaults() []fault {
	var l faultList
	c.Raft.TLS.fileFaults(&l, "raft.tls")
	c.API.TLS.fileFaults(&l, "api.tls")
	if path := c.Replication.PasswordFile; !c.Raft.alone() && c.Raft.Role == roleVoter && filepath.IsAbs(path) {
		if _, err := ReadPassword(path); err != nil {
			l.add("replication.password_file", "%v: every node needs the same one: copy it from the first node, or write it on each before the ring is made", err)
		}
	}
	return l.found
}
