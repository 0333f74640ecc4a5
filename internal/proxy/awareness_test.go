package proxy

import (
	"syscall"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// aware is what the proxy does for a statement because it knows SQL, and would not have to
// if it passed on bytes: it reads it, chooses the member, and notes what is left of it.
func aware(t testing.TB, text string) (turn func()) {
	t.Helper()
	f := startFaked(t, Config{WatchInterval: time.Hour}, func(c *fakeConn, _ []byte) { c.ok() })
	f.client(t).query("SELECT 1") // from here on the members' version is known
	now := time.Now()
	members := []balancer.Member{f.fake.member("m1"), f.fake.member("m2"), f.fake.member("m3")}
	reads := &balancer.Reads{At: now}
	have, err := topology.ParsePosition("1-1-7,2-2-7,3-3-7")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		reads.Members = append(reads.Members, balancer.Readable{Member: m, Level: lagguard.LevelFresh, At: now.Add(time.Hour), Position: have, Weight: 1})
	}
	f.cfg.Picture = steady{reads}
	view := owned("m1", 1, members...)
	s := &session{p: f.Proxy, underway: new(underway), account: new(token)}
	s.as = &caller{login: wire.Login{User: "app"}}
	s.mem.schema, s.mem.status, s.mem.begun = "shop", wire.StatusAutocommit, true
	packet, _ := wire.AppendPacket(nil, 0, append([]byte{byte(wire.ComQuery)}, text...))
	ok := wire.OK{Status: wire.StatusAutocommit, Result: true}
	return func() {
		*s.underway = underway{}
		s.code = wire.ComQuery
		c := command{code: wire.ComQuery, packet: packet, whole: true}
		if s.understand(&c) != nil || s.aim(view) != nil || s.plan == nil {
			t.Fatal("it is not understood")
		}
		s.does(s.plan)
		if known, err := s.forUs(c); known || err != nil {
			t.Fatal("it is not for us")
		}
		s.mem.applies(s.current, s.plan, true)
		if s.spreads() {
			if _, _, elsewhere := s.goesTo(view); elsewhere {
				s.elsewhere = false
			}
		}
		s.mem.ended(&ok, false, s.plan)
		s.publish()
	}
}

// steady is a picture that does not change.
type steady struct{ reads *balancer.Reads }

func (s steady) Reads() *balancer.Reads { return s.reads }

const pointSelect = "SELECT c FROM sbtest1 WHERE id=4711"

func TestAwarenessAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes pools forget what they hold")
	}
	turn := aware(t, pointSelect)
	turn()
	if n := testing.AllocsPerRun(1000, turn); n > 0 {
		t.Errorf("%v allocations for each statement", n)
	}
}

// BenchmarkAwareness is what a point select costs beyond passing it on: at most 1 µs of the
// processor's time, whatever else the machine has to do.
func BenchmarkAwareness(b *testing.B) {
	turn := aware(b, pointSelect)
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		turn()
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// processorTime is what this process has used outside of the kernel.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano())
}
