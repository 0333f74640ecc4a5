package wire

// Frames finds where a client's message ends in a stream of bytes that is passed
// on and not kept: a command larger than a buffer. A message is one packet, or several
// that continue each other. The zero value stands before a message.
type Frames struct {
	header [HeaderSize]byte
	have   int  // bytes of the header that have been seen
	skip   int  // payload bytes of the packet that are still to come
	more   bool // the packet is continued by the next one
	begun  bool
	seq    byte
}

// Feed takes the next bytes of the stream. It returns how many of them it used,
// what they hold of the message's payload, and whether the message ended with
// them. It stops at each header: while n is less than len(b) and the message has
// not ended, there is more to be fed.
func (f *Frames) Feed(b []byte) (n int, payload []byte, ended bool) {
	for f.skip == 0 {
		if f.begun && !f.more && f.have == 0 {
			return n, nil, true
		}
		if n == len(b) {
			return n, nil, false
		}
		f.header[f.have] = b[n]
		f.have++
		n++
		if f.have == HeaderSize {
			f.skip, f.seq = Header(f.header[:])
			f.have, f.begun, f.more = 0, true, f.skip == MaxPayload
		}
	}
	pass := min(f.skip, len(b)-n)
	f.skip -= pass
	return n + pass, b[n : n+pass], f.skip == 0 && !f.more
}

// Seq returns the sequence number of the packet that was begun last.
func (f *Frames) Seq() byte { return f.seq }
