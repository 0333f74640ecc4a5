package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// validity of a certificate that we have made. Who verifies it has copied it by
// hand; it is not renewed behind their back.
const validity = 10 * 365 * 24 * time.Hour

// MakeCertificate makes a certificate that signs itself, and its key, in the files
// that are named, unless the certificate is there already. A key that is there is
// used. It names this host and localhost, so that a client that was given the
// certificate as its CA can verify us. made is false if there was nothing to do.
func MakeCertificate(certFile, keyFile string) (made bool, err error) {
	if _, err := os.Stat(certFile); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	key, err := makeKey(keyFile)
	if err != nil {
		return false, fmt.Errorf("make a key: %w", err)
	}
	der, err := selfSigned(key)
	if err == nil {
		err = writePEM(certFile, "CERTIFICATE", der, 0o644)
	}
	if err != nil {
		return false, fmt.Errorf("make a certificate: %w", err)
	}
	return true, nil
}

// makeKey returns the key in path, and makes one if there is none.
func makeKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("%s holds no key", path)
		}
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if ec, ok := key.(*ecdsa.PrivateKey); ok {
			return ec, nil
		}
		return nil, fmt.Errorf("%s holds no key of the kind that is made here: %w", path, err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, writePEM(path, "PRIVATE KEY", der, 0o600)
}

func selfSigned(key *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "sqlring proxy, made by itself"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
		IsCA: true, BasicConstraintsValid: true, // so that clients take it as the CA of itself
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if host, err := os.Hostname(); err == nil && host != "localhost" {
		c.DNSNames = append(c.DNSNames, host)
	}
	return x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
}

// writePEM writes a file that is there as a whole or not at all.
func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it has another name then
	err = pem.Encode(f, &pem.Block{Type: kind, Bytes: der})
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
