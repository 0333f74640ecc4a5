package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/autoinc"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/lagguard"
	"github.com/sqlring/sqlring/pkg/topology"
)

// replicated is a proxy in front of an owner, m1, and a member that replicates from it, m2, which
// all reads go to that may.
type replicated struct {
	*fronted
	picture *livePicture
	m2      struct {
		addr  string
		exec  func(t testing.TB, statement string, args ...any)
		query func(t testing.TB, statement string, args ...any) string
	}
}

// livePicture says of both what they have, as it was read a few milliseconds ago.
type livePicture struct {
	mu      sync.Mutex
	members []balancer.Member
	at      time.Time
	has     [2]topology.Position
	blind   bool // nothing is read any more
}

// shuts has nothing read any more, or again.
func (p *livePicture) shuts(eyes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blind = eyes
}

func (p *livePicture) Reads() *balancer.Reads {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &balancer.Reads{At: p.at}
	for i, m := range p.members {
		r.Members = append(r.Members, balancer.Readable{Member: m, Level: lagguard.LevelFresh, At: p.at, Position: p.has[i], Weight: 1, Drained: m.ID == "m1"})
	}
	return r
}

// startReplicated starts two servers of a flavour, the second of which follows the first.
func startReplicated(t *testing.T, flavour topology.Flavour, cfg Config) *replicated {
	t.Helper()
	picture := new(livePicture)
	cfg.Picture = picture
	p := &replicated{picture: picture}
	const account = "CREATE DATABASE shop; CREATE USER app@'%' IDENTIFIED BY '" + appPassword + "'; GRANT ALL ON *.* TO app@'%'"
	position, options := "SELECT @@gtid_slave_pos", []string(nil)
	if flavour == topology.FlavourMySQL {
		options = []string{"gtid_mode=ON", "enforce_gtid_consistency=ON"}
		position = "SELECT @@gtid_executed"
	}
	p.fronted = inFrontOf(t, flavour, cfg, options...)
	p.exec(t, "GRANT ALL ON *.* TO app@'%'")
	host, port, _ := net.SplitHostPort(p.addr)
	if flavour == topology.FlavourMySQL {
		s := mysqltest.StartMySQL(t, append(options, "server_id=2")...)
		p.m2.addr, p.m2.exec, p.m2.query = s.Addr, s.Exec, s.Query
		s.Exec(t, account)
		s.Exec(t, "RESET BINARY LOGS AND GTIDS; SET GLOBAL gtid_purged='"+p.query(t, "SELECT @@gtid_executed")+"'")
		s.Exec(t, "CHANGE REPLICATION SOURCE TO SOURCE_HOST='"+host+"', SOURCE_PORT="+port+", SOURCE_USER='"+mysqltest.Manager+"', SOURCE_PASSWORD='"+mysqltest.ManagerPassword+
			"', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1; START REPLICA")
	} else {
		s := mysqltest.Start(t)
		p.m2.addr, p.m2.exec, p.m2.query = s.Addr, s.Exec, s.Query
		s.Exec(t, "SET GLOBAL read_only=0, server_id=2; "+account+"; RESET MASTER")
		s.Exec(t, "SET GLOBAL gtid_slave_pos='"+p.query(t, "SELECT @@gtid_binlog_pos")+"'")
		s.Exec(t, "CHANGE MASTER TO MASTER_HOST='"+host+"', MASTER_PORT="+port+", MASTER_USER='"+mysqltest.Manager+"', MASTER_PASSWORD='"+mysqltest.ManagerPassword+
			"', MASTER_USE_GTID=slave_pos; START SLAVE")
	}
	m1 := p.world.View().Members[0]
	m2 := balancer.Member{ID: "m2", Network: "tcp", Addr: p.m2.addr, Version: m1.Version, Layout: autoinc.Layout{Offset: 5, Stride: 16}}
	picture.members = []balancer.Member{m1, m2}
	written := "SELECT @@gtid_binlog_pos"
	if flavour == topology.FlavourMySQL {
		written = position
	}
	first, own := person{user: "app", password: appPassword}.open(t, p.addr), person{user: "app", password: appPassword}.open(t, p.m2.addr)
	look := func() {
		at := time.Now()
		var texts [2]string
		err := errors.Join(first.QueryRowContext(context.Background(), written).Scan(&texts[0]), own.QueryRowContext(context.Background(), position).Scan(&texts[1]))
		m1, err1 := topology.ParsePosition(texts[0])
		m2, err2 := topology.ParsePosition(texts[1])
		if err = errors.Join(err, err1, err2); err != nil {
			t.Error(err)
		}
		picture.mu.Lock()
		defer picture.mu.Unlock()
		if !picture.blind {
			picture.at, picture.has = at, [2]topology.Position{m1, m2}
		}
	}
	look()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				look()
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-ended })
	view := owned("m1", 1, m1, m2)
	p.world.setView(view)
	waitFor(t, "the view is taken in", func() bool { return p.Proxy.view.Load() == view })
	return p
}

// replicatedOnBoth runs a test with servers of each flavour.
func replicatedOnBoth(t *testing.T, cfg Config, test func(t *testing.T, p *replicated)) {
	for _, flavour := range []topology.Flavour{topology.FlavourMariaDB, topology.FlavourMySQL} {
		t.Run(flavour.String(), func(t *testing.T) {
			p := startReplicated(t, flavour, cfg)
			for _, addr := range []string{p.addr, p.m2.addr, p.Addr()} { // raw clients log in by the short way then
				if err := (person{user: "app", password: appPassword}).open(t, addr).PingContext(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			test(t, p)
		})
	}
}

// catchesUp waits until m2 has what m1 has.
func (p *replicated) catchesUp(t *testing.T) {
	t.Helper()
	written, applied := "SELECT @@gtid_binlog_pos", "SELECT @@gtid_slave_pos"
	if p.mysql != nil {
		written = "SELECT @@gtid_executed"
		applied = written
	}
	has := func() bool { return p.query(t, written) == p.m2.query(t, applied) }
	for end := time.Now().Add(10 * time.Second); !has(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("m1 has %s, m2 has %s", p.query(t, written), p.m2.query(t, applied))
		}
	}
}
