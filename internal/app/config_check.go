package app

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// fault is one thing that is wrong: where in the file, as "members[1].name", and
// what, with the fix.
type fault struct {
	path string
	what string
	line int // 0: look the path up
	// missing: nothing stands there. A key that is written wrong is missed, too.
	missing bool
}

// withoutFollowing drops what follows from faults of the form: values at a place
// that could not be read, and keys that are missing where one is written wrong.
func withoutFollowing(values, form []fault) []fault {
	return slices.DeleteFunc(values, func(v fault) bool {
		return len(form) > 0 && v.missing || slices.ContainsFunc(form, func(f fault) bool {
			return f.path == "" || v.path == f.path || strings.HasPrefix(v.path, f.path+".") || strings.HasPrefix(v.path, f.path+"[")
		})
	})
}

// maxSocketPath is the longest path of a unix socket (sun_path less its NUL).
const maxSocketPath = 107

// faultList collects faults in the order of the file.
type faultList struct{ found []fault }

func (l *faultList) add(path, format string, args ...any) {
	l.found = append(l.found, fault{path: path, what: fmt.Sprintf(format, args...)})
}

func (l *faultList) missing(path, fix string) {
	l.found = append(l.found, fault{path: path, what: "it is missing: " + fix, missing: true})
}

func (l *faultList) check(path string, err error) {
	if err != nil {
		l.add(path, "%v", err)
	}
}

// faults returns all that is wrong with the values, in the order of the file.
func (c Config) faults() []fault {
	var l faultList
	switch {
	case c.Node == "":
		l.missing("node", "give this node a name, for example node: n1")
	default:
		l.check("node", topology.ValidName(string(c.Node)))
	}
	switch {
	case c.Dir == "":
		l.missing("dir", "name a directory for the node's state, for example dir: /var/lib/sqlring")
	case !filepath.IsAbs(c.Dir):
		l.add("dir", "%q is relative to wherever the node is started: use an absolute path", c.Dir)
	}
	if c.Site != "" {
		l.check("site", topology.ValidName(c.Site))
	}
	if c.Cores < 0 || c.Cores > 1024 {
		l.add("cores", "%d: use a number of cores, or 0 for all that there are", c.Cores)
	}
	c.listenFaults(&l)
	c.raftFaults(&l)
	if !c.witness() { // it reaches no member
		c.accountFaults(&l)
	}
	c.memberFaults(&l)
	c.tlsFaults(&l)
	c.limitFaults(&l)
	c.hookFaults(&l)
	oneOf(&l, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(&l, "log.format", c.Log.Format, "json", "text")
	return l.found
}

func oneOf(l *faultList, path, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	hint := ""
	if near := nearest(value, allowed); near != "" {
		hint = fmt.Sprintf(": did you mean %s?", near)
	}
	l.add(path, "%q is not one of %s%s", value, strings.Join(allowed, ", "), hint)
}

func (c Config) listenFaults(l *faultList) {
	taken := map[string]string{}
	once := func(path, value string) {
		if first, ok := taken[value]; ok {
			l.add(path, "%s is %s already: choose another", value, first)
			return
		}
		taken[value] = path
	}
	if c.Raft.Listen == "" {
		l.missing("raft.listen", "a node keeps its state by it; the default is 127.0.0.1:7406")
	}
	for _, e := range []struct{ path, addr string }{
		{"proxy.listen", c.Proxy.Listen}, {"api.listen", c.API.Listen}, {"raft.listen", c.Raft.Listen},
	} {
		if e.addr == "" {
			continue
		}
		host, anyPort := strings.CutSuffix(e.addr, ":0")
		anyPort = anyPort && e.path != "raft.listen" // others must find it again
		if err := topology.ValidAddr(e.addr); err != nil && (!anyPort || host == "") {
			l.add(e.path, "%v: write it as 127.0.0.1:3406", err)
			continue
		}
		if !anyPort {
			once(e.path, e.addr)
		}
		if e.path == "api.listen" && !isLoopback(e.addr) && !c.API.TLS.given() {
			l.add(e.path, "%s is not loopback, and the API does not speak clear text over a network: name certificates in api.tls (sqlring tls cert create), or use 127.0.0.1, [::1] or localhost", e.addr)
		}
	}
	for _, e := range []struct{ path, socket string }{{"proxy.socket", c.Proxy.Socket}, {"api.socket", c.API.Socket}} {
		if e.socket != "" && socketFault(l, e.path, e.socket) {
			once(e.path, e.socket)
		}
	}
	if c.Proxy.Listen == "" && c.Proxy.Socket == "" {
		l.add("proxy", "listen and socket are both none: no application could connect")
	}
	if c.API.Socket == "" {
		l.add("api.socket", "it is none: changes are taken over this socket only, so nobody could make a ring")
	}
}

// socketFault adds what is wrong with the path of a socket; true: nothing.
func socketFault(l *faultList, path, socket string) bool {
	switch {
	case !filepath.IsAbs(socket):
		l.add(path, "%q is not an absolute path", socket)
	case len(socket) > maxSocketPath:
		l.add(path, "%s has %d characters, a unix socket takes %d: choose a shorter path", socket, len(socket), maxSocketPath)
	default:
		return true
	}
	return false
}

func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func (c Config) accountFaults(l *faultList) {
	for _, e := range []struct {
		path    string
		account AccountConfig
	}{{"manager", c.Manager}, {"replication", c.Replication}} {
		const longest = 32 // characters of a user name that MySQL takes
		switch user := e.account.User; {
		case user == "":
			l.missing(e.path+".user", "name the account on the members")
		case len(user) > longest:
			l.add(e.path+".user", "%q has %d characters, a server takes %d", user, len(user), longest)
		}
		switch file := e.account.PasswordFile; {
		case file == "":
			l.missing(e.path+".password_file", "name a file of mode 0600 that holds the password and nothing else")
		case !filepath.IsAbs(file):
			l.add(e.path+".password_file", "%q is not an absolute path", file)
		}
	}
	if c.Manager.User != "" && c.Manager.User == c.Replication.User {
		l.add("replication.user", "%s is the manager already: replication has an account of its own, with fewer rights", c.Replication.User)
	}
}

func (c Config) memberFaults(l *faultList) {
	names, sockets := map[topology.MemberID]int{}, map[string]int{}
	for i, m := range c.Members {
		path := fmt.Sprintf("members[%d]", i)
		if first, twice := names[m.Name]; twice && m.Name != "" {
			l.add(path+".name", "%s is the name of members[%d] already: each member has its own", m.Name, first)
		} else {
			names[m.Name] = i
			l.check(path+".name", topology.ValidName(string(m.Name)))
		}
		if m.Socket == "" {
			l.missing(path+".socket", "name the server's unix socket (SELECT @@socket)")
			continue
		}
		if !socketFault(l, path+".socket", m.Socket) {
			continue
		}
		if first, twice := sockets[m.Socket]; twice {
			l.add(path+".socket", "%s is the socket of members[%d] already", m.Socket, first)
			continue
		}
		sockets[m.Socket] = i
	}
}
