package app_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// circle links servers in a circle as a DBA does by hand: server ids and domains of his
// own, GTID, an auto_increment offset of each at one stride, all open. Of stride 1 the
// first alone is.
func circle(t *testing.T, servers []*mysqltest.Server, stride int) {
	t.Helper()
	maria := mysqltest.Flavour(t) == topology.FlavourMariaDB
	for i, s := range servers {
		own, empty := "SET GLOBAL server_id=?", "RESET BINARY LOGS AND GTIDS"
		if maria {
			own, empty = fmt.Sprintf("SET GLOBAL gtid_domain_id=%d, gtid_strict_mode=0, server_id=?", 21+i), "RESET MASTER; SET GLOBAL gtid_slave_pos=''"
		}
		s.Exec(t, own, 11+i)
		s.Exec(t, "SET GLOBAL auto_increment_increment=?, auto_increment_offset=?", stride, min(i+1, stride))
		s.DB().SetMaxIdleConns(0) // a session keeps the identity that it began with
		s.Exec(t, `SET SESSION sql_log_bin=0; CREATE USER repl@'%' IDENTIFIED BY 'by hand'; GRANT REPLICATION SLAVE ON *.* TO repl@'%';
			CREATE USER 'app'@'%' IDENTIFIED BY 'app secret'; GRANT ALL ON faults.* TO 'app'@'%'; `+empty)
	}
	for i, s := range servers {
		host, port, _ := strings.Cut(servers[(i+len(servers)-1)%len(servers)].Addr, ":")
		change := "CHANGE MASTER TO MASTER_HOST='%s', MASTER_PORT=%s, MASTER_USER='repl', MASTER_PASSWORD='by hand', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1"
		if !maria {
			change = "CHANGE REPLICATION SOURCE TO SOURCE_HOST='%s', SOURCE_PORT=%s, SOURCE_USER='repl', SOURCE_PASSWORD='by hand', SOURCE_AUTO_POSITION=1, SOURCE_CONNECT_RETRY=1, GET_SOURCE_PUBLIC_KEY=1"
		}
		s.Exec(t, fmt.Sprintf(change, host, port))
		s.Exec(t, mysqltest.Words(t, "START SLAVE"))
		switch {
		case i == 0 || stride > 1:
			s.Exec(t, "SET GLOBAL read_only=0")
		case !maria: // as a DBA closes one
			s.Exec(t, "SET GLOBAL super_read_only=1")
		}
	}
}

// directly writes to servers as applications do that know of no ring: each client has its
// server, connects anew when its connection ends, and notes what it was told.
type directly struct {
	stop context.CancelFunc
	wait sync.WaitGroup

	mu      sync.Mutex // guards what follows
	told    map[[2]int]int64
	failed  map[[2]int]string // the server said no: nothing was done
	broke   int               // of whose outcome nothing is known
	longest time.Duration     // between two acknowledged writes of one client
}

const directClients = 3 // of each server

func startDirectly(t *testing.T, servers []*mysqltest.Server) *directly {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	d := &directly{stop: stop, told: map[[2]int]int64{}, failed: map[[2]int]string{}}
	for i, s := range servers {
		cfg := mysql.NewConfig()
		cfg.User, cfg.Passwd, cfg.Net, cfg.Addr, cfg.Logger = "app", "app secret", "tcp", s.Addr, &mysql.NopLogger{}
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(connector)
		t.Cleanup(func() { _ = db.Close() })
		for n := range directClients {
			client := 1000 + 10*i + n
			d.wait.Go(func() {
				last := time.Now()
				for seq := 0; ctx.Err() == nil; seq++ {
					if d.write(db, [2]int{client, seq}) {
						d.mu.Lock()
						d.longest = max(d.longest, time.Since(last))
						d.mu.Unlock()
						last = time.Now()
					}
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
	}
	t.Cleanup(d.end)
	return d
}

func (d *directly) write(db *sql.DB, key [2]int) bool {
	result, err := db.ExecContext(context.Background(), fmt.Sprintf("INSERT INTO faults.w (client, seq) VALUES (%d, %d)", key[0], key[1]))
	d.mu.Lock()
	defer d.mu.Unlock()
	var answer *mysql.MySQLError
	switch {
	case err == nil:
		d.told[key], _ = result.LastInsertId()
		return true
	case errors.As(err, &answer) && answer.Number == 1290: // read-only
		d.failed[key] = err.Error()
	default:
		d.broke++
	}
	return false
}

func (d *directly) end() {
	d.stop()
	d.wait.Wait()
}

// account holds what was told against what a server has.
func (d *directly) account(t *testing.T, s *mysqltest.Server) {
	t.Helper()
	found := map[[2]int]int64{}
	result, err := s.DB().QueryContext(t.Context(), "SELECT client, seq, id FROM faults.w WHERE client>=1000")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = result.Close() }()
	for result.Next() {
		var key [2]int
		var id int64
		if err := result.Scan(&key[0], &key[1], &id); err != nil {
			t.Fatal(err)
		}
		if _, twice := found[key]; twice {
			t.Errorf("DATA: %s: write %v is there twice", s.Name, key)
		}
		found[key] = id
	}
	if err := result.Err(); err != nil {
		t.Fatal(err)
	}
	for key, id := range d.told {
		if found[key] != id {
			t.Errorf("%s: write %v was told the id %d, and is there as %d", s.Name, key, id, found[key])
		}
	}
	for key, why := range d.failed {
		if _, there := found[key]; there {
			t.Errorf("%s: write %v was answered %q, and is there", s.Name, key, why)
		}
	}
}

func tables(t *testing.T, s *mysqltest.Server) {
	t.Helper()
	for _, statement := range []string{
		"CREATE DATABASE faults",
		"CREATE TABLE faults.w (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, client INT, seq INT)",
	} {
		s.Exec(t, statement)
	}
}

func (r *rig) adoptRequest() api.AdoptRequest {
	request := api.AdoptRequest{Name: "test", Durability: "semisync", Degraded: "allow", BootsClose: true, Why: "test"}
	for _, s := range r.servers {
		request.Members = append(request.Members, api.InitMember{ID: s.Name, Addr: s.Addr})
	}
	return request
}

// adoptRing orders the adoption, and waits until the ring is open.
func (r *rig) adoptRing(t *testing.T) {
	t.Helper()
	eventually(t, 10*time.Second, "the adoption is ordered", func() error {
		_, err := r.client.Adopt(t.Context(), r.adoptRequest(), false)
		return err
	})
	r.untilHealthy(t, 60*time.Second)
}

// TestAdopt takes over a circle that is built by hand, at several strides, while each of
// its servers is written to; then clients write through the proxy, and then directly no
// more.
func TestAdopt(t *testing.T) {
	beside(t)
	for _, c := range []struct{ members, stride, becomes int }{{2, 1, 16}, {2, 2, 16}, {3, 3, 48}, {3, 10, 80}} {
		t.Run(fmt.Sprintf("%d of stride %d", c.members, c.stride), func(t *testing.T) { playAdopt(t, c.members, c.stride, c.becomes) })
	}
}

func playAdopt(t *testing.T, members, stride, becomes int) {
	beside(t)
	servers := mysqltest.StartRing(t, members)
	r := &rig{servers: servers, cfg: nodeConfig(t)}
	open := servers
	if stride == 1 {
		open = servers[:1]
	}
	before := r.startCircle(t, stride)
	time.Sleep(500 * time.Millisecond)
	r.startNode(t)
	began := time.Now()
	r.adoptRing(t)
	took := time.Since(began)
	direct := 0
	for _, m := range r.status(t).Members {
		if m.Direct {
			direct++
		}
	}
	if direct != len(open)-1 {
		t.Errorf("%d members are open past sqlring, of %d that were written to", direct, len(open))
	}
	through := r.startProxyWriters(t)
	time.Sleep(700 * time.Millisecond)
	before.end()
	if len(before.failed) > 0 {
		t.Errorf("%d writes were refused while the circle was adopted", len(before.failed))
	}
	if len(open) > 1 {
		if _, err := r.client.CloseDirect(t.Context(), api.CloseDirectRequest{Why: "test"}, false); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 10*time.Second, "those that own nothing are closed", func() error {
		for _, s := range servers[1:] {
			if s.Query(t, "SELECT @@global.read_only") != "1" {
				return fmt.Errorf("%s is open: %s", s.Name, r.why(t))
			}
		}
		return nil
	})
	r.untilHealthy(t, 30*time.Second)
	for _, err := range through.end() {
		t.Errorf("through the proxy: %v", err)
	}
	r.untilEqual(t, "faults.w")
	for i, s := range servers {
		before.account(t, s)
		through.account(t, s)
		if got, want := s.Query(t, "SELECT CONCAT(@@global.auto_increment_offset,'/',@@global.auto_increment_increment)"), fmt.Sprintf("%d/%d", i+1, becomes); got != want {
			t.Errorf("%s counts by %s, not %s", s.Name, got, want)
		}
	}
	t.Logf("FIGURE adopt    a circle of %d, stride %d -> %d: %d ms; %d direct writes acknowledged, %d ended without an answer, longest pause of a direct client %d ms; then %d through the proxy",
		members, stride, becomes, took.Milliseconds(), len(before.told), before.broke, before.longest.Milliseconds(), len(through.told))
	if before.broke > directClients*len(open)*2 {
		t.Errorf("%d writes ended without an answer, one connection of each of %d clients was to be ended", before.broke, directClients*len(open))
	}
	if before.longest > 3*time.Second {
		t.Errorf("a direct client waited %s", before.longest)
	}
}

// proxyWriters write through the proxy, and get no error.
type proxyWriters struct {
	directly

	errs []error
}

func (r *rig) startProxyWriters(t *testing.T) *proxyWriters {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &proxyWriters{directly: directly{stop: stop, told: map[[2]int]int64{}}}
	db := r.pool(t, asApp)
	for client := range 4 {
		p.wait.Go(func() {
			for seq := 0; ctx.Err() == nil; seq++ {
				result, err := db.ExecContext(context.WithoutCancel(ctx), fmt.Sprintf("INSERT INTO faults.w (client, seq) VALUES (%d, %d)", 2000+client, seq))
				p.mu.Lock()
				if err != nil {
					p.errs = append(p.errs, err)
				} else {
					p.told[[2]int{2000 + client, seq}], _ = result.LastInsertId()
				}
				p.mu.Unlock()
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
	t.Cleanup(p.directly.end)
	return p
}

func (p *proxyWriters) end() []error {
	p.directly.end()
	return p.errs
}

// TestAdoptIsAbortedWithAServerKilledWhileItWasTakenOver: m2 has the identity that the adoption
// gave it, takes writes under it, and is killed before its token is stamped. Its next process has
// its file's ids, and does not know those writes for its own when they come round. The abort has
// it note them before it starts its threads (S96): no row is there twice, none is missing, and
// the circle replicates.
func TestAdoptIsAbortedWithAServerKilledWhileItWasTakenOver(t *testing.T) {
	mysqltest.OnlyMariaDB(t, "a MySQL passes over what it has executed, and keeps its server_id")
	beside(t)
	r := &rig{servers: mysqltest.StartRing(t, 3), cfg: nodeConfig(t)}
	for i, s := range r.servers { // as circle sets them
		s.InFile(t, fmt.Sprintf("server_id=%d", 11+i), fmt.Sprintf("gtid_domain_id=%d", 21+i), "gtid_strict_mode=0",
			"auto_increment_increment=3", fmt.Sprintf("auto_increment_offset=%d", i+1))
	}
	before := r.startCircle(t, 3)
	r.startNode(t)
	const tries = 5
	for try := 1; ; try++ {
		own := r.killedWhileTakenOver(t)
		if r.abortedAsItIsBack(t) {
			t.Logf("FIGURE adopt    aborted with m2 killed in the midst of being taken over, restarted with %s under the new identity (try %d)", own, try)
			break
		}
		if try == tries {
			t.Fatalf("in %d tries the abort never was who started m2: nothing is shown", tries)
		}
	}
	r.circles(t)
	r.servers[1].Exec(t, "SET GLOBAL read_only=0") // its file closes it: the DBA opens it
	time.Sleep(time.Second)                        // all go on writing
	before.end()
	r.circles(t)
	r.untilEqual(t, "faults.w")
	for _, s := range r.servers {
		before.account(t, s)
	}
}

// killedWhileTakenOver orders an adoption, and kills m2 as it has its new identity, has written
// under it, and has not noted that. It returns its position in that domain.
func (r *rig) killedWhileTakenOver(t *testing.T) (own string) {
	t.Helper()
	m2 := r.servers[1]
	busy, err := m2.DB().Conn(t.Context()) // sessions that do something have a second to end it: so long it lasts
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = busy.ExecContext(t.Context(), "DO SLEEP(60)") // it ends with the server
		_ = busy.Close()
	}()
	eventually(t, 10*time.Second, "the adoption is ordered", func() error {
		_, err := r.client.Adopt(t.Context(), r.adoptRequest(), false)
		return err
	})
	mysqltest.Eventually(t, "m2 writes under its new identity", func() error {
		now := m2.Query(t, "SELECT CONCAT(@@global.gtid_domain_id, ',', @@global.gtid_binlog_pos)")
		domain, position, _ := strings.Cut(now, ",")
		for at := range strings.SplitSeq(position, ",") {
			if domain != "22" && strings.HasPrefix(at, domain+"-") { // 22 is its file's
				own = at
				return nil
			}
		}
		return errors.New(now)
	})
	m2.Kill()
	<-ended
	return own
}

// abortedAsItIsBack starts m2 and takes the adoption back. It reports false if that was not seen
// to be back by then, and is started by the DBA, or was taken over again: the circle is as it was
// then, and the schema is dropped.
func (r *rig) abortedAsItIsBack(t *testing.T) bool {
	t.Helper()
	id := r.status(t).Operation.ID
	m2 := r.servers[1]
	m2.RestartNow(t)
	if _, err := r.client.AbortOperation(t.Context(), id, "changed my mind"); err != nil {
		t.Fatal(err)
	}
	r.untilNoRing(t)
	switch {
	case m2.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE command IN ('Slave_IO', 'Slave_SQL')") == "0":
		var held topology.Position // as docs/adopt.md says
		for _, at := range []string{"@@gtid_slave_pos", "@@gtid_binlog_pos"} {
			position, err := topology.ParsePosition(m2.Query(t, "SELECT "+at))
			if err != nil {
				t.Fatal(err)
			}
			held = held.Union(position)
		}
		m2.Exec(t, "SET GLOBAL gtid_slave_pos='"+held.String()+"'; START SLAVE")
	case m2.Query(t, "SELECT CONCAT(@@global.server_id, ' ', @@global.gtid_domain_id)") == "12 22":
		return true
	}
	r.circles(t)
	time.Sleep(300 * time.Millisecond) // the last heartbeat comes round
	m2.Exec(t, "SET GLOBAL read_only=0")
	for _, s := range r.servers {
		s.Exec(t, "SET SESSION sql_log_bin=0; DROP DATABASE IF EXISTS sqlring; SET SESSION sql_log_bin=1")
	}
	return false
}

// circles waits until both threads of each server of a MariaDB circle run, and their upstream is there.
func (r *rig) circles(t *testing.T) {
	t.Helper()
	for _, s := range r.servers {
		eventually(t, 10*time.Second, s.Name+" receives and applies", func() error {
			if n := s.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE command IN ('Slave_IO', 'Slave_SQL') AND state NOT LIKE '%onnect%'"); n != "2" {
				return fmt.Errorf("%s threads run", n)
			}
			return nil
		})
	}
}

// untilNoRing waits until an adoption, or a ring, is gone.
func (r *rig) untilNoRing(t *testing.T) {
	t.Helper()
	eventually(t, 20*time.Second, "there is no ring", func() error {
		st, err := r.client.Status(t.Context())
		if err == nil && st.Ring != "" {
			err = errors.New(r.why(t))
		}
		return err
	})
}
