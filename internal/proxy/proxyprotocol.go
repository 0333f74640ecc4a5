package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/sqlring/sqlring/internal/wire"
)

// ProxyProtocol says from whom the header of the PROXY protocol, version 1 or 2, is
// believed: balancers in front of us that say for whom they connect (HAProxy,
// "The PROXY protocol", 2.x). The zero value is: from nobody.
type ProxyProtocol struct {
	// Networks are those of the balancers. A header from elsewhere, the unix socket
	// included, is refused: whoever could send one could be any address of an
	// account's host part.
	Networks []netip.Prefix
	// Required refuses TCP clients that come without a header, from wherever.
	Required bool
}

// errHeader is what a bad header ends a login with.
var errHeader = fmt.Errorf("%w: PROXY header", wire.ErrMalformed)

// introduce reads the header of the PROXY protocol, if the client begins with one,
// and takes its address for the client's.
//
// The greeting has gone out before: an ordinary client waits for it, and a header
// can not be told from silence. No header can be taken for a login, nor a login for
// a header: as a packet, either signature would announce itself with more than half
// a megabyte and a wrong number. Its bytes and its time count as the login's.
func (s *session) introduce(own *wire.Conn) error {
	cfg := s.p.cfg.ProxyProtocol
	start, err := own.Peek(wire.HeaderSize)
	if err != nil {
		return err
	}
	isHeader := bytes.HasPrefix([]byte(signature1), start) || bytes.HasPrefix([]byte(signature2), start)
	trusted := slices.ContainsFunc(cfg.Networks, func(n netip.Prefix) bool {
		return s.from.IsValid() && n.Contains(s.from.Unmap())
	})
	switch {
	case isHeader && !trusted:
		s.p.count.refuse(RefusedProxyHeader)
		return wire.NewError(wire.BadHandshake, "Bad handshake: a PROXY header from an address that may not send one")
	case !isHeader && cfg.Required && s.from.IsValid():
		s.p.count.refuse(RefusedProxyHeader)
		return wire.NewError(wire.BadHandshake, "Bad handshake: clients have to come by a balancer that sends a PROXY header")
	case !isHeader:
		return nil
	}
	h, err := readHeader(own.Peek)
	if err == nil {
		err = own.Skip(h.size)
	}
	if errors.Is(err, errHeader) {
		s.p.count.refuse(RefusedProxyHeader)
		return wire.NewError(wire.BadHandshake, "Bad handshake: %v", err)
	}
	if err == nil && h.from.IsValid() {
		s.from = h.from.Unmap()
	}
	return err
}

// header is a header of the PROXY protocol.
type header struct {
	size int        // its bytes
	from netip.Addr // not valid: the balancer speaks for itself, or names nobody
}

const (
	signature1 = "PROXY "
	signature2 = "\r\n\r\n\x00\r\nQUIT\n"
	size1      = 107 // the longest line of version 1, with its end
	fixed2     = 16  // what version 2 has before addresses and extensions
	size2      = 4096
)

// readHeader reads a header by peek, which waits until as many bytes are there. It
// never asks for a byte more than the header has. What is not of the specification
// is an errHeader; a header of version 2 of more than 4 KiB is one too.
func readHeader(peek func(int) ([]byte, error)) (header, error) {
	b, err := peek(len(signature1))
	if err != nil {
		return header{}, err
	}
	if string(b) == signature1 {
		for n := len(signature1) + 1; n <= size1; n++ {
			if b, err = peek(n); err != nil {
				return header{}, err
			}
			if b[n-1] == '\n' {
				return parseHeader1(b)
			}
		}
		return header{}, fmt.Errorf("%w: a line without an end", errHeader)
	}
	if b, err = peek(fixed2); err != nil {
		return header{}, err
	}
	if string(b[:len(signature2)]) != signature2 {
		return header{}, fmt.Errorf("%w: not its signature", errHeader)
	}
	size := fixed2 + int(binary.BigEndian.Uint16(b[14:]))
	if size > size2 {
		return header{}, fmt.Errorf("%w of %d bytes", errHeader, size)
	}
	if b, err = peek(size); err != nil {
		return header{}, err
	}
	return parseHeader2(b)
}

// parseHeader1 reads "PROXY TCP4 source destination port port\r\n".
func parseHeader1(line []byte) (header, error) {
	h := header{size: len(line)}
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return h, fmt.Errorf("%w: a line without a carriage return", errHeader)
	}
	fields := bytes.Split(text[len(signature1):], []byte(" "))
	family := string(fields[0])
	if family == "UNKNOWN" { // what follows means nothing
		return h, nil
	}
	if (family != "TCP4" && family != "TCP6") || len(fields) != 5 {
		return h, fmt.Errorf("%w of family %.10q", errHeader, family)
	}
	from, err := netip.ParseAddr(string(fields[1]))
	if err != nil || from.Zone() != "" || from.Is4() != (family == "TCP4") {
		return h, fmt.Errorf("%w: a source that is no address of %s", errHeader, family)
	}
	h.from = from
	return h, nil
}

// parseHeader2 reads the binary form. Extensions are skipped.
func parseHeader2(b []byte) (header, error) {
	const (
		local, proxied = 0x20, 0x21 // version 2, and the command
		unspecified    = 0x00
		tcp4, tcp6     = 0x11, 0x21 // family and protocol
		unixStream     = 0x31
	)
	h := header{size: len(b)}
	addresses := b[fixed2:]
	switch {
	case b[12] == local:
		return h, nil
	case b[12] != proxied:
		return h, fmt.Errorf("%w: command %#x", errHeader, b[12])
	}
	switch family := b[13]; {
	case family == unspecified || family == unixStream:
		return h, nil
	case family == tcp4 && len(addresses) >= 12:
		h.from = netip.AddrFrom4([4]byte(addresses))
	case family == tcp6 && len(addresses) >= 36:
		h.from = netip.AddrFrom16([16]byte(addresses))
	default:
		return h, fmt.Errorf("%w: family %#x with %d bytes", errHeader, family, len(addresses))
	}
	return h, nil
}
