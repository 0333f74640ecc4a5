package wire

import (
	"errors"
	"fmt"
)

// ErrMethod is returned if a server wants a login by a method that is not possible.
// The remedy is the same plugin for the account on all members.
var ErrMethod = errors.New("the server wants authentication")

// What follows a [headerMore] in an exchange of caching_sha2_password.
const (
	headerMore  = 0x01
	sha2GiveKey = 0x02 // from the client: the public key, please
	sha2Fast    = 0x03 // the token was right
	sha2Full    = 0x04 // the password itself, please
)

// answering is the client's part of a login, behind its first packet.
type answering struct {
	secret Secret
	secure bool // nobody can listen: TLS, or a unix socket
	plugin string
	salt   Salt
}

// Finish answers what the server asks after a first packet that has answered salt by
// plugin, until it has decided. How often it may ask is bounded by the connection's
// budget. Status tells then how the session begins.
func (c *Conn) Finish(plugin string, salt Salt, with Credentials) error {
	a := answering{secret: with.Secret, secure: with.Secure, plugin: plugin, salt: salt}
	for {
		payload, err := c.Read()
		switch {
		case err != nil:
			return err
		case len(payload) == 0:
			return fmt.Errorf("%w: empty answer to a login", ErrMalformed)
		}
		switch payload[0] {
		case headerOK:
			var ok OK
			err := ParseOK(payload, &ok)
			c.status = ok.Status
			return err
		case headerErr:
			return ParseError(payload)
		case headerEOF:
			err = c.switchMethod(&a, payload)
		case headerMore:
			err = c.answerMore(a, payload[1:])
		default:
			err = fmt.Errorf("%w: answer %#x to a login", ErrMalformed, payload[0])
		}
		if err != nil {
			return err
		}
	}
}

// Status returns what the server has said of the session at the end of its login:
// whether statements are committed by themselves, and how backslashes are read, are
// the server's to choose. It is 0 before.
func (c *Conn) Status() Status { return c.status }

// switchMethod answers anew by the method that the server wants.
func (c *Conn) switchMethod(a *answering, payload []byte) (err error) {
	if a.plugin, a.salt, err = parseAuthSwitch(payload); err != nil {
		return err
	}
	token, err := a.secret.token(a.plugin, a.salt)
	if err != nil {
		return err
	}
	return c.Write(token)
}

// answerMore goes on with caching_sha2_password: a server that has the password in
// its memory is content with the token; another one wants all of it, in a way that
// nobody can listen to.
func (c *Conn) answerMore(a answering, data []byte) error {
	if a.plugin != PluginSha2 || len(data) == 0 {
		return fmt.Errorf("%w: more to a login by %s", ErrMalformed, a.plugin)
	}
	switch {
	case len(data) == 1 && data[0] == sha2Fast:
		return nil
	case len(data) == 1 && data[0] == sha2Full && a.secure:
		return c.Write(append([]byte(a.secret.clear), 0))
	case len(data) == 1 && data[0] == sha2Full:
		return c.Write([]byte{sha2GiveKey})
	}
	if a.secure {
		return fmt.Errorf("%w: a key that was not asked for", ErrMalformed)
	}
	sealed, err := seal(a.secret.clear, a.salt, data)
	if err != nil {
		return err
	}
	return c.Write(sealed)
}
