package mysqltest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/demo"
)

// Network is a bridge of this machine with a network namespace per server, so
// that a server can be cut off from everybody at once.
type Network struct {
	bridge string
	hosts  []string // names of the namespaces, by server
}

// StartIsolatedRing is StartRing with each server in a network namespace of its
// own, which ends with the test. It needs root; elsewhere the test is skipped
// loudly, or fails if servers are required.
func StartIsolatedRing(t testing.TB, n int) ([]*Server, *Network) {
	t.Helper()
	bin := binariesOf(t, Flavour(t)) // before anything is made that would have to be undone
	NeedRoot(t, "making network namespaces")
	net := newNetwork(t, n)
	servers := start(t, bin, n, func(cfg *demo.ServerConfig, i int) {
		cfg.Host, cfg.Namespace = address(i+1), net.hosts[i]
	})
	return servers, net
}

// address is that of host k of the bridge; 254 is this machine. The range is the
// one for tests between networks (RFC 2544), so that nothing real is shadowed; each
// process has a part of its own, as tests of several packages run at a time.
func address(k int) string {
	pid := os.Getpid()
	return fmt.Sprintf("198.%d.%d.%d", 18+pid>>8&1, pid&0xff, k)
}

func newNetwork(t testing.TB, n int) *Network {
	t.Helper()
	tag := fmt.Sprintf("%d", os.Getpid())
	w := &Network{bridge: "sr" + tag}
	ip(t, "link", "add", w.bridge, "type", "bridge")
	t.Cleanup(func() { ip(t, "link", "del", w.bridge) })
	ip(t, "addr", "add", address(254)+"/24", "dev", w.bridge)
	ip(t, "link", "set", w.bridge, "up")
	for k := 1; k <= n; k++ {
		host := fmt.Sprintf("sr%s-%d", tag, k)
		w.hosts = append(w.hosts, host)
		ip(t, "netns", "add", host)
		t.Cleanup(func() { ip(t, "netns", "del", host) })
		ip(t, "link", "add", w.port(k-1), "type", "veth", "peer", "name", "eth0", "netns", host)
		t.Cleanup(func() { ip(t, "link", "del", w.port(k-1)) }) // the end of the namespace would do it later
		ip(t, "link", "set", w.port(k-1), "master", w.bridge, "up")
		ip(t, "-n", host, "addr", "add", address(k)+"/24", "dev", "eth0")
		ip(t, "-n", host, "link", "set", "lo", "up")
		ip(t, "-n", host, "link", "set", "eth0", "up")
	}
	return w
}

// port is the bridge's end of the cable to server i. Names of interfaces have 15
// characters at most.
func (w *Network) port(i int) string { return fmt.Sprintf("%sv%d", w.bridge, i) }

// Cut cuts server i off from everybody: packets vanish, nothing is refused.
func (w *Network) Cut(t testing.TB, i int) {
	t.Helper()
	ip(t, "link", "set", w.port(i), "down")
}

// Mend connects server i again.
func (w *Network) Mend(t testing.TB, i int) {
	t.Helper()
	ip(t, "link", "set", w.port(i), "up")
}

func ip(t testing.TB, args ...string) {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput() //nolint:noctx // it also runs when the test's context has ended
	if err != nil {
		t.Errorf("ip %s: %v: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
}
