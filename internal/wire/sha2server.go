package wire

// AcceptFast tells a client of caching_sha2_password that its token was right. The OK
// packet is still to follow.
func (c *Conn) AcceptFast() error { return c.Write([]byte{headerMore, sha2Fast}) }

// FullPassword asks a client of caching_sha2_password for the password itself, which
// it sends as it is over a transport that is secure, and else encrypted by key under
// the salt of this login (MySQL manual, "Caching SHA-2 Pluggable Authentication";
// key is called only then). ok is false if what came is no password, sent in clear
// over a line that others can read included: then nothing is said to be right.
func (c *Conn) FullPassword(salt Salt, secure bool, key func() (*KeyPair, error)) (password []byte, ok bool, err error) {
	if err := c.Write([]byte{headerMore, sha2Full}); err != nil {
		return nil, false, err
	}
	sent, err := c.Read()
	if err != nil {
		return nil, false, err
	}
	if secure {
		password, ok = trimNUL(append([]byte(nil), sent...))
		return password, ok, nil
	}
	pair, err := key()
	if err != nil {
		return nil, false, err
	}
	if len(sent) == 1 && sent[0] == sha2GiveKey {
		if err := c.Write(append([]byte{headerMore}, pair.Public()...)); err != nil {
			return nil, false, err
		}
		if sent, err = c.Read(); err != nil {
			return nil, false, err
		}
	}
	password, ok = pair.Decrypt(salt, sent)
	return password, ok, nil
}

// ClearPassword reads what a client of mysql_clear_password has sent in place of a
// token.
func ClearPassword(token []byte) (password []byte, ok bool) { return trimNUL(token) }
