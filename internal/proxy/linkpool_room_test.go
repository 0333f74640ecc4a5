package proxy

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Others have most of what connections a member takes, as another node's proxy would: no client
// sees the member's 1040, of one account and of several, and what is free later is made use of.
func TestRealAMemberThatTakesNoMoreIsWaitedFor(t *testing.T) {
	const clients, rounds, others = 24, 6, 5
	var log written
	cfg := Config{QueueTimeout: time.Minute, WatchInterval: 20 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	onBothAs(t, cfg, func(t *testing.T, f *fronted) {
		log.take()
		f.exec(t, "CREATE TABLE shop.t (id INT PRIMARY KEY, v INT); INSERT INTO shop.t VALUES (0,0),(1,0),(2,0)"+
			"; CREATE USER other@'%' IDENTIFIED BY '"+appPassword+"'; GRANT ALL ON *.* TO other@'%'")
		f.world.setAccounts(f.world.onRefresh()...)
		var held []*sql.Conn
		direct := (person{user: "app", password: appPassword}).open(t, f.addr)
		for range others {
			conn, err := direct.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, conn)
		}
		var done sync.WaitGroup
		for i := range clients {
			db := (person{user: []string{"app", "other"}[i%2], password: appPassword}).open(t, f.Addr())
			done.Go(func() {
				conn, err := db.Conn(t.Context())
				for n := 0; n < rounds && err == nil; n++ {
					for _, text := range []string{"BEGIN", fmt.Sprintf("UPDATE shop.t SET v=v+1 WHERE id=%d", i%3), "DO SLEEP(0.01)", "COMMIT"} {
						if err == nil {
							_, err = conn.ExecContext(context.Background(), text)
						}
					}
				}
				if err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			})
		}
		done.Wait()
		if got := f.query(t, "SELECT SUM(v) FROM shop.t"); got != itoa(clients*rounds) {
			t.Errorf("%s of %d updates", got, clients*rounds)
		}
		pool := f.Pools()[0]
		if refused := f.Stats().LinksRefused; refused == 0 || refused > clients*rounds || pool.Limit >= 10 {
			t.Errorf("the member has refused %d connections; the pool is %+v", refused, pool)
		}
		if n := strings.Count(log.take(), "member takes no more connections"); n != 1 {
			t.Errorf("the log says so %d times", n)
		}
		for _, conn := range held {
			_ = conn.Raw(func(c any) error { return c.(interface{ Close() error }).Close() })
		}
		waitFor(t, "more are tried", func() bool { return f.Pools()[0].Limit > pool.Limit })
	}, "max_connections=10")
}

// While a member takes no more, what is asked for waits no longer than it would for a full pool.
func TestRealAMemberThatTakesNoneIsNotWaitedForInVain(t *testing.T) {
	const patience = 500 * time.Millisecond
	onBothAs(t, Config{QueueTimeout: patience}, func(t *testing.T, f *fronted) {
		direct := (person{user: "app", password: appPassword}).open(t, f.addr)
		var err error
		for err == nil {
			_, err = direct.Conn(t.Context())
		}
		if !strings.Contains(err.Error(), "1040") {
			t.Fatal(err)
		}
		var took time.Duration
		err = nil
		for n := 0; n < 10 && err == nil; n++ { // each that finds one keeps it
			c := dialRaw(t, f.Addr())
			began := time.Now()
			if err = c.login("app", appPassword, rawCaps); err == nil {
				if got := c.response(wire.ComQuery, c.statement("SET @a=1")); errorOf(got) != 0 {
					err = wire.ParseError(got[4:])
				}
			}
			took = time.Since(began)
		}
		if err == nil || !strings.Contains(err.Error(), "1040") || !strings.Contains(err.Error(), "max_connections") || !strings.Contains(err.Error(), "was not run") {
			t.Errorf("it was told %v", err)
		}
		if took < patience || took > patience+5*time.Second {
			t.Errorf("after %v, wanted %v", took, patience)
		}
	}, "max_connections=10")
}

// What this node may have of a member's connections changes as nodes come and go: links above a
// lower share are closed, busy ones when they are given back, and who waits gets the places of a
// higher one at once.
func TestRealAShareThatChangesIsKeptTo(t *testing.T) {
	const clients, few = 12, 3
	var share atomic.Int64
	share.Store(clients)
	cfg := Config{Room: func(topology.MemberID) int { return int(share.Load()) }}
	onBothAs(t, cfg, func(t *testing.T, f *fronted) {
		share.Store(clients)
		db := (person{user: "app", password: appPassword}).open(t, f.Addr())
		var conns []*sql.Conn
		for range clients {
			c, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		all := func(statement string) *sync.WaitGroup {
			var at sync.WaitGroup
			for _, c := range conns {
				at.Go(func() {
					if _, err := c.ExecContext(t.Context(), statement); err != nil {
						t.Error(err)
					}
				})
			}
			return &at
		}
		links := func(what string, holds func(int) bool) {
			t.Helper()
			var got int
			for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				if got = f.Pools()[0].Links; holds(got) {
					return
				}
			}
			t.Errorf("%s: %d links", what, got)
		}
		all("DO SLEEP(0.3)").Wait()
		links("everybody at once", func(n int) bool { return n > few })
		share.Store(few)
		links("the share is less", func(n int) bool { return n <= few })
		waiting := all("DO SLEEP(0.5)")
		time.Sleep(100 * time.Millisecond)
		links("everybody at once, with less", func(n int) bool { return n <= few })
		share.Store(clients)
		links("the share is more", func(n int) bool { return n > 2*few })
		waiting.Wait()
	})
}
