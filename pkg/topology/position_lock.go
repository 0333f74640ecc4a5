package topology

import "fmt"

// The user-level locks (MariaDB manual, GET_LOCK) by which gtid_slave_pos of a MariaDB is set
// while nobody reads it, and nobody waits for it (S87). The server does not do that: it takes
// the position apart under those who look at it. A reader sees a part of it; a session in
// MASTER_GTID_WAIT waits on memory that was freed, and the server ends by signal 11.
//
// Who reads the position holds PositionLock for that moment. Who waits for one holds a lock of
// his own meanwhile, which he gets before he looks whether PositionLock is free. Who sets
// it gets PositionLock first, and then each lock of those who wait.
const (
	PositionLock = "sqlring_position"
	// WaitLocks is how many locks there are for those who wait: who has the same one as somebody
	// else waits for him too.
	WaitLocks = 32
)

// WaitLock returns the lock of who waits on a connection with that id.
func WaitLock(connection uint64) string {
	return fmt.Sprintf("sqlring_wait_%d", connection%WaitLocks)
}
