package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// bombs returns a statement of a gigabyte in compressed packets.
var bombs = sync.OnceValue(func() [][]byte {
	packer := wire.Packer{Codecs: wire.NewCodecs(1 << 30), By: wire.CompressionZlib}
	frame := append([]byte{0xFF, 0xFF, 0xFF, 0}, make([]byte, wire.MaxPayload)...)
	frame[wire.HeaderSize] = byte(wire.ComQuery)
	const gigabyte = 64
	packed := make([][]byte, gigabyte)
	var seq byte
	for n := range packed {
		frame[3] = byte(n)
		packed[n], seq = packer.Append(nil, seq, frame)
	}
	return packed
})

// bomb sends a gigabyte of zeros as one statement, which compressed is a megabyte, and
// packets that hold more, or less, than they say.
func bomb(ctx context.Context, w *attacker, i int) {
	for turn := i; ctx.Err() == nil; turn++ {
		began := time.Now()
		c, err := w.Spec.login("127.0.66.4", w.Spec.Password, wire.Compress)
		if err != nil {
			w.answered(number(err), time.Since(began))
			continue
		}
		for _, packed := range bombs() {
			packed = bytes.Clone(packed)
			switch turn % 4 {
			case 1: // says that it is small
				packed[4], packed[5], packed[6] = 100, 0, 0
			case 2: // says that it is larger than it is
				packed[4], packed[5], packed[6] = 0xFF, 0xFF, 0xFF
			case 3: // is none
				copy(packed[7:], bytes.Repeat([]byte{0xAA}, len(packed)-7))
			}
			_, err := c.net.Write(packed)
			w.sent(wire.MaxPayload)
			if err != nil || ctx.Err() != nil {
				break
			}
		}
		hangUp(c)
		// Answers are compressed: that there is an end of it is what counts.
		buffer := make([]byte, 4096)
		for err = nil; err == nil; {
			_, err = c.net.Read(buffer)
		}
		_ = c.net.Close()
		w.answered(number(err), time.Since(began))
	}
}

// hangUp says that nothing more is to come.
func hangUp(c *client) {
	if t, ok := c.net.(interface{ CloseWrite() error }); ok {
		_ = t.CloseWrite()
	}
	_ = c.net.SetDeadline(time.Now().Add(patience))
}

// flood sends a parameter, or a change of user, in frames of 16 MiB that do not end.
func flood(ctx context.Context, w *attacker, i int) {
	for turn := i; ctx.Err() == nil; turn++ {
		began := time.Now()
		c, err := w.Spec.login("127.0.66.5", w.Spec.Password, 0)
		if err != nil {
			w.answered(number(err), time.Since(began))
			continue
		}
		head := []byte{byte(wire.ComChangeUser)}
		if turn%2 == 0 {
			_ = c.conn.Send([]byte("\x16SELECT ?"))
			made, err := c.conn.Prepare(caps, 1<<16)
			if err != nil {
				w.answered(number(err), time.Since(began))
				_ = c.net.Close()
				continue
			}
			head = []byte{byte(wire.ComStmtSendLongData), byte(made.ID), byte(made.ID >> 8), byte(made.ID >> 16), byte(made.ID >> 24), 0, 0}
		}
		piece := make([]byte, wire.HeaderSize+wire.MaxPayload)
		copy(piece, []byte{0xFF, 0xFF, 0xFF})
		copy(piece[wire.HeaderSize:], head)
		_ = c.net.SetDeadline(time.Now().Add(patience))
		const pieces = 16 // a quarter of a gigabyte
		for n := 0; n < pieces && err == nil && ctx.Err() == nil; n++ {
			piece[3] = byte(n)
			var sent int
			sent, err = c.net.Write(piece)
			w.sent(int64(sent))
		}
		hangUp(c)
		told := last(c.net)
		_ = c.net.Close()
		w.answered(told, time.Since(began))
	}
}

// reader asks for more than it reads.
func reader(ctx context.Context, w *attacker, _ int) {
	times(ctx, func() {
		c, err := w.Spec.login("127.0.66.6", w.Spec.Password, 0)
		if err != nil {
			w.answered(number(err), 0)
			return
		}
		_ = c.conn.Send(wire.Query("SELECT seq, REPEAT('x', 50) FROM " + w.Spec.Database + ".seq_1_to_20000000"))
		_ = c.net.SetDeadline(time.Now().Add(w.For + patience))
		buffer := make([]byte, 1024)
		for err = nil; err == nil && ctx.Err() == nil; {
			var n int
			n, err = c.net.Read(buffer)
			w.sent(int64(n))
			pause(ctx, 10*time.Millisecond)
		}
		_ = c.net.Close()
		w.answered(number(err), 0)
	})
}

// large runs statements that are long, deep or full.
func large(ctx context.Context, w *attacker, _ int) {
	var list strings.Builder
	list.WriteString("SELECT 1 FROM " + w.Spec.Database + ".seq_1_to_1 WHERE seq IN (0")
	for list.Len() < 7<<20 {
		list.WriteString(",123456")
	}
	list.WriteString(")")
	const deep = 10_000
	texts := []string{
		"\x03" + list.String(),
		"\x03SELECT LENGTH('" + strings.Repeat("x", 15<<20) + "')",
		"\x03SELECT " + strings.Repeat("(", deep) + "1" + strings.Repeat(")", deep),
		"\x03SELECT '" + strings.Repeat("/*", 1<<20) + "'",
		"\x16SELECT 1 IN (0" + strings.Repeat(",?", 65536) + ")",
		"\x03SELECT LENGTH('" + strings.Repeat("x", 64<<20) + "')", // more than max_allowed_packet
	}
	times(ctx, func() {
		for _, text := range texts {
			if ctx.Err() != nil {
				return
			}
			c, err := w.Spec.login("127.0.66.7", w.Spec.Password, 0)
			if err != nil {
				w.answered(number(err), 0)
				continue
			}
			_ = c.net.SetDeadline(time.Now().Add(patience))
			began := time.Now()
			packets, _ := wire.AppendPacket(nil, 0, []byte(text))
			if _, err = c.net.Write(packets); err == nil {
				c.conn.Restart(1, 1<<20)
				if len(text) > wire.MaxPayload { // numbers go on
					c.conn.Restart(byte(1+len(text)/wire.MaxPayload), 1<<20)
				}
				var payload []byte
				if payload, err = c.conn.Read(); err == nil && payload[0] == 0xFF {
					err = wire.ParseError(payload)
				}
			}
			w.sent(int64(len(text)))
			w.answered(number(err), time.Since(began))
			_ = c.net.Close()
		}
	})
}
