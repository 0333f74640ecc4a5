package oracle

import (
	"context"
	"database/sql"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestDigestIsTheServers asks a MySQL for the digest of each statement that it can
// parse.
func TestDigestIsTheServers(t *testing.T) {
	statements := corpus(t)
	server := mysqltest.StartMySQL(t, "max_digest_length=65536", "performance_schema_max_digest_length=65536")
	version, err := topology.ParseVersion(server.Query(t, "SELECT VERSION()"))
	if err != nil {
		t.Fatal(err)
	}
	dialect := balancer.Dialect{Flavour: topology.FlavourMySQL, Version: balancer.VersionOf(version)}
	db := open(t, server)
	explained := explanations(t, "digest")
	var d balancer.Digester
	parsed, differ := 0, 0
	for _, statement := range statements {
		want, ok := serversDigest(t, db, statement)
		if !ok || hasOddName(want, statement) {
			continue
		}
		parsed++
		d.Digest([]byte(statement), dialect)
		if got := string(d.AppendText(nil)); got != want && !explained.covers("text", statement) {
			differ++
			t.Errorf("digest of %.200q\ngot  %.300s\nwant %.300s", statement, got, want)
		}
	}
	explained.unused(t)
	t.Logf("MySQL %s has parsed %d of %d statements; the digests of %d differ without an explanation", version, parsed, len(statements), differ)
}

// open returns a connection by which statements are sent as text.
func open(t *testing.T, server *mysqltest.MySQL) *sql.DB {
	t.Helper()
	config := mysql.NewConfig()
	config.User, config.Net, config.Addr, config.DBName, config.InterpolateParams = "root", "unix", server.Socket, "mysql", true
	config.Timeout, config.ReadTimeout = 10*time.Second, time.Minute
	config.MaxAllowedPacket = 1 << 20
	connector, err := mysql.NewConnector(config)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// serversDigest returns a statement's digest; ok is false if the server can not parse
// the statement.
func serversDigest(t *testing.T, db *sql.DB, statement string) (digest string, ok bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var text sql.NullString
	err := db.QueryRowContext(ctx, "SELECT STATEMENT_DIGEST_TEXT(?)", statement).Scan(&text)
	if refused := (*mysql.MySQLError)(nil); err != nil && !errors.As(err, &refused) {
		t.Fatalf("ask for the digest of %.100q: %v", statement, err)
	}
	return text.String, err == nil && text.Valid
}

// hasOddName reports whether the server does not show the statement's names as they
// are: it leaves out those that are not utf8mb3, and puts "..." for long ones.
func hasOddName(digest, statement string) bool {
	if !utf8.ValidString(statement) || strings.ContainsFunc(statement, func(r rune) bool { return r > 0xFFFF }) {
		return true
	}
	return strings.Contains(digest, "...") && regexp.MustCompile(`[^\x00-\x7F]`).MatchString(statement) ||
		regexp.MustCompile(`[0-9A-Za-z_$ ]{65}`).MatchString(statement) && strings.Contains(digest, "...")
}
