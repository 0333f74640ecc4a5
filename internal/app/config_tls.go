package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sqlring/sqlring/internal/proxy"
	"github.com/sqlring/sqlring/internal/wire"
)

// ProxyConfig is where applications connect.
type ProxyConfig struct {
	Listen string          `yaml:"listen"` // as in APIConfig
	Socket string          `yaml:"socket"`
	TLS    ClientTLSConfig `yaml:"tls"`

	// MemberLinks is how many connections there may be to one member, for all clients
	// together; keep it well under the members' max_connections. Default 100.
	MemberLinks int `yaml:"member_links"`
	// LinkIdle is how long a connection to a member is kept that nobody needs, as 300ms
	// or 5m. Default 5m.
	LinkIdle string `yaml:"link_idle,omitempty"`
	// ClientAutoIncrement is what becomes of a client's own SET auto_increment_increment
	// and auto_increment_offset: refuse (default), or ignore with a warning. What else is
	// set along with them, or for others, is refused in any case.
	ClientAutoIncrement string `yaml:"client_auto_increment,omitempty"`
	// Permit lists what is refused to clients unless it is named here, since members may come
	// to differ by it, or a takeover may be blocked: xa, replication, uneven_ddl, reserved_locks. See
	// docs/compatibility.md. Default: none of it.
	Permit []string `yaml:"permit,omitempty"`
	// Consistency is what reads have to see, by user: eventual, session, account (the
	// default) or strong. See docs/reads.md.
	Consistency []ConsistencyConfig `yaml:"consistency,omitempty"`

	Limits        LimitsConfig        `yaml:"limits"`
	ProxyProtocol ProxyProtocolConfig `yaml:"proxy_protocol"`
}

// ClientTLSConfig is TLS towards applications. All files are PEM, with absolute
// paths; when they change, they are read anew without a restart.
type ClientTLSConfig struct {
	Mode string `yaml:"mode"` // disabled, preferred (default) or required
	// Cert and Key are DIR/proxy-cert.pem and DIR/proxy-key.pem by default, and made
	// if they are not there. Others must exist.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// ClientCA is what clients' certificates are judged by. Empty: they are not asked
	// for any, and accounts that require one can not log in.
	ClientCA   string `yaml:"client_ca,omitempty"`
	MinVersion string `yaml:"min_version"` // TLSv1.2 (default) or TLSv1.3
}

// MemberTLSConfig is TLS towards the members, the same for the proxy and for the
// manager. It is read at the start of the node.
type MemberTLSConfig struct {
	Mode string `yaml:"mode"`         // disabled (default), preferred, required, verify-ca or verify-identity
	CA   string `yaml:"ca,omitempty"` // default: those that the system knows
	// Cert and Key are for members whose accounts ask for a certificate of ours.
	Cert string `yaml:"cert,omitempty"`
	Key  string `yaml:"key,omitempty"`
}

const (
	certFile = "proxy-cert.pem"
	keyFile  = "proxy-key.pem"
)

// ownCertificate reports whether the certificate is the one that we make.
func (c Config) ownCertificate() bool {
	return c.Proxy.TLS.Cert == filepath.Join(c.Dir, certFile) && c.Proxy.TLS.Key == filepath.Join(c.Dir, keyFile)
}

// clientTLS returns what the proxy is told of TLS towards applications.
func (c Config) clientTLS() proxy.ClientTLS {
	t := c.Proxy.TLS
	return proxy.ClientTLS{Mode: proxy.TLSMode(t.Mode), Cert: t.Cert, Key: t.Key, ClientCA: t.ClientCA, MinVersion: t.MinVersion}
}

// memberTLS returns what the proxy and the manager are told of TLS towards members.
func (c Config) memberTLS() proxy.MemberTLS {
	t := c.MemberTLS
	return proxy.MemberTLS{Mode: proxy.TLSMode(t.Mode), CA: t.CA, Cert: t.Cert, Key: t.Key}
}

// memberCompression returns the compression of links to members.
func (c Config) memberCompression() wire.Compression {
	for _, by := range []wire.Compression{wire.CompressionZlib, wire.CompressionZstd} {
		if c.MemberCompression == by.String() {
			return by
		}
	}
	return wire.CompressionNone
}

func (c Config) tlsFaults(l *faultList) {
	t := c.Proxy.TLS
	oneOf(l, "proxy.tls.mode", t.Mode, "disabled", "preferred", "required")
	oneOf(l, "proxy.tls.min_version", t.MinVersion, "TLSv1.2", "TLSv1.3")
	pathFaults(l, []pathOf{{"proxy.tls.cert", t.Cert}, {"proxy.tls.key", t.Key}, {"proxy.tls.client_ca", t.ClientCA}})
	ownCert, ownKey := t.Cert == filepath.Join(c.Dir, certFile), t.Key == filepath.Join(c.Dir, keyFile)
	switch {
	case ownCert && !ownKey:
		l.add("proxy.tls.cert", "it is that of the key which sqlring makes: set it along with proxy.tls.key")
	case ownKey && !ownCert:
		l.add("proxy.tls.key", "it is that of the certificate which sqlring makes: set it along with proxy.tls.cert")
	}
	m := c.MemberTLS
	oneOf(l, "member_tls.mode", m.Mode, "disabled", "preferred", "required", "verify-ca", "verify-identity")
	pathFaults(l, []pathOf{{"member_tls.ca", m.CA}, {"member_tls.cert", m.Cert}, {"member_tls.key", m.Key}})
	switch {
	case m.Cert != "" && m.Key == "":
		l.add("member_tls.cert", "a certificate without its key: set member_tls.key too")
	case m.Key != "" && m.Cert == "":
		l.add("member_tls.key", "a key without its certificate: set member_tls.cert too")
	}
	oneOf(l, "member_compression", c.MemberCompression, "none", "zlib", "zstd")
}

type pathOf struct{ path, file string }

// pathFaults adds what is wrong with the paths of files that may be left out.
func pathFaults(l *faultList, files []pathOf) {
	for _, f := range files {
		if f.file != "" && !filepath.IsAbs(f.file) {
			l.add(f.path, "%q is not an absolute path", f.file)
		}
	}
}

// tlsFileFaults looks at the files of TLS that are named. The certificate of our own
// may be missing: it is made at the first start.
func (c Config) tlsFileFaults() []fault {
	var l faultList
	var form faultList // what is wrong already is not looked at
	if c.tlsFaults(&form); len(form.found) > 0 || !filepath.IsAbs(c.Dir) {
		return nil
	}
	if c.Proxy.TLS.Mode != string(proxy.TLSDisabled) {
		_, err := os.Stat(c.Proxy.TLS.Cert)
		if !c.ownCertificate() || !errors.Is(err, fs.ErrNotExist) {
			l.check("proxy.tls", c.clientTLS().Check())
		}
	}
	l.check("member_tls", c.memberTLS().Check())
	return l.found
}
