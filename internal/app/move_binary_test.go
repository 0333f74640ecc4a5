package app_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// binaryClient speaks the protocol of prepared statements as libraries in C do: types are told
// once, parameters ahead, rows are fetched from cursors.
type binaryClient struct {
	t    *testing.T
	own  *wire.Conn
	caps wire.Capability
}

func (r *rig) binary(t *testing.T) *binaryClient {
	t.Helper()
	conn, err := net.DialTimeout("tcp", r.proxyAddr(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	c := &binaryClient{t: t, own: wire.NewConn(conn, 1<<20), caps: wire.Offered &^ (wire.ConnectWithDB | wire.NoSchema | wire.SessionTrack | wire.ConnectAttrs)}
	if _, err := c.own.Login(wire.Login{Capabilities: c.caps, User: "app", Charset: 45}, wire.SecretOfPassword("app secret"), false); err != nil {
		t.Fatal(err)
	}
	return c
}

// prepare returns the id of a statement.
func (c *binaryClient) prepare(text string) []byte {
	c.t.Helper()
	if err := c.own.Send(append([]byte{byte(wire.ComStmtPrepare)}, text...)); err != nil {
		c.t.Fatal(err)
	}
	p, err := c.own.Prepare(c.caps, 1<<16)
	if err != nil {
		c.t.Fatal(err)
	}
	return binary.LittleEndian.AppendUint32(nil, p.ID)
}

// send sends a command about a statement.
func (c *binaryClient) send(code wire.Command, id []byte, rest string) error {
	return c.own.Send(append(append([]byte{byte(code)}, id...), rest...))
}

// does executes, or fetches, and returns the ints of the rows, or "ok", "error N", "gone".
func (c *binaryClient) does(code wire.Command, id []byte, rest string) string {
	c.t.Helper()
	if c.send(code, id, rest) != nil {
		return gone
	}
	c.own.Restart(1, 1<<20)
	payload, err := c.own.Read()
	switch {
	case err != nil:
		return gone
	case payload[0] == 0xFF:
		var told *wire.Error
		if errors.As(wire.ParseError(payload), &told); told.Number == netReadError { // the session ends
			return gone
		}
		return fmt.Sprintf("error %d", told.Number)
	case payload[0] == 0 && code == wire.ComStmtExecute:
		return "ok"
	}
	var rows []string
	for code == wire.ComStmtExecute && payload[0] != 0 && payload[0] != 0xFE { // head and definitions
		if payload, err = c.own.Read(); err != nil {
			return gone
		}
	}
	for payload[0] == 0 {
		rows = append(rows, fmt.Sprint(binary.LittleEndian.Uint32(payload[len(payload)-4:])))
		if payload, err = c.own.Read(); err != nil {
			return gone
		}
	}
	return "[" + strings.Join(rows, " ") + "]"
}

// Payloads of executions with one parameter, of type int, whose type is told or not.
func told(v uint32) string {
	return "\x00\x01\x00\x00\x00\x00\x01\x03\x00" + string(binary.LittleEndian.AppendUint32(nil, v))
}

func untold(v uint32) string {
	return "\x00\x01\x00\x00\x00\x00\x00" + string(binary.LittleEndian.AppendUint32(nil, v))
}

const (
	sentAhead = "\x00\x01\x00\x00\x00\x00\x01\xfd\x00" // of a string that was sent ahead
	byCursor  = "\x01\x01\x00\x00\x00"
	fetchOne  = "\x01\x00\x00\x00"
)

// TestMoveOfPreparedStatements moves the unit of sessions that have prepared statements, and
// use them as libraries in C do, back and forth.
func TestMoveOfPreparedStatements(t *testing.T) {
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) {
			beside(t)
			r := startRigOf(t, flavour, 2)
			r.appAccount(t)
			for round, to := range []string{"m2", "m1"} {
				r.movesPrepared(t, fmt.Sprintf("shop.b%d", round), to)
			}
		})
	}
}

func (r *rig) movesPrepared(t *testing.T, table, to string) {
	if _, err := r.app1(t).ExecContext(t.Context(), "CREATE TABLE "+table+" (id INT AUTO_INCREMENT PRIMARY KEY, v INT)"); err != nil {
		t.Fatal(err)
	}
	types, cursor, ahead, within := r.binary(t), r.binary(t), r.binary(t), r.binary(t)
	write, read := types.prepare("INSERT INTO "+table+" (v) VALUES (?)"), types.prepare("SELECT v FROM "+table+" WHERE v > ? AND v < 50 ORDER BY v")
	want := func(what, got string, allowed ...string) {
		t.Helper()
		for _, a := range allowed {
			if got == a {
				return
			}
		}
		t.Errorf("%s to %s: %s, want %q", what, to, got, allowed)
	}
	want("write", types.does(wire.ComStmtExecute, write, told(1)), "ok")
	want("write", types.does(wire.ComStmtExecute, write, untold(2)), "ok")
	want("read", types.does(wire.ComStmtExecute, read, told(0)), "[1 2]")
	rows := cursor.prepare("SELECT v FROM " + table + " ORDER BY v")
	cursor.does(wire.ComStmtExecute, rows, byCursor)
	want("fetch", cursor.does(wire.ComStmtFetch, rows, fetchOne), "[1]")
	long, longWithin := ahead.prepare("INSERT INTO "+table+" (v) VALUES (?)"), within.prepare("INSERT INTO "+table+" (v) VALUES (?)")
	if err := errors.Join(ahead.send(wire.ComStmtSendLongData, long, "\x00\x007"), within.send(wire.ComStmtSendLongData, longWithin, "\x00\x008")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // nobody answers that they have arrived
	open := r.app1(t)
	tx, err := open.BeginTx(t.Context(), nil) // so that the unit is drained for a while
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "INSERT INTO "+table+" (v) VALUES (60)"); err != nil {
		t.Fatal(err)
	}
	op, err := r.client.Move(t.Context(), "*", api.MoveRequest{To: to, GraceMS: 2000, Why: "test"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the unit is drained", func() error {
		now, err := r.client.Operation(t.Context(), op.Operation.ID)
		if err == nil && now.Cursor == "ready" {
			err = errors.New(r.why(t))
		}
		return err
	})
	go func() {
		time.Sleep(300 * time.Millisecond)
		if err := tx.Commit(); err != nil {
			t.Errorf("a transaction that ends within the grace: %v", err)
		}
	}()
	_ = within.send(wire.ComStmtSendLongData, longWithin, "\x00\x009")
	inDrain := within.does(wire.ComStmtExecute, longWithin, sentAhead)
	r.awaitDone(t, op.Operation.ID)
	want("write", types.does(wire.ComStmtExecute, write, untold(3)), "ok")
	want("read", types.does(wire.ComStmtExecute, read, untold(1)), "[2 3]")
	want("fetch", cursor.does(wire.ComStmtFetch, rows, fetchOne), gone)
	want("a parameter that was sent ahead, while it is drained", inDrain, "ok", gone)
	_ = ahead.send(wire.ComStmtSendLongData, long, "\x00\x006")
	afterwards := ahead.does(wire.ComStmtExecute, long, sentAhead)
	want("a parameter that was sent ahead", afterwards, gone)
	rowsWant := "1,2,3,60"
	if inDrain == "ok" {
		rowsWant = "1,2,3,60,89"
	}
	for _, s := range r.servers {
		eventually(t, 10*time.Second, "the rows of "+s.Name, func() error {
			if got := s.Query(t, "SELECT GROUP_CONCAT(v ORDER BY v) FROM "+table); got != rowsWant {
				return fmt.Errorf("%s, want %s", got, rowsWant)
			}
			return nil
		})
	}
	r.untilHealthy(t, 20*time.Second)
}
