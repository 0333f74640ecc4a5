package proxy

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/gate"
)

const endless = "SELECT COUNT(*) FROM shop.t a, shop.t b, shop.t c, shop.t d WHERE a.v*b.v*c.v*d.v=1.5"

// runs says whether the member works on the endless statement, by how many.
func (f *fronted) runs(t testing.TB, many string) func() bool {
	return func() bool {
		return f.query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT COUNT(*) FROM shop.t a%'") == many
	}
}

// said returns what is said of a session.
func said(t testing.TB, p *Proxy, id uint32) Session {
	t.Helper()
	for _, s := range p.Sessions() {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("session %d is not listed", id)
	return Session{}
}

// Each session is listed with what it is at, and why it keeps its connection.
func TestRealSessionsAreListed(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (v INT); INSERT INTO shop.t VALUES (1)"+strings.Repeat(",(1)", 499))
		began := time.Now()
		stranger, err := net.Dial("tcp", f.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer stranger.Close()
		plain, plainID := f.raw(t, f.Addr(), rawCaps)
		opens, opensID := f.raw(t, f.Addr(), rawCaps)
		busy, busyID := f.raw(t, f.Addr(), rawCaps)
		plain.response(wire.ComInitDB, "shop")
		plain.response(wire.ComQuery, plain.statement("SET sqlring_consistency='strong'"))
		opens.response(wire.ComInitDB, "shop")
		opens.response(wire.ComQuery, opens.statement("SET @a=1"))
		opens.response(wire.ComQuery, opens.statement("BEGIN"))
		_ = busy.own.Send(wire.Query(endless))
		waitFor(t, "it works", f.runs(t, "1"))
		time.Sleep(3 * f.cfg.WatchInterval) // so that the watch has looked
		if since := said(t, f.Proxy, plainID).Since; time.Since(since) < f.cfg.WatchInterval || since.Before(began) {
			t.Errorf("idle since %v, at %v, begun at %v", since, time.Now(), began)
		}
		if s := said(t, f.Proxy, plainID); s.User != "app" || s.From != "127.0.0.1" || s.Activity != ActivityIdle || s.Schema != "shop" || s.Member != "m1" ||
			s.Consistency != balancer.ConsistencyStrong || s.Keeps != 0 || s.Transaction || s.Doing != "" || s.Connected.Before(began) {
			t.Errorf("an idle one: %+v", s)
		}
		if s := said(t, f.Proxy, opensID); s.Activity != ActivityIdle || !s.Transaction || !s.Keeps.Has(balancer.EffectUserVariable) || s.Schema != "shop" || s.Consistency != balancer.ConsistencyAccount {
			t.Errorf("one in a transaction: %+v", s)
		}
		if s := said(t, f.Proxy, busyID); s.Activity != ActivityRuns || !strings.HasPrefix(s.Doing, "SELECT COUNT ( * ) FROM `shop` . `t` `a`") || strings.Contains(s.Doing, "1.5") || s.Member != "m1" {
			t.Errorf("one that is at work: %+v", s)
		}
		strangers := 0
		for _, s := range f.Sessions() {
			if s.Activity == ActivityLogin {
				strangers++
				if s.User != "" || s.From != "127.0.0.1" || s.Member != "" {
					t.Errorf("one that has not logged in: %+v", s)
				}
			}
		}
		if strangers != 1 {
			t.Errorf("%d have not logged in", strangers)
		}
		pinned := f.Pinned()
		if pinned[balancer.EffectUserVariable] != 1 || pinned[balancer.EffectTransaction] != 1 {
			t.Errorf("pinned: %v", pinned)
		}
		if n, there := pinned[balancer.EffectUserLock]; n != 0 || !there || len(pinned) > 40 {
			t.Errorf("user locks %d, %v; %d reasons in all", n, there, len(pinned))
		}
		opens.response(wire.ComQuery, opens.statement("ROLLBACK"))
		waitFor(t, "the transaction is over", func() bool { return !said(t, f.Proxy, opensID).Transaction })
		f.world.setView(owned("", 2))
		_ = plain.own.Send(wire.Query("SELECT v FROM t"))
		waitFor(t, "one waits", func() bool { return said(t, f.Proxy, plainID).Activity == ActivityWaits })
		if s := said(t, f.Proxy, plainID); s.Waits != "an owner of unit * that may be written at" || s.Doing != "SELECT `v` FROM `t`" {
			t.Errorf("one that waits: %+v", s)
		}
	})
}

// Who waits for a connection is seen to.
func TestSessionsThatWaitForAConnection(t *testing.T) {
	r := startReal(t, Config{MemberLinks: 1})
	one, other := r.db(t), r.db(t)
	tx, err := one.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, err := other.ExecContext(context.Background(), "DO 1"); done <- err }()
	waitFor(t, "one waits", func() bool {
		for _, s := range r.Sessions() {
			if s.Activity == ActivityWaits && s.Waits == "a connection to m1: all are in use (proxy.member_links)" {
				return true
			}
		}
		return false
	})
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	waitFor(t, "nobody waits", func() bool {
		for _, s := range r.Sessions() {
			if s.Activity != ActivityIdle {
				return false
			}
		}
		return true
	})
}

// A session that is ended is gone, whatever it was at, with all that it had at the
// member.
func TestRealSessionsAreEnded(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (v INT); INSERT INTO shop.t VALUES (1)"+strings.Repeat(",(1)", 499)+"; CREATE TABLE shop.one (v INT) ENGINE=InnoDB; INSERT INTO shop.one VALUES (1)")
		for _, tt := range []struct {
			name  string
			texts []string // before
			last  string   // under way
		}{
			{"idle", []string{"SELECT 1"}, ""},
			{"in a transaction", []string{"BEGIN", "UPDATE shop.one SET v=7"}, ""},
			{"at work", nil, endless},
			{"at work in a transaction", []string{"BEGIN", "UPDATE shop.one SET v=7"}, endless},
		} {
			t.Run(tt.name, func(t *testing.T) {
				c, id := f.raw(t, f.Addr(), rawCaps)
				for _, text := range tt.texts {
					if got := c.response(wire.ComQuery, c.statement(text)); got[4] == 0xFF {
						t.Fatalf("%s: %q", text, got)
					}
				}
				if tt.last != "" {
					_ = c.own.Send(wire.Query(tt.last))
					waitFor(t, "it works", f.runs(t, "1"))
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if err := f.EndSession(ctx, id); err != nil {
					t.Fatal(err)
				}
				if f.session(id) != nil {
					t.Error("it is still there")
				}
				if _, err := c.own.Read(); err == nil {
					t.Error("the client was answered")
				}
				waitFor(t, "the member has ended it", f.runs(t, "0"))
				f.exec(t, "UPDATE shop.one SET v=v+1") // waits for nobody's lock
				if got := f.query(t, "SELECT v > 6 FROM shop.one"); got != "0" {
					t.Error("the transaction was not rolled back")
				}
				f.exec(t, "UPDATE shop.one SET v=1")
				if err := f.EndSession(ctx, id); !errors.Is(err, ErrNoSession) {
					t.Errorf("again: %v", err)
				}
			})
		}
	})
}

// One that has not logged in, and one that waits for an owner, are ended as well.
func TestSessionsThatWaitAreEnded(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	c, id := f.greeted(t)
	c.query("SELECT 1")
	stranger := dialRaw(t, f.Addr())
	if _, err := stranger.own.Read(); err != nil {
		t.Fatal(err)
	}
	f.world.setView(owned("", 2))
	waitFor(t, "the view is taken in", func() bool { _, ok := f.view.Load().OwnerOf(sessionUnit); return !ok })
	_ = c.own.Send(wire.Query("INSERT INTO t VALUES (1)"))
	waitFor(t, "it waits", func() bool { return said(t, f.Proxy, id).Activity == ActivityWaits })
	if err := f.EndQuery(t.Context(), id); err != nil {
		t.Errorf("what waits was not ended: %v", err)
	}
	c.own.Restart(1, 1<<16)
	if payload, err := c.own.Read(); err != nil || errorOf(append(make([]byte, 4), payload...)) != 1317 {
		t.Errorf("its client got %q, %v", payload, err)
	}
	_ = c.own.Send(wire.Query("INSERT INTO t VALUES (2)"))
	waitFor(t, "the next one waits", func() bool { return said(t, f.Proxy, id).Activity == ActivityWaits })
	for _, s := range f.Sessions() {
		if err := f.EndSession(t.Context(), s.ID); err != nil {
			t.Errorf("%s: %v", s.Activity, err)
		}
	}
	if n := len(f.Sessions()); n != 0 {
		t.Errorf("%d are left", n)
	}
}

// Only what a session runs is ended, and the session goes on with all that it has.
func TestRealQueriesAreEnded(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (v INT); INSERT INTO shop.t VALUES (1)"+strings.Repeat(",(1)", 499))
		c, id := f.raw(t, f.Addr(), rawCaps)
		c.response(wire.ComQuery, c.statement("SET @a=1"))
		if err := f.EndQuery(t.Context(), id); !errors.Is(err, ErrNotRunning) {
			t.Errorf("an idle one: %v", err)
		}
		for range 3 {
			_ = c.own.Send(wire.Query(endless))
			waitFor(t, "it works", f.runs(t, "1"))
			if err := f.EndQuery(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			c.own.Restart(1, 1<<16)
			for {
				payload, err := c.own.Read()
				if err != nil {
					t.Fatal(err)
				}
				if payload[0] == 0xFF || payload[0] == 0xFE {
					if n := errorOf(append(make([]byte, 4), payload...)); n != 1317 {
						t.Errorf("%q", payload)
					}
					break
				}
			}
			if got := c.text("SELECT @a"); got[0][0] != "1" {
				t.Errorf("then %q", got)
			}
		}
		if err := f.EndQuery(t.Context(), 7); !errors.Is(err, ErrNoSession) {
			t.Errorf("nobody: %v", err)
		}
	})
}

// A commit is not ended, and its client gets the member's answer.
func TestQueriesThatCommitAreNotEnded(t *testing.T) {
	release := make(chan struct{})
	f := startFaked(t, Config{}, func(c *fakeConn, command []byte) {
		switch string(command[1:]) {
		case "BEGIN":
			c.status(wire.StatusAutocommit|wire.StatusInTransaction, nil)
		case "COMMIT":
			<-release
			c.status(wire.StatusAutocommit, variable("last_gtid", "1-1-7"))
		default:
			c.ok()
		}
	})
	c, id := f.greeted(t)
	c.query("BEGIN")
	done := make(chan int, 1)
	go func() { n, _ := c.query("COMMIT"); done <- n }()
	waitFor(t, "it commits", func() bool { got := f.fake.commands(); return got[len(got)-1] == "COMMIT" })
	if err := f.EndQuery(t.Context(), id); !errors.Is(err, ErrCommits) {
		t.Errorf("ended: %v", err)
	}
	if got := strings.Join(f.fake.commands(), ";"); strings.Contains(got, "KILL") {
		t.Errorf("the member got %q", got)
	}
	close(release)
	if n := <-done; n != 0 {
		t.Errorf("the client got %d", n)
	}
}

// What runs is said to have begun when it was let in, not when it came: the time for which it
// waited is apart. So is what waits inside of its transaction.
func TestAWaitDoesNotCountAsRunning(t *testing.T) {
	const waits = 400 * time.Millisecond
	b := newBusy()
	s := gate.Settings{Floor: 1, Ceiling: 1}
	f := startFaked(t, Config{WatchInterval: 5 * time.Millisecond, Gates: func() gate.Settings { return s }}, b.answer)
	t.Cleanup(b.release)
	holder, c := f.client(t), f.client(t)
	holder.query("BEGIN")
	done := make(chan int, 1)
	go func() { n, _ := c.query("UPDATE t SET hold=1"); done <- n }()
	of := func(a Activity) (found []Session) {
		for _, s := range f.Sessions() {
			if s.Activity == a {
				found = append(found, s)
			}
		}
		return found
	}
	waitFor(t, "it waits", func() bool { return len(of(ActivityWaits)) == 1 })
	time.Sleep(waits)
	if since := of(ActivityWaits)[0].Since; time.Since(since) < waits*3/4 {
		t.Errorf("it waits for %v, it is said, for at least %v", time.Since(since), waits)
	}
	released := time.Now()
	holder.query("COMMIT")
	waitFor(t, "it runs", func() bool { return strings.Contains(b.seen(), "hold") })
	for range 10 {
		list := of(ActivityRuns)
		if len(list) != 1 || list[0].Since.Before(released) {
			t.Fatalf("it runs since %v, was let in at %v", list, released)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if since := of(ActivityRuns)[0].Since; time.Since(since) < 50*time.Millisecond {
		t.Errorf("it runs for %v, it is said, for 100 ms", time.Since(since))
	}
	b.release()
	if n := <-done; n != 0 {
		t.Errorf("error %d", n)
	}
}
