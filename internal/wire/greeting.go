package wire

import (
	"encoding/binary"
	"fmt"
)

// Greeting is the first packet of a server (protocol manual,
// "Protocol::HandshakeV10").
type Greeting struct {
	Version      string // as the server calls itself, "5.5.5-10.11.19-MariaDB"
	ThreadID     uint32
	Salt         Salt
	Capabilities Capability
	Charset      byte // id of the default collation
	Status       Status
	Plugin       string
}

// Append appends the payload.
func (g *Greeting) Append(dst []byte) []byte {
	dst = append(append(append(dst, 10), g.Version...), 0)
	dst = binary.LittleEndian.AppendUint32(dst, g.ThreadID)
	dst = append(append(dst, g.Salt[:8]...), 0)
	caps := g.Capabilities
	if caps&extended != 0 {
		caps &^= Mysql // which is how a MariaDB says that there are extended ones
	}
	dst = binary.LittleEndian.AppendUint16(dst, uint16(caps))
	dst = append(dst, g.Charset)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(g.Status))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(g.Capabilities>>16))
	dst = append(dst, SaltSize+1, 0, 0, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(caps>>32))
	dst = append(append(dst, g.Salt[8:]...), 0)
	return append(append(dst, g.Plugin...), 0)
}

// ParseGreeting reads a server's first packet. A server that refuses a client at
// once sends an error instead: that is returned as *Error.
func ParseGreeting(payload []byte) (Greeting, error) {
	var g Greeting
	if len(payload) > 0 && payload[0] == headerErr {
		return g, ParseError(payload)
	}
	r := NewReader(payload)
	if version := r.Byte(); version != 10 {
		return g, fmt.Errorf("%w: greeting of protocol version %d", ErrMalformed, version)
	}
	g.Version = string(r.CString())
	g.ThreadID = r.Uint32()
	copy(g.Salt[:8], r.Take(8))
	r.Take(1)
	g.Capabilities = Capability(r.Uint16())
	g.Charset = r.Byte()
	g.Status = Status(r.Uint16())
	g.Capabilities |= Capability(r.Uint16()) << 16
	r.Take(1 + 6) // length of the salt, reserved
	if more := Capability(r.Uint32()) << 32; !g.Capabilities.Has(Mysql) {
		g.Capabilities |= more
	}
	copy(g.Salt[8:], r.Take(SaltSize-8))
	r.Take(1)
	if r.Bad() {
		return Greeting{}, fmt.Errorf("%w: greeting", ErrMalformed)
	}
	g.Plugin = string(r.CString())
	return g, nil
}

// AppendAuthSwitch appends the payload that asks a client to authenticate by
// plugin with a new salt.
func AppendAuthSwitch(dst []byte, plugin string, salt Salt) []byte {
	dst = append(append(append(dst, headerEOF), plugin...), 0)
	return append(append(dst, salt[:]...), 0)
}

// parseAuthSwitch reads the payload that AppendAuthSwitch writes.
func parseAuthSwitch(payload []byte) (plugin string, salt Salt, err error) {
	r := NewReader(payload)
	r.Take(1)
	plugin = string(r.CString())
	if plugin != PluginNative && plugin != PluginSha2 {
		return plugin, salt, nil
	}
	copy(salt[:], r.Take(SaltSize))
	if r.Bad() {
		return "", salt, fmt.Errorf("%w: switch of the authentication method", ErrMalformed)
	}
	return plugin, salt, nil
}
