package app_test

import (
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestNodesShareWhatAMemberTakes: three nodes before members that take 90 connections each may
// open a third of four fifths of them, 24; 150 clients through them are all served, none of
// whose nodes was told by a member that it takes no more.
func TestNodesShareWhatAMemberTakes(t *testing.T) {
	n := startNodesBefore(t, mysqltest.StartRing(t, 2, "max_connections=90"), func(*app.Config) {}, "voter", "voter", "voter")
	for _, to := range []string{"m2", "m1"} { // all three have a proxy when it is granted
		n.nodes[n.leader(t)].move(t, "*", to)
		n.nodes[0].untilHealthy(t, 10*time.Second)
	}
	share := func() error {
		for _, r := range n.nodes {
			status, err := r.client.Status(t.Context())
			if err != nil {
				return err
			}
			for _, p := range status.Proxy.Pools {
				if p.Limit != 24 {
					return fmt.Errorf("%s may open %d links to %s", r.cfg.Node, p.Limit, p.Member)
				}
			}
		}
		return nil
	}
	root := n.nodes[0].pool(t, nil)
	for _, q := range []string{"CREATE USER room@'%' IDENTIFIED BY 'room'", "GRANT ALL ON *.* TO room@'%'"} { // both members know it
		if _, err := root.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	var clients []*sql.Conn
	for _, r := range n.nodes {
		db := r.pool(t, func(c *mysql.Config) { c.User, c.Passwd = "room", "room" })
		eventually(t, 10*time.Second, "the account is known", func() error { return db.PingContext(t.Context()) })
		for range 50 {
			clients = append(clients, conn(t, db))
		}
	}
	eventually(t, 10*time.Second, "all keep to their share", share)
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() {
			for range 5 {
				if _, err := c.ExecContext(t.Context(), "DO SLEEP(0.1)"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for _, r := range n.nodes {
		status, err := r.client.Status(t.Context())
		if err != nil || status.Proxy.Traffic.LinksRefused > 0 || len(status.Proxy.Pools) == 0 {
			t.Errorf("%s: %v, %+v", r.cfg.Node, err, status.Proxy)
		}
	}
	if err := share(); err != nil {
		t.Error(err)
	}
}
