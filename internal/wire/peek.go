package wire

// Peek waits until n bytes are there that were not read yet, and returns them. They
// stay unread, and are valid until the next call.
func (c *Conn) Peek(n int) ([]byte, error) {
	if err := c.need(n); err != nil {
		return nil, err
	}
	return c.buf[c.read : c.read+n], nil
}

// Skip drops n bytes that Peek has shown: something that is not of the protocol.
// They count as sent by the peer. It returns ErrTooLarge if the peer may not send as
// many.
func (c *Conn) Skip(n int) error {
	if c.budget -= n; c.budget < 0 {
		return ErrTooLarge
	}
	c.read += n
	return nil
}
