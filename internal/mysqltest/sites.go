package mysqltest

import (
	"os/exec"
	"testing"

	"github.com/sqlring/sqlring/internal/demo"
)

// Sites are network namespaces of this machine, one for each site, that reach each
// other and are reached by the test. Two of them can be parted: what the one sends to
// the other vanishes, both ways, and is refused by nobody.
type Sites struct {
	network *Network
}

// StartSites starts len(at) servers, server i at site at[i], of sites that are counted
// from 0. It needs root, as StartIsolatedRing does.
func StartSites(t testing.TB, sites int, at ...int) ([]*Server, *Sites) {
	t.Helper()
	bin := binariesOf(t, Flavour(t))
	NeedRoot(t, "making network namespaces")
	s := &Sites{newNetwork(t, sites)}
	servers := start(t, bin, len(at), func(cfg *demo.ServerConfig, i int) {
		cfg.Host, cfg.Namespace = s.Host(at[i]), s.network.hosts[at[i]]
	})
	return servers, s
}

// Host is the address of a site.
func (s *Sites) Host(site int) string { return address(site + 1) }

// Enter has a command that was not started yet run at a site, as the same process.
func (s *Sites) Enter(cmd *exec.Cmd, site int) error {
	enter, err := exec.LookPath("nsenter")
	if err != nil {
		return err
	}
	cmd.Args = append([]string{enter, "--net=/run/netns/" + s.network.hosts[site], cmd.Path}, cmd.Args[1:]...)
	cmd.Path = enter
	return nil
}

// nobody is the hardware address of no machine: the bridge carries what is sent there to
// nobody who takes it.
const nobody = "02:00:00:00:00:fe"

// Part lets nothing through between two sites.
func (s *Sites) Part(t testing.TB, a, b int) {
	t.Helper()
	for _, way := range [][2]int{{a, b}, {b, a}} {
		ip(t, "-n", s.network.hosts[way[0]], "neigh", "replace", s.Host(way[1]), "lladdr", nobody, "nud", "permanent", "dev", "eth0")
	}
}

// Rejoin has two sites reach each other again.
func (s *Sites) Rejoin(t testing.TB, a, b int) {
	t.Helper()
	for _, way := range [][2]int{{a, b}, {b, a}} {
		ip(t, "-n", s.network.hosts[way[0]], "neigh", "del", s.Host(way[1]), "dev", "eth0")
	}
}
