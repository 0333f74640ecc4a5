package mysqld_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// requirements are those of the accounts that the tests of both flavours make.
func requirements() map[string]topology.Require {
	return map[string]topology.Require{
		"'tls'@'localhost'":  {Kind: topology.RequireTLS},
		"'card'@'localhost'": {Kind: topology.RequireX509},
		"'picky'@'localhost'": {
			Kind: topology.RequireSpecified, Cipher: "TLS_AES_256_GCM_SHA384", Issuer: "/CN=ca", Subject: "/CN=us",
		},
		"'open'@'localhost'": {},
	}
}

func TestMySQLShowsItsAccountsAndIsClosedToActionsOfNobody(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	s := mysqltest.StartMySQL(t)
	s.Exec(t, `CREATE USER plain@'%' IDENTIFIED BY 'one';
		CREATE USER locked@'10.%' IDENTIFIED BY 'two' ACCOUNT LOCK;
		CREATE USER tls@localhost REQUIRE SSL; CREATE USER card@localhost REQUIRE X509;
		CREATE USER picky@localhost REQUIRE CIPHER 'TLS_AES_256_GCM_SHA384' AND ISSUER '/CN=ca' AND SUBJECT '/CN=us';
		CREATE USER open@localhost; CREATE ROLE nobody`)
	m := mysqld.New(config(), "m1", s.Addr)
	t.Cleanup(m.Close)
	list, err := m.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	asks := map[string]topology.Account{}
	for _, a := range list {
		asks[a.Name()] = a
	}
	for name, want := range requirements() {
		if a, ok := asks[name]; !ok || a.Require != want || a.Hash != "" || a.Plugin != "caching_sha2_password" {
			t.Errorf("%s: %+v, want to require %+v", name, a, want)
		}
	}
	for name, locked := range map[string]bool{"'plain'@'%'": false, "'locked'@'10.%'": true} {
		a := asks[name]
		hash := s.Query(t, "SELECT HEX(authentication_string) FROM mysql.user WHERE User=?", a.User)
		if got := strings.ToUpper(hex.EncodeToString([]byte(a.Hash))); got != hash || a.Locked != locked {
			t.Errorf("%s: hash %s, locked %v; want %s, %v", name, got, a.Locked, hash, locked)
		}
	}
	if a := asks["'nobody'@'%'"]; !a.Locked {
		t.Errorf("a role could log in: %+v", a)
	}

	o := m.Observe(t.Context())
	if o.Reach != topology.ReachAnswers || o.Version.Flavour != topology.FlavourMySQL || o.Version.Major != 9 || o.ServerID != 0 {
		t.Errorf("observed: %s, %s, %s, identity %d", o.Reach, o.Version, o.Error, o.ServerID)
	}
	if err := m.Execute(t.Context(), topology.Action{Kind: topology.ActPrepare, Fresh: true}); !errors.Is(err, mysqld.ErrPrecondition) {
		t.Errorf("an action of the ring: %v", err)
	}
}
