package balancer

// Verb is what kind of statement it is.
type Verb uint8

// The verbs. Whatever is none of the others is VerbUnknown.
const (
	VerbUnknown    Verb = iota // may do anything
	VerbRead                   // SELECT, SHOW, EXPLAIN of a SELECT and the like
	VerbChange                 // INSERT, UPDATE, DELETE, REPLACE, LOAD DATA: rows, within the transaction
	VerbDDL                    // CREATE, ALTER, DROP, RENAME, TRUNCATE: schema, with an implicit commit
	VerbBegin                  // BEGIN, START TRANSACTION
	VerbCommit                 // COMMIT
	VerbRollback               // ROLLBACK
	VerbSavepoint              // SAVEPOINT, ROLLBACK TO, RELEASE SAVEPOINT
	VerbXA                     // XA
	VerbSet                    // SET
	VerbUse                    // USE
	VerbCall                   // CALL
	VerbDo                     // DO
	VerbLock                   // LOCK, UNLOCK, BACKUP
	VerbHandler                // HANDLER
	VerbPrepare                // PREPARE, EXECUTE, DEALLOCATE
	VerbKill                   // KILL
	VerbAccount                // CREATE USER, GRANT and the like
	VerbAdmin                  // ANALYZE TABLE, FLUSH, INSTALL, CHANGE REPLICATION and the like
	VerbDiagnostic             // GET DIAGNOSTICS, SIGNAL
)

var verbNames = [...]string{
	"unknown", "read", "change", "ddl", "begin", "commit", "rollback", "savepoint", "xa", "set", "use", "call", "do", "lock", "handler", "prepare", "kill",
	"account", "admin", "diagnostic",
}

// String returns the verb's name.
func (v Verb) String() string {
	if int(v) < len(verbNames) {
		return verbNames[v]
	}
	return "unknown"
}
