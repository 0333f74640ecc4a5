package mysqld

import (
	"context"
	"fmt"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// appliedColumn reads gtid_slave_pos while nobody sets it (S87). The parts of an IF and of a
// CONCAT are evaluated from left to right, those that are not needed never. Whoever sets it needs
// milliseconds, and so does who reads it: after a fifth of a second somebody else is looked for.
const appliedColumn = `IF(GET_LOCK('` + topology.PositionLock + `', 0.2), CONCAT(@@global.gtid_slave_pos, LEFT('', COALESCE(RELEASE_LOCK('` + topology.PositionLock + `'), 0))), '` + beingSet + `')`

// beingSet stands for a position that somebody is setting.
const beingSet = "being set"

// errBeingSet says that a position was being set all the while, which takes milliseconds: it
// is asked for again.
var errBeingSet = fmt.Errorf("somebody sets the member's position: %w", context.Canceled)

// setApplied returns the statement that sets gtid_slave_pos while no node reads it, and
// nobody waits for a position (S87). The server runs it to its end without a word of ours: a
// node that is frozen meanwhile keeps nobody out. Whoever waits besides the nodes, in a
// MASTER_GTID_WAIT of its own, is interrupted (error 1317): the server would end. Who holds
// one of the locks for a second, at one statement or none for half of it, and is no node, is ended, as whoever
// holds the hands is: a takeover may wait for this. Who waits for a position holds his for a
// twentieth of that. If it is a node, or that does not help, it says who it is, and sets nothing.
func setApplied(position topology.Position) string {
	return fmt.Sprintf(`BEGIN NOT ATOMIC
		DECLARE tries INT DEFAULT 0;
		DECLARE holder BIGINT;
		DECLARE missing, who VARCHAR(128);
		DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN DO %[1]s; RESIGNAL; END;
		SET missing = CASE %[2]s END;
		SET holder = %[5]s;
		WHILE holder IS NOT NULL AND tries < 3 DO
			BEGIN
				DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;
				EXECUTE IMMEDIATE CONCAT('KILL CONNECTION ', holder);
			END;
			SET tries = tries + 1;
			DO %[1]s;
			SET missing = CASE %[2]s END;
			SET holder = %[5]s;
		END WHILE;
		SET tries = 0;
		IF missing IS NOT NULL THEN
			SET who = (SELECT CONCAT('connection ', id, ' (', user, '@', host, ')') FROM information_schema.processlist WHERE id=IS_USED_LOCK(missing));
			SET who = LEFT(CONCAT(COALESCE(who, 'somebody'), ' holds the lock ', missing, ', which is the nodes'' own: KILL it'), 128);
			SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO=%[6]d, MESSAGE_TEXT=who;
		END IF;
		WHILE EXISTS (SELECT 1 FROM information_schema.processlist WHERE state LIKE '%[3]s') DO
			IF tries >= 1000 THEN
				SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT='sessions are in MASTER_GTID_WAIT, and do not end';
			END IF;
			BEGIN
				DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;
				FOR waiting IN (SELECT id FROM information_schema.processlist WHERE state LIKE '%[3]s') DO
					EXECUTE IMMEDIATE CONCAT('KILL QUERY ', waiting.id);
				END FOR;
			END;
			DO SLEEP(0.001);
			SET tries = tries + 1;
		END WHILE;
		SET GLOBAL gtid_slave_pos=%[4]s;
		DO %[1]s;
	END`, eachLock(", ", "RELEASE_LOCK('%[1]s')"), eachLock(" ", "WHEN COALESCE(GET_LOCK('%[1]s', 1), 0) = 0 THEN '%[1]s'"), "Waiting in MASTER_GTID_WAIT%", quote(position.String()), strangerStatement, errLockHeld)
}

// strangerStatement is the connection that holds the lock named in missing, if it is one that is
// ended: no node's, and at one statement or none for half a second. Who it is and what he is are
// looked at in one: between two looks a node may have got the lock. A name of a user may have an
// @ in it, one of a host has none. NULL: there is none such.
const strangerStatement = `(SELECT id FROM information_schema.processlist WHERE id=IS_USED_LOCK(missing)
			AND time_ms >= 500 AND user <> LEFT(USER(), CHAR_LENGTH(USER()) - LOCATE('@', REVERSE(USER()))) LIMIT 1)`

// eachLock joins a call for each of the locks, PositionLock first.
func eachLock(between, call string) string {
	calls := []string{fmt.Sprintf(call, topology.PositionLock)}
	for n := range uint64(topology.WaitLocks) {
		calls = append(calls, fmt.Sprintf(call, topology.WaitLock(n)))
	}
	return strings.Join(calls, between)
}
