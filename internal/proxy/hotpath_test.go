package proxy

import (
	"io"
	"testing"
	"time"
	"unsafe"

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

// What an idle session costs, without the kernel's part. Its stack has to be one that the
// collector can halve: see memory.go.
func TestIdleSessionsAreSmall(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector's frames are larger")
	}
	f := startFaked(t, Config{MemberLinks: 8}, nil)
	const sessions = 400
	heap, stacks := inUse()
	for range sessions {
		f.client(t).query("SELECT 1")
	}
	heapNow, stacksNow := inUse()
	// The client's end is in this process too: a socket and the test's buffers.
	const ownStack, ownHeap, client = 5 << 10, 4 << 10, 6 << 10
	if each := (stacksNow - stacks) / sessions; each > ownStack {
		t.Errorf("%d bytes of stack for each idle session, wanted at most %d", each, ownStack)
	}
	each := (heapNow - heap) / sessions
	if each > ownHeap+client {
		t.Errorf("%d bytes of heap for each idle session and its client, wanted at most %d", each, ownHeap+client)
	}
	t.Logf("for each idle session: %d bytes of stack, %d of heap with its client's", (stacksNow-stacks)/sessions, each)
}

// A wave of logins is tidied up after once, when it is over.
func TestTidinessWaitsForTheEndOfAWave(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	var tidy tidiness
	for _, step := range []struct {
		clients int
		served  uint64
		after   time.Duration
		want    bool
	}{
		{0, 0, 0, false},
		{wave, wave, 250 * time.Millisecond, false},
		{wave, wave, 750 * time.Millisecond, false},
		{2 * wave, 2 * wave, time.Second, false}, // they go on coming
		{2 * wave, 2 * wave, 2 * time.Second, true},
		{2 * wave, 2 * wave, 4 * time.Second, false},           // once
		{2*wave + wave/2, 3 * wave, 5 * time.Second, false},    // too few more
		{2*wave + wave/2, 3 * wave, 9 * time.Second, false},    //
		{10, 3 * wave, 10 * time.Second, false},                // nearly all have gone
		{10 + wave, 4 * wave, 11 * time.Second, false},         //
		{10 + wave, 4 * wave, 12100 * time.Millisecond, true},  // as many more than were left
		{10 + wave, 4 * wave, 13100 * time.Millisecond, false}, //
	} {
		if got := tidy.look(step.clients, step.served, start.Add(step.after)); got != step.want {
			t.Errorf("after %v, with %d of %d clients: %v", step.after, step.clients, step.served, got)
		}
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

// TestSizeOfASession: an idle client is to cost 8 KiB at the most. A session of a byte more than
// this is given the next size that the allocator has, 128 bytes larger.
func TestSizeOfASession(t *testing.T) {
	const class = 1152
	if size := unsafe.Sizeof(session{}); size > class {
		t.Errorf("a session has %d bytes, more than %d: put small fields side by side, and what is of the command under way into underway", size, class)
	}
}
