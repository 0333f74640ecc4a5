package proxy

import (
	"maps"
	"strings"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// greeted is how a member greeted the last link to it. Clients are greeted as by their
// unit's owner: drivers choose a collation of their own by the server's, and old ones
// know MariaDB 10 by what its version begins with.
type greeted struct {
	version string
	charset byte
}

// maxGreeted bounds how many members' greetings are remembered: more than a ring has.
const maxGreeted = 64

// learnGreeting remembers how a member greets.
func (p *Proxy) learnGreeting(member topology.MemberID, g wire.Greeting) {
	said := greeted{g.Version, g.Charset}
	known := p.greetings.Load()
	if known != nil && (*known)[member] == said {
		return
	}
	next := make(map[topology.MemberID]greeted) // of two that learn at once one is lost, and comes with the next link
	if known != nil && len(*known) < maxGreeted {
		maps.Copy(next, *known)
	}
	next[member] = said
	p.greetings.Store(&next)
}

// greetAs makes a greeting as the member's own, which says of itself that it is of
// version. Before there was a link to it, its collation is not known.
func (p *Proxy) greetAs(member topology.MemberID, version string, g *wire.Greeting) {
	if known := p.greetings.Load(); known != nil {
		if said, ok := (*known)[member]; ok {
			g.Version, g.Charset = said.version, said.charset
			return
		}
	}
	g.Version = version
	if strings.HasPrefix(version, "10.") && strings.Contains(version, "MariaDB") {
		g.Version = "5.5.5-" + version // as MariaDB before 11.0 has it in greetings, and nowhere else
	}
}
