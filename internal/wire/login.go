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
	Attributes   string // connection attributes as they came, without their length
	ZstdLevel    byte   // 1 to 22; 0 without ZstdCompress
}

// ParseLogin reads the answer to a greeting. Bits that were not offered do not
// count, whatever a client says; those of Transport are for the caller to judge. A
// client of the protocol before 4.1 is refused as malformed.
func ParseLogin(payload []byte) (Login, error) {
	var l Login
	r := NewReader(payload)
	said := Capability(r.Uint32())
	if r.Bad() || !said.Has(Protocol41) {
		return l, fmt.Errorf("%w: a client of the protocol before 4.1", ErrMalformed)
	}
	l.MaxPacket = r.Uint32()
	l.Charset = r.Byte()
	r.Take(19)
	if more := Capability(r.Uint32()) << 32; !said.Has(Mysql) {
		said |= more
	}
	l.Capabilities = said & offeredByAny
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
	if l.Capabilities.Has(ZstdCompress) && r.Len() > 0 {
		l.ZstdLevel = r.Byte()
	}
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
		l.Attributes = string(r.Bytes())
	}
}

// Append appends the payload of an answer to a greeting.
func (l *Login) Append(dst []byte) []byte {
	caps := l.Capabilities
	if l.Database == "" {
		caps &^= ConnectWithDB
	}
	if l.Attributes == "" {
		caps &^= ConnectAttrs
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(caps))
	dst = binary.LittleEndian.AppendUint32(dst, l.MaxPacket)
	dst = append(append(dst, l.Charset), make([]byte, 19)...)
	if caps.Has(Mysql) {
		caps &^= extended
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(caps>>32))
	dst = append(append(dst, l.User...), 0)
	dst = AppendBytes(dst, l.Token) // a token is 32 bytes at most: one length byte by either rule
	if caps.Has(ConnectWithDB) {
		dst = append(append(dst, l.Database...), 0)
	}
	if caps.Has(PluginAuth) {
		dst = append(append(dst, l.Plugin...), 0)
	}
	if caps.Has(ConnectAttrs) {
		dst = AppendBytes(dst, l.Attributes)
	}
	if caps.Has(ZstdCompress) {
		dst = append(dst, l.ZstdLevel)
	}
	return dst
}

// Login logs in to the server at the other end as the client that l describes,
// with the secret that the client has shown. secure says that nobody can listen:
// only then does a password go over the wire as it is. l.Capabilities are those the
// client agreed on. It returns the server's greeting. A refusal by the server is an
// *Error; a server that wants another method than is possible is an ErrMethod.
func (c *Conn) Login(l Login, secret Secret, secure bool) (Greeting, error) {
	g, err := c.Greeting()
	if err != nil {
		return g, err
	}
	return g, c.Answer(g, l, Credentials{Secret: secret, Secure: secure})
}

// Greeting reads the greeting of the server at the other end. A server that
// refuses a client at once is an *Error.
func (c *Conn) Greeting() (Greeting, error) {
	payload, err := c.Read()
	if err != nil {
		return Greeting{}, err
	}
	return ParseGreeting(payload)
}

// Credentials are what it takes to answer a greeting besides a client's Login.
type Credentials struct {
	Secret Secret
	Secure bool       // nobody can listen; see Conn.Login
	Own    Capability // what of Transport this connection has
}

// Answer answers the greeting g; Login says how.
func (c *Conn) Answer(g Greeting, l Login, with Credentials) error {
	caps, err := l.Capabilities.Towards(g.Capabilities)
	if err != nil {
		return err
	}
	l.Capabilities = caps | with.Own
	c.attributes = l.Capabilities.Has(QueryAttributes)
	l.Plugin = PluginNative
	if g.Plugin == PluginSha2 && !with.Secret.unclear {
		l.Plugin = PluginSha2 // saves a switch
	}
	if l.Token, err = with.Secret.token(l.Plugin, g.Salt); err != nil {
		return err
	}
	if err := c.Write(l.Append(nil)); err != nil {
		return err
	}
	return c.Finish(l.Plugin, g.Salt, with)
}
