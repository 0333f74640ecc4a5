package mysqld

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/pkg/topology"
)

// What callers branch on. Each is wrapped with the member and what was tried.
var (
	// ErrGaps: the GTIDs that a MySQL has executed have a gap, so how far it has come
	// is no position. The remedy is to wait for what is in it; or, if that is lost for
	// good, to commit an empty transaction in its place: docs/flavours.md.
	ErrGaps = errors.New("its gtid_executed has a gap")
	// ErrPrecondition: the action was refused and nothing was changed. Observe
	// anew and decide again.
	ErrPrecondition = errors.New("refused, the member is not in the state for it")
	// ErrNotVerified: the statements ran, and reading back shows something else.
	ErrNotVerified = errors.New("done, but the member does not show it")
	// ErrBlocked: something on the member holds a lock for longer than an action
	// may wait; for read_only these are commits that wait for an acknowledgement.
	ErrBlocked = errors.New("blocked by another session of the member")
	// ErrUnknownOutcome: no answer came in time; the statement may still take
	// effect. Observe anew, later than its deadline.
	ErrUnknownOutcome = errors.New("outcome unknown")
	// ErrHandsBusy: the lock of the hands did not come, since the statement of its
	// last holder cannot be ended. If commits wait for an acknowledgement there,
	// ActDisarm helps, which needs no lock.
	ErrHandsBusy = errors.New("another connection holds the hands and does not let go")
	// ErrHandsLost: the connection of the hands was killed or broke. Another node
	// may lead now: make sure that this one does before the next action.
	ErrHandsLost = errors.New("the hands were lost")
	// ErrDeposed: a later leader has acted on the member.
	ErrDeposed = errors.New("a later leader has taken the hands")
	// ErrNoIdentity: the server does not carry the identity that was issued to the
	// member, so no heartbeat was written: it would be logged as a stranger's.
	ErrNoIdentity = errors.New("the server does not carry the identity that was issued to it")
	// ErrPrivilege: the manager's account may not see what it has to. The remedy is
	// the GRANT of docs/accounts.md.
	ErrPrivilege = errors.New("the manager's account lacks a privilege")
	// ErrBeatWaits: the previous heartbeat still waits in the server, usually for
	// an acknowledgement; no further one was written.
	ErrBeatWaits = errors.New("the previous heartbeat still waits")
)

// failure is what an error of a connection means.
type failure uint8

const (
	failureOther   failure = iota // the server said no; the connection is good
	failureDenied                 // the server said no to us
	failureBlocked                // a lock did not come in time
	failureLost                   // refused, reset or closed: nobody there
	failureSilent                 // no answer in time
	failureOurs                   // our own context was cancelled, or our network is not well
)

// Server errors by number (MariaDB manual, "MariaDB Error Codes").
const (
	errDiskFull           = 1021
	errOnWrite            = 1026
	errTableFull          = 1114
	errTooManyConnections = 1040
	errSchemaDenied       = 1044
	errAccessDenied       = 1045
	errShutdown           = 1053
	errNoSuchThread       = 1094
	errHostDenied         = 1130
	errTableDenied        = 1142
	errNoSuchTable        = 1146
	errUnknownColumn      = 1054
	errInvalidView        = 1356
	errTableChanged       = 1412 // it is younger than the snapshot
	errTooManyUserConns   = 1203
	errUnknownVariable    = 1193
	errLockTimeout        = 1205
	errShowEvents         = 1220 // SHOW BINLOG EVENTS could not read on
	errUserLimit          = 1226
	errMissingPrivilege   = 1227
	errReadOnly           = 1290
	errKilled             = 1927
	errAccountLocked      = 4151
	errUnknownSchema      = 1049
	errLockHeld           = 30092 // no server's: a statement of ours signals it (setApplied)
)

// judge tells what err means. Server errors are told by number alone.
func judge(err error) failure {
	var server *mysql.MySQLError
	var timeout net.Error
	var dns *net.DNSError
	switch {
	case errors.As(err, &server):
		return judgeNumber(server.Number)
	case errors.Is(err, context.Canceled), errors.As(err, &dns), errors.Is(err, ErrGaps):
		return failureOurs
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout(),
		errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return failureSilent
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, driver.ErrBadConn):
		return failureLost
	}
	return failureOther
}

func judgeNumber(number uint16) failure {
	switch number {
	case errTooManyConnections, errSchemaDenied, errAccessDenied, errHostDenied, errTableDenied,
		errTooManyUserConns, errUserLimit, errMissingPrivilege, errAccountLocked:
		return failureDenied
	case errLockTimeout:
		return failureBlocked
	case errShutdown, errKilled:
		return failureLost
	}
	return failureOther
}

// isNumber reports whether err is the server's error of one of these numbers.
func isNumber(err error, numbers ...uint16) bool {
	var server *mysql.MySQLError
	if !errors.As(err, &server) {
		return false
	}
	for _, n := range numbers {
		if server.Number == n {
			return true
		}
	}
	return false
}

// reachOf tells how a probe that ended with err found the server.
func reachOf(err error) topology.Reach {
	switch judge(err) {
	case failureLost:
		return topology.ReachRefused
	case failureSilent:
		return topology.ReachSilent
	case failureDenied, failureBlocked, failureOther: // it answers, and does not tell
		return topology.ReachDenied
	case failureOurs:
	}
	return topology.ReachUnknown
}
