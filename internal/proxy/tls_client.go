package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
)

// TLSMode is what becomes of a connection with regard to TLS, in the words of the
// servers' own programs (MySQL manual, "Command Options for Encrypted Connections").
type TLSMode string

// The modes. Towards clients there are the first three.
const (
	TLSDisabled       TLSMode = "disabled"
	TLSPreferred      TLSMode = "preferred"       // whoever can has it
	TLSRequired       TLSMode = "required"        // whoever can not is refused; a unix socket needs none
	TLSVerifyCA       TLSMode = "verify-ca"       // and the member's certificate is of our CA
	TLSVerifyIdentity TLSMode = "verify-identity" // and names the host that was dialled
)

// ClientTLS is TLS towards clients. The zero value is none.
type ClientTLS struct {
	Mode      TLSMode // disabled (default), preferred or required
	Cert, Key string  // files, PEM
	// ClientCA is a file of certificates, PEM, that clients' certificates are judged
	// by. A client may show one, and accounts may ask for it. Empty: none is asked for.
	ClientCA   string
	MinVersion string // "TLSv1.2" (default) or "TLSv1.3"
}

// offered reports whether clients may have TLS.
func (c ClientTLS) offered() bool { return c.Mode == TLSPreferred || c.Mode == TLSRequired }

// Validate returns what is wrong with c; it looks at no file.
func (c ClientTLS) Validate() error {
	if !slices.Contains([]TLSMode{"", TLSDisabled, TLSPreferred, TLSRequired}, c.Mode) {
		return fmt.Errorf("TLS towards clients: unknown mode %q", c.Mode)
	}
	if _, err := tlsVersion(c.MinVersion); err != nil {
		return err
	}
	if c.offered() && (c.Cert == "" || c.Key == "") {
		return errors.New("TLS towards clients: certificate and key are needed")
	}
	return nil
}

func tlsVersion(text string) (uint16, error) {
	switch text {
	case "", "TLSv1.2":
		return tls.VersionTLS12, nil
	case "TLSv1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("unknown version of TLS %q", text)
}

// ErrCertificate is returned for files of TLS that can not be used. The remedy is in
// the message; until it is applied, what was loaded last stays in use.
var ErrCertificate = errors.New("TLS files")

// Check reads the files and returns what is wrong with them.
func (c ClientTLS) Check() error {
	_, err := c.load()
	return err
}

// follow loads the files and follows them; nil if TLS is disabled.
func (c ClientTLS) follow(log *slog.Logger) (*tlsFiles, error) {
	if !c.offered() {
		return nil, nil
	}
	return followTLS("clients", []string{c.Cert, c.Key, c.ClientCA}, c.load, log)
}

// load reads the files.
func (c ClientTLS) load() (*tls.Config, error) {
	version, err := tlsVersion(c.MinVersion)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: certificate %s with key %s: %w", ErrCertificate, c.Cert, c.Key, err)
	}
	cfg := &tls.Config{MinVersion: version, Certificates: []tls.Certificate{pair}}
	if c.ClientCA != "" {
		if cfg.ClientCAs, err = readCA(c.ClientCA); err != nil {
			return nil, err
		}
		cfg.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return cfg, nil
}

func readCA(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%w: no certificate in %s", ErrCertificate, path)
	}
	return pool, nil
}
