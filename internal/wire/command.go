package wire

import "strconv"

// Command is the first byte of a client's packet (protocol manual, "Command
// Phase").
type Command byte

// The commands.
const (
	ComSleep            Command = 0x00
	ComQuit             Command = 0x01
	ComInitDB           Command = 0x02
	ComQuery            Command = 0x03
	ComFieldList        Command = 0x04
	ComCreateDB         Command = 0x05
	ComDropDB           Command = 0x06
	ComRefresh          Command = 0x07
	ComShutdown         Command = 0x08
	ComStatistics       Command = 0x09
	ComProcessInfo      Command = 0x0A
	ComProcessKill      Command = 0x0C
	ComDebug            Command = 0x0D
	ComPing             Command = 0x0E
	ComChangeUser       Command = 0x11
	ComBinlogDump       Command = 0x12
	ComTableDump        Command = 0x13
	ComRegisterReplica  Command = 0x15
	ComStmtPrepare      Command = 0x16
	ComStmtExecute      Command = 0x17
	ComStmtSendLongData Command = 0x18
	ComStmtClose        Command = 0x19
	ComStmtReset        Command = 0x1A
	ComSetOption        Command = 0x1B
	ComStmtFetch        Command = 0x1C
	ComBinlogDumpGTID   Command = 0x1E
	ComResetConnection  Command = 0x1F
	ComStmtBulkExecute  Command = 0xFA // MariaDB, with BulkOperations
)

// Shape says what the response to a command looks like.
type Shape uint8

// The shapes.
const (
	ShapeUnknown Shape = iota // not a command that can be passed on
	ShapeNone                 // no response at all
	ShapeSimple               // one OK, EOF or error packet
	ShapeText                 // one packet of text, or an error
	ShapeResult               // results, one or many, or LOAD DATA LOCAL's request
	ShapeExecute              // results, the last of which may stop at a cursor
	ShapeRows                 // rows or definitions up to their end, nothing in front
	ShapePrepare              // a prepared statement's description
)

// Shape returns the shape of the response to c. Commands that a client has no
// business to send, that were withdrawn, or that turn the connection into
// something else (replication) are ShapeUnknown.
func (c Command) Shape() Shape {
	switch c {
	case ComQuit, ComStmtSendLongData, ComStmtClose:
		return ShapeNone
	case ComInitDB, ComCreateDB, ComDropDB, ComRefresh, ComProcessKill, ComDebug, ComPing,
		ComChangeUser, ComStmtReset, ComSetOption, ComResetConnection:
		return ShapeSimple
	case ComStatistics:
		return ShapeText
	case ComQuery, ComProcessInfo, ComStmtBulkExecute:
		return ShapeResult
	case ComStmtExecute:
		return ShapeExecute
	case ComFieldList, ComStmtFetch:
		return ShapeRows
	case ComStmtPrepare:
		return ShapePrepare
	}
	return ShapeUnknown
}

// String returns the command's name in the protocol.
func (c Command) String() string {
	switch c {
	case ComQuit:
		return "COM_QUIT"
	case ComInitDB:
		return "COM_INIT_DB"
	case ComQuery:
		return "COM_QUERY"
	case ComShutdown:
		return "COM_SHUTDOWN"
	case ComChangeUser:
		return "COM_CHANGE_USER"
	case ComBinlogDump:
		return "COM_BINLOG_DUMP"
	case ComTableDump:
		return "COM_TABLE_DUMP"
	case ComRegisterReplica:
		return "COM_REGISTER_SLAVE"
	case ComStmtPrepare:
		return "COM_STMT_PREPARE"
	case ComStmtExecute:
		return "COM_STMT_EXECUTE"
	case ComBinlogDumpGTID:
		return "COM_BINLOG_DUMP_GTID"
	case ComResetConnection:
		return "COM_RESET_CONNECTION"
	case ComRefresh:
		return "COM_REFRESH"
	case ComStmtBulkExecute:
		return "COM_STMT_BULK_EXECUTE"
	}
	return "command 0x" + strconv.FormatUint(uint64(c), 16)
}
