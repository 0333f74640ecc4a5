package mysqld

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sqlring/sqlring/pkg/topology"
)

// errNoRoom: a replication thread of the server waits for space on its disk. It is not
// asked for its link then: who asks waits for that thread's lock, and so does the next.
var errNoRoom = errors.New("its disk is full: replication threads wait for space")

// roomStatement counts the threads that wait for space on the server's disk
// (wait_for_free_space of MariaDB's mysys says so in the list of processes), and those of
// replication among them.
const roomStatement = `SELECT COUNT(*), COALESCE(SUM(user='system user'), 0) FROM information_schema.processlist WHERE state='Waiting for someone to free space'`

// mysqlRoomStatement counts who stores what was received and finds no room, of which the list
// of processes tells (seen on 9.7, with the relay logs on a disk of their own); and, on a server that has said
// so lately in its error log (every ten minutes that it lasts, as MY-000035), who commits or
// stores what was received: a wait for space at the binlog is not told there from that. Where
// somebody waits for an acknowledgement the binlog was written, and the others wait for him.
const mysqlRoomStatement = `SELECT COUNT(*), COALESCE(SUM(user='system user'), 0) FROM performance_schema.processlist
		WHERE state='Waiting for disk space' OR state IN ('waiting for handler commit', 'Queueing source event to the relay log')
		AND (SELECT COUNT(*) FROM performance_schema.error_log WHERE error_code='MY-000035' AND logged > NOW(6) - INTERVAL 11 MINUTE) > 0
		AND (SELECT COUNT(*) FROM performance_schema.processlist WHERE state LIKE 'Waiting for semi-sync ACK%') = 0`

// roomAgain is how much later a MySQL is asked once more, that may only be busy.
const roomAgain = 150 * time.Millisecond

// observeRoom takes in the row of the statement.
func observeRoom(ctx context.Context, c *conn, t table, o *topology.Observation) error {
	replication, err := readRoom(t, o)
	if err != nil || replication == 0 {
		return err
	}
	if c.version.Flavour == topology.FlavourMySQL {
		timer := time.NewTimer(roomAgain)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if t, err = c.query(ctx, mysqlRoomStatement); err != nil {
			return err
		}
		if replication, err = readRoom(t, o); err != nil || replication == 0 {
			return err
		}
	}
	return errNoRoom
}

func readRoom(t table, o *topology.Observation) (replication uint64, err error) {
	if len(t.rows) != 1 {
		return 0, errors.New("the server does not count who waits for space")
	}
	r := fieldReader{row: t.rows[0]}
	o.Room.Waiting, replication = int(r.number()), r.number()
	if r.err != nil {
		return 0, fmt.Errorf("threads that wait for space: %w", r.err)
	}
	return replication, nil
}

// roomless reports whether a probe failed since the server finds no room: even a question
// may need a temporary table on the disk.
func roomless(err error) bool {
	return errors.Is(err, errNoRoom) || isNumber(err, errDiskFull, errOnWrite, errTableFull)
}
