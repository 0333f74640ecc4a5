package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/wire"
)

// response reads the whole response to a command, which is where it ends for a
// client of these capabilities, and checks that nothing is behind it.
func (c *raw) response(code wire.Command, payload string) []byte {
	c.t.Helper()
	packets, _ := wire.AppendPacket(nil, 0, append([]byte{byte(code)}, payload...))
	if _, err := c.conn.Write(packets); err != nil {
		c.t.Fatal(err)
	}
	var r wire.Response
	r.Begin(code, c.caps, &c.seen)
	var all, rest []byte
	for !r.Done() {
		buf := make([]byte, 1<<16)
		n, err := c.conn.Read(buf)
		if err != nil {
			c.t.Fatalf("%s %.60q: %v after %q", code, payload, err, all)
		}
		all = append(all, buf[:n]...)
		if _, rest, err = r.Feed(append(rest, buf[:n]...)); err != nil {
			c.t.Fatalf("%s %.60q: %v in %q", code, payload, err, all)
		}
		rest = bytes.Clone(rest)
	}
	if len(rest) > 0 {
		c.t.Fatalf("%s %.60q: %q is left of %q", code, payload, rest, all)
	}
	return all
}

// sights is what a client saw in responses.
type sights struct {
	status   wire.Status
	prepared []uint32
	errors   []uint16 // numbers
}

func (s *sights) ObserveOK(ok *wire.OK)            { s.status = ok.Status }
func (s *sights) ObserveError(n uint16)            { s.errors = append(s.errors, n) }
func (s *sights) ObservePrepared(p *wire.Prepared) { s.prepared = append(s.prepared, p.ID) }

// command fills in the ids of prepared statements, which servers count up over
// all connections.
func (c *raw) command(s step) string {
	if s.statement == 0 {
		return s.payload
	}
	return string(binary.LittleEndian.AppendUint32(nil, c.seen.prepared[s.statement-1])) + s.payload
}

// alike brings what may differ into one form: the ids of prepared statements, and
// the order of variables in an OK packet, which is that of a hash table.
func alike(code wire.Command, response []byte) string {
	if code == wire.ComStmtPrepare && response[4] == 0 {
		copy(response[5:9], "\x00\x00\x00\x00")
	}
	length, _ := wire.Header(append(response, 0, 0, 0, 0))
	var ok wire.OK
	if len(response) != wire.HeaderSize+length || response[4] != 0 || wire.ParseOK(response[4:], &ok) != nil {
		return string(response)
	}
	var changes []string
	for c, rest, good := wire.NextChange(ok.Changes); good; c, rest, good = wire.NextChange(rest) {
		changes = append(changes, string(c.Raw))
	}
	slices.Sort(changes)
	return string(response[:len(response)-len(ok.Changes)]) + strings.Join(changes, "")
}

type step struct {
	code      wire.Command
	payload   string
	statement int // 1: the first that was prepared
}

// conversation is what a client may say, all of it.
func conversation() []step {
	q := func(s string) step { return step{code: wire.ComQuery, payload: s} }
	on := func(n int, code wire.Command, payload string) step { return step{code, payload, n} }
	const (
		rows, cursor = "\x00\x01\x00\x00\x00", "\x01\x01\x00\x00\x00"
		parameters   = "\x00\x01\x03\x00\xfe\x00\xfe\x00" // none NULL, types follow: INT, two strings
		fetchTwo     = "\x02\x00\x00\x00"
	)
	return []step{
		on(0, wire.ComInitDB, "shop"),
		q("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20))"),
		on(0, wire.ComInitDB, "nowhere"),
		q("INSERT INTO t VALUES (1,'a'),(2,NULL),(3,'')"),
		q("SELECT * FROM t"),
		q("SELECT * FROM t WHERE 0"),
		q("SELECT * FROM nowhere"),
		q("UPDATE t SET v='b' WHERE id=2"),
		q("SELECT 1; SELECT 2; INSERT INTO t VALUES (4,'d'); SELECT * FROM t"),
		q("SELECT 1; SELECT * FROM nowhere; SELECT 2"),
		q("SET @a=1"), q("SET NAMES utf8mb4"), q("SET sql_mode='ANSI'"), q("USE mysql"), q("USE shop"),
		q("SET time_zone='+01:00'"),
		q("SET @x='it''s', sql_mode=''"),
		q("CREATE TEMPORARY TABLE tt (a INT)"),
		q("BEGIN"), q("INSERT INTO t VALUES (5,'e')"), q("SAVEPOINT a"), q("ROLLBACK TO a"), q("COMMIT"), q("ROLLBACK"),
		q("SET autocommit=0"), q("SELECT 1 FROM t"), q("SET autocommit=1"),
		q("CREATE OR REPLACE PROCEDURE p() BEGIN SELECT * FROM t; SELECT 1; INSERT INTO t VALUES (6,'f'); END"),
		q("CALL p()"), q("CALL p()"),
		q("CREATE OR REPLACE PROCEDURE o(OUT x INT) SET x=7"), q("CALL o(@x)"), q("SELECT @x"),
		q("DO 1"), q("DROP TABLE IF EXISTS nowhere"), q("SHOW WARNINGS"), q(""),
		q("SELECT '" + strings.Repeat("x", 70000) + "'"),
		q("INSERT INTO t SELECT seq+100, seq FROM seq_1_to_3000"), q("SELECT * FROM t"),
		on(0, wire.ComFieldList, "t\x00"), on(0, wire.ComFieldList, "nowhere\x00"), on(0, wire.ComPing, ""),
		on(0, wire.ComSetOption, "\x00\x00"), on(0, wire.ComSetOption, "\x01\x00"), on(0, wire.ComDebug, ""),
		on(0, wire.ComStmtPrepare, "SELECT * FROM t WHERE id < 4"),
		on(0, wire.ComStmtPrepare, "SELECT ?+1, ?, ?"),
		on(0, wire.ComStmtPrepare, "INSERT INTO t VALUES (99,'x')"),
		on(0, wire.ComStmtPrepare, "nonsense"),
		on(1, wire.ComStmtExecute, rows), on(1, wire.ComStmtExecute, rows),
		on(1, wire.ComStmtExecute, cursor),
		on(1, wire.ComStmtFetch, fetchTwo), on(1, wire.ComStmtFetch, fetchTwo),
		on(1, wire.ComStmtExecute, cursor), on(1, wire.ComStmtReset, ""),
		on(2, wire.ComStmtExecute, rows+parameters+"\x07\x00\x00\x00\x01a\x02bc"),
		on(2, wire.ComStmtSendLongData, "\x01\x00long"), on(2, wire.ComStmtSendLongData, "\x01\x00er"),
		on(2, wire.ComStmtExecute, rows+parameters+"\x07\x00\x00\x00\x02bc"),
		on(2, wire.ComStmtExecute, rows+"\x00\x00\x07\x00\x00\x00\x01a\x02bc"), // types as before
		on(2, wire.ComStmtReset, ""),
		on(3, wire.ComStmtExecute, rows), on(3, wire.ComStmtExecute, rows),
		on(1, wire.ComStmtClose, ""), on(3, wire.ComStmtClose, ""),
		on(0, wire.ComStmtPrepare, "CALL o(?)"),
		on(4, wire.ComStmtExecute, rows+"\x00\x01\x03\x00\x01\x00\x00\x00"), // its OUT comes as a result
		q("SET STATEMENT max_statement_time=9 FOR SELECT 3"),
		on(0, wire.ComResetConnection, ""),
		q("SELECT @a, @@sql_mode, @@time_zone"),
		q("SET session_track_schema=0"), q("USE mysql"), q("USE shop"), q("SET session_track_schema=1"), q("USE mysql"),
		q("SET session_track_system_variables='sql_mode'"), q("SET sql_mode='ANSI', time_zone='+02:00'"),
		q("INSERT INTO shop.t VALUES (7777,'x')"),
		q("SET session_track_state_change=1"), q("SET @b=1"), q("SET session_track_transaction_info='STATE'"),
		q("BEGIN"), q("INSERT INTO shop.t VALUES (7778,'x')"), q("COMMIT"),
	}
}

// What a client reads is byte for byte what the server would have sent to it:
// with and without EOF packets, with and without session tracking.
func TestRealParity(t *testing.T) {
	r := startReal(t, Config{})
	for _, caps := range []wire.Capability{0, wire.DeprecateEOF, wire.SessionTrack, wire.DeprecateEOF | wire.SessionTrack} {
		caps |= rawCaps &^ wire.DeprecateEOF
		t.Run(fmt.Sprintf("%#x", caps), func(t *testing.T) {
			r.server.Exec(t, "SET GLOBAL auto_increment_increment=16, auto_increment_offset=3")
			steps := conversation()
			want, wantErrors := hold(t, r, r.server.Addr, caps, steps)
			got, gotErrors := hold(t, r, r.Addr(), caps, steps)
			for i, s := range steps {
				if got[i] != want[i] {
					t.Errorf("%s %.70q:\n got %.300q\nwant %.300q", s.code, s.payload, got[i], want[i])
				}
			}
			if !slices.Equal(gotErrors, wantErrors) || len(wantErrors) > 12 {
				t.Errorf("errors %v, directly %v", gotErrors, wantErrors)
			}
		})
	}
}

// hold holds the conversation at addr, on an empty schema, and returns what was
// answered and the errors among it.
func hold(t *testing.T, r *real, addr string, caps wire.Capability, steps []step) (answers []string, errors []uint16) {
	r.server.Exec(t, "DROP DATABASE IF EXISTS shop; CREATE DATABASE shop")
	c := dialRaw(t, addr)
	if err := c.login("app", appPassword, caps); err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		answers = append(answers, alike(s.code, c.response(s.code, c.command(s))))
	}
	_ = c.conn.Close()
	return answers, c.seen.errors
}
