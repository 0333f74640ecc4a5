package proxy

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// onBoth runs a test behind a proxy in front of a real server of each flavour.
func onBoth(t *testing.T, test func(t *testing.T, f *fronted), options ...string) {
	t.Helper()
	onBothAs(t, Config{}, test, options...)
}

// onBothAs is onBoth behind a proxy that is set up so.
func onBothAs(t *testing.T, cfg Config, test func(t *testing.T, f *fronted), options ...string) {
	t.Helper()
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) {
			f := inFrontOf(t, flavour, cfg, options...)
			f.exec(t, "GRANT ALL ON *.* TO app@'%'")
			// So that the password is known in memory, here and there: raw clients log
			// in by the short way.
			for _, addr := range []string{f.addr, f.Addr()} {
				if err := (person{user: "app", password: appPassword}).open(t, addr).PingContext(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			test(t, f)
		})
	}
}

func (f *fronted) app(t testing.TB, change func(*mysql.Config)) *sql.DB {
	return f.through(t, person{"app", appPassword, "shop", change})
}

// raw is a client that logs in at addr with exactly these capabilities.
func (f *fronted) raw(t testing.TB, addr string, caps wire.Capability) (c *raw, thread uint32) {
	t.Helper()
	c = dialRaw(t, addr)
	c.caps = caps
	payload, err := c.own.Read()
	if err != nil {
		t.Fatal(err)
	}
	greeting, err := wire.ParseGreeting(payload)
	if err != nil {
		t.Fatal(err)
	}
	login := wire.Login{Capabilities: caps, User: "app", Charset: 45, Plugin: wire.PluginNative, Token: wire.NewDigest(appPassword).Token(greeting.Salt)}
	if f.mysql != nil {
		login.Plugin, login.Token = wire.PluginSha2, wire.Sha2Token(greeting.Salt, appPassword)
	}
	_ = c.own.Write(login.Append(nil))
	for {
		if payload, err = c.own.Read(); err != nil {
			t.Fatal(err)
		}
		switch payload[0] {
		case 0:
			return c, greeting.ThreadID
		case 0xFF:
			t.Fatal(wire.ParseError(payload))
		}
	}
}

// own is what the flavour has beyond what all have.
func (f *fronted) own() wire.Capability {
	if f.mysql != nil {
		return wire.OfferedByMySQL
	}
	return wire.OfferedByMariaDB
}

// statement returns the payload of a COM_QUERY of this client.
func (c *raw) statement(text string) string {
	if c.caps.Has(wire.QueryAttributes) {
		return "\x00\x01" + text
	}
	return text
}

// first returns the first column of the first row of a result, as text.
func (c *raw) first(text string) string {
	c.t.Helper()
	response := c.response(wire.ComQuery, c.statement(text))
	r := wire.NewReader(c.skip(response, 1+int(response[4])))
	return string(r.Bytes())
}

// skip returns the payload of the packet behind n others; nil if there is none.
func (c *raw) skip(response []byte, n int) []byte {
	for ; len(response) > 0; n-- {
		length, _ := wire.Header(response)
		if n == 0 {
			return response[4 : 4+length]
		}
		response = response[4+length:]
	}
	return nil
}

// What is offered depends on the flavour of the ring: not on what one member has, and
// nothing that the two sides would frame differently.
func TestRealOffersByFlavour(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		c := dialRaw(t, f.Addr())
		payload, err := c.own.Read()
		if err != nil {
			t.Fatal(err)
		}
		greeting, err := wire.ParseGreeting(payload)
		if err != nil {
			t.Fatal(err)
		}
		d := dialRaw(t, f.addr)
		if payload, err = d.own.Read(); err != nil {
			t.Fatal(err)
		}
		direct, err := wire.ParseGreeting(payload)
		if err != nil {
			t.Fatal(err)
		}
		want := wire.Offered&^wire.Mysql | f.own()
		greeting.Capabilities &^= wire.Transport // as it is configured, each side for itself
		if got := greeting.Capabilities &^ wire.Mysql; got != want {
			t.Errorf("offered %#x, want %#x", got, want)
		}
		if got := greeting.Capabilities &^ direct.Capabilities; got != 0 {
			t.Errorf("offered %#x, which the server has not", got)
		}
		if greeting.Capabilities.Has(wire.Mysql) != direct.Capabilities.Has(wire.Mysql) {
			t.Errorf("the first bit is %#x, directly %#x", greeting.Capabilities, direct.Capabilities)
		}
	})
}

// Each capability that has come with a flavour, alone and with the others, makes no
// difference between the server and the proxy before it.
func TestRealParityOfFlavours(t *testing.T) { parityOfFlavours(t, Config{}) }

// A session that never comes back to a connection is answered the same.
func TestRealParityOfFlavoursWithChurn(t *testing.T) { parityOfFlavours(t, Config{Churn: true}) }

func parityOfFlavours(t *testing.T, cfg Config) {
	t.Helper()
	onBothAs(t, cfg, func(t *testing.T, f *fronted) {
		own := f.own()
		for _, extra := range []wire.Capability{0, own, own & wire.QueryAttributes, own & wire.OptionalMetadata, own & wire.ExtendedMetadata} {
			for _, eof := range []wire.Capability{0, wire.DeprecateEOF} {
				caps := rawCaps&^wire.DeprecateEOF | eof | extra | wire.SessionTrack
				if f.mysql == nil && extra != 0 {
					caps &^= wire.Mysql
				}
				t.Run(fmt.Sprintf("%#x", caps), func(t *testing.T) {
					want := f.talk(t, f.addr, caps)
					got := f.talk(t, f.Addr(), caps)
					for i, s := range flavoured(f.mysql != nil, caps) {
						if got[i] != want[i] {
							t.Errorf("%s %.70q:\n got %.300q\nwant %.300q", s.code, s.payload, got[i], want[i])
						}
					}
				})
			}
		}
	})
}

// talk holds the conversation of flavoured at addr, on an empty schema.
func (f *fronted) talk(t *testing.T, addr string, caps wire.Capability) (answers []string) {
	t.Helper()
	f.exec(t, "DROP DATABASE IF EXISTS shop; CREATE DATABASE shop")
	c, _ := f.raw(t, addr, caps)
	for _, s := range flavoured(f.mysql != nil, caps) {
		payload := c.command(s)
		if s.code == wire.ComQuery && !strings.HasPrefix(payload, "\x01\x01") {
			payload = c.statement(payload)
		}
		answers = append(answers, alike(s.code, c.response(s.code, payload)))
	}
	_ = c.conn.Close()
	if len(c.seen.errors) > 4 {
		t.Errorf("errors %v", c.seen.errors)
	}
	return answers
}

// flavoured is what a client may say that has agreed on what a flavour has.
func flavoured(isMySQL bool, caps wire.Capability) []step {
	q := func(s string) step { return step{code: wire.ComQuery, payload: s} }
	on := func(n int, code wire.Command, payload string) step { return step{code, payload, n} }
	const rows, cursor, two = "\x00\x01\x00\x00\x00", "\x01\x01\x00\x00\x00", "\x02\x00\x00\x00"
	text := "\x00\x01\xfe\x00\x03abc"
	if caps.Has(wire.QueryAttributes) {
		text = "\x01\x00\x01\xfe\x00\x00\x03abc"
	}
	steps := []step{
		on(0, wire.ComInitDB, "shop"),
		q("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v TEXT)"), q("INSERT INTO t (v) VALUES ('a'),('b')"),
		q("SELECT id, v FROM t"), q("SELECT 1; SELECT v FROM t; SELECT * FROM nowhere"),
		on(0, wire.ComStmtPrepare, "SELECT ?"), on(1, wire.ComStmtExecute, rows+text),
		on(0, wire.ComStmtPrepare, "SELECT v FROM t"),
		on(2, wire.ComStmtExecute, rows), on(2, wire.ComStmtExecute, cursor), on(2, wire.ComStmtFetch, two), on(2, wire.ComStmtReset, ""),
		q("CREATE PROCEDURE p(OUT x INT) BEGIN SELECT v FROM t; SET x=7; END"),
		on(0, wire.ComStmtPrepare, "CALL p(@x)"), on(3, wire.ComStmtExecute, rows), q("SELECT @x"),
		on(0, wire.ComResetConnection, ""), q("SELECT COUNT(*) FROM t"), on(0, wire.ComPing, ""),
	}
	if caps.Has(wire.OptionalMetadata) {
		steps = append(steps, q("SET resultset_metadata=NONE"), q("SELECT v FROM t"), q("CALL p(@x)"),
			on(0, wire.ComStmtPrepare, "SELECT v FROM t WHERE id=?"), on(0, wire.ComStmtPrepare, "DELETE FROM t WHERE id=?"),
			q("SET NAMES latin1 COLLATE latin1_german2_ci"), // after which the proxy asks something of its own
			q("SET resultset_metadata=FULL"), q("SELECT v FROM t"))
	}
	if caps.Has(wire.QueryAttributes) {
		steps = append(steps, q("\x01\x01\x00\x01\xfe\x00\x01a\x03xyzSELECT v FROM t"),
			on(1, wire.ComStmtExecute, "\x08\x01\x00\x00\x00\x02\x00\x01\xfe\x00\x00\xfe\x00\x01q\x03abc\x01z"),
			on(1, wire.ComStmtExecute, "\x08\x01\x00\x00\x00\x01\x00\x00\x03abc"))
	}
	if caps.Has(wire.BulkOperations) {
		steps = append(steps, on(0, wire.ComStmtPrepare, "INSERT INTO t (v) VALUES (?)"),
			on(4, wire.ComStmtBulkExecute, "\x80\x00\xfe\x00\x00\x03abc\x01\x00\x01z"), q("SELECT v FROM t"),
			on(0, wire.ComStmtPrepare, "INSERT INTO t (v) VALUES (?) RETURNING id"),
			on(5, wire.ComStmtBulkExecute, "\x80\x00\xfe\x00\x00\x03abc\x00\x01z"), q("SELECT v FROM t"))
	}
	if !isMySQL {
		steps = append(steps, q("SELECT CAST('1.2.3.4' AS INET6), JSON_OBJECT()"))
	}
	return steps
}

// The deprecated and the rare commands are answered as the server does, or refused by
// name.
func TestRealRareCommands(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		answer := func(addr string, code wire.Command, payload string) string {
			c, _ := f.raw(t, addr, rawCaps)
			c.response(wire.ComInitDB, "shop")
			response := c.response(code, payload)
			if n := errorOf(response); n != 0 {
				return fmt.Sprint("error ", n)
			}
			if code == wire.ComStatistics || code == wire.ComProcessInfo {
				return string(response[4:10]) // figures follow
			}
			return string(response)
		}
		f.exec(t, "CREATE TABLE shop.t (id INT)")
		for _, s := range []step{
			{wire.ComStatistics, "", 0},
			{wire.ComProcessInfo, "", 0},
			{wire.ComDebug, "", 0},
			{wire.ComPing, "", 0},
			{wire.ComRefresh, "\x04", 0},
			{wire.ComCreateDB, "made", 0},
			{wire.ComDropDB, "made", 0},
			{wire.ComFieldList, "t\x00", 0},
			{wire.ComProcessKill, "\xff\xff\xff\x7f", 0},
			{wire.ComSetOption, "\x01\x00", 0},
			{wire.ComSetOption, "\x07\x00", 0},
		} {
			fresh := func() {
				f.exec(t, "DROP DATABASE IF EXISTS made")
				if s.code == wire.ComDropDB {
					f.exec(t, "CREATE DATABASE made")
				}
			}
			fresh()
			want := answer(f.addr, s.code, s.payload)
			fresh()
			if got := answer(f.Addr(), s.code, s.payload); got != want {
				t.Errorf("%s %q: %q, directly %q", s.code, s.payload, got, want)
			}
		}
		for _, bits := range []string{"\x40", "\x80", "\xc1"} { // RESET REPLICA, RESET MASTER
			if got := answer(f.Addr(), wire.ComRefresh, bits); got != "error 1235" {
				t.Errorf("refresh %q: %q", bits, got)
			}
		}
		if got := answer(f.Addr(), wire.ComStmtBulkExecute, "\x01\x00\x00\x00\x80\x00"); got != "error 1047" {
			t.Errorf("a bulk execution that was not agreed on: %q", got)
		}
	})
}

// What a client says of itself is where the member shows it.
func TestRealConnectionAttributes(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		db := f.app(t, func(c *mysql.Config) { c.ConnectionAttributes = "program_name:cards,team:sales" })
		if err := db.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := f.query(t, "SELECT GROUP_CONCAT(ATTR_VALUE ORDER BY ATTR_NAME) FROM performance_schema.session_connect_attrs WHERE ATTR_NAME IN ('program_name','team') AND PROCESSLIST_ID IN (SELECT PROCESSLIST_ID FROM performance_schema.session_connect_attrs WHERE ATTR_NAME='team')")
		if got != "cards,sales" {
			t.Errorf("got %q", got)
		}
		if n := f.query(t, "SELECT COUNT(*) FROM performance_schema.session_connect_attrs WHERE ATTR_NAME LIKE '%sqlring%'"); n != "0" {
			t.Errorf("%s attributes of our own", n)
		}
	}, "performance_schema=ON")
}

// LAST_INSERT_ID, ROW_COUNT, FOUND_ROWS and warnings are of this session's last
// statement, whatever others do in between.
func TestRealWhatTheLastStatementLeft(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, v TINYINT)")
		a, _ := f.raw(t, f.Addr(), rawCaps)
		b, _ := f.raw(t, f.Addr(), rawCaps)
		for _, c := range []*raw{a, b} {
			c.response(wire.ComInitDB, "shop")
			c.response(wire.ComQuery, "SET sql_mode=''")
		}
		a.response(wire.ComQuery, "INSERT INTO t (v) VALUES (1),(2),(3)")
		b.response(wire.ComQuery, "INSERT INTO t (v) VALUES (4)")
		if got := a.first("SELECT ROW_COUNT()"); got != "3" {
			t.Errorf("ROW_COUNT() is %s", got)
		}
		if got, other := a.first("SELECT LAST_INSERT_ID()"), b.first("SELECT LAST_INSERT_ID()"); got != "3" || other != "51" {
			t.Errorf("LAST_INSERT_ID() is %s, and %s", got, other)
		}
		a.response(wire.ComQuery, "SELECT SQL_CALC_FOUND_ROWS id FROM t LIMIT 1")
		b.response(wire.ComQuery, "SELECT id FROM t LIMIT 2")
		if got := a.first("SELECT FOUND_ROWS()"); got != "4" {
			t.Errorf("FOUND_ROWS() is %s", got)
		}
		a.response(wire.ComQuery, "INSERT INTO t (v) VALUES (999)")
		b.response(wire.ComQuery, "INSERT INTO t (v) VALUES (5)")
		if got := a.first("SHOW WARNINGS"); got != "Warning" {
			t.Errorf("SHOW WARNINGS begins with %q", got)
		}
		if got := b.first("SHOW WARNINGS"); got != "" {
			t.Errorf("another's SHOW WARNINGS begins with %q", got)
		}
	})
}

// A client of a protocol without plugins logs in, and is served.
func TestRealClientWithoutPlugins(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMariaDB, Config{})
	c, _ := f.raw(t, f.Addr(), wire.Protocol41|wire.SecureConn|wire.LongFlag|wire.Transactions)
	if got := c.skip(c.response(wire.ComQuery, "SELECT 7"), 3); string(got) != "\x017" { // behind head, definition, EOF
		t.Errorf("got %q", got)
	}
}

// Prepared statements that return several results, and OUT parameters.
func TestRealProcedures(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE PROCEDURE shop.p(IN n INT) BEGIN SELECT n; SELECT n+1, 'x'; END")
		rows, err := f.app(t, nil).QueryContext(context.Background(), "CALL p(?)", 5)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var got []string
		for {
			for rows.Next() {
				columns, _ := rows.Columns()
				values := make([]any, len(columns))
				for i := range values {
					values[i] = new(string)
				}
				if err := rows.Scan(values...); err != nil {
					t.Fatal(err)
				}
				for _, v := range values {
					got = append(got, *v.(*string))
				}
			}
			if !rows.NextResultSet() {
				break
			}
		}
		if err := rows.Err(); err != nil || !slices.Equal(got, []string{"5", "6", "x"}) {
			t.Errorf("%v, %v", got, err)
		}
	})
}
