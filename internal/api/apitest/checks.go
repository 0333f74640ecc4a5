package apitest

import (
	"context"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/pkg/ringcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Checks is a fake api.Checker: every server has the settings that Settings says by its
// name or address, and a table without a primary key; nothing else can be read of it.
type Checks struct {
	Settings map[string]map[string]string
	Faults   []string // of the node's file
}

var _ api.Checker = Checks{}

// Setup implements api.Checker.
func (Checks) Setup() api.CheckSetup {
	return api.CheckSetup{Manager: "sqlring", Replication: "sqlring_repl", MemberLinks: 100, MaxSessions: 4096, LinkIdle: 5 * time.Minute}
}

// Facts implements api.Checker.
func (c Checks) Facts(_ context.Context, m topology.Member, parts []ringcheck.Part) ringcheck.Member {
	name := string(m.ID)
	if name == "" {
		name = m.Addr
	}
	found := ringcheck.Member{
		Name: name, Addr: m.Addr, Version: topology.ServerVersion{Flavour: topology.FlavourMariaDB, Major: 10, Minor: 11, Patch: 19},
		Unread: map[ringcheck.Part]string{}, Variables: map[string]ringcheck.Variable{},
		Tables: []ringcheck.Table{{Schema: "shop", Name: "log", Engine: "InnoDB"}},
	}
	for _, part := range parts {
		if part != ringcheck.PartSettings && part != ringcheck.PartTables {
			found.Unread[part] = "read " + string(part) + " of " + name + ": the fake has none"
		}
	}
	for variable, value := range c.Settings[name] {
		found.Variables[variable] = ringcheck.Variable{Value: value, Origin: ringcheck.OriginSQL}
	}
	return found
}

// Node implements api.Checker.
func (c Checks) Node(context.Context) ringcheck.Node {
	return ringcheck.Node{
		Disk: &ringcheck.Disk{Path: "/var/lib/sqlring", Free: 50 << 30, Total: 100 << 30}, OpenFilesLimit: 65536, ConfigFaults: c.Faults,
		Peers: []ringcheck.Peer{{Name: "n1", Part: "voter", Self: true}},
	}
}
