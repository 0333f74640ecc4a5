package authority

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Files are what a node or a client has of the authority: its certificate, and an
// own one with its key.
type Files struct{ CA, Cert, Key string }

func loadCA(dir string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	certFile, keyFile := filepath.Join(dir, CAFile), filepath.Join(dir, CAKeyFile)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read authority in %s: %w: make one with `sqlring tls ca create`", dir, err)
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, nil, fmt.Errorf("read authority %s: %w", certFile, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !cert.IsCA {
		return nil, nil, fmt.Errorf("read authority %s: it is not one that `sqlring tls ca create` made", certFile)
	}
	return cert, key, nil
}

// pool reads the certificates of authorities.
func pool(file string) (*x509.CertPool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	p, found := x509.NewCertPool(), false
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read authority %s: %w", file, err)
		}
		p.AddCert(cert)
		found = true
	}
	if !found {
		return nil, fmt.Errorf("read authority %s: there is no certificate in it", file)
	}
	return p, nil
}

// Load checks that the files can be read and fit together, and are a node's.
func (f Files) Load() error {
	_, errCA := pool(f.CA)
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return errors.Join(errCA, fmt.Errorf("read certificate %s: %w", f.Cert, err))
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil || errCA != nil {
		return errors.Join(errCA, err)
	}
	if _, role, err := roleOf(leaf); err != nil || role != RoleNode {
		return errors.Join(err, notANode(leaf, role))
	}
	return f.judge(leaf, x509.ExtKeyUsageClientAuth)
}

func notANode(leaf *x509.Certificate, role Role) error {
	return fmt.Errorf("certificate of %q is not a node's, its role is %q: make one with `sqlring tls cert create NAME --node`", leaf.Subject.CommonName, role)
}

// judge says why a certificate is not one of the authority's.
func (f Files) judge(leaf *x509.Certificate, usage x509.ExtKeyUsage) error {
	roots, err := pool(f.CA)
	if err != nil {
		return err
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
		return fmt.Errorf("certificate of %q: %w", leaf.Subject.CommonName, err)
	}
	return nil
}

// NodeTLS returns how nodes talk to each other, for both ends: each shows a node's
// certificate. The files are read anew for each connection.
func (f Files) NodeTLS() *tls.Config {
	own := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		return &pair, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAnyClientCert, // judged below, at both ends alike
		// A node is who its certificate says, wherever it stands: VerifyConnection asks
		// the ring's own authority, and no other.
		InsecureSkipVerify:     true,
		SessionTicketsDisabled: true, // a resumed session would not be judged by the files of now
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own() },
		GetClientCertificate:   func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own() },
		VerifyConnection: func(c tls.ConnectionState) error {
			leaf, role, err := Peer(c)
			if err != nil {
				return err
			}
			if role != RoleNode {
				return notANode(leaf, role)
			}
			return f.judge(leaf, x509.ExtKeyUsageClientAuth)
		},
	}
}

// ServerTLS returns how the API is served: a client may show a certificate of the
// authority's, and then has its role, or none.
func (f Files) ServerTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
			return &pair, err
		},
		VerifyConnection: func(c tls.ConnectionState) error {
			if len(c.PeerCertificates) == 0 {
				return nil
			}
			return f.judge(c.PeerCertificates[0], x509.ExtKeyUsageClientAuth)
		},
	}
}

// ClientTLS returns how a client calls the API: it knows the authority, or those of the
// system if CA is empty, and shows a certificate if Cert is set.
func (f Files) ClientTLS() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS13}
	if f.CA != "" {
		roots, err := pool(f.CA)
		if err != nil {
			return nil, err
		}
		c.RootCAs = roots
	}
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, fmt.Errorf("read certificate %s: %w", f.Cert, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Peer returns who is at the other end, by a certificate that was judged already.
func Peer(c tls.ConnectionState) (*x509.Certificate, Role, error) {
	if len(c.PeerCertificates) == 0 {
		return nil, "", errors.New("no certificate was shown")
	}
	return roleOf(c.PeerCertificates[0])
}

func roleOf(leaf *x509.Certificate) (*x509.Certificate, Role, error) {
	if len(leaf.Subject.OrganizationalUnit) != 1 {
		return nil, "", fmt.Errorf("certificate of %q says no role", leaf.Subject.CommonName)
	}
	role, err := ParseRole(leaf.Subject.OrganizationalUnit[0])
	return leaf, role, err
}
