package app

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sqlring/sqlring/internal/proxy"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// LimitsConfig is what clients can take from each other. 0 stands for the default,
// -1 for no limit. See proxy.Limits.
type LimitsConfig struct {
	Sessions           int `yaml:"sessions"`             // all of this node; default 4096, there is no "no limit"
	PerAddress         int `yaml:"per_address"`          // sessions of one client address; default: no limit
	PerAccount         int `yaml:"per_account"`          // sessions of one account; default: no limit
	Pending            int `yaml:"pending"`              // clients that have not logged in; default 1024
	FailuresPerAddress int `yaml:"failures_per_address"` // failed logins per second; default 10
	FailuresPerAccount int `yaml:"failures_per_account"` // the same; default 10
}

// ConsistencyConfig is what the reads of an account have to see.
type ConsistencyConfig struct {
	User  string `yaml:"user"`
	Reads string `yaml:"reads"` // eventual, session, account or strong
}

// ProxyProtocolConfig is which balancers in front of the proxy may say for whom they
// connect.
type ProxyProtocolConfig struct {
	Networks []string `yaml:"networks,omitempty"` // addresses, or networks as 192.0.2.0/24
	Required bool     `yaml:"required"`           // refuse TCP clients that do not come by them
}

// linkIdle returns proxy.link_idle; 0 for the default.
func (c Config) linkIdle() time.Duration {
	d, _ := time.ParseDuration(c.Proxy.LinkIdle) // what can not be read is a fault before
	return d
}

// consistency returns what reads of users have to see; names that are not known are
// faults before.
func (c Config) consistency() map[string]balancer.Consistency {
	by := make(map[string]balancer.Consistency, len(c.Proxy.Consistency))
	for _, of := range c.Proxy.Consistency {
		by[of.User], _ = balancer.ParseConsistency(of.Reads)
	}
	return by
}

// slotIgnore is the word of proxy.client_auto_increment that is not the default.
const slotIgnore = "ignore"

func (c Config) limits() proxy.Limits {
	l := c.Proxy.Limits
	return proxy.Limits{
		PerAddress: l.PerAddress, PerAccount: l.PerAccount, Pending: l.Pending,
		FailuresPerAddress: l.FailuresPerAddress, FailuresPerAccount: l.FailuresPerAccount,
	}
}

// proxyProtocol returns the networks as the proxy takes them; those that can not be
// read are faults before.
func (c Config) proxyProtocol() proxy.ProxyProtocol {
	p := proxy.ProxyProtocol{Required: c.Proxy.ProxyProtocol.Required}
	for _, text := range c.Proxy.ProxyProtocol.Networks {
		if network, ok := parseNetwork(text); ok {
			p.Networks = append(p.Networks, network)
		}
	}
	return p
}

func parseNetwork(text string) (netip.Prefix, bool) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		return netip.PrefixFrom(addr, addr.BitLen()), err == nil && addr.Zone() == ""
	}
	network, err := netip.ParsePrefix(text)
	return network.Masked(), err == nil
}

func (c Config) limitFaults(l *faultList) {
	if c.Proxy.ClientAutoIncrement != "" {
		oneOf(l, "proxy.client_auto_increment", c.Proxy.ClientAutoIncrement, "refuse", slotIgnore)
	}
	for i, name := range c.Proxy.Permit {
		oneOf(l, fmt.Sprintf("proxy.permit[%d]", i), name, balancer.HazardNames()...)
	}
	if c.Proxy.MemberLinks < 0 {
		l.add("proxy.member_links", "%d is negative: a number of connections, or 0 for the default", c.Proxy.MemberLinks)
	}
	if text := c.Proxy.LinkIdle; text != "" {
		if d, err := time.ParseDuration(text); err != nil || d <= 0 {
			l.add("proxy.link_idle", "%q is no time, as 300ms or 5m", text)
		}
	}
	for i, of := range c.Proxy.Consistency {
		path := fmt.Sprintf("proxy.consistency[%d]", i)
		if of.User == "" {
			l.missing(path+".user", "the account's name")
		}
		_, err := balancer.ParseConsistency(of.Reads)
		l.check(path+".reads", err)
	}
	for _, e := range []struct {
		path  string
		limit int
	}{
		{"per_address", c.Proxy.Limits.PerAddress},
		{"per_account", c.Proxy.Limits.PerAccount},
		{"pending", c.Proxy.Limits.Pending},
		{"failures_per_address", c.Proxy.Limits.FailuresPerAddress},
		{"failures_per_account", c.Proxy.Limits.FailuresPerAccount},
	} {
		if e.limit < -1 {
			l.add("proxy.limits."+e.path, "%d is less than -1, which is no limit", e.limit)
		}
	}
	if n := c.Proxy.Limits.Sessions; n < 0 {
		l.add("proxy.limits.sessions", "%d is less than 0, which is the default", n)
	}
	p := c.Proxy.ProxyProtocol
	for _, text := range p.Networks {
		if _, ok := parseNetwork(text); !ok {
			l.add("proxy.proxy_protocol.networks", "%q is neither an address nor a network as 192.0.2.0/24", text)
		}
	}
	if p.Required && len(p.Networks) == 0 {
		l.add("proxy.proxy_protocol.required", "no networks are named: nobody could connect over TCP")
	}
}

// decoyKey derives a secret of all nodes from the one that they have in common.
func decoyKey(managerPassword string) []byte {
	sum := sha256.Sum256([]byte("sqlring decoy\x00" + managerPassword))
	return sum[:]
}
