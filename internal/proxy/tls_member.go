package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
)

// MemberTLS is TLS towards members, one mode for the whole ring. The zero value is
// none. A unix socket needs none and has none.
type MemberTLS struct {
	Mode TLSMode // disabled (default), preferred, required, verify-ca or verify-identity
	CA   string  // file, PEM; empty: the system's
	// Cert and Key are files, PEM, that we show to members whose accounts ask for a
	// certificate. Empty: none.
	Cert, Key string
}

// Validate returns what is wrong with m; it looks at no file.
func (m MemberTLS) Validate() error {
	if !slices.Contains([]TLSMode{"", TLSDisabled, TLSPreferred, TLSRequired, TLSVerifyCA, TLSVerifyIdentity}, m.Mode) {
		return fmt.Errorf("TLS towards members: unknown mode %q", m.Mode)
	}
	if (m.Cert == "") != (m.Key == "") {
		return errors.New("TLS towards members: a certificate and its key are given together")
	}
	return nil
}

// MemberTLSConfig says how a connection to a member is made. nil stands for none
// with TLS. It is safe for concurrent use.
type MemberTLSConfig struct {
	mode  TLSMode
	files *tlsFiles
}

// Follow reads the files, and again for a connection that is made after they have
// changed; new ones that can not be used are logged, and change nothing. It returns nil
// if TLS is disabled.
func (m MemberTLS) Follow(log *slog.Logger) (*MemberTLSConfig, error) {
	if m.Mode == "" || m.Mode == TLSDisabled {
		return nil, nil
	}
	files, err := followTLS("members", []string{m.CA, m.Cert, m.Key}, m.load, log)
	if err != nil {
		return nil, err
	}
	return &MemberTLSConfig{m.Mode, files}, nil
}

// Check reads the files and returns what is wrong with them.
func (m MemberTLS) Check() error {
	_, err := m.Follow(slog.New(slog.DiscardHandler))
	return err
}

// load reads the files. Each configuration has its own memory of sessions: one that
// was made under another CA is not resumed.
func (m MemberTLS) load() (*tls.Config, error) {
	// Sessions are resumed: after a takeover thousands of links are opened at once.
	const tickets = 64
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(tickets)}
	if m.CA != "" {
		pool, err := readCA(m.CA)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = pool
	}
	if m.Cert != "" {
		pair, err := tls.LoadX509KeyPair(m.Cert, m.Key)
		if err != nil {
			return nil, fmt.Errorf("%w: certificate %s with key %s: %w", ErrCertificate, m.Cert, m.Key, err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	switch m.Mode {
	case TLSPreferred, TLSRequired:
		cfg.InsecureSkipVerify = true
	case TLSVerifyCA:
		cfg.InsecureSkipVerify = true // as far as the name goes
		cfg.VerifyConnection = issuedBy(cfg.RootCAs)
	case TLSVerifyIdentity, TLSDisabled:
	}
	return cfg, nil
}

// issuedBy verifies a certificate, whomever it names.
func issuedBy(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("no certificate") // TLS does not come so far without one
		}
		options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, c := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(c)
		}
		if _, err := state.PeerCertificates[0].Verify(options); err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
		}
		return nil
	}
}

// For returns the configuration for the member at addr, a host:port; nil for none.
func (c *MemberTLSConfig) For(addr string) *tls.Config {
	if c == nil {
		return nil
	}
	cfg := c.files.current().Clone()
	if host, _, err := net.SplitHostPort(addr); err == nil {
		cfg.ServerName = host
	}
	return cfg
}

// Optional reports whether a member without TLS is reached without.
func (c *MemberTLSConfig) Optional() bool { return c != nil && c.mode == TLSPreferred }

// errMemberTLS says that a member can not be reached as the configuration asks for.
// Trying again is of no use.
var errMemberTLS = errors.New("TLS towards the member")
