package mysqld

import (
	"context"
	"fmt"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// appliedColumn reads gtid_slave_pos while nobody sets it (S87). The parts of an IF and of a
// CONCAT are evaluated from left to right, those that are not needed never.
const appliedColumn = `IF(GET_LOCK('` + topology.PositionLock + `', 0.5), CONCAT(@@global.gtid_slave_pos, LEFT('', COALESCE(RELEASE_LOCK('` + topology.PositionLock + `'), 0))), '` + beingSet + `')`

// beingSet stands for a position that somebody is setting.
const beingSet = "being set"

// errBeingSet says that a position was being set all the while, which takes milliseconds: it
// is asked for again.
var errBeingSet = fmt.Errorf("somebody sets the member's position: %w", context.Canceled)

// setApplied returns the statement that sets gtid_slave_pos while no node reads it, and
// nobody waits for a position (S87). The server runs it to its end without a word of ours: a
// node that is frozen meanwhile keeps nobody out. Whoever waits besides the nodes, in a
// MASTER_GTID_WAIT of its own, is interrupted (error 1317): the server would end.
func setApplied(position topology.Position) string {
	return fmt.Sprintf(`BEGIN NOT ATOMIC
		DECLARE tries INT DEFAULT 0;
		DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN DO %[1]s; RESIGNAL; END;
		IF %[2]s <> %[3]d THEN
			SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT='the position is read, or waited for, all the time';
		END IF;
		WHILE EXISTS (SELECT 1 FROM information_schema.processlist WHERE state LIKE '%[4]s') DO
			IF tries >= 1000 THEN
				SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT='sessions are in MASTER_GTID_WAIT, and do not end';
			END IF;
			BEGIN
				DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;
				FOR waiting IN (SELECT id FROM information_schema.processlist WHERE state LIKE '%[4]s') DO
					EXECUTE IMMEDIATE CONCAT('KILL QUERY ', waiting.id);
				END FOR;
			END;
			DO SLEEP(0.001);
			SET tries = tries + 1;
		END WHILE;
		SET GLOBAL gtid_slave_pos=%[5]s;
		DO %[1]s;
	END`, eachLock(", ", "RELEASE_LOCK('%s')"), eachLock(" + ", "COALESCE(GET_LOCK('%s', 1), 0)"), 1+topology.WaitLocks, "Waiting in MASTER_GTID_WAIT%", quote(position.String()))
}

// eachLock joins a call for each of the locks, PositionLock first.
func eachLock(between, call string) string {
	calls := []string{fmt.Sprintf(call, topology.PositionLock)}
	for n := range uint64(topology.WaitLocks) {
		calls = append(calls, fmt.Sprintf(call, topology.WaitLock(n)))
	}
	return strings.Join(calls, between)
}
