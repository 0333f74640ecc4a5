package wire

import (
	"encoding/binary"
	"fmt"
)

// Fault is a reason for which sqlring itself answers with an error. Members'
// errors pass through and need none.
type Fault uint8

// The faults. The comment is what the server's manual says of the number.
const (
	Unspecified            Fault = iota // ER_UNKNOWN_ERROR
	TooManyConnections                  // ER_CON_COUNT_ERROR
	TooManyUserConnections              // ER_TOO_MANY_USER_CONNECTIONS
	HostBlocked                         // ER_HOST_IS_BLOCKED
	HostNotAllowed                      // ER_HOST_NOT_PRIVILEGED
	PasswordToBeChanged                 // ER_MUST_CHANGE_PASSWORD
	BadHandshake                        // ER_HANDSHAKE_ERROR
	AccessDenied                        // ER_ACCESS_DENIED_ERROR
	AccountLockedMariaDB                // ER_ACCOUNT_HAS_BEEN_LOCKED on MariaDB
	AccountLockedMySQL                  // ER_ACCOUNT_HAS_BEEN_LOCKED on MySQL
	OldClient                           // ER_NOT_SUPPORTED_AUTH_MODE
	UnknownCommand                      // ER_UNKNOWN_COM_ERROR
	CommandNotAvailable                 // ER_NOT_SUPPORTED_YET
	BadDatabase                         // ER_BAD_DB_ERROR
	ShutdownInProgress                  // ER_SERVER_SHUTDOWN
	NoSuchThread                        // ER_NO_SUCH_THREAD
	PacketTooLarge                      // ER_NET_PACKET_TOO_LARGE
	MalformedPacket                     // ER_MALFORMED_PACKET
	PacketsOutOfOrder                   // ER_NET_PACKETS_OUT_OF_ORDER
	NetReadError                        // ER_NET_READ_ERROR
	InsecureTransport                   // ER_SECURE_TRANSPORT_REQUIRED
	NetReadTimeout                      // ER_NET_READ_INTERRUPTED
	NetWriteError                       // ER_NET_ERROR_ON_WRITE
	NetWriteTimeout                     // ER_NET_WRITE_INTERRUPTED
	TransactionLost                     // ER_LOCK_DEADLOCK: applications run the transaction again
	VariableReserved                    // ER_WRONG_VALUE_FOR_VAR… : a variable that is not the client's to set
	NoOwner                             // ER_OPTION_PREVENTS_STATEMENT: drivers take it for a read-only server
	UnknownStatement                    // ER_UNKNOWN_STMT_HANDLER
	Saturated                           // ER_OUT_OF_RESOURCES: no SQLSTATE that has drivers give the connection up, or run it again at once
	OutcomeUnknown                      // SQLSTATE "transaction resolution unknown": not to be run again blindly
	Interrupted                         // ER_QUERY_INTERRUPTED: it was killed
)

// Code returns the server error number and SQLSTATE of f (MySQL manual, "Server
// Error Message Reference"; MariaDB manual, "MariaDB Error Code Reference").
// Errors that only a client library gives, such as 2013, are not among them.
func (f Fault) Code() (number uint16, state string) {
	switch f {
	case TooManyConnections:
		return 1040, "08004"
	case TooManyUserConnections:
		return 1203, "42000"
	case HostBlocked:
		return 1129, "HY000"
	case HostNotAllowed:
		return 1130, "HY000"
	case PasswordToBeChanged:
		return 1820, "HY000"
	case BadHandshake:
		return 1043, "08S01"
	case AccessDenied:
		return 1045, "28000"
	case AccountLockedMariaDB:
		return 4151, "HY000"
	case AccountLockedMySQL:
		return 3118, "HY000"
	case OldClient:
		return 1251, "08004"
	case UnknownCommand:
		return 1047, "08S01"
	case CommandNotAvailable:
		return 1235, "42000"
	case BadDatabase:
		return 1049, "42000"
	case ShutdownInProgress:
		return 1053, "08S01"
	case NoSuchThread:
		return 1094, "HY000"
	case PacketTooLarge:
		return 1153, "08S01"
	case MalformedPacket:
		return 1835, "HY000"
	case PacketsOutOfOrder:
		return 1156, "08S01"
	case InsecureTransport:
		return 3159, "HY000"
	case NetReadError:
		return 1158, "08S01"
	case NetReadTimeout:
		return 1159, "08S01"
	case NetWriteError:
		return 1160, "08S01"
	case NetWriteTimeout:
		return 1161, "08S01"
	case TransactionLost:
		return 1213, "40001"
	case VariableReserved:
		return 1231, "42000"
	case NoOwner:
		return 1290, "HY000"
	case UnknownStatement:
		return 1243, "HY000"
	case Saturated:
		return 1041, "HY000"
	case OutcomeUnknown:
		return 1105, "08007"
	case Interrupted:
		return 1317, "70100"
	}
	return 1105, "HY000"
}

// Error is an error as it goes over the wire: what a server answered, or what a
// client shall be told. Servers' errors are judged by Number, never by Message.
type Error struct {
	Number  uint16
	State   string // five characters
	Message string
}

// NewError returns the error of f with a message.
func NewError(f Fault, format string, args ...any) *Error {
	number, state := f.Code()
	return &Error{Number: number, State: state, Message: fmt.Sprintf(format, args...)}
}

// Error returns for example "1045 (28000): Access denied".
func (e *Error) Error() string { return fmt.Sprintf("%d (%s): %s", e.Number, e.State, e.Message) }

// Append appends the payload of an error packet, with the SQLSTATE.
func (e *Error) Append(dst []byte) []byte {
	dst = binary.LittleEndian.AppendUint16(append(dst, headerErr), e.Number)
	return append(append(append(dst, '#'), e.State...), e.Message...)
}

// ParseError reads an error packet. It returns *Error, or ErrMalformed. An error
// that a server sends before the handshake has no SQLSTATE: it becomes HY000.
func ParseError(payload []byte) error {
	r := NewReader(payload)
	header := r.Byte()
	e := &Error{Number: r.Uint16(), State: "HY000"}
	if r.Bad() || header != headerErr {
		return fmt.Errorf("%w: error packet", ErrMalformed)
	}
	rest := r.Rest()
	if len(rest) >= 6 && rest[0] == '#' {
		e.State, rest = string(rest[1:6]), rest[6:]
	}
	e.Message = string(rest)
	return e
}
