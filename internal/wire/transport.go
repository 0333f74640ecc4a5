package wire

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// tlsRequestSize is the size of the part of a login that comes before the name of
// the user (protocol manual, "Protocol::SSLRequest").
const tlsRequestSize = 32

// AsksForTLS reports whether payload, a client's first, asks for TLS: it ends before
// the login's name, which follows within TLS. A client that claims TLS and goes on
// in the clear is malformed.
func AsksForTLS(payload []byte) (bool, error) {
	const caps = 4
	if len(payload) < caps || !Capability(binary.LittleEndian.Uint32(payload)).Has(SSL|Protocol41) {
		return false, nil
	}
	if len(payload) != tlsRequestSize {
		return false, fmt.Errorf("%w: a login that asks for TLS and goes on in the clear", ErrMalformed)
	}
	return true, nil
}

// AskForTLS answers the greeting g with the wish for TLS; own, SSL among them, are
// the capabilities of Transport that the connection will have. The handshake of TLS
// follows at once, and then Answer, over TLS.
func (c *Conn) AskForTLS(g Greeting, l Login, own Capability) error {
	caps, err := l.Capabilities.Towards(g.Capabilities)
	if err != nil {
		return err
	}
	l.Capabilities = caps | own
	return c.Write(l.Append(nil)[:tlsRequestSize])
}

// Vouch returns what a server with a certificate that signs itself puts into the OK
// packet of a login by mysql_native_password: clients from MariaDB 11.4 on believe
// such a certificate if it is sent by who knows their password (MariaDB manual,
// "Zero-Configuration SSL"). cert is the certificate, DER. It returns nil for any
// other login, and without a password.
func (s Secret) Vouch(salt Salt, cert []byte) []byte {
	if !s.unclear {
		return nil
	}
	stored, fingerprint := s.digest.Stored(), sha256.Sum256(cert)
	sum := sha256.Sum256(append(append(stored[:], salt[:]...), fingerprint[:]...))
	return hex.AppendEncode([]byte{1}, sum[:])
}
