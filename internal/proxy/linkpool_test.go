package proxy

import (
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/wire"
)

// Many sessions with transactions share few links, and the server never sees more.
func TestRealLinksAreNoMoreThanTheLimit(t *testing.T) {
	const limit, sessions, rounds = 4, 40, 5
	r := startReal(t, Config{MemberLinks: limit, QueueTimeout: 20 * time.Second})
	r.server.Exec(t, "CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT); GRANT USAGE ON *.* TO app@'%' WITH MAX_USER_CONNECTIONS "+itoa(limit))
	db := r.db(t)
	db.SetMaxIdleConns(0)
	var done sync.WaitGroup
	for n := range sessions {
		done.Go(func() {
			one := open(t, db, n)
			defer one.conn.Close()
			for range rounds {
				for _, text := range []string{"BEGIN", "INSERT INTO shop.t (v) VALUES (%d)", "COMMIT"} {
					if got := one.does(t, act{text: text}); got != "[]" {
						t.Errorf("%s: %s", text, got)
						return
					}
				}
			}
		})
	}
	done.Wait()
	if n := r.server.Query(t, "SELECT COUNT(*) FROM shop.t"); n != itoa(sessions*rounds) {
		t.Errorf("%s rows, wanted %d", n, sessions*rounds)
	}
	if n := r.Stats().LinksTotal; n > limit {
		t.Errorf("%d links were opened for %d at once", n, limit)
	}
	if pools := r.Pools(); len(pools) != 1 || pools[0].Links > limit || pools[0].Waiting != 0 || pools[0].Limit != limit {
		t.Errorf("pools: %+v", pools)
	}
}

// keepAll has as many sessions as there may be links keep one each.
func keepAll(t *testing.T, r *real, links int) (keepers []*actor) {
	t.Helper()
	for i := range links {
		one := open(t, r.db(t), i)
		t.Cleanup(func() { _ = one.conn.Close() })
		one.does(t, act{text: "SET @a=1"})
		keepers = append(keepers, one)
	}
	waitFor(t, "all are kept", func() bool { return len(r.Pins()) == links })
	return keepers
}

// Who has come first gets the link first.
func TestRealWaitersForALinkAreServedInTurn(t *testing.T) {
	const links = 6 // and as many wait; more would wait at the gate
	r := startReal(t, Config{MemberLinks: links, QueueTimeout: 20 * time.Second})
	r.server.Exec(t, "CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
	db := r.db(t)
	db.SetMaxIdleConns(0)
	all := make([]*actor, links)
	for i := range all {
		all[i] = open(t, db, links-i)
		defer all[i].conn.Close()
	}
	keepers := keepAll(t, r, links)
	var done sync.WaitGroup
	for i, a := range all {
		done.Go(func() {
			if got := a.does(t, act{text: "INSERT INTO shop.t (v) VALUES (%d)"}); got != "[]" {
				t.Error(got)
			}
		})
		waitFor(t, "it waits", func() bool { return r.Pools()[0].Waiting == i+1 })
	}
	if err := keepers[0].conn.Raw(func(c any) error { return c.(interface{ Close() error }).Close() }); err != nil {
		t.Fatal(err)
	}
	done.Wait()
	if got := r.server.Query(t, "SELECT GROUP_CONCAT(v ORDER BY id) FROM shop.t"); got != "6,5,4,3,2,1" {
		t.Errorf("served in the order %s", got)
	}
}

// Who waits for too long is told so, nothing was run, and the session goes on.
func TestRealWaitingForALinkHasAnEnd(t *testing.T) {
	const patience = 300 * time.Millisecond
	r := startReal(t, Config{MemberLinks: 1, QueueTimeout: patience})
	r.server.Exec(t, "CREATE TABLE shop.t (v INT)")
	other := open(t, r.db(t), 1)
	defer other.conn.Close()
	other.does(t, act{text: "SET time_zone='+03:00'"})
	keeper := keepAll(t, r, 1)[0]
	began := time.Now()
	_, err := other.conn.ExecContext(t.Context(), "INSERT INTO shop.t VALUES (1)")
	took := time.Since(began)
	var e *mysql.MySQLError
	if !errors.As(err, &e) || e.Number != 1040 || !strings.Contains(e.Message, "proxy.member_links") || !strings.Contains(e.Message, "was not run") {
		t.Errorf("it was told %v", err)
	}
	if took < patience || took > patience+5*time.Second {
		t.Errorf("after %v, wanted %v", took, patience)
	}
	if pool := r.Pools()[0]; pool.Waiting != 0 || pool.Links != 1 || pool.Taken != 1 {
		t.Errorf("then the pool is %+v", pool)
	}
	if n := r.Stats().Refused[RefusedLinks.String()]; n != 1 {
		t.Errorf("%d refusals were counted", n)
	}
	_ = keeper.conn.Raw(func(c any) error { return c.(interface{ Close() error }).Close() })
	if got := other.does(t, act{text: "SELECT @@time_zone, COUNT(*) FROM shop.t"}); !strings.HasSuffix(got, "[{+03:00 true} {0 true}]") {
		t.Errorf("the session goes on with %s", got)
	}
}

// Links that nobody needs are closed, and none is used for longer than it may: the client
// notices neither.
func TestRealLinksAreClosedInTime(t *testing.T) {
	state := act{text: "SELECT @@time_zone, DATABASE()"}
	for _, tt := range []struct {
		name string
		cfg  Config
		busy bool
	}{
		{"idle", Config{LinkIdle: 400 * time.Millisecond, WatchInterval: 50 * time.Millisecond}, false},
		{"old", Config{LinkLifetime: 400 * time.Millisecond, WatchInterval: 50 * time.Millisecond}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := startReal(t, tt.cfg)
			one := open(t, r.db(t), 1)
			defer one.conn.Close()
			one.does(t, act{text: "SET time_zone='+03:00'"})
			want := one.does(t, state)
			first := r.server.Query(t, "SELECT id FROM information_schema.processlist WHERE user = 'app'")
			waitFor(t, "the link is closed", func() bool {
				if tt.busy {
					one.does(t, state)
				}
				return r.server.Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE id = "+first) == "0"
			})
			if got := one.does(t, state); got != want {
				t.Errorf("on the next one: %s, wanted %s", got, want)
			}
			if n := r.Stats().LinksLost; n != 0 {
				t.Errorf("%d links are said to be lost", n)
			}
		})
	}
	t.Run("not one that is kept", func(t *testing.T) {
		r := startReal(t, Config{LinkIdle: 100 * time.Millisecond, LinkLifetime: 100 * time.Millisecond, WatchInterval: 20 * time.Millisecond})
		one := open(t, r.db(t), 1)
		defer one.conn.Close()
		one.does(t, act{text: "SET @a=7"})
		time.Sleep(400 * time.Millisecond)
		if got := one.does(t, act{text: "SELECT @a"}); got != "[@a][{7 true}]" {
			t.Errorf("the session has %s", got)
		}
	})
}

// A client that is slow to read the last piece of an answer does not have the link meanwhile.
func TestRealTheLinkIsFreeBeforeTheLastPieceIsRead(t *testing.T) {
	r := startReal(t, Config{MemberLinks: 1, QueueTimeout: 5 * time.Second})
	narrow := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error { // before there is a window
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 2048) })
	}}
	conn, err := narrow.DialContext(t.Context(), "tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	slow := &raw{t: t, conn: conn, own: wire.NewConn(conn, 1<<24)}
	if err := slow.login("app", appPassword, rawCaps); err != nil {
		t.Fatal(err)
	}
	its := r.all()[0]
	if err := its.conn.(*net.TCPConn).SetWriteBuffer(2048); err != nil {
		t.Fatal(err)
	}
	const size = 15_500 // with its frame just less than what is read at once
	if err := slow.own.Send(append([]byte{byte(wire.ComQuery)}, "SELECT REPEAT('x', "+itoa(size)+")"...)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "it is under way, and has no link", func() bool { return its.phase.Load()&1 == 1 && r.Pools()[0].Taken == 0 })
	var one int
	if err := r.db(t).QueryRowContext(t.Context(), "SELECT 1").Scan(&one); err != nil {
		t.Errorf("somebody else gets %v", err)
	}
	if its.phase.Load()&1 == 0 {
		t.Error("the answer was not too large for the buffers: this shows nothing")
	}
	slow.own.Restart(1, 1<<24)
	for {
		packet, err := slow.own.Read()
		if err != nil {
			t.Fatal(err)
		}
		if len(packet) == size+3 {
			return
		}
	}
}

// A member on the node's own host is reached by its socket, by old and by new accounts alike.
func TestMembersOfTheSameHostAreReachedByTheirSocket(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v INT)")
		member := f.view.Load().Members[0]
		member.Network, member.Addr = "unix", f.query(t, "SELECT @@socket")
		view := owned("m1", 1, member)
		f.world.setView(view)
		waitFor(t, "the view is taken in", func() bool { return f.view.Load() == view })
		one := open(t, f.app(t, nil), 1)
		defer one.conn.Close()
		for _, text := range []string{"BEGIN", "INSERT INTO shop.t (v) VALUES (1)"} {
			if got := one.does(t, act{text: text}); got != "[]" {
				t.Fatalf("%s: %s", text, got)
			}
		}
		if got := f.query(t, "SELECT GROUP_CONCAT(DISTINCT host) FROM information_schema.processlist WHERE user = 'app' AND id = (SELECT trx_mysql_thread_id FROM information_schema.innodb_trx)"); got != "localhost" {
			t.Errorf("the transaction's connection is from %q, and not by the socket", got)
		}
		if got := one.does(t, act{text: "COMMIT"}); got != "[]" || f.query(t, "SELECT GROUP_CONCAT(id) FROM shop.t") != "3" {
			t.Errorf("COMMIT: %s", got)
		}
	})
}
