package proxy

import (
	"testing"

	"github.com/sqlring/sqlring/internal/wire"
)

func TestClientsAreGreetedAsByTheMember(t *testing.T) {
	var p Proxy
	greet := func(version string) wire.Greeting {
		g := wire.Greeting{Version: versionBefore, Charset: charsetBefore}
		p.greetAs("m1", version, &g)
		return g
	}
	if g := greet("10.11.19-MariaDB-log"); g.Version != "5.5.5-10.11.19-MariaDB-log" || g.Charset != charsetBefore {
		t.Errorf("before a link: %q, collation %d", g.Version, g.Charset)
	}
	for _, version := range []string{"11.8.2-MariaDB", "9.7.4", "5.5.5-10.11.19-MariaDB"} {
		if g := greet(version); g.Version != version {
			t.Errorf("%q is greeted as %q", version, g.Version)
		}
	}
	p.learnGreeting("m2", wire.Greeting{Version: "5.5.5-10.6.1-MariaDB", Charset: 33})
	if g := greet("11.8.2-MariaDB"); g.Charset != charsetBefore {
		t.Errorf("another member's collation %d is told", g.Charset)
	}
	p.learnGreeting("m1", wire.Greeting{Version: "5.5.5-10.11.19-MariaDB-log", Charset: 8})
	if g := greet("10.11.19-MariaDB-log"); g.Version != "5.5.5-10.11.19-MariaDB-log" || g.Charset != 8 {
		t.Errorf("after a link: %q, collation %d", g.Version, g.Charset)
	}
	p.learnGreeting("m2", wire.Greeting{Version: "5.5.5-10.11.19-MariaDB-log", Charset: 33})
	if g := greet("10.11.19-MariaDB-log"); g.Charset != 8 {
		t.Errorf("after a link to another member, collation %d", g.Charset)
	}
	if n := testing.AllocsPerRun(100, func() { p.learnGreeting("m1", wire.Greeting{Version: "5.5.5-10.11.19-MariaDB-log", Charset: 8}) }); n != 0 {
		t.Errorf("what is known already allocates %v times", n)
	}
}
