package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The names of the authority's files, in its directory.
const (
	CAFile    = "ca.pem"
	CAKeyFile = "ca-key.pem"
)

// How long certificates are valid. The authority outlives what it signs.
const (
	caYears  = 10
	skew     = time.Hour // clocks of the other hosts may be behind
	hoursDay = 24 * time.Hour
)

// Role is what a certificate, or a token of the API, lets its bearer do.
type Role string

// The roles. Each of viewer, operator and admin may do what the one before may.
const (
	RoleNode     Role = "node"     // is a node, and may do what nodes ask of each other
	RoleViewer   Role = "viewer"   // reads
	RoleOperator Role = "operator" // changes the ring
	RoleAdmin    Role = "admin"    // changes raft itself
)

// ParseRole reads viewer, operator, admin or node.
func ParseRole(text string) (Role, error) {
	all := []Role{RoleViewer, RoleOperator, RoleAdmin, RoleNode}
	if slices.Contains(all, Role(text)) {
		return Role(text), nil
	}
	return "", fmt.Errorf("role %q: use viewer, operator, admin or node", text)
}

// Covers reports whether r may do what needs the role other.
func (r Role) Covers(other Role) bool {
	order := []Role{RoleViewer, RoleOperator, RoleAdmin}
	has, needs := slices.Index(order, r), slices.Index(order, other)
	return needs >= 0 && has >= needs
}

// Create makes a new authority in dir, which is made if it is missing, and returns
// the paths of its certificate and its key. It refuses to replace one.
func Create(dir, name string, now time.Time) (cert, key string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", fmt.Errorf("create authority: %w", err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "sqlring " + name}, NotBefore: now.Add(-skew), NotAfter: now.AddDate(caYears, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	cert, key = filepath.Join(dir, CAFile), filepath.Join(dir, CAKeyFile)
	if err := sign(template, nil, nil, cert, key); err != nil {
		return "", "", fmt.Errorf("create authority: %w", err)
	}
	return cert, key, nil
}

// Request is what a certificate is to say.
type Request struct {
	Name  string   // of the node, the person or the program
	Role  Role     // what it may do
	Hosts []string // names and addresses that it serves at; a node's only
	Days  int      // how long it is valid
}

// Issue signs a certificate with the authority in dir, and writes it and its new
// key beside each other in out as NAME.pem and NAME-key.pem. It never writes over a
// file.
func Issue(dir, out string, r Request, now time.Time) (cert, key string, err error) {
	ca, caKey, err := loadCA(dir)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: r.Name, OrganizationalUnit: []string{string(r.Role)}},
		NotBefore: now.Add(-skew), NotAfter: now.Add(time.Duration(r.Days) * hoursDay),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	if r.Role == RoleNode {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if template.NotAfter.After(ca.NotAfter) {
		return "", "", fmt.Errorf("issue certificate for %s: the authority ends on %s, before it: choose fewer days",
			r.Name, ca.NotAfter.Format(time.DateOnly))
	}
	for _, host := range r.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if err := os.MkdirAll(out, 0o700); err != nil {
		return "", "", fmt.Errorf("issue certificate for %s: %w", r.Name, err)
	}
	cert, key = filepath.Join(out, r.Name+".pem"), filepath.Join(out, r.Name+"-key.pem")
	if err := sign(template, ca, caKey, cert, key); err != nil {
		return "", "", fmt.Errorf("issue certificate for %s: %w", r.Name, err)
	}
	return cert, key, nil
}

// sign makes a key and a certificate for it, signed by the parent or by itself.
func sign(template, parent *x509.Certificate, parentKey *ecdsa.PrivateKey, certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if parent == nil {
		parent, parentKey = template, key
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126)); err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writeNew(keyFile, 0o600, &pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}); err != nil {
		return err
	}
	if err := writeNew(certFile, 0o644, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		return errors.Join(err, os.Remove(keyFile))
	}
	return nil
}

func writeNew(path string, mode os.FileMode, block *pem.Block) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already: move it away, or choose another directory", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(pem.EncodeToMemory(block))
	return errors.Join(err, f.Sync(), f.Close())
}
