package mysqld_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestAPositionIsSetUnderWhoReadsItAndWaitsForIt has a member note its own transactions in the
// position that it asks its upstream by, again and again, while it is probed, and while
// nodes and an application wait for a position there. A MariaDB whose gtid_slave_pos is set
// then ends by signal 11, hangs, or shows a part of it; this one does none of that.
func TestAPositionIsSetUnderWhoReadsItAndWaitsForIt(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "a MySQL has no such position")
	nodes := world(t, 2)
	n, up := nodes[0], nodes[1]
	n.do(t, n.prepare())
	up.do(t, up.prepare())
	whole := topology.Position{}
	for i := range uint32(12) {
		whole = whole.With(topology.GTID{Domain: 201 + i, Server: 201 + i, Seq: 7})
	}
	n.Exec(t, "SET GLOBAL gtid_slave_pos='"+whole.String()+"'")
	n.Exec(t, "CREATE DATABASE shop; CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY)")
	ctx, stop := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	defer func() { stop(); wait.Wait() }()
	var probes, waits atomic.Int64
	for i := range uint64(2) {
		wait.Go(func() {
			for ; ctx.Err() == nil; probes.Add(1) {
				if o := n.Observe(ctx); ctx.Err() == nil && o.Reach == topology.ReachAnswers && !o.Applied.Covers(whole) {
					t.Errorf("it has %q, but not all of %q", o.Applied, whole)
				}
			}
		})
		wait.Go(func() {
			for ; ctx.Err() == nil && !t.Failed(); waits.Add(1) {
				if got, err := n.ask(ctx, nodesQuestion(i)); ctx.Err() == nil && (err != nil || got != -1) {
					t.Errorf("a node waited, and got %d, %v", got, err)
				}
			}
		})
	}
	sets := 0
	for at := time.Now(); time.Since(at) < 5*time.Second && !t.Failed(); sets++ {
		n.Exec(t, "STOP SLAVE; INSERT INTO shop.t VALUES ()")
		interrupted := func() {}
		if sets%5 == 0 {
			interrupted = n.applicationWaits(t)
		}
		n.do(t, follow(up))
		interrupted()
	}
	t.Logf("%d times set, beside %d probes, and %d waits of nodes", sets, probes.Load(), waits.Load())
	if probes.Load() == 0 || waits.Load() == 0 {
		t.Error("nothing was at work beside it")
	}
}

// nodesQuestion is how a node's proxy waits for a position (internal/proxy, TestQuestionOfAWait).
func nodesQuestion(connection uint64) string {
	return fmt.Sprintf("SELECT IF(GET_LOCK('%[1]s', 0.05), IF(IS_FREE_LOCK('%[2]s'), MASTER_GTID_WAIT('201-201-999', 0.05), -1) + 0*RELEASE_LOCK('%[1]s'), -1)",
		topology.WaitLock(connection), topology.PositionLock)
}

func (n *node) ask(ctx context.Context, question string) (got int, err error) {
	err = n.DB().QueryRowContext(ctx, question).Scan(&got)
	return got, err
}

// applicationWaits has an application wait for what will not come; what is returned looks
// whether it was interrupted.
func (n *node) applicationWaits(t *testing.T) (interrupted func()) {
	t.Helper()
	told := make(chan error, 1)
	go func() {
		_, err := n.ask(context.WithoutCancel(t.Context()), "SELECT MASTER_GTID_WAIT('201-201-999', 10)")
		told <- err
	}()
	mysqltest.Eventually(t, "an application waits", func() error {
		if n.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info='SELECT MASTER_GTID_WAIT(''201-201-999'', 10)' AND state LIKE 'Waiting in%'") != "1" {
			return errors.New("it is not there")
		}
		return nil
	})
	return func() {
		var answer *mysql.MySQLError
		if err := <-told; !errors.As(err, &answer) || answer.Number != 1317 {
			t.Errorf("an application that waited was told: %v", err)
		}
	}
}
