package proxy

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/pkg/topology"
)

// An account that asks for TLS is asked twice, and both have to agree: the proxy by
// the client's connection, the member by the proxy's. Nobody comes in by the one alone.
func TestRealAccountsThatAskForTLSOnBothWays(t *testing.T) {
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) {
			a, strangers := newAuthority(t), newAuthority(t)
			shows := map[string]*tls.Certificate{"none": nil}
			for name, of := range map[string]*authority{"alice": a, "bob": a, "stranger": strangers} {
				pair := of.person(name)
				shows[name] = &pair
			}
			links := map[string]MemberTLS{
				"without TLS": {},
				"TLS":         {Mode: TLSVerifyIdentity, CA: a.file("ca.pem")},
				"certificate": {Mode: TLSVerifyIdentity, CA: a.file("ca.pem"), Cert: a.file("alice.pem"), Key: a.file("alice-key.pem")},
			}
			for link, member := range links {
				t.Run(link, func(t *testing.T) {
					f := inFrontOf(t, flavour, Config{TLS: a.clients(TLSPreferred), MemberTLS: member, RefreshTimeout: 100 * time.Millisecond}, a.serverTLS()...)
					for user, requires := range map[string]string{
						"any": "NONE", "sure": "SSL", "known": "X509", "named": "SUBJECT '/O=test/CN=alice'", "issued": "ISSUER '/O=test/CN=nobody'",
					} {
						f.exec(t, fmt.Sprintf("CREATE USER %s@'%%' IDENTIFIED BY 'pw' REQUIRE %s; GRANT ALL ON shop.* TO %s@'%%'", user, requires, user))
						for shown, pair := range shows {
							for _, secured := range []bool{false, true} {
								if !secured && pair != nil {
									continue
								}
								client := !secured && user == "any" || secured && (user == "any" || user == "sure" ||
									(shown == "alice" || shown == "bob") && user == "known" || shown == "alice" && user == "named")
								there := user == "any" || link == "TLS" && user == "sure" || link == "certificate" && user != "issued"
								trusted := shown != "stranger"
								who := person{user: user, password: "pw", change: func(c *mysql.Config) {
									if secured {
										c.TLS = a.trust()
									}
									if pair != nil {
										c.TLS.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
									}
								}}
								got := who.outcome(t, f.Addr())
								if want := client && there && trusted; (got == "in") != want {
									t.Errorf("link %s: %s by TLS %v with certificate %s: %s, want in: %v", link, user, secured, shown, got, want)
								} else if !want && trusted && !strings.HasPrefix(got, "1045 (28000)") {
									t.Errorf("link %s: %s by TLS %v with certificate %s is told %s", link, user, secured, shown, got)
								}
							}
						}
					}
				})
			}
		})
	}
}

// The files of member_tls are followed: a new CA and a new certificate of ours count
// for the next link, bad files for none.
func TestRealMemberTLSFilesAreFollowed(t *testing.T) {
	a, strangers := newAuthority(t), newAuthority(t)
	a.person("sqlring")
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	dir := t.TempDir()
	files := MemberTLS{Mode: TLSVerifyIdentity, CA: dir + "/ca.pem", Cert: dir + "/cert.pem", Key: dir + "/key.pem"}
	write := func(ca, cert, key []byte) {
		for path, text := range map[string][]byte{files.CA: ca, files.Cert: cert, files.Key: key} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	ca, cert, key := read(a.file("ca.pem")), read(a.file("sqlring.pem")), read(a.file("sqlring-key.pem"))
	write(ca, cert, key)
	var log bytes.Buffer
	r := startReal(t, Config{MemberTLS: files}, a.serverTLS()...)
	r.memberTLS.files.log = slog.New(slog.NewTextHandler(&log, nil))
	r.server.Exec(t, "CREATE USER known@'%' IDENTIFIED BY 'pw' REQUIRE SUBJECT '/O=test/CN=sqlring'")
	r.world.setAccounts(native("known", "%", "pw"))
	outcome := func() string {
		r.server.Exec(t, "KILL USER known") // what is connected stays so, and would be used
		waitFor(t, "its connections end", func() bool {
			return r.server.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE user='known'") == "0"
		})
		r.memberTLS.files.mu.Lock()
		r.memberTLS.files.looked = time.Time{} // the second has passed
		r.memberTLS.files.mu.Unlock()
		return person{user: "known", password: "pw"}.outcome(t, r.Addr())
	}
	if got := outcome(); got != "in" {
		t.Fatal(got)
	}
	write(read(strangers.file("ca.pem")), cert, key)
	if got := outcome(); !strings.Contains(got, "TLS towards the member: its certificate") {
		t.Errorf("with another CA: %s", got)
	}
	write(ca, cert, key)
	if got := outcome(); got != "in" {
		t.Errorf("with the old CA again: %s", got)
	}
	a.person("other")
	write(ca, read(a.file("other.pem")), read(a.file("other-key.pem")))
	if got := outcome(); !strings.Contains(got, "1045") {
		t.Errorf("with a certificate that is not the account's: %s", got)
	}
	write(ca, cert, []byte("half of a file"))
	for range 2 { // what was loaded last stays
		if got := outcome(); !strings.Contains(got, "1045") {
			t.Errorf("with a bad file: %s", got)
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), files.Key) {
		t.Errorf("the bad file was logged %d times:\n%s", n, log.String())
	}
	write(ca, cert, key)
	if got := outcome(); got != "in" {
		t.Errorf("with good files again: %s", got)
	}
}
