package wire

// Widened frames a message anew that is passed on with some bytes more in it than it came
// with, so that none of its packets begins and ends where it did. It holds back no more than
// those few. The zero value stands before a message.
type Widened struct {
	header [HeaderSize]byte
	have   int    // bytes of the header that have been seen
	skip   int    // payload bytes of the packet that are still to come
	due    int    // of the payload, that are known of and not written yet
	room   int    // that the packet which is written still takes
	held   []byte // whether they stand in a full packet is not known yet
	last   bool   // the last packet has begun to come
	closed bool   // the last packet was begun
	seq    byte   // of the next packet
}

// Begin begins with piece, a whole header and some of the first packet's payload, in the place
// of which payload is sent, that is longer. It appends to dst what is to be sent, as Feed does.
func (w *Widened) Begin(dst, piece, payload []byte) []byte {
	came := len(piece) - HeaderSize
	w.due = len(payload) - came
	dst = w.Feed(dst, piece[:HeaderSize])
	w.skip -= came
	return w.write(dst, payload)
}

// Feed goes on with the next bytes of the message.
func (w *Widened) Feed(dst, b []byte) []byte {
	for len(b) > 0 {
		if w.skip > 0 {
			n := min(w.skip, len(b))
			w.skip -= n
			dst, b = w.write(dst, b[:n]), b[n:]
			continue
		}
		n := copy(w.header[w.have:], b)
		b = b[n:]
		if w.have += n; w.have < HeaderSize {
			return dst
		}
		w.have = 0
		w.skip, _ = Header(w.header[:])
		w.due, w.last = w.due+w.skip, w.skip < MaxPayload
		dst = w.write(dst, nil)
	}
	return dst
}

// Seq returns the sequence number behind that of the packet that was begun last.
func (w *Widened) Seq() byte { return w.seq }

func (w *Widened) write(dst, b []byte) []byte {
	if held := w.held; len(held) > 0 {
		w.held = nil
		dst = w.put(dst, held)
	}
	return w.put(dst, b)
}

func (w *Widened) put(dst, b []byte) []byte {
	for len(b) > 0 || w.room == 0 && w.due == 0 && w.last && !w.closed {
		if w.room == 0 {
			switch {
			case w.due >= MaxPayload:
				w.room = MaxPayload
			case w.last && !w.closed:
				w.room, w.closed = w.due, true
			default:
				w.held = append(w.held, b...)
				return dst
			}
			dst = AppendHeader(dst, w.room, w.seq)
			w.seq++
		}
		n := min(w.room, len(b))
		dst, b = append(dst, b[:n]...), b[n:]
		w.room, w.due = w.room-n, w.due-n
	}
	return dst
}
