package proxy

import (
	"io"
	"testing"

	"github.com/sqlring/sqlring/internal/wire"
)

// treadmill is a client and a member that exchange one query and one result over
// and over, and allocate nothing themselves.
type treadmill struct {
	client        *raw
	query, answer []byte
	got           []byte
}

func startTreadmill(t testing.TB, query string, rows, size int) *treadmill {
	var answer []byte
	seq := byte(1)
	add := func(payload []byte) { answer, seq = wire.AppendPacket(answer, seq, payload) }
	add([]byte{1})
	add([]byte("\x03def\x00\x00\x00\x01a\x00\x0c?\x00\x01\x00\x00\x00\x03\x81\x00\x00\x00\x00"))
	for range rows {
		add(wire.AppendBytes(nil, make([]byte, size)))
	}
	add((&wire.OK{Status: wire.StatusAutocommit}).Append(nil, 0xFE))
	packet, _ := wire.AppendPacket(nil, 0, append([]byte{byte(wire.ComQuery)}, query...))
	f := startFaked(t, Config{}, func(c *fakeConn, _ []byte) {
		c.ok()
		in := make([]byte, len(packet))
		for {
			if _, err := io.ReadFull(c.Conn, in); err != nil {
				return
			}
			if _, err := c.Conn.Write(answer); err != nil {
				return
			}
		}
	})
	m := &treadmill{client: f.client(t), query: packet, answer: answer, got: make([]byte, len(answer))}
	m.client.query("SELECT start")
	return m
}

func (m *treadmill) turn(t testing.TB) {
	if _, err := m.client.conn.Write(m.query); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(m.client.conn, m.got); err != nil {
		t.Fatal(err)
	}
}

// A query and its result, small or of several chunks, cost no allocation.
func TestRelayAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes pools forget what they hold")
	}
	for _, tt := range []struct {
		name       string
		rows, size int
	}{{"point select", 1, 120}, {"a thousand rows", 1000, 120}, {"a row of a megabyte", 1, 1 << 20}} {
		t.Run(tt.name, func(t *testing.T) {
			m := startTreadmill(t, "SELECT c FROM sbtest1 WHERE id=4711", tt.rows, tt.size)
			for range 100 {
				m.turn(t)
			}
			// The mean is rounded down: a pooled buffer may be given back to the
			// garbage collector now and then.
			if n := testing.AllocsPerRun(500, func() { m.turn(t) }); n > 0 {
				t.Errorf("%v allocations for each query", n)
			}
		})
	}
}

// What an idle session costs. The kernel's part is not in it.
func TestIdleSessionsAreSmall(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	const sessions = 200
	before := heapAndStacks()
	for range sessions {
		f.client(t).query("SELECT 1")
	}
	// Each session has two ends in this process besides its own: the client, and
	// the fake member, which keeps a goroutine and a buffer.
	const own, ends = 16 << 10, 32 << 10
	if each := (heapAndStacks() - before) / sessions; each > own+ends {
		t.Errorf("%d bytes for each idle session with its two ends", each)
	} else {
		t.Logf("%d bytes for each idle session with its two ends", each)
	}
}

func BenchmarkRelayPointSelect(b *testing.B) {
	m := startTreadmill(b, "SELECT c FROM sbtest1 WHERE id=4711", 1, 120)
	b.ReportAllocs()
	for b.Loop() {
		m.turn(b)
	}
}

func BenchmarkRelayThousandRows(b *testing.B) {
	m := startTreadmill(b, "SELECT c FROM sbtest1", 1000, 120)
	b.ReportAllocs()
	b.SetBytes(int64(len(m.answer)))
	for b.Loop() {
		m.turn(b)
	}
}
