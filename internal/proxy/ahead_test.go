package proxy

import (
	"encoding/binary"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// A part of a parameter that finds no way to the owner is not left out in silence: its session
// ends, and what it would have executed without that part is not written.
func TestRealParameterSentAheadInVain(t *testing.T) {
	onBothAs(t, Config{QueueTimeout: 200 * time.Millisecond}, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (v TEXT)")
		c, _ := f.raw(t, f.Addr(), rawCaps)
		id := c.prepare("INSERT INTO shop.t VALUES (?)")
		ahead := func(text string) {
			if err := c.own.Send(append([]byte{byte(wire.ComStmtSendLongData), byte(id), byte(id >> 8), 0, 0, 0, 0}, text...)); err != nil {
				t.Fatal(err)
			}
		}
		ahead("a begin")
		waitFor(t, "it has arrived", func() bool { return len(f.Pins()) == 1 })
		drained := *f.world.View()
		drained.Units = append(drained.Units[:0:0], drained.Units...)
		drained.Units[0].Draining = true
		f.world.setView(&drained)
		waitFor(t, "the view is taken in", func() bool { return f.view.Load() == &drained })
		ahead("ning and an end")
		waitFor(t, "it was waited for in vain", func() bool { return f.Stats().Refused[RefusedOwner.String()] > 0 })
		again := drained
		again.Units = append(again.Units[:0:0], again.Units...)
		again.Units[0].Draining = false
		f.world.setView(&again)
		waitFor(t, "the view is taken in", func() bool { return f.view.Load() == &again })
		_ = c.own.Send(append([]byte{byte(wire.ComStmtExecute)}, execution(id, 0, true, "\xfc\x00", "")...))
		c.own.Restart(1, 1<<16)
		if payload, err := c.own.Read(); err == nil {
			t.Errorf("its client was answered %q", payload)
		}
		if got := f.query(t, "SELECT COALESCE(MAX(v), 'nothing') FROM shop.t"); got != "nothing" {
			t.Errorf("%q was written", got)
		}
	})
}

// An execution that does not say its types gets them at another member, also if it is in
// several packets: the types stand in the first one, and all that is behind them moves on.
func TestRealLargeExecutionGetsItsTypes(t *testing.T) {
	p := startPair(t)
	for _, s := range p.servers {
		s.Exec(t, "SET GLOBAL max_allowed_packet=64*1024*1024")
	}
	const before = 1 + 4 + 1 + 4 + 1 + 1 // of a value, in the payload, with its types untold
	value := func(n int) string { return string(wire.AppendBytes(nil, strings.Repeat("l", n))) }
	for i, payload := range []int{1 << 20, wire.MaxPayload - 3, wire.MaxPayload - 2, wire.MaxPayload - 1, wire.MaxPayload, wire.MaxPayload + 1, 2*wire.MaxPayload - 2, 2 * wire.MaxPayload} {
		c := dialRaw(t, p.Addr())
		_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
		if err := c.login("app", appPassword, rawCaps); err != nil {
			t.Fatal(err)
		}
		id := c.prepare("SELECT LENGTH(?), seq+" + strconv.Itoa(i) + " FROM shop.seq_1_to_600")
		c.response(wire.ComStmtExecute, execution(id, 0, true, "\xfc\x00", value(1)))
		p.grant(1+(i+1)%2, uint64(i+2))
		waitFor(t, "the view is taken in", func() bool { return p.view.Load() == p.world.View() })
		n := payload - before - 4
		if n >= 1<<24 {
			n -= 5
		}
		packets, next := wire.AppendPacket(nil, 0, append([]byte{byte(wire.ComStmtExecute)}, execution(id, 0, false, "", value(n))...))
		if _, err := c.conn.Write(packets); err != nil {
			t.Fatal(err)
		}
		c.own.Restart(next, 1<<20)
		rows := -3 // head, definitions
		for {
			row, err := c.own.Read() // in sequence, or it is an error
			if err != nil || row[0] == 0xFF {
				t.Fatalf("a payload of %d: %q, %v behind %d rows", payload, row, err, rows)
			}
			if row[0] == 0xFE {
				break
			}
			if rows++; rows > 0 && int(binary.LittleEndian.Uint32(row[2:])) != n {
				t.Fatalf("a payload of %d: %q, want %d", payload, row, n)
			}
		}
		if rows != 600 {
			t.Errorf("a payload of %d: %d rows", payload, rows)
		}
		if got := c.first("SELECT 'next'"); got != "next" {
			t.Errorf("then %q", got)
		}
		_ = c.conn.Close()
	}
}
