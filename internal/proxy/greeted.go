package proxy

import (
	"strings"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// greeted is how a member greeted the last link to it. Clients are greeted alike:
// drivers choose a collation of their own by the server's, and old ones know
// MariaDB 10 by what its version begins with.
type greeted struct {
	member  topology.MemberID
	version string
	charset byte
}

// learnGreeting remembers how a member greets.
func (p *Proxy) learnGreeting(member topology.MemberID, g wire.Greeting) {
	if was := p.greeting.Load(); was == nil || *was != (greeted{member, g.Version, g.Charset}) {
		p.greeting.Store(&greeted{member, g.Version, g.Charset})
	}
}

// greetAs makes a greeting as the member's own, which says of itself that it is of
// version. Before there was a link, its collation is not known.
func (p *Proxy) greetAs(member topology.MemberID, version string, g *wire.Greeting) {
	if known := p.greeting.Load(); known != nil && known.member == member {
		g.Version, g.Charset = known.version, known.charset
		return
	}
	g.Version = version
	if strings.HasPrefix(version, "10.") && strings.Contains(version, "MariaDB") {
		g.Version = "5.5.5-" + version // as MariaDB before 11.0 has it in greetings, and nowhere else
	}
}
