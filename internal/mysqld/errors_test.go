package mysqld

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/pkg/topology"
)

func server(number uint16) error { return &mysql.MySQLError{Number: number, Message: "any text"} }

// TestJudge has a row per error number and kind of failure.
func TestJudge(t *testing.T) {
	late := fmt.Errorf("%w (%w)", context.DeadlineExceeded, driver.ErrBadConn)
	dial := func(err error) error { return &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", err)} }
	for _, c := range []struct {
		err   error
		want  failure
		reach topology.Reach
	}{
		{server(errTooManyConnections), failureDenied, topology.ReachDenied},
		{server(errSchemaDenied), failureDenied, topology.ReachDenied},
		{server(errAccessDenied), failureDenied, topology.ReachDenied},
		{server(errHostDenied), failureDenied, topology.ReachDenied},
		{server(errTableDenied), failureDenied, topology.ReachDenied},
		{server(errTooManyUserConns), failureDenied, topology.ReachDenied},
		{server(errUserLimit), failureDenied, topology.ReachDenied},
		{server(errMissingPrivilege), failureDenied, topology.ReachDenied},
		{server(errAccountLocked), failureDenied, topology.ReachDenied},
		{server(errLockTimeout), failureBlocked, topology.ReachDenied},
		{server(errShutdown), failureLost, topology.ReachRefused},
		{server(errKilled), failureLost, topology.ReachRefused},
		{server(1064), failureOther, topology.ReachDenied},
		{dial(syscall.ECONNREFUSED), failureLost, topology.ReachRefused},
		{dial(syscall.ECONNRESET), failureLost, topology.ReachRefused},
		{dial(syscall.EHOSTUNREACH), failureSilent, topology.ReachSilent},
		{io.EOF, failureLost, topology.ReachRefused},
		{mysql.ErrInvalidConn, failureLost, topology.ReachRefused},
		{driver.ErrBadConn, failureLost, topology.ReachRefused},
		{late, failureSilent, topology.ReachSilent},
		{os.ErrDeadlineExceeded, failureSilent, topology.ReachSilent},
		{fmt.Errorf("%w (%w)", context.Canceled, driver.ErrBadConn), failureOurs, topology.ReachUnknown},
		{&net.DNSError{Err: "no such host", IsNotFound: true}, failureOurs, topology.ReachUnknown},
		{errors.New("else"), failureOther, topology.ReachDenied},
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			wrapped := fmt.Errorf("probe m1: %w", c.err)
			if got := judge(wrapped); got != c.want {
				t.Errorf("judged as %d, want %d", got, c.want)
			}
			if got := reachOf(wrapped); got != c.reach {
				t.Errorf("reach is %s, want %s", got, c.reach)
			}
		})
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"":              `''`,
		"plain":         `'plain'`,
		`it's \ x`:      `'it\'s \\ x'`,
		"a\x00b":        `'a\0b'`,
		`'; DROP -- "x`: `'\'; DROP -- "x'`,
	} {
		if got := quote(text); got != want {
			t.Errorf("quote(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestReadLink(t *testing.T) {
	columns := []string{"Slave_IO_Running", "Master_Host", "Slave_SQL_Running", "Master_Port", "Gtid_IO_Pos", "Last_IO_Errno", "Last_SQL_Errno", "Last_SQL_Error"}
	cases := []struct {
		name string
		row  []string
		want topology.Link
	}{
		{"nobody", nil, topology.Link{}},
		{"empty row", []string{"No", "", "No", "0", "", "0", "0", ""}, topology.Link{}},
		{
			"v6, connecting",
			[]string{"Connecting", "::1", "Yes", "3307", "", "2003", "0", ""},
			topology.Link{Upstream: "[::1]:3307", Receiver: topology.ThreadConnecting, ReceiverErrno: 2003, Applier: topology.ThreadRunning},
		},
		{
			"applier stopped",
			[]string{"No", "db1", "No", "3306", "101-101-7", "0", "1062", "duplicate"},
			topology.Link{
				Upstream: "db1:3306", Receiver: topology.ThreadStopped, Applier: topology.ThreadStopped,
				ApplierErrno: 1062, ApplierError: "duplicate", Received: topology.Position{{Domain: 101, Server: 101, Seq: 7}},
			},
		},
		{
			"a word of a later release",
			[]string{"Dreaming", "db1", "Yes", "3306", "", "0", "0", ""},
			topology.Link{Upstream: "db1:3306", Applier: topology.ThreadRunning},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			in := table{columns: columns}
			if c.row != nil {
				in.rows = [][]string{c.row}
			}
			got, err := readLink(in)
			if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", c.want) {
				t.Errorf("got %+v, %v\nwant %+v", got, err, c.want)
			}
		})
	}
}

func TestStateOfAnotherShapeIsAnError(t *testing.T) {
	var o topology.Observation
	for _, row := range [][]string{nil, {"1", "2"}, {"x"}} {
		if err := readState(table{rows: [][]string{row}}, &conn{}, &o); err == nil {
			t.Errorf("row %q reads without an error", row)
		}
	}
}

func TestGapInTheGTIDsIsNotFine(t *testing.T) {
	const source = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	state := table{rows: [][]string{{source + ":1-5:8-9", "0", "0", "1", "3"}}}
	var o topology.Observation
	err := readStateMySQL(state, table{}, &conn{}, &o)
	if !errors.Is(err, ErrGaps) || reachOf(err) != topology.ReachUnknown {
		t.Errorf("got %v, %s", err, reachOf(err))
	}
	if want := ErrGaps.Error() + ": " + source + ":6-7"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
}
