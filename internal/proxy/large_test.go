package proxy

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Queries and rows of 40 MiB, and of the sizes at which packets are continued, pass
// with little memory; what is more than the server takes is refused as it does.
func TestRealLargeBothWays(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		c, _ := f.raw(t, f.Addr(), rawCaps)
		_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
		const frame = len("\x03SELECT LENGTH('')")
		for _, payload := range []int{wire.MaxPayload, 2 * wire.MaxPayload, 40 << 20} {
			n := payload - frame
			if got := c.first("SELECT LENGTH('" + strings.Repeat("x", n) + "')"); got != strconv.Itoa(n) {
				t.Errorf("a query of %d: %s", payload, got)
			}
		}
		for _, row := range []int{wire.MaxPayload - 4, wire.MaxPayload, 2*wire.MaxPayload - 9, 40 << 20} {
			if got := c.sizeOfRow("SELECT REPEAT('y', " + strconv.Itoa(row) + ")"); got != row {
				t.Errorf("a row of %d: %d", row, got)
			}
		}
		if got := c.first("SELECT 1"); got != "1" {
			t.Errorf("then %q", got)
		}
	}, "max_allowed_packet=64M")
}

// sizeOfRow returns the size of the only column of the only row.
func (c *raw) sizeOfRow(text string) int {
	c.t.Helper()
	response := c.response(wire.ComQuery, text)
	for range 2 { // head, definition
		length, _ := wire.Header(response)
		response = response[4+length:]
	}
	var row []byte
	for {
		length, _ := wire.Header(response)
		row = append(row, response[4:4+length]...)
		if response = response[4+length:]; length < wire.MaxPayload {
			break
		}
	}
	r := wire.NewReader(row)
	value := r.Bytes()
	if r.Bad() || r.Len() > 0 || bytes.Count(value, []byte{'y'}) != len(value) {
		return -1
	}
	return len(value)
}

func TestRealTooLargeIsRefusedAsByTheServer(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		links := f.Stats().LinksLost
		for _, size := range []int{5 << 20, 17 << 20, 40 << 20} {
			for _, addr := range []string{f.addr, f.Addr()} {
				c, _ := f.raw(t, addr, rawCaps)
				packets, _ := wire.AppendPacket(nil, 0, []byte("\x03SELECT LENGTH('"+strings.Repeat("x", size)+"')"))
				_, written := c.conn.Write(packets)
				answer := make([]byte, 256)
				n, err := c.conn.Read(answer)
				if errorOf(append(answer[:n], make([]byte, 8)...)) != 1153 && addr == f.Addr() {
					t.Errorf("%d MiB at %s: %q, %v; writing: %v", size>>20, addr, answer[:n], err, written)
				}
				if n, err := c.conn.Read(answer); err == nil {
					t.Errorf("%d MiB at %s: the connection goes on with %q", size>>20, addr, answer[:n])
				}
			}
		}
		if lost := f.Stats().LinksLost - links; lost != 0 {
			t.Errorf("%d links were taken for lost", lost)
		}
	}, "max_allowed_packet=4M")
}

// A reader of a result that does not fit into memory, and a writer of a command that
// does not, cost a buffer each.
func TestRealLargeCommandInLittleMemory(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMariaDB, Config{}, "max_allowed_packet=512M")
	c, _ := f.raw(t, f.Addr(), rawCaps)
	_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
	piece := bytes.Repeat([]byte{'x'}, 1<<20)
	head := "\x03SELECT LENGTH('"
	const frames = 5 // full ones
	before, peak := heapAndStacks(), int64(0)
	sent := 0
	for seq := range byte(frames) {
		_, _ = c.conn.Write(wire.AppendHeader(nil, wire.MaxPayload, seq))
		left := wire.MaxPayload
		if seq == 0 {
			_, _ = c.conn.Write([]byte(head))
			left -= len(head)
		}
		for left > 0 {
			n, err := c.conn.Write(piece[:min(left, len(piece))])
			if err != nil {
				t.Fatal(err)
			}
			left, sent = left-n, sent+n
		}
		peak = max(peak, heapAndStacks()-before)
	}
	_, _ = c.conn.Write(append(wire.AppendHeader(nil, 2, frames), "')"...))
	c.own.Restart(frames+1, 1<<16)
	for i := range 3 {
		payload, err := c.own.Read()
		if err != nil {
			t.Fatal(err)
		}
		if want := string(wire.AppendBytes(nil, strconv.Itoa(sent))); i == 2 && string(payload) != want {
			t.Errorf("%q, want %q", payload, want)
		}
	}
	if limit := int64(2 << 20); peak > limit && !raceDetector {
		t.Errorf("memory grew by %d bytes for a command of %d", peak, sent)
	}
}

// A statement that is looked at as a whole is refused by the member's limit as well.
func TestRealHeldButTooLargeForTheMember(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMariaDB, Config{}, "max_allowed_packet=1M")
	links := f.Stats().LinksLost
	for range 5 {
		c, _ := f.raw(t, f.Addr(), rawCaps)
		packets, _ := wire.AppendPacket(nil, 0, []byte("\x03SELECT LENGTH('"+strings.Repeat("x", 3<<20)+"')"))
		_, written := c.conn.Write(packets)
		answer := make([]byte, 256)
		n, err := c.conn.Read(answer)
		if errorOf(append(answer[:n], make([]byte, 8)...)) != 1153 {
			t.Errorf("%q, %v; writing: %v", answer[:n], err, written)
		}
		if n, err := c.conn.Read(answer); err == nil {
			t.Errorf("the connection goes on with %q", answer[:n])
		}
		other, _ := f.raw(t, f.Addr(), rawCaps)
		if got := other.first("SELECT 1"); got != "1" {
			t.Errorf("another one gets %q", got)
		}
	}
	if lost := f.Stats().LinksLost - links; lost != 0 {
		t.Errorf("%d links were taken for lost", lost)
	}
}
