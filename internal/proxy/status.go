package proxy

import (
	"bytes"
	"crypto/tls"

	"github.com/sqlring/sqlring/internal/wire"
)

// showStatus has the result of a SHOW STATUS tell of the client's own connection
// where the member tells of the link: applications look there whether they are
// connected by TLS.
func (s *session) showStatus(prepared bool) {
	values := map[string]string{"Ssl_cipher": "", "Ssl_version": "", "Compression": "OFF"}
	if t := s.transport().tls; t != nil {
		values["Ssl_cipher"], values["Ssl_version"] = cipherName(t), versionName(t)
	}
	if s.packed != nil {
		values["Compression"] = "ON"
	}
	s.retell = wire.NewRetell(prepared, s.caps, values)
}

// showsStatus reports whether text is a SHOW [GLOBAL | SESSION | LOCAL] STATUS.
func showsStatus(text []byte) bool {
	first, rest := word(text)
	if !bytes.EqualFold(first, []byte("show")) {
		return false
	}
	next, rest := word(rest)
	for _, scope := range []string{"global", "session", "local"} {
		if bytes.EqualFold(next, []byte(scope)) {
			next, _ = word(rest)
			break
		}
	}
	return bytes.EqualFold(next, []byte("status"))
}

// word returns the letters that text begins with, behind spaces and comments, and what
// follows them.
func word(text []byte) (first, rest []byte) {
	for {
		text = bytes.TrimLeft(text, " \t\r\n")
		if !bytes.HasPrefix(text, []byte("/*")) || bytes.HasPrefix(text, []byte("/*!")) {
			break
		}
		_, behind, ok := bytes.Cut(text[2:], []byte("*/"))
		if !ok {
			return nil, nil
		}
		text = behind
	}
	end := 0
	for end < len(text) && (text[end]|0x20 >= 'a' && text[end]|0x20 <= 'z' || text[end] == '_') {
		end++
	}
	return text[:end], text[end:]
}

// versionName is OpenSSL's name of the version of TLS.
func versionName(state *tls.ConnectionState) string {
	switch state.Version {
	case tls.VersionTLS13:
		return "TLSv1.3"
	case tls.VersionTLS12:
		return "TLSv1.2"
	}
	return tls.VersionName(state.Version)
}
