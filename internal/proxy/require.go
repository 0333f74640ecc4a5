package proxy

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// meets reports whether a client's connection is what its account asks for (CREATE
// USER … REQUIRE). As on servers, the unix socket is no TLS.
func (t transport) meets(r topology.Require) bool {
	if r.Kind == topology.RequireNothing {
		return true
	}
	if t.tls == nil {
		return false
	}
	verified := len(t.tls.VerifiedChains) > 0
	switch r.Kind {
	case topology.RequireTLS:
		return true
	case topology.RequireX509:
		return verified
	case topology.RequireSpecified:
		if !verified && (r.Issuer != "" || r.Subject != "") {
			return false
		}
		return (r.Cipher == "" || r.Cipher == cipherName(t.tls)) &&
			(r.Issuer == "" || r.Issuer == oneLine(t.tls.PeerCertificates[0].RawIssuer)) &&
			(r.Subject == "" || r.Subject == oneLine(t.tls.PeerCertificates[0].RawSubject))
	case topology.RequireNothing:
	}
	return false
}

// cipherName is OpenSSL's name of the cipher suite: of TLS 1.3 the standard's own, of
// TLS 1.2 it leaves out words ("ECDHE-RSA-AES128-GCM-SHA256").
func cipherName(state *tls.ConnectionState) string {
	name := tls.CipherSuiteName(state.CipherSuite)
	if state.Version >= tls.VersionTLS13 {
		return name
	}
	name = strings.TrimPrefix(name, "TLS_")
	name = strings.NewReplacer("_WITH_", "_", "AES_128", "AES128", "AES_256", "AES256", "_CBC", "", "POLY1305_SHA256", "POLY1305").Replace(name)
	return strings.ReplaceAll(name, "_", "-")
}

// oneLine writes a distinguished name as OpenSSL's X509_NAME_oneline does, which is
// what servers compare.
func oneLine(raw []byte) string {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(raw, &name); err != nil || len(rest) > 0 {
		return ""
	}
	var b strings.Builder
	for _, set := range name {
		for _, part := range set {
			fmt.Fprintf(&b, "/%s=", shortName(part.Type.String()))
			for _, c := range []byte(fmt.Sprint(part.Value)) {
				if c < ' ' || c > '~' {
					fmt.Fprintf(&b, `\x%02X`, c)
				} else {
					b.WriteByte(c)
				}
			}
		}
	}
	return b.String()
}

// shortName is OpenSSL's short name of an attribute; its number if it is a rare one.
func shortName(oid string) string {
	switch oid {
	case "2.5.4.3":
		return "CN"
	case "2.5.4.4":
		return "SN"
	case "2.5.4.5":
		return "serialNumber"
	case "2.5.4.6":
		return "C"
	case "2.5.4.7":
		return "L"
	case "2.5.4.8":
		return "ST"
	case "2.5.4.9":
		return "street"
	case "2.5.4.10":
		return "O"
	case "2.5.4.11":
		return "OU"
	case "2.5.4.12":
		return "title"
	case "2.5.4.42":
		return "GN"
	case "1.2.840.113549.1.9.1":
		return "emailAddress"
	case "0.9.2342.19200300.100.1.1":
		return "UID"
	case "0.9.2342.19200300.100.1.25":
		return "DC"
	}
	return oid
}
