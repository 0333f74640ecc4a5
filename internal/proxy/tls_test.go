package proxy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for a test. Its files are in dir.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	a.cert, a.key = a.sign("ca", &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	a.pool.AddCert(a.cert)
	return a
}

// sign writes name.pem and name-key.pem.
func (a *authority) sign(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name, Organization: []string{"test"}}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + "-key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made, key
}

// host signs a certificate for 127.0.0.1 and the names.
func (a *authority) host(name string, names ...string) {
	a.sign(name, &x509.Certificate{DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
}

// person signs a certificate for a client.
func (a *authority) person(name string) tls.Certificate {
	a.sign(name, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	pair, err := tls.LoadX509KeyPair(a.file(name+".pem"), a.file(name+"-key.pem"))
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// clients is TLS towards clients with a certificate of this authority.
func (a *authority) clients(mode TLSMode) ClientTLS {
	a.host("proxy", "proxy.test")
	return ClientTLS{Mode: mode, Cert: a.file("proxy.pem"), Key: a.file("proxy-key.pem"), ClientCA: a.file("ca.pem")}
}

func TestCertificateIsMadeOnce(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for i, want := range []bool{true, false, true} {
		if i == 2 { // as after a crash between the two files
			if err := os.Remove(cert); err != nil {
				t.Fatal(err)
			}
		}
		if made, err := MakeCertificate(cert, key); made != want || err != nil {
			t.Fatalf("call %d: %v, %v", i, made, err)
		}
		if err := (ClientTLS{Cert: cert, Key: key}).Check(); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	made, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(made)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if _, err := made.Verify(x509.VerifyOptions{Roots: pool, DNSName: name}); err != nil {
			t.Errorf("a client that was given the certificate: %v", err)
		}
	}
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	if _, err := MakeCertificate(cert, key); err == nil {
		t.Error("a key that is none was written over")
	}
}

func TestTLSFilesAreFollowed(t *testing.T) {
	a := newAuthority(t)
	files := a.clients(TLSPreferred)
	var logged bytes.Buffer
	c, err := files.follow(slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	present := func() string {
		c.mu.Lock()
		c.looked = time.Time{} // the second has passed
		c.mu.Unlock()
		leaf, err := x509.ParseCertificate(c.current().Certificates[0].Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.String()
	}
	first := present()
	if again := present(); again != first || logged.Len() > 0 {
		t.Errorf("it changed by itself: %s", logged.String())
	}
	a.host("proxy", "proxy.test")
	second := present()
	if second == first {
		t.Error("a new certificate was not loaded")
	}
	if err := os.WriteFile(files.Cert, []byte("half of a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := present(); got != second {
		t.Error("a bad file took the certificate away")
	}
	present()
	if n := strings.Count(logged.String(), "level=ERROR"); n != 1 || !strings.Contains(logged.String(), files.Cert) {
		t.Errorf("the bad file was logged %d times:\n%s", n, logged.String())
	}
	a.host("proxy", "proxy.test")
	if got := present(); got == second {
		t.Error("after a bad file the good one was not loaded")
	}
	if err := os.Remove(files.ClientCA); err != nil {
		t.Fatal(err)
	}
	if present(); strings.Count(logged.String(), "level=ERROR") != 2 {
		t.Errorf("that a file has gone was not logged:\n%s", logged.String())
	}
}

func TestTLSConfigValidates(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		valid bool
	}{
		{"none", ClientTLS{}.Validate(), true},
		{"disabled", ClientTLS{Mode: TLSDisabled}.Validate(), true},
		{"verified clients", ClientTLS{Mode: TLSVerifyCA, Cert: "c", Key: "k"}.Validate(), false},
		{"no certificate", ClientTLS{Mode: TLSPreferred}.Validate(), false},
		{"old TLS", ClientTLS{Mode: TLSRequired, Cert: "c", Key: "k", MinVersion: "TLSv1.1"}.Validate(), false},
		{"required", ClientTLS{Mode: TLSRequired, Cert: "c", Key: "k", MinVersion: "TLSv1.3"}.Validate(), true},
		{"members", MemberTLS{Mode: TLSVerifyIdentity}.Validate(), true},
		{"unknown mode", MemberTLS{Mode: "verify_ca"}.Validate(), false},
		{"key alone", MemberTLS{Mode: TLSRequired, Key: "k"}.Validate(), false},
	} {
		if (tt.err == nil) != tt.valid {
			t.Errorf("%s: %v", tt.name, tt.err)
		}
	}
	if err := (MemberTLS{Mode: TLSRequired, CA: "/does/not/exist"}).Check(); err == nil {
		t.Error("a CA that is not there was loaded")
	}
	if c, err := (MemberTLS{}).Follow(nil); c.For("m1:3306") != nil || c.Optional() || err != nil {
		t.Error("no TLS has a configuration")
	}
}

func TestAlertsAreKnown(t *testing.T) {
	for _, tt := range []struct {
		name  string
		head  []byte
		more  int
		alert bool
	}{
		{"TLS 1.2", []byte{21, 3, 3, 0, 26}, 26, true},
		{"TLS 1.3", []byte{23, 3, 3, 0, 19}, 19, true},
		{"COM_QUIT", []byte{23, 3, 3, 0, 22}, 22, false},
		{"something behind it", []byte{23, 3, 3, 0, 19}, 20, false},
		{"half of it", []byte{23, 3, 3, 0, 19}, 10, false},
		{"a handshake", []byte{22, 3, 3, 0, 19}, 19, false},
		{"the midst of a record", []byte{21, 77, 3, 0, 26}, 26, false},
		{"the midst of a long record", []byte{21, 3, 3, 0, 26}, longestAlert, false},
		{"four bytes", []byte{21, 3, 3, 0}, 0, false},
	} {
		if got := isAlert(append(tt.head, make([]byte, tt.more)...)); got != tt.alert {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
