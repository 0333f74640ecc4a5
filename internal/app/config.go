package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v4"

	"github.com/sqlring/sqlring/pkg/topology"
)

// Config is what a node must know before it can ask anybody: facts of its own
// host. Everything about the ring lives in the replicated state instead.
//
// In a Config an empty listen address or socket means that there is none. In the
// file, leaving it out means its default, and "none" means none.
type Config struct {
	// Node is the name of this node; topology.ValidName. Required.
	Node topology.NodeID `yaml:"node"`
	// Dir holds the node's state and the passwords that it makes. Absolute.
	// Required. It is made, with mode 0700, if it is not there.
	Dir string `yaml:"dir"`
	// Site is where the node stands, by the name that members' sites have: reads go
	// to members there first. Empty: they go to all alike.
	Site string `yaml:"site,omitempty"`
	// Cores is on how many cores the node works at once; 0: all that there are, or
	// GOMAXPROCS in the environment.
	Cores       int           `yaml:"cores"`
	Proxy       ProxyConfig   `yaml:"proxy"`       // where applications connect; 127.0.0.1:3406 and DIR/sql.sock
	API         APIConfig     `yaml:"api"`         // 127.0.0.1:8406 and DIR/api.sock
	Raft        RaftConfig    `yaml:"raft"`        // where the other nodes connect
	Manager     AccountConfig `yaml:"manager"`     // the account that sqlring manages members with
	Replication AccountConfig `yaml:"replication"` // the account that members follow each other with
	Members     []LocalMember `yaml:"members"`     // members on this host
	// MemberTLS is how members are reached, and MemberCompression how what goes
	// between the proxy and them is compressed: none (default), zlib or zstd.
	MemberTLS         MemberTLSConfig `yaml:"member_tls"`
	MemberCompression string          `yaml:"member_compression"`
	Log               LogConfig       `yaml:"log"`
	// Hooks are told what happens to the ring while this node leads.
	Hooks []HookConfig `yaml:"hooks,omitempty"`
}

// APIConfig is where a node listens for the API.
type APIConfig struct {
	Listen string `yaml:"listen"` // host:port; port 0: any free one; empty: none
	Socket string `yaml:"socket"` // absolute path of a unix socket; empty: none
	// TLS is needed off loopback: callers then show a token, or a certificate of its ca.
	TLS NodeTLSConfig `yaml:"tls"`
}

// AccountConfig is an account on the members.
type AccountConfig struct {
	User string `yaml:"user"` // default sqlring, and sqlring_repl for replication
	// PasswordFile holds the password and nothing else; see ReadPassword. The
	// manager's must exist. That of replication is DIR/replication.password by
	// default, and is made if it is not there.
	PasswordFile string `yaml:"password_file"`
}

// LocalMember is a member on this host: it is reached by its unix socket.
type LocalMember struct {
	Name   topology.MemberID `yaml:"name"`
	Socket string            `yaml:"socket"` // absolute
}

// LogConfig is how a node logs, to standard error.
type LogConfig struct {
	Level  string `yaml:"level"`  // debug, info (default), warn or error
	Format string `yaml:"format"` // json (default) or text
}

// DefaultConfig returns the configuration of a node that names only itself and
// its directory. What it lacks is the manager's password file.
func DefaultConfig(node topology.NodeID, dir string) Config {
	c := Config{
		Node: node, Dir: dir,
		Proxy:       ProxyConfig{Listen: "127.0.0.1:3406", TLS: ClientTLSConfig{Mode: "preferred", MinVersion: "TLSv1.2"}},
		API:         APIConfig{Listen: "127.0.0.1:8406"},
		Raft:        RaftConfig{Listen: "127.0.0.1:7406", Profile: "lan", Role: roleVoter},
		Manager:     AccountConfig{User: "sqlring"},
		Replication: AccountConfig{User: "sqlring_repl"},
		MemberTLS:   MemberTLSConfig{Mode: "disabled"}, MemberCompression: "none",
		Log: LogConfig{Level: "info", Format: "json"},
	}
	if dir != "" {
		c.Proxy.TLS.Cert, c.Proxy.TLS.Key = filepath.Join(dir, certFile), filepath.Join(dir, keyFile)
		c.Proxy.Socket = filepath.Join(dir, "sql.sock")
		c.API.Socket = filepath.Join(dir, "api.sock")
		c.Replication.PasswordFile = filepath.Join(dir, "replication.password")
	}
	return c
}

// LoadConfig reads, completes and checks a node's file. Its error is a
// ConfigErrors with everything that is wrong, unless the file can not be read.
func LoadConfig(path string) (Config, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Config{}, fmt.Errorf("read config: %w", err)
	case !info.Mode().IsRegular() || info.Size() > maxConfigSize:
		return Config{}, fmt.Errorf("read config: %s is not a file of at most %d KiB", path, maxConfigSize>>10)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read config: %w", err)
	}
	cfg, at, found := decodeConfig(data)
	values := append(append(cfg.faults(), cfg.passwordFaults()...), cfg.tlsFileFaults()...)
	values = append(values, cfg.raftFileFaults()...)
	values = append(values, cfg.hookFileFaults()...)
	found = append(found, withoutFollowing(values, found)...)
	if len(found) == 0 {
		return cfg, nil
	}
	return Config{}, at.errors(path, found)
}

// maxConfigSize bounds what is read, in bytes.
const maxConfigSize = 1 << 20

// Validate returns everything that is wrong with c, one line each, by the names
// of the file. It looks at no file.
func (c Config) Validate() error {
	var errs []error
	for _, f := range c.faults() {
		errs = append(errs, fmt.Errorf("%s: %s", f.path, f.what))
	}
	return errors.Join(errs...)
}

// YAML returns c as a file that loads to the same, with nothing left out.
func (c Config) YAML() ([]byte, error) {
	for _, where := range []*string{&c.Proxy.Listen, &c.Proxy.Socket, &c.API.Listen, &c.API.Socket} {
		if *where == "" {
			*where = none
		}
	}
	if c.Members == nil {
		c.Members = []LocalMember{}
	}
	return yaml.Marshal(c)
}
