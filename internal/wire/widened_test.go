package wire

import (
	"bytes"
	"fmt"
	"testing"
)

// A message that is longer than it came is framed as it would be by who sends all of it.
func TestWidened(t *testing.T) {
	for _, size := range []int{100, MaxPayload - 9, MaxPayload - 8, MaxPayload - 7, MaxPayload - 1, MaxPayload, MaxPayload + 1, 2*MaxPayload - 8, 2*MaxPayload - 9, 2 * MaxPayload, 2*MaxPayload + 70000} {
		for _, extra := range []string{"12345678", string(make([]byte, 70000))} {
			for _, step := range []int{50, 1 << 14, 1 << 20} {
				if step == 50 && size > 1<<20 {
					continue
				}
				t.Run(fmt.Sprintf("%d and %d by %d", size, len(extra), step), func(t *testing.T) {
					payload := bytes.Repeat([]byte("abcdefg"), size/7+1)[:size]
					came, _ := AppendPacket(nil, 0, payload)
					first := min(step, len(came))
					const at = 20
					var w Widened
					begin := append(append(bytes.Clone(payload[:at]), extra...), payload[at:first-HeaderSize]...)
					got := w.Begin(nil, came[:first], begin)
					for rest := came[first:]; len(rest) > 0; {
						n := min(step, len(rest))
						got, rest = w.Feed(got, rest[:n]), rest[n:]
						if len(w.held) > len(extra) {
							t.Fatalf("%d bytes are held", len(w.held))
						}
					}
					want, seq := AppendPacket(nil, 0, append(append(bytes.Clone(payload[:at]), extra...), payload[at:]...))
					if !bytes.Equal(got, want) || w.Seq() != seq {
						t.Errorf("%d bytes, next %d, want %d, next %d", len(got), w.Seq(), len(want), seq)
					}
				})
			}
		}
	}
}
