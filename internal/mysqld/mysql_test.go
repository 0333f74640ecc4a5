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

// TestVariablesAreNamedOnceThePluginsAreThere: a probe says the same whether it lists the variables
// or names them, and lists them again when semi-sync was taken out.
func TestVariablesAreNamedOnceThePluginsAreThere(t *testing.T) {
	if !isMySQL(t) {
		t.Skip("MariaDB names them always")
	}
	_, down := pair(t)
	down.Exec(t, "SET GLOBAL rpl_semi_sync_source_wait_point='AFTER_COMMIT', GLOBAL replica_exec_mode='IDEMPOTENT', GLOBAL rpl_semi_sync_replica_enabled=1")
	fresh := &node{Server: down.Server, Member: handle(t, down.Server, config()), id: down.id}
	listed := fresh.see(t)
	named := fresh.see(t)
	if listed.Settings != named.Settings || listed.ReadOnly != named.ReadOnly || listed.SuperReadOnly != named.SuperReadOnly || listed.SemiSync.Enabled != named.SemiSync.Enabled ||
		listed.Layout != named.Layout || listed.ServerID != named.ServerID || listed.HasRing != named.HasRing {
		t.Errorf("listed %+v\nnamed  %+v", listed, named)
	}
	if s := named.Settings; s.AfterSync || s.StrictDDL || !s.AckerEnabled || !s.LogBin || !s.GTIDStrict || s.ServerUUID == "" || !named.ReadOnly || !named.HasRing {
		t.Errorf("it says %+v", named)
	}
	down.Exec(t, "STOP SLAVE; UNINSTALL PLUGIN rpl_semi_sync_source; UNINSTALL PLUGIN rpl_semi_sync_replica")
	if s := fresh.see(t).Settings; s.AckerEnabled || !s.GTIDStrict {
		t.Errorf("without the plugins it says %+v", s)
	}
}
