package wire

import (
	"encoding/binary"
	"fmt"
)

// Login is what a client says of itself, in its answer to a greeting (protocol
// manual, "Protocol::HandshakeResponse41") or in COM_CHANGE_USER.
type Login struct {
	Capabilities Capability
	MaxPacket    uint32
	Charset      byte
	User         string
	Token        []byte // answer to the salt by Plugin's rules
	Database     string
	Plugin       string // empty if the client does not know of plugins
	Attributes   []byte // connection attributes as they came, without their length
}

// ParseLogin reads the answer to a greeting. Bits that were not offered do not
// count, whatever a client says. A client of the protocol before 4.1, and one
// that asks for TLS, which is not offered, are refused as malformed.
func ParseLogin(payload []byte) (Login, error) {
	var l Login
	r := NewReader(payload)
	said := Capability(r.Uint32())
	if r.Bad() || !said.Has(Protocol41) {
		return l, fmt.Errorf("%w: a client of the protocol before 4.1", ErrMalformed)
	}
	if said.Has(SSL) {
		return l, fmt.Errorf("%w: TLS was asked for and not offered", ErrMalformed)
	}
	l.Capabilities = said & Offered
	l.MaxPacket = r.Uint32()
	l.Charset = r.Byte()
	r.Take(23)
	l.User = string(r.CString())
	switch {
	case l.Capabilities.Has(PluginAuthLen):
		l.Token = r.Bytes()
	case l.Capabilities.Has(SecureConn):
		l.Token = r.Take(int(r.Byte()))
	default:
		l.Token = r.CString()
	}
	if l.Capabilities.Has(ConnectWithDB) {
		l.Database = string(r.CString())
	}
	l.tail(&r)
	if r.Bad() {
		return Login{}, fmt.Errorf("%w: answer to the greeting", ErrMalformed)
	}
	return l, nil
}

// ParseChangeUser reads a COM_CHANGE_USER of a client that agreed on caps.
// payload begins behind the command byte.
func ParseChangeUser(payload []byte, caps Capability) (Login, error) {
	l := Login{Capabilities: caps}
	r := NewReader(payload)
	l.User = string(r.CString())
	if caps.Has(SecureConn) {
		l.Token = r.Take(int(r.Byte()))
	} else {
		l.Token = r.CString()
	}
	l.Database = string(r.CString())
	if r.Len() >= 2 {
		l.Charset = byte(r.Uint16())
	}
	l.tail(&r)
	if r.Bad() {
		return Login{}, fmt.Errorf("%w: change of user", ErrMalformed)
	}
	return l, nil
}

// tail reads plugin and attributes, both of which clients leave out at will.
func (l *Login) tail(r *Reader) {
	if l.Capabilities.Has(PluginAuth) && r.Len() > 0 {
		l.Plugin = string(r.CString())
	}
	if l.Capabilities.Has(ConnectAttrs) && r.Len() > 0 {
		l.Attributes = r.Bytes()
	}
}

// Append appends the payload of an answer to a greeting.
func (l *Login) Append(dst []byte) []byte {
	caps := l.Capabilities
	if l.Database == "" {
		caps &^= ConnectWithDB
	}
	if len(l.Attributes) == 0 {
		caps &^= ConnectAttrs
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(caps))
	dst = binary.LittleEndian.AppendUint32(dst, l.MaxPacket)
	dst = append(append(dst, l.Charset), make([]byte, 23)...)
	dst = append(append(dst, l.User...), 0)
	dst = AppendBytes(dst, l.Token) // a token is 20 bytes: one length byte by either rule
	if caps.Has(ConnectWithDB) {
		dst = append(append(dst, l.Database...), 0)
	}
	if caps.Has(PluginAuth) {
		dst = append(append(dst, l.Plugin...), 0)
	}
	if caps.Has(ConnectAttrs) {
		dst = AppendBytes(dst, l.Attributes)
	}
	return dst
}

// Login logs in to the server at the other end as the client that l describes,
// with its digest instead of a password. l.Capabilities are those the client
// agreed on. It returns the server's greeting. A refusal by the server is an
// *Error; a server that wants another method than mysql_native_password is an
// error that names it.
func (c *Conn) Login(l Login, digest Digest) (Greeting, error) {
	payload, err := c.Read()
	if err != nil {
		return Greeting{}, err
	}
	g, err := ParseGreeting(payload)
	if err != nil {
		return g, err
	}
	if l.Capabilities, err = l.Capabilities.Towards(g.Capabilities); err != nil {
		return g, err
	}
	l.Plugin, l.Token = PluginNative, digest.Token(g.Salt)
	if err := c.Write(l.Append(nil)); err != nil {
		return g, err
	}
	return g, c.finishLogin(digest)
}

func (c *Conn) finishLogin(digest Digest) error {
	for {
		payload, err := c.Read()
		switch {
		case err != nil:
			return err
		case len(payload) == 0:
			return fmt.Errorf("%w: empty answer to a login", ErrMalformed)
		case payload[0] == headerOK:
			return nil
		case payload[0] == headerErr:
			return ParseError(payload)
		case payload[0] != headerEOF:
			return fmt.Errorf("%w: answer %#x to a login", ErrMalformed, payload[0])
		}
		plugin, salt, err := parseAuthSwitch(payload)
		if err != nil {
			return err
		}
		if plugin != PluginNative {
			return fmt.Errorf("the server wants authentication by %q, only %s is supported", plugin, PluginNative)
		}
		if err := c.Write(digest.Token(salt)); err != nil {
			return err
		}
	}
}
