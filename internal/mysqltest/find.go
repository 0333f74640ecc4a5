package mysqltest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/demo"
	"github.com/sqlring/sqlring/pkg/topology"
)

// The environment variables of this package.
const (
	EnvServers = "SQLRING_TEST_SERVERS"    // flavour=path,flavour=path
	EnvRequire = "SQLRING_REQUIRE_SERVERS" // 1: a missing server fails the test
	EnvFlavour = "SQLRING_TEST_FLAVOUR"    // mariadb (default) or mysql: of which servers the rings of tests are made
	EnvDir     = "SQLRING_SERVERS_DIR"     // where scripts/get-*.sh put servers; default ~/.cache/sqlring/servers
)

// Flavour returns of which servers the rings of this run are made.
func Flavour(t testing.TB) topology.Flavour {
	t.Helper()
	flavour := topology.FlavourMariaDB
	if text := os.Getenv(EnvFlavour); text != "" {
		if err := flavour.UnmarshalText([]byte(text)); err != nil || flavour == topology.FlavourUnknown {
			t.Fatalf("%s=%q is neither mariadb nor mysql", EnvFlavour, text)
		}
	}
	return flavour
}

// OnlyMariaDB skips a test, loudly, in a run whose rings are of MySQL: what it tests
// is of MariaDB alone, and why says what that is.
func OnlyMariaDB(t testing.TB, why string) {
	t.Helper()
	if Flavour(t) != topology.FlavourMariaDB {
		t.Skipf("ONLY-MARIADB: %s", why)
	}
}

func binariesOf(t testing.TB, flavour topology.Flavour) demo.Binaries {
	t.Helper()
	if flavour == topology.FlavourMySQL {
		return demo.Binaries{Server: mysqlBinary(t), MySQL: true}
	}
	return binaries(t)
}

// binaries returns the MariaDB to test with, or ends the test.
func binaries(t testing.TB) demo.Binaries {
	t.Helper()
	if testing.Short() && os.Getenv(EnvRequire) != "1" {
		t.Skip("SKIPPED-NO-SERVER: -short leaves out the tests on real servers")
	}
	found, err := mariadb(os.Getenv(EnvServers))
	switch {
	case err == nil:
		return found
	case !errors.Is(err, demo.ErrNoServer):
		t.Fatal(err)
	}
	missing(t, err.Error())
	return demo.Binaries{}
}

// NeedRoot ends a test that is not run by root, who alone may do what: it is skipped loudly, or
// fails if servers are required.
func NeedRoot(t testing.TB, what string) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, what+" needs root")
	}
}

// missing ends a test that can not run here: it fails if servers are required.
func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(EnvRequire) == "1" {
		t.Fatalf("%s, and %s=1 asks for it", what, EnvRequire)
	}
	t.Skipf("SKIPPED-NO-SERVER: %s", what)
}

// mariadb reads the list of servers; the empty list means what is installed.
func mariadb(list string) (demo.Binaries, error) {
	if list == "" {
		return demo.FindBinaries()
	}
	path, err := named(list, "mariadb")
	if err != nil {
		return demo.Binaries{}, err
	}
	if path == "" {
		return demo.Binaries{}, fmt.Errorf("%w: %s names no mariadb", demo.ErrNoServer, EnvServers)
	}
	return demo.BinariesOf(path)
}

// named returns the path of a flavour in a list of servers, "" if it has none.
func named(list, wanted string) (string, error) {
	for _, entry := range strings.Split(list, ",") {
		flavour, path, ok := strings.Cut(strings.TrimSpace(entry), "=")
		if !ok || (flavour != "mariadb" && flavour != "mysql") {
			return "", fmt.Errorf("%s: %q is not mariadb=path or mysql=path", EnvServers, entry)
		}
		if flavour != wanted {
			continue
		}
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%s: %w", EnvServers, err)
		}
		return path, nil
	}
	return "", nil
}

// mysqlBinary returns the MySQL to test with, or ends the test.
func mysqlBinary(t testing.TB) string {
	t.Helper()
	if testing.Short() && os.Getenv(EnvRequire) != "1" {
		t.Skip("SKIPPED-NO-SERVER: -short leaves out the tests on real servers")
	}
	if list := os.Getenv(EnvServers); list != "" {
		path, err := named(list, "mysql")
		if err != nil {
			t.Fatal(err)
		}
		if path == "" {
			missing(t, EnvServers+" names no mysql")
		}
		return path
	}
	dir := os.Getenv(EnvDir)
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(home, ".cache", "sqlring", "servers")
	}
	path := filepath.Join(dir, "mysql-9.7", "bin", "mysqld")
	if _, err := os.Stat(path); err != nil {
		missing(t, "no MySQL 9.7: scripts/get-mysql97.sh puts it beside the system ("+err.Error()+")")
	}
	return path
}

// templateHome returns the directory of the templates: the user's own, nobody else
// can put a data directory there.
func templateHome(t testing.TB) string {
	t.Helper()
	home := filepath.Join(os.TempDir(), fmt.Sprintf("sqlring-test-%d", os.Geteuid()))
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	return home
}

// template returns the data directory that the servers of a test are copies of.
// It is made once per binary; a newer binary gets another one.
func template(t testing.TB, bin demo.Binaries) string {
	t.Helper()
	info, err := os.Stat(bin.Server)
	if err != nil {
		t.Fatal(err)
	}
	key := sha256.Sum256(fmt.Appendf(nil, "1 %s %d %d", bin.Server, info.Size(), info.ModTime().UnixNano()))
	dir := filepath.Join(templateHome(t), fmt.Sprintf("template-%x", key[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if err := demo.InstallDataDir(t.Context(), bin, dir); err != nil {
		t.Fatalf("template of %s: %v", bin.Server, err)
	}
	return dir
}
