package balancer

import "strings"

// Effect is something that a statement does to its session, to its server or to
// others, beyond giving rows or changing them. It is also why a session can not
// leave its connection: see [Effect.Handling].
type Effect uint8

// The effects. Those that no text tells of (an open cursor, say) are here for the
// pins of a session; the proxy learns of them from commands and answers.
const (
	EffectUnknown           Effect = iota // anything: the statement is not known
	EffectTransaction                     // a transaction is open, or may be
	EffectAutocommit                      // SET autocommit
	EffectSavepoint                       // SAVEPOINT
	EffectXA                              // XA
	EffectNextTransaction                 // SET TRANSACTION: the next one's characteristics
	EffectSnapshot                        // START TRANSACTION WITH CONSISTENT SNAPSHOT or READ ONLY
	EffectSystemVariable                  // SET of a session variable
	EffectGlobalVariable                  // SET GLOBAL, SET PERSIST
	EffectCharset                         // SET NAMES, SET CHARACTER SET, the variables of both
	EffectSchema                          // USE
	EffectUserVariable                    // @a := 1, INTO @a, SET @a = 1
	EffectReadsUserVariable               // @a
	EffectSQLMode                         // SET sql_mode
	EffectPseudoVariable                  // SET of insert_id, timestamp, rand_seed1 and the like
	EffectReplication                     // SET of gtid_next, sql_log_bin and the like
	EffectLastInsertID                    // LAST_INSERT_ID(), @@identity
	EffectSetsLastInsertID                // LAST_INSERT_ID(expression)
	EffectRowCount                        // ROW_COUNT()
	EffectFoundRows                       // FOUND_ROWS()
	EffectCalcFoundRows                   // SQL_CALC_FOUND_ROWS
	EffectDiagnostics                     // SHOW WARNINGS, GET DIAGNOSTICS, @@warning_count
	EffectTextPrepare                     // PREPARE, EXECUTE, DEALLOCATE
	EffectBinaryPrepare                   // a prepared statement of the protocol
	EffectCursor                          // an open cursor
	EffectLongData                        // a parameter that was sent ahead
	EffectTemporaryTable                  // CREATE, ALTER, DROP … TEMPORARY TABLE
	EffectTableLocks                      // LOCK TABLES
	EffectGlobalReadLock                  // FLUSH TABLES … WITH READ LOCK, FOR EXPORT
	EffectBackupLock                      // LOCK INSTANCE FOR BACKUP, BACKUP LOCK
	EffectUserLock                        // GET_LOCK() and its relatives
	EffectServiceLock                     // the functions of the locking service
	EffectHandler                         // HANDLER
	EffectRoutine                         // CALL, or a function that may be a stored one
	EffectBatch                           // several statements in one
	EffectLoadData                        // LOAD DATA, LOAD XML
	EffectRole                            // SET ROLE
	EffectAccount                         // accounts and grants change
	EffectResourceGroup                   // SET RESOURCE GROUP
	EffectProfiling                       // SET profiling, SHOW PROFILE
	EffectOptimizerTrace                  // SET optimizer_trace
	EffectConnectionID                    // CONNECTION_ID()
	EffectSessionStatus                   // SHOW STATUS: of this session
	EffectKill                            // KILL
	EffectSetOption                       // the command that switches batches on
	EffectBinlogDump                      // a replica's commands
	EffectTruncated                       // too long to be read
	EffectSequence                        // NEXTVAL, SETVAL, NEXT VALUE FOR
	EffectLastValue                       // LASTVAL, PREVIOUS VALUE FOR
	EffectSessionUser                     // SET SESSION AUTHORIZATION
	EffectTracking                        // SET session_track_…
	EffectLayout                          // SET auto_increment_increment, auto_increment_offset
	EffectRowLocks                        // FOR UPDATE, FOR SHARE, LOCK IN SHARE MODE
	EffectFile                            // INTO OUTFILE, INTO DUMPFILE
	EffectCommits                         // the open transaction is committed
	EffectMember                          // the answer is about the one member: its files, its replication
	EffectWaits                           // SLEEP(), BENCHMARK(), waiting for a position
	EffectThreads                         // connection ids in the answer: SHOW PROCESSLIST
	EffectProcess                         // the server itself: SHUTDOWN, FLUSH, RESET, INSTALL
	EffectUnreported                      // SET @@name, of which MariaDB's tracking does not tell
	EffectUnnamed                         // the server reports a change, and no text and no name says of what
	EffectBackupStage                     // BACKUP STAGE
	effectCount
)

var effectNames = [...]string{
	"a statement of unknown effects", "an open transaction", "autocommit", "a savepoint", "an XA transaction", "the next transaction's characteristics",
	"a read-only or snapshot transaction", "a session variable", "a global variable", "the character set", "the default schema", "user variables",
	"a user variable that is read", "sql_mode", "a variable for one statement", "a variable of replication", "LAST_INSERT_ID()", "LAST_INSERT_ID(value)", "ROW_COUNT()",
	"FOUND_ROWS()", "SQL_CALC_FOUND_ROWS", "the warnings of the last statement", "a statement prepared by name", "a prepared statement", "an open cursor",
	"a parameter that was sent ahead", "a temporary table", "LOCK TABLES", "a global read lock", "a backup lock", "user locks", "locks of the locking service",
	"a HANDLER", "a stored routine", "several statements in one", "LOAD DATA", "a role", "a change of accounts", "a resource group", "profiling", "an optimizer trace",
	"CONNECTION_ID()", "the session's status", "KILL", "the multi-statement option", "a replica's stream", "a statement too long to be looked at", "a sequence's next value",
	"a sequence's last value", "another user", "variables that the proxy depends on", "the auto_increment layout", "row locks", "a file on the server", "an implicit commit",
	"one member's own state", "waiting", "connection ids", "the server itself", "a variable set as @@name",
	"a change that nobody names", "a backup stage",
}

// String returns the effect as people read it, for example "user locks".
func (e Effect) String() string {
	if int(e) < len(effectNames) {
		return effectNames[e]
	}
	return "unknown"
}

// Handling is what a proxy that shares connections does about an effect.
type Handling uint8

// The kinds of handling.
const (
	HandlePin    Handling = iota // the session stays on its connection
	HandleReplay                 // what was set is set again on the next connection
	HandleAnswer                 // the proxy knows the answer, or rewrites the statement
	HandleStick                  // the next statement goes to the same connection
	HandleRefuse                 // not for applications: it would break the ring
	HandleFree                   // nothing stays behind
)

var handlingNames = [...]string{"pin", "replay", "answer", "stick", "refuse", "free"}

// String returns the handling's name.
func (h Handling) String() string {
	if int(h) < len(handlingNames) {
		return handlingNames[h]
	}
	return "unknown"
}

// Handling returns what is to be done about the effect at the least: a proxy that
// can not do it pins.
func (e Effect) Handling() Handling {
	switch e {
	case EffectAutocommit, EffectNextTransaction, EffectSystemVariable, EffectCharset, EffectSchema, EffectSQLMode, EffectRole, EffectBinaryPrepare, EffectSetOption:
		return HandleReplay
	case EffectLastInsertID, EffectSetsLastInsertID, EffectRowCount, EffectConnectionID, EffectKill, EffectThreads:
		return HandleAnswer
	case EffectFoundRows, EffectCalcFoundRows, EffectDiagnostics, EffectSessionStatus, EffectLastValue:
		return HandleStick
	case EffectLayout, EffectReplication, EffectTracking, EffectXA, EffectSessionUser:
		return HandleRefuse
	case EffectGlobalVariable, EffectAccount, EffectSequence, EffectRowLocks, EffectFile, EffectCommits, EffectMember, EffectWaits, EffectProcess, EffectLoadData,
		EffectReadsUserVariable, EffectBatch:
		return HandleFree
	}
	return HandlePin
}

// Effects is a set of effects. The zero value is empty.
type Effects uint64

// EffectsOf returns the set of some effects.
func EffectsOf(effects ...Effect) Effects {
	var s Effects
	for _, e := range effects {
		s |= 1 << e
	}
	return s
}

// Has reports whether an effect is in the set.
func (s Effects) Has(e Effect) bool { return s>>e&1 != 0 }

// HasAny reports whether the two sets have an effect in common.
func (s Effects) HasAny(other Effects) bool { return s&other != 0 }

// Each calls f for each effect of the set, in order.
func (s Effects) Each(f func(Effect)) {
	for e := range effectCount {
		if s.Has(e) {
			f(e)
		}
	}
}

// Handled returns the effects of the set that are handled in that way.
func (s Effects) Handled(h Handling) Effects {
	var found Effects
	s.Each(func(e Effect) {
		if e.Handling() == h {
			found |= 1 << e
		}
	})
	return found
}

// String returns the effects' names, "nothing" for none.
func (s Effects) String() string {
	var names []string
	s.Each(func(e Effect) { names = append(names, e.String()) })
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
