package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"path/filepath"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// certificate is one of a client, signed by itself.
func certificate(t *testing.T, subject pkix.Name) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: subject, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMeets(t *testing.T) {
	name := pkix.Name{Country: []string{"SE"}, Organization: []string{"Cards\x01 & co/é"}, CommonName: "client", ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a@example.org"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 97}, Value: "rare"},
	}}
	c := certificate(t, name)
	subject := oneLine(c.RawSubject)
	// As `openssl x509 -nameopt compat` prints it.
	if want := `/C=SE/O=Cards\x01 & co/\xC3\xA9/CN=client/emailAddress=a@example.org/2.5.4.97=rare`; subject != want {
		t.Errorf("subject %s, want %s", subject, want)
	}
	plain := transport{}
	socket := transport{secure: true, socket: true}
	encrypted := transport{secure: true, tls: &tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}}
	known := transport{secure: true, tls: &tls.ConnectionState{
		Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_256_GCM_SHA384,
		PeerCertificates: []*x509.Certificate{c}, VerifiedChains: [][]*x509.Certificate{{c}},
	}}
	unverified := transport{secure: true, tls: &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}}
	specified := func(r topology.Require) topology.Require { r.Kind = topology.RequireSpecified; return r }
	tests := []struct {
		name    string
		require topology.Require
		met     []transport
		not     []transport
	}{
		{"nothing", topology.Require{}, []transport{plain, socket, encrypted, known}, nil},
		{"SSL", topology.Require{Kind: topology.RequireTLS}, []transport{encrypted, known, unverified}, []transport{plain, socket}},
		{"X509", topology.Require{Kind: topology.RequireX509}, []transport{known}, []transport{plain, socket, encrypted, unverified}},
		{"cipher", specified(topology.Require{Cipher: "ECDHE-RSA-AES128-GCM-SHA256"}), []transport{encrypted}, []transport{plain, known}},
		{"cipher of TLS 1.3", specified(topology.Require{Cipher: "TLS_AES_256_GCM_SHA384"}), []transport{known}, []transport{plain, encrypted}},
		{"subject", specified(topology.Require{Subject: subject}), []transport{known}, []transport{plain, encrypted, unverified}},
		{"issuer", specified(topology.Require{Issuer: subject}), []transport{known}, []transport{plain, encrypted, unverified}},
		{"another subject", specified(topology.Require{Subject: subject + "x"}), nil, []transport{known, unverified}},
		{"all, one of them wrong", specified(topology.Require{Subject: subject, Issuer: "/CN=x"}), nil, []transport{known}},
		{"of another time", topology.Require{Kind: 9}, nil, []transport{plain, known}},
	}
	for _, tt := range tests {
		for i, tr := range tt.met {
			if !tr.meets(tt.require) {
				t.Errorf("%s: not met by %d", tt.name, i)
			}
		}
		for i, tr := range tt.not {
			if tr.meets(tt.require) {
				t.Errorf("%s: met by %d", tt.name, i)
			}
		}
	}
}

func TestCipherNames(t *testing.T) {
	for suite, want := range map[uint16]string{
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384:       "ECDHE-ECDSA-AES256-GCM-SHA384",
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384:         "ECDHE-RSA-AES256-GCM-SHA384",
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256:   "ECDHE-RSA-CHACHA20-POLY1305",
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
		tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA:            "ECDHE-RSA-AES128-SHA",
	} {
		if got := cipherName(&tls.ConnectionState{Version: tls.VersionTLS12, CipherSuite: suite}); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// The proxy judges the client's own connection, and only for whoever knows the
// password does that show.
func TestAccountsThatAskForTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := MakeCertificate(cert, key); err != nil {
		t.Fatal(err)
	}
	f := startFaked(t, Config{RefreshTimeout: time.Millisecond, TLS: ClientTLS{Mode: TLSPreferred, Cert: cert, Key: key}}, nil)
	a := native("tls", "%", "pw")
	a.Require.Kind = topology.RequireTLS
	f.world.setAccounts(a)
	for password, reason := range map[string]string{"pw": "transport", "wrong": "password"} {
		var e *wire.Error
		if err := dialRaw(t, f.Addr()).login("tls", password, rawCaps); !errors.As(err, &e) || e.Number != 1045 || f.Stats().Refused[reason] != 1 {
			t.Errorf("%s: %v, refused %v", password, err, f.Stats().Refused)
		}
	}
	who := person{user: "tls", password: "pw"}
	if err := who.open(t, f.Addr()).PingContext(t.Context()); err == nil {
		t.Error("in without TLS")
	}
}
