package proxy

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// serverTLS are the options of a server with a certificate of a, for the names.
func (a *authority) serverTLS(names ...string) []string {
	a.host("server", names...)
	return []string{"ssl_ca=" + a.file("ca.pem"), "ssl_cert=" + a.file("server.pem"), "ssl_key=" + a.file("server-key.pem")}
}

// over are the ways in which a driver can be connected.
func over(a *authority) map[string]func(*mysql.Config) {
	return map[string]func(*mysql.Config){
		"TLS": func(c *mysql.Config) { c.TLS = a.trust() },
		"zlib": func(c *mysql.Config) {
			_ = c.Apply(mysql.EnableCompression(true))
		},
		"zlib over TLS": func(c *mysql.Config) {
			c.TLS = a.trust()
			_ = c.Apply(mysql.EnableCompression(true))
		},
	}
}

// exercise does with a connection what applications do: results of all sizes both
// ways, prepared statements, several results, errors, files.
func exercise(t *testing.T, open func(...func(*mysql.Config)) *sql.DB, change func(*mysql.Config)) {
	t.Helper()
	db := open(change, func(c *mysql.Config) { c.MultiStatements, c.MaxAllowedPacket = true, 64<<20 })
	run(t, db, "DROP TABLE IF EXISTS shop.b, shop.file")
	run(t, db, "CREATE TABLE shop.b (id INT PRIMARY KEY, v LONGBLOB)")
	noise := make([]byte, 17<<20)
	for i := range noise {
		noise[i] = byte(i*i>>3 ^ i>>11)
	}
	sizes, turns := []int{49, 50, 16384, 100_000, 1<<24 - 1, 17 << 20}, 270
	if raceDetector { // compressing takes minutes then
		sizes, turns = sizes[:4], 30
	}
	for i, size := range sizes {
		run(t, db, "INSERT INTO shop.b VALUES (?, ?)", i, noise[:size])
		if got := query[[]byte](t, db, "SELECT v FROM shop.b WHERE id=?", i); sha256.Sum256(got) != sha256.Sum256(noise[:size]) {
			t.Errorf("%d bytes came back as %d other ones", size, len(got))
		}
	}
	for i := range turns { // more turns than there are numbers, results of as many packets among them
		want := 240 + i%20
		rows, err := db.QueryContext(t.Context(), fmt.Sprintf("WITH RECURSIVE n AS (SELECT 1 i UNION ALL SELECT i+1 FROM n WHERE i < %d) SELECT i, REPEAT('x', 100) FROM n", want))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for rows.Next() {
			n++
		}
		if err := rows.Close(); err != nil || n != want {
			t.Fatalf("turn %d: %d rows, %v", i, n, err)
		}
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO shop.b VALUES (100, 'x'); INSERT INTO shop.b VALUES (100, 'x'); INSERT INTO shop.b VALUES (101, 'x')"); err == nil || !strings.Contains(err.Error(), "1062") {
		t.Errorf("an error in the midst: %v", err)
	}
	const lines = 100_000
	var file bytes.Buffer
	for i := range lines {
		fmt.Fprintf(&file, "%d\tvalue %d\n", i, i)
	}
	name := strings.NewReplacer("/", "-", " ", "-").Replace(t.Name())
	mysql.RegisterReaderHandler(name, func() io.Reader { return bytes.NewReader(file.Bytes()) })
	defer mysql.DeregisterReaderHandler(name)
	run(t, db, "CREATE TABLE shop.file (id INT PRIMARY KEY, v TEXT)")
	if n, _ := run(t, db, "LOAD DATA LOCAL INFILE 'Reader::"+name+"' INTO TABLE shop.file").RowsAffected(); n != lines {
		t.Errorf("%d rows loaded", n)
	}
	if _, err := db.ExecContext(t.Context(), "LOAD DATA LOCAL INFILE 'Reader::"+name+"' INTO TABLE shop.nowhere"); err == nil {
		t.Error("no error for a table that is not there")
	}
	if n := query[int](t, db, "SELECT COUNT(*) FROM shop.file"); n != lines {
		t.Errorf("%d rows after the file", n)
	}
}

func (r *real) opener(t *testing.T) func(...func(*mysql.Config)) *sql.DB {
	return func(change ...func(*mysql.Config)) *sql.DB { return r.db(t, change...) }
}

func TestRealTransportsOfClients(t *testing.T) {
	a := newAuthority(t)
	r := startReal(t, Config{TLS: a.clients(TLSPreferred)}, "max_allowed_packet=64M", "local_infile=1", "innodb_log_file_size=256M")
	for name, change := range over(a) {
		t.Run(name, func(t *testing.T) { exercise(t, r.opener(t), change) })
	}
}

func TestRealTransportsToMembers(t *testing.T) {
	a := newAuthority(t)
	options := append(a.serverTLS(), "max_allowed_packet=64M", "local_infile=1", "innodb_log_file_size=256M")
	for _, tt := range []struct {
		name string
		tls  MemberTLS
		by   wire.Compression
	}{
		{"TLS", MemberTLS{Mode: TLSVerifyIdentity, CA: a.file("ca.pem")}, wire.CompressionNone},
		{"zlib", MemberTLS{}, wire.CompressionZlib},
		{"zlib over TLS", MemberTLS{Mode: TLSVerifyCA, CA: a.file("ca.pem")}, wire.CompressionZlib},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := startReal(t, Config{TLS: a.clients(TLSPreferred), MemberTLS: tt.tls, MemberCompression: tt.by}, options...)
			db := r.db(t)
			var cipher, compression string
			// SHOW STATUS would tell of the client's own connection.
			const linkStatus = "SELECT variable_value FROM information_schema.session_status WHERE variable_name="
			if err := db.QueryRowContext(t.Context(), linkStatus+"'Ssl_cipher'").Scan(&cipher); err != nil || (cipher != "") != (tt.tls.Mode != "") {
				t.Errorf("cipher %q, %v", cipher, err)
			}
			if err := db.QueryRowContext(t.Context(), linkStatus+"'Compression'").Scan(&compression); err != nil || (compression == "ON") != (tt.by != wire.CompressionNone) {
				t.Errorf("compression %q, %v", compression, err)
			}
			exercise(t, r.opener(t), func(*mysql.Config) {})
			exercise(t, r.opener(t), over(a)["zlib over TLS"])
		})
	}
}

// What is configured is kept: a member that can not do it is not reached, and the
// client is told why at once.
func TestRealMemberTLSIsNeverLowered(t *testing.T) {
	a, strangers := newAuthority(t), newAuthority(t)
	plain := mysqltest.Start(t, "skip_ssl")
	secure := mysqltest.Start(t, a.serverTLS("elsewhere.test")...)
	for _, s := range []*mysqltest.Server{plain, secure} {
		s.Exec(t, "SET GLOBAL read_only=0; CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO app@'%'")
	}
	secure.Exec(t, "CREATE USER sure@'%' IDENTIFIED BY '"+appPassword+"' REQUIRE SSL; CREATE USER known@'%' IDENTIFIED BY '"+appPassword+"' REQUIRE SUBJECT '/O=test/CN=sqlring'")
	a.person("sqlring")
	_, port, _ := net.SplitHostPort(secure.Addr)
	ca := a.file("ca.pem")
	for _, tt := range []struct {
		name, user string
		tls        MemberTLS
		server     *mysqltest.Server
		addr       string
		want       string // of the error; empty: none
	}{
		{"preferred, without", "app", MemberTLS{Mode: TLSPreferred}, plain, "", ""},
		{"preferred, with", "sure", MemberTLS{Mode: TLSPreferred}, secure, "", ""},
		{"required, without", "app", MemberTLS{Mode: TLSRequired}, plain, "", "member m1: TLS towards the member: it offers none, and the mode is required"},
		{"required, with", "sure", MemberTLS{Mode: TLSRequired}, secure, "", ""},
		{"verify-ca, with another name", "sure", MemberTLS{Mode: TLSVerifyCA, CA: ca}, secure, "", ""},
		{"verify-ca, of a stranger", "app", MemberTLS{Mode: TLSVerifyCA, CA: strangers.file("ca.pem")}, secure, "", "TLS towards the member: its certificate"},
		{"verify-ca, without", "app", MemberTLS{Mode: TLSVerifyCA, CA: ca}, plain, "", "the mode is verify-ca"},
		{"verify-identity", "sure", MemberTLS{Mode: TLSVerifyIdentity, CA: ca}, secure, "", ""},
		{"verify-identity, of another name", "app", MemberTLS{Mode: TLSVerifyIdentity, CA: ca}, secure, "localhost:" + port, "not localhost"},
		{"verify-identity, of the system's CAs", "app", MemberTLS{Mode: TLSVerifyIdentity}, secure, "", "its certificate"},
		{"an account that requires TLS, without", "sure", MemberTLS{}, secure, "", "set member_tls"},
		{"an account that requires our certificate", "known", MemberTLS{Mode: TLSRequired, Cert: a.file("sqlring.pem"), Key: a.file("sqlring-key.pem")}, secure, "", ""},
		{"and does not get it", "known", MemberTLS{Mode: TLSRequired}, secure, "", "1045"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			m := memberAt("m1", tt.server, 3)
			if tt.addr != "" {
				m.Addr = tt.addr
			}
			w.setAccounts(native("app", "%", appPassword), native("sure", "%", appPassword), native("known", "%", appPassword))
			w.setView(owned("m1", 1, m))
			r := &real{Proxy: serve(t, w, Config{MemberTLS: tt.tls}), world: w, server: tt.server}
			began := time.Now()
			_, err := r.db(t, func(c *mysql.Config) { c.User, c.DBName = tt.user, "" }).ExecContext(t.Context(), "DO 1")
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("told after %v", took)
			}
		})
	}
}

// Sessions over TLS are woken as others are: by a member that dies, a KILL, a client
// that leaves, the end of the proxy.
func TestRealTLSSessionsAreWoken(t *testing.T) {
	a := newAuthority(t)
	r := startReal(t, Config{TLS: a.clients(TLSRequired), MemberTLS: MemberTLS{Mode: TLSRequired}, MemberCompression: wire.CompressionZlib}, a.serverTLS()...)
	login := func() *raw {
		c := dialRaw(t, r.Addr())
		if err := c.loginTLS(a.trust(), rawCaps); err != nil {
			t.Fatal(err)
		}
		return c
	}
	sleeps := func() string {
		return r.server.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(60)%'")
	}
	c := login()
	_ = c.own.Send([]byte("\x03SELECT SLEEP(60), 'hangs up'"))
	waitFor(t, "it runs", func() bool { return sleeps() == "1" })
	_ = c.conn.Close()
	waitFor(t, "it is stopped", func() bool { return sleeps() == "0" })

	c = login()
	_ = c.own.Send([]byte("\x03SELECT SLEEP(60), 'is killed'"))
	waitFor(t, "it runs", func() bool { return sleeps() == "1" })
	r.server.Exec(t, "KILL "+r.server.Query(t, "SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(60)%'"))
	c.own.Restart(1, 1<<20)
	if payload, err := c.own.Read(); err != nil || payload[0] != 0xFF {
		t.Errorf("got %q, %v", payload, err)
	}

	c = login()
	if n, _ := c.query("BEGIN"); n != 0 {
		t.Fatal(n)
	}
	r.server.Kill()
	if n, state := c.query("SELECT 1"); n != 1213 || state != "40001" {
		t.Errorf("got %d (%s), want 1213", n, state)
	}
	r.server.RestartNow(t)
	r.server.Exec(t, "SET GLOBAL read_only=0")
	if n, _ := c.query("DO 1"); n != 0 {
		t.Errorf("after the restart: error %d", n)
	}
}

func TestToolClientOverTLS(t *testing.T) {
	a := newAuthority(t)
	cfg := a.clients(TLSRequired)
	a.host("proxy", "localhost")
	r := startReal(t, Config{TLS: cfg, MemberTLS: MemberTLS{Mode: TLSPreferred}}, a.serverTLS()...)
	_, port, _ := net.SplitHostPort(r.Addr())
	a.person("alice")
	for _, more := range [][]string{nil, {"--compress"}, {"--ssl-cert=" + a.file("alice.pem"), "--ssl-key=" + a.file("alice-key.pem")}} {
		args := append([]string{
			"--no-defaults", "-uapp", "-p" + appPassword, "-N", "--protocol=tcp", "-h127.0.0.1", "-P" + port,
			"--ssl", "--ssl-ca=" + a.file("ca.pem"), "--ssl-verify-server-cert",
		}, more...)
		got := tool(t, "STATUS\nSELECT REPEAT('x', 20);\n", "mariadb", append(args, "shop")...)
		if !strings.Contains(got, "Cipher in use is TLS_") || !strings.Contains(got, strings.Repeat("x", 20)) {
			t.Errorf("%v: %s", more, got)
		}
	}
	got := tool(t, "STATUS\n", "mariadb", "--no-defaults", "-uapp", "-p"+appPassword, "--ssl", "--compress", "-S"+r.socket)
	if !strings.Contains(got, "Cipher in use is TLS_") {
		t.Errorf("TLS on the socket: %s", got)
	}
}

// A dump of everything goes both ways, compressed.
func TestToolDumpCompressed(t *testing.T) {
	a := newAuthority(t)
	r := startReal(t, Config{TLS: a.clients(TLSPreferred), MemberCompression: wire.CompressionZlib})
	r.server.Exec(t, "CREATE DATABASE copy; USE shop; CREATE TABLE posts (id INT PRIMARY KEY, data LONGBLOB); INSERT INTO posts SELECT seq, REPEAT(MD5(seq), 3000) FROM seq_1_to_200")
	args := []string{"--no-defaults", "-uapp", "-p" + appPassword, "-S" + r.socket, "--compress"}
	dump := tool(t, "", "mariadb-dump", append(args, "--single-transaction", "shop")...)
	tool(t, dump, "mariadb", append(args, "copy")...)
	if sums := r.server.Query(t, "SELECT GROUP_CONCAT(DISTINCT c) FROM (SELECT SUM(CRC32(data)) c FROM shop.posts UNION ALL SELECT SUM(CRC32(data)) FROM copy.posts) x"); strings.Contains(sums, ",") || sums == "" {
		t.Errorf("checksums %q", sums)
	}
}

// MySQL's own server and client speak zstd, and TLS by default.
func TestRealZstd(t *testing.T) {
	a := newAuthority(t)
	f := inFrontOf(t, topology.FlavourMySQL, Config{
		TLS: a.clients(TLSPreferred), MemberTLS: MemberTLS{Mode: TLSRequired}, MemberCompression: wire.CompressionZstd,
	}, a.serverTLS()...)
	f.exec(t, "GRANT ALL ON *.* TO app@'%'")
	open := func(change ...func(*mysql.Config)) *sql.DB {
		return f.app(t, func(c *mysql.Config) {
			c.ReadTimeout, c.WriteTimeout = time.Minute, time.Minute
			for _, f := range change {
				f(c)
			}
		})
	}
	db := open(over(a)["TLS"])
	var name, algorithm, level, cipher string
	for what, into := range map[string]*string{"Compression_algorithm": &algorithm, "Compression_level": &level, "Ssl_cipher": &cipher} {
		if err := db.QueryRowContext(t.Context(), "SHOW SESSION STATUS LIKE '"+what+"'").Scan(&name, into); err != nil {
			t.Fatal(err)
		}
	}
	if algorithm != "zstd" || level != "3" || cipher == "" {
		t.Errorf("the link has compression %q of level %s, cipher %q", algorithm, level, cipher)
	}
	exercise(t, open, over(a)["zlib over TLS"])

	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	client := filepath.Join(home, ".cache", "sqlring", "servers", "mysql-9.7", "bin", "mysql")
	if _, err := os.Stat(client); err != nil {
		t.Skipf("SKIPPED-NO-SERVER: %v", err)
	}
	_, port, _ := net.SplitHostPort(f.Addr())
	for _, level := range []string{"1", "3", "22"} {
		args := []string{
			"--no-defaults", "-uapp", "-p" + appPassword, "-N", "--protocol=tcp", "-h127.0.0.1", "-P" + port, "--max-allowed-packet=64M",
			"--commands", "--compression-algorithms=zstd", "--zstd-compression-level=" + level, "--ssl-mode=VERIFY_CA", "--ssl-ca=" + a.file("ca.pem"),
		}
		text := strings.Repeat("zstd ", 600_000)
		got := tool(t, "\\s\nSELECT LENGTH('"+text+"');\nSELECT REPEAT('abc', 100000);\n", client, args...)
		if !strings.Contains(got, "zstd") || !strings.Contains(got, "3000000") || !strings.Contains(got, strings.Repeat("abc", 100000)) {
			t.Errorf("level %s: %.2000s", level, got)
		}
	}
}
