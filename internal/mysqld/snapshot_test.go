package mysqld

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestSnapshotStandsWhereItSays takes snapshots while several clients commit, one row a
// transaction: the rows that one sees are as many as its position has transactions (S33).
func TestSnapshotStandsWhereItSays(t *testing.T) {
	server := mysqltest.Start(t)
	server.Exec(t, "SET GLOBAL read_only=0; CREATE DATABASE d; CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY)")
	m := New(Config{Node: "n1", ManagerUser: mysqltest.Manager, ManagerPassword: mysqltest.ManagerPassword, ReplicationUser: "r", ReplicationPassword: "p"}, "m1", server.Addr)
	defer m.Close()
	base := executed(m.Observe(t.Context()))
	for _, clients := range []int{1, 4, 16} {
		for _, how := range snapshotWays(t) {
			t.Run(fmt.Sprintf("%s, %d clients", how.name, clients), func(t *testing.T) {
				stop := commits(t, server, clients)
				defer stop()
				began, rounds := time.Now(), 0
				for ; rounds < 20 && time.Since(began) < 5*time.Second; rounds++ {
					if position, rows := snapshotRows(t, m, how.take); position != base+rows {
						t.Fatalf("the snapshot has %d rows, its position is that of %d", rows, position-base)
					}
				}
				t.Logf("FIGURE snapshot %s: %d clients commit: %d ms each", how.name, clients, time.Since(began).Milliseconds()/int64(rounds))
			})
		}
	}
}

type takeSnapshot func(context.Context, *Member, *snapshot) (topology.Position, error)

type snapshotWay struct {
	name string
	take takeSnapshot
}

func snapshotWays(t *testing.T) []snapshotWay {
	if mysqltest.Flavour(t) != topology.FlavourMySQL {
		return []snapshotWay{{"as the server says", snapshotMariaDB}}
	}
	return []snapshotWay{{"as it comes", snapshotMySQL}, {"under a lock", snapshotLocked}}
}

// executed is how many transactions a server has.
func executed(o topology.Observation) (n uint64) {
	for _, g := range o.Binlog {
		n += g.Seq
	}
	return n
}

// commits writes rows, each in a transaction, until it is stopped.
func commits(t *testing.T, server *mysqltest.Server, clients int) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			for ctx.Err() == nil {
				if _, err := server.DB().ExecContext(context.WithoutCancel(ctx), "INSERT INTO d.t VALUES ()"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	return func() { cancel(); wait.Wait() }
}

// snapshotRows takes a snapshot, and counts what it sees after a while.
func snapshotRows(t *testing.T, m *Member, take takeSnapshot) (position, rows uint64) {
	t.Helper()
	s := &snapshot{}
	defer s.close()
	for _, c := range []**conn{&s.conn, &s.look} {
		var err error
		if *c, err = m.connect(t.Context(), forCopy); err != nil {
			t.Fatal(err)
		}
	}
	p, err := take(t.Context(), m, s)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Millisecond)
	counted, err := s.conn.query(t.Context(), "SELECT COUNT(*) FROM d.t")
	if err != nil {
		t.Fatal(err)
	}
	rows, err = strconv.ParseUint(counted.value(), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return executed(topology.Observation{Binlog: p}), rows
}
