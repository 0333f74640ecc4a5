package proxy

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestRealStatements(t *testing.T) {
	r := startReal(t, Config{})
	db := r.db(t)
	run(t, db, "CREATE TABLE cards (id BIGINT PRIMARY KEY AUTO_INCREMENT, text VARCHAR(200))")
	res := run(t, db, "INSERT INTO cards (text) VALUES ('a'), ('b')")
	if id, _ := res.LastInsertId(); id%16 != 3 {
		t.Errorf("insert id %d is not of slot 3 of 16", id)
	}
	if n, _ := res.RowsAffected(); n != 2 {
		t.Errorf("%d rows affected", n)
	}
	res = run(t, db, "INSERT INTO cards (text) VALUES (?)", "prepared")
	if id, _ := res.LastInsertId(); id%16 != 3 {
		t.Errorf("insert id %d of a prepared statement is not of slot 3 of 16", id)
	}
	if got := query[string](t, db, "SELECT GROUP_CONCAT(text ORDER BY id) FROM cards WHERE id > ?", 0); got != "a,b,prepared" {
		t.Errorf("rows: %s", got)
	}
	if got := query[string](t, db, "SELECT DATABASE()"); got != "shop" {
		t.Errorf("database %s", got)
	}
	if s := r.Stats(); s.Queries == 0 || s.BytesIn == 0 || s.BytesOut == 0 || s.LinksTotal == 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestRealTransactions(t *testing.T) {
	r := startReal(t, Config{})
	db := r.db(t)
	run(t, db, "CREATE TABLE t (id INT PRIMARY KEY)")
	for _, commit := range []bool{false, true} {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		run(t, tx, "INSERT INTO t VALUES (?)", 1)
		if n := query[int](t, tx, "SELECT COUNT(*) FROM t"); n != 1 {
			t.Errorf("a transaction does not see its row")
		}
		end := tx.Rollback
		if commit {
			end = tx.Commit
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		want := 0
		if commit {
			want = 1
		}
		if n := query[int](t, db, "SELECT COUNT(*) FROM t"); n != want {
			t.Errorf("%d rows after commit=%v", n, commit)
		}
	}
}

func TestRealMultiStatements(t *testing.T) {
	r := startReal(t, Config{})
	db := r.db(t, func(c *mysql.Config) { c.MultiStatements = true })
	rows, err := db.QueryContext(t.Context(), "SELECT 1; SET @a=2; SELECT @a; INSERT INTO nowhere VALUES (1)")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []int
	for {
		for rows.Next() {
			var v int
			if err := rows.Scan(&v); err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		if !rows.NextResultSet() {
			break
		}
	}
	if fmt.Sprint(got) != "[1 2]" {
		t.Errorf("results %v", got)
	}
	if err := rows.Err(); err == nil || !strings.Contains(err.Error(), "1146") {
		t.Errorf("the last statement's error: %v", err)
	}
	if _, err := r.db(t).ExecContext(t.Context(), "SELECT 1; SELECT 2"); err == nil {
		t.Error("a client without multi-statements could send two")
	}
}

func TestRealLargeBlobsBothWays(t *testing.T) {
	r := startReal(t, Config{}, "max_allowed_packet=64M", "innodb_log_file_size=256M")
	for _, prepared := range []bool{false, true} {
		db := r.db(t, func(c *mysql.Config) {
			c.InterpolateParams, c.MaxAllowedPacket = !prepared, 64<<20
		})
		run(t, db, "CREATE OR REPLACE TABLE b (id INT PRIMARY KEY, v LONGBLOB)")
		for i, size := range []int{20 << 20, 1<<24 - 1 - 100, 1<<24 - 1, 1 << 24, 16300, 16384, 1<<24 + 20} {
			blob := bytes.Repeat([]byte(`it's "a\`+"`\x00auto_increment_offset=1;"), size/32+1)[:size]
			run(t, db, "INSERT INTO b VALUES (?, ?)", i, blob)
			got := query[[]byte](t, db, "SELECT v FROM b WHERE id=?", i)
			if sha256.Sum256(got) != sha256.Sum256(blob) {
				t.Errorf("prepared %v: %d bytes came back as %d other ones", prepared, size, len(got))
			}
		}
	}
}

// Payloads around the size at which a packet is continued by an empty one.
func TestRealPacketBoundaries(t *testing.T) {
	r := startReal(t, Config{}, "max_allowed_packet=64M")
	db := r.db(t, func(c *mysql.Config) { c.MaxAllowedPacket = 64 << 20 })
	const frame = len("\x03SELECT LENGTH('')")
	for _, payload := range []int{1<<24 - 2, 1<<24 - 1, 1 << 24, 2*(1<<24-1) - 1, 2 * (1<<24 - 1)} {
		n := payload - frame
		if got := query[int](t, db, "SELECT LENGTH('"+strings.Repeat("x", n)+"')"); got != n {
			t.Errorf("payload %d: %d bytes arrived of %d", payload, got, n)
		}
	}
}

func TestRealLoadDataLocal(t *testing.T) {
	r := startReal(t, Config{}, "local_infile=1")
	db := r.db(t)
	run(t, db, "CREATE TABLE t (id INT PRIMARY KEY, v TEXT)")
	var file bytes.Buffer
	const rows = 100000
	for i := range rows {
		fmt.Fprintf(&file, "%d\tvalue %d\n", i, i)
	}
	mysql.RegisterReaderHandler("cards", func() io.Reader {
		return bytes.NewReader(file.Bytes())
	})
	defer mysql.DeregisterReaderHandler("cards")
	res := run(t, db, "LOAD DATA LOCAL INFILE 'Reader::cards' INTO TABLE t")
	if n, _ := res.RowsAffected(); n != rows {
		t.Errorf("%d rows loaded", n)
	}
	if _, err := db.ExecContext(t.Context(), "LOAD DATA LOCAL INFILE 'Reader::cards' INTO TABLE nowhere"); err == nil {
		t.Error("no error for a table that is not there")
	}
	if n := query[int](t, db, "SELECT COUNT(*) FROM t"); n != rows {
		t.Errorf("%d rows after an error", n)
	}
}

// A client that leaves while its statement runs takes the statement with it.
func TestRealClientHangsUp(t *testing.T) {
	r := startReal(t, Config{})
	c := dialRaw(t, r.Addr())
	if err := c.login("app", appPassword, rawCaps); err != nil {
		t.Fatal(err)
	}
	if err := c.own.Send([]byte("\x03SELECT SLEEP(60), 'hangs up'")); err != nil {
		t.Fatal(err)
	}
	running := func() string {
		return r.server.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(60)%'")
	}
	waitFor(t, "the statement runs", func() bool { return running() == "1" })
	_ = c.conn.Close()
	start := time.Now()
	waitFor(t, "the statement is gone", func() bool { return running() == "0" })
	if took := time.Since(start); took > time.Second {
		t.Errorf("the statement ran on for %v", took)
	}
	if n := r.Stats().HungUp; n != 1 {
		t.Errorf("%d hung up", n)
	}
}

func waitFor(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
