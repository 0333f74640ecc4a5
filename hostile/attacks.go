package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// attacks are those that are tried, the proxy's rows of what a port must bear.
func attacks() []attack {
	const login = 11 * time.Second // the proxy's 10 s, and what it takes to say so
	return []attack{
		{
			name: "strangers", what: "clients that send a byte every five seconds and never log in", round: 12 * time.Second,
			run: stranger, memoryKiB: 96 << 10, wait: login, slower: 100 * time.Millisecond, unnoticed: true,
		},
		{
			name: "frames", what: "16 MiB announced before login, and sent", clients: 64,
			run: frames, memoryKiB: 64 << 10, wait: time.Second, unnoticed: true,
		},
		{
			name: "guesses", what: "passwords guessed from one address, 1 000 a second", clients: 100,
			run: guess, memoryKiB: 32 << 10, wait: 4 * time.Second, unnoticed: true,
		},
		{
			name: "garbage", what: "packets cut short, out of order, empty, none at all; before and after login", clients: 8,
			run: garbage, memoryKiB: 32 << 10, wait: 3 * time.Second, unnoticed: true,
		},
		{
			name: "bombs", what: "compressed packets of zeros, up to a gigabyte in one statement, and lies about their size", clients: 8,
			run: bomb, prepare: func() { bombs() }, memoryKiB: 96 << 10, wait: patience, unnoticed: true,
		},
		{
			name: "floods", what: "parameters and changes of user in frames of 16 MiB", clients: 4,
			run: flood, memoryKiB: 32 << 10, wait: patience, unnoticed: true,
		},
		{
			name: "readers", what: "20 000 000 rows, read slowly", clients: 4,
			run: reader, memoryKiB: 8 << 10, wait: patience, unnoticed: true, unanswered: true,
		},
		{
			name: "statements", what: "10^6 values in a list, 15 MiB in a literal, 10^4 brackets deep, 65 536 placeholders", clients: 1,
			run: large, memoryKiB: 48 << 10, wait: patience, unnoticed: true,
		},
	}
}

// times calls f until ctx ends.
func times(ctx context.Context, f func()) {
	for ctx.Err() == nil {
		f()
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// last reads on until the connection is closed, and returns the last error that the
// proxy has told, or closed.
func last(c net.Conn) int {
	own, told := wire.NewConn(c, 1<<20), closed
	own.Restart(2, 1<<20)
	for {
		payload, err := own.Read()
		if number(err) == waiting {
			return waiting
		}
		if err != nil {
			return told
		}
		if len(payload) > 2 && payload[0] == 0xFF {
			told = int(payload[1]) | int(payload[2])<<8
		}
	}
}

// stranger connects from an address of its own, sends a byte every five seconds, and
// is back five seconds after it was shown out.
func stranger(ctx context.Context, w *attacker, i int) {
	from := fmt.Sprintf("127.0.%d.%d", 1+i/250, 1+i%250)
	pause(ctx, time.Duration(i%1000)*5*time.Millisecond)
	times(ctx, func() {
		c, err := w.Spec.greeted(from)
		if err != nil {
			w.answered(number(err), 0)
			pause(ctx, 5*time.Second)
			return
		}
		began := time.Now()
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-time.After(5 * time.Second):
					_, _ = c.net.Write([]byte{0})
				case <-stop:
					return
				}
			}
		}()
		told := last(c.net) // it takes as long as the proxy lets it, whatever ctx says
		close(stop)
		_ = c.net.Close()
		w.answered(told, time.Since(began))
		pause(ctx, 5*time.Second)
	})
}

// frames announces 16 MiB, and sends them as long as it can.
func frames(ctx context.Context, w *attacker, _ int) {
	piece := append([]byte{0xFF, 0xFF, 0xFF, 0}, make([]byte, 64<<10)...)
	times(ctx, func() {
		c, err := w.Spec.greeted("127.0.66.1")
		if err != nil {
			w.answered(number(err), 0)
			return
		}
		began := time.Now()
		for seq := 1; err == nil && (seq == 1 || ctx.Err() == nil); seq++ {
			piece[3] = byte(seq)
			var n int
			n, err = c.net.Write(piece)
			w.sent(int64(n))
		}
		w.answered(last(c.net), time.Since(began))
		_ = c.net.Close()
	})
}

// guess guesses, ten times a second.
func guess(ctx context.Context, w *attacker, i int) {
	pause(ctx, time.Duration(i)*time.Millisecond)
	times(ctx, func() {
		began := time.Now()
		user := w.Spec
		if i%2 == 0 {
			user.User = fmt.Sprintf("nobody%d", i)
		}
		c, err := user.login("127.0.66.2", "guess", 0)
		if err == nil {
			_ = c.net.Close()
		}
		w.answered(number(err), time.Since(began))
		pause(ctx, 100*time.Millisecond)
	})
}

// said are packets that no client would send: before login, and after it.
func said() (before, after [][]byte) {
	packet := func(seq byte, payload string) []byte { p, _ := wire.AppendPacket(nil, seq, []byte(payload)); return p }
	before = [][]byte{
		{},
		{0, 0, 0, 1},
		{1, 0, 0, 7, 'x'},
		{20, 0, 0, 1, 'x'},
		{0xFF, 0xFF, 0xFF, 1},
		[]byte("GET / HTTP/1.1\r\n\r\n"), []byte("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff"),
		packet(1, strings.Repeat("\xFF", 40)), packet(1, "\x0d\xa6\x0f\x00"+strings.Repeat("\x00", 28)+"user\x00\xfe"),
		packet(1, "\x0d\xa6\x3f\x00"+strings.Repeat("\x00", 28)+"user\x00\xfd\xff\xff\xff"),
		packet(1, "\x0d\xaa\x0f\x00"+strings.Repeat("\x00", 28)),                     // TLS is asked for, and nothing follows
		append(packet(1, "\x0d\xaa\x0f\x00"+strings.Repeat("\x00", 28)), "plain"...), // and goes on in the clear
	}
	for _, n := range []int{0xFB, 0xFC, 0xFD, 0xFE, 0xFF} { // lengths cut short
		before = append(before, packet(1, "\x8d\xa6\x3f\x00"+strings.Repeat("\x00", 28)+"user\x00"+string([]byte{byte(n)})))
	}
	after = [][]byte{
		{0, 0, 0, 0},
		{1, 0, 0, 9, 14},
		packet(0, "\x11"), packet(0, "\x11a\x00\xc8\x01"), packet(0, "\x12"), packet(0, "\x12\x04\x00\x00\x00\x00\x00\x01\x00\x00\x00x"),
		packet(0, "\x1e"), packet(0, "\x15"), packet(0, "\x17"), packet(0, "\x17\xff\xff\xff\xff\x00\x01"), packet(0, "\x18\x01"), packet(0, "\x19"),
		packet(0, "\x1c\xff\xff\xff\xff"), packet(0, "\x1b"), packet(0, "\x0c"), packet(0, "\x04"), packet(0, "\x07"), packet(0, "\x08"), packet(0, "\xfa"),
		packet(0, "\x03"), packet(0, "\x03\x00\xff/*"), packet(0, "\x16\x00"), packet(0, "\xff"), packet(0, "\x03"+strings.Repeat("/*", 5000)),
		append([]byte{0xFF, 0xFF, 0, 0, 0xFA}, make([]byte, 20000)...),
	}
	return before, after
}

// garbage says what no client says. Whoever gets no answer and is not closed has to be
// for want of a rest of the packet: it then hangs up, and nobody is harmed.
func garbage(ctx context.Context, w *attacker, i int) {
	before, after := said()
	for turn := i; ctx.Err() == nil; turn++ {
		began := time.Now()
		n := turn % (len(before) + len(after) + 1)
		var c *client
		var err error
		switch {
		case n < len(before):
			c, err = w.Spec.greeted("127.0.66.3")
		case n < len(before)+len(after):
			c, err = w.Spec.login("127.0.66.3", w.Spec.Password, 0)
		default:
			err = renegotiate(w.Spec)
		}
		if err == nil && c != nil {
			say := append(before, after...)[n]
			_, _ = c.net.Write(say)
			if t, ok := c.net.(*net.TCPConn); ok {
				_ = t.CloseWrite() // it is all: the proxy can wait for nothing
			}
			_ = c.net.SetDeadline(time.Now().Add(patience))
			told := last(c.net)
			_ = c.net.Close()
			w.answered(told, time.Since(began))
			continue
		}
		w.answered(number(err), time.Since(began))
	}
}

// renegotiate asks for TLS, and sends a handshake that no one can take.
func renegotiate(s spec) error {
	c, err := s.greeted("127.0.66.3")
	if err != nil {
		return err
	}
	defer c.net.Close() //nolint:errcheck // it is over
	asks := wire.Login{Capabilities: caps | wire.SSL, MaxPacket: 1 << 24, Charset: 45}
	if err := c.conn.Write(asks.Append(nil)[:32]); err != nil {
		return err
	}
	t := tls.Client(c.net, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}) //nolint:gosec // it is no friend
	if err := t.Handshake(); err != nil {
		return err
	}
	_, _ = c.net.Write([]byte("\x16\x03\x03\x00\x04\x01\x00\x00\x00")) // a new one, in the clear
	_, err = io.Copy(io.Discard, c.net)
	return err
}
