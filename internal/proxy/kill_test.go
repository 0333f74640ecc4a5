package proxy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/wire"
)

// A client is known by one id, wherever it asks: the one it was greeted with.
func TestRealIDs(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		for _, caps := range []wire.Capability{rawCaps, rawCaps &^ wire.DeprecateEOF, rawCaps&^wire.Mysql | f.own()} {
			c, id := f.raw(t, f.Addr(), caps)
			other, otherID := f.raw(t, f.Addr(), caps)
			direct, thread := f.raw(t, f.addr, caps)
			direct.response(wire.ComPing, "")
			other.response(wire.ComPing, "")
			want := strconv.FormatUint(uint64(id), 10)
			for _, text := range []string{"SELECT CONNECTION_ID()", "/* who */ select connection_id ( ) AS me", "SELECT CONNECTION_ID(), USER(), 1 FROM DUAL;"} {
				if got := c.text(text); got[0][0] != want {
					t.Errorf("%s: %q, greeted as %s", text, got, want)
				}
			}
			for _, text := range []string{"SHOW PROCESSLIST", "show full processlist"} {
				got := fmt.Sprint(c.text(text))
				for _, listed := range []uint32{id, otherID, thread} { // a direct client's id is the member's own
					if !strings.Contains(got, "["+strconv.FormatUint(uint64(listed), 10)+" ") {
						t.Errorf("%s: %d is not in %s", text, listed, got)
					}
				}
			}
			if got := c.text("SELECT CONNECTION_ID()=0"); got[0][0] != "0" {
				t.Errorf("a comparison is %q", got)
			}
			if got := c.text("SELECT 5"); got[0][0] != "5" {
				t.Errorf("another number is %q", got)
			}
		}
		if f.mysql == nil {
			c, id := f.raw(t, f.Addr(), rawCaps)
			if got := c.response(wire.ComProcessInfo, ""); !strings.Contains(string(got), strconv.FormatUint(uint64(id), 10)) {
				t.Errorf("COM_PROCESS_INFO: %q", got)
			}
		}
		db := f.app(t, nil)
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		want := query[int](t, conn, "SELECT CONNECTION_ID()")
		stmt, err := conn.PrepareContext(t.Context(), "SELECT CONNECTION_ID()")
		if err != nil {
			t.Fatal(err)
		}
		defer stmt.Close()
		var got int
		if err := stmt.QueryRowContext(t.Context()).Scan(&got); err != nil || got != want || got < firstThread {
			t.Errorf("prepared: %d, %v; as text %d", got, err, want)
		}
	})
}

// text returns the rows of a result.
func (c *raw) text(text string) (rows [][]string) {
	c.t.Helper()
	response := c.response(wire.ComQuery, c.statement(text))
	columns, n := int(response[4]), 1+int(response[4])
	if !c.caps.Has(wire.DeprecateEOF) {
		n++
	}
	for ; ; n++ {
		payload := c.skip(response, n)
		if payload == nil || payload[0] == 0xFE || payload[0] == 0xFF {
			return rows
		}
		r := wire.NewReader(payload)
		row := make([]string, columns)
		for i := range row {
			if rest := payload[len(payload)-r.Len():]; len(rest) > 0 && rest[0] == 0xFB {
				r.Take(1)
				row[i] = "NULL"
				continue
			}
			row[i] = string(r.Bytes())
		}
		rows = append(rows, row)
	}
}

// A session is killed by either of its ids, its own included, in all the ways in
// which clients say so; then its client's connection is closed.
func TestRealKillEndsTheSession(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		db := f.app(t, nil)
		for _, busy := range []bool{false, true} {
			for _, how := range []string{"text", "own number", "argument", "text argument", "command", "itself", "itself by name", "itself, with nothing to lose"} {
				t.Run(fmt.Sprintf("%s, busy %v", how, busy), func(t *testing.T) {
					victim, id := f.raw(t, f.Addr(), rawCaps)
					if how != "itself, with nothing to lose" {
						victim.response(wire.ComQuery, "SET @a=1")
					}
					itself := strings.HasPrefix(how, "itself")
					if f.mysql != nil && (how == "command" || strings.Contains(how, "argument")) || itself && busy {
						return // MySQL has neither COM_PROCESS_KILL any more nor KILL with a parameter
					}
					if busy {
						_ = victim.own.Send(wire.Query("SELECT SLEEP(30), 'busy'"))
						waitFor(t, "it sleeps", func() bool {
							return f.query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(30)%'") == "1"
						})
					}
					number := strconv.FormatUint(uint64(id), 10)
					switch how {
					case "text":
						run(t, db, "KILL "+number)
					case "own number":
						run(t, db, "KILL CONNECTION "+strconv.FormatUint(uint64(f.session(id).at().thread), 10))
					case "argument":
						run(t, db, "KILL ?", id)
					case "text argument":
						run(t, db, "KILL CONNECTION ?", number)
					case "command":
						c, _ := f.raw(t, f.Addr(), rawCaps)
						if got := c.response(wire.ComProcessKill, string([]byte{byte(id), byte(id >> 8), byte(id >> 16), byte(id >> 24)})); got[4] != 0 {
							t.Errorf("%q", got)
						}
					case "itself", "itself, with nothing to lose":
						_ = victim.own.Send(wire.Query("KILL " + number))
					case "itself by name":
						_ = victim.own.Send(wire.Query("KILL CONNECTION_ID()"))
					}
					waitFor(t, "the session ends", func() bool { return f.session(id) == nil })
				})
			}
		}
		_, err := db.ExecContext(t.Context(), "KILL 1073799999")
		if e := (*mysql.MySQLError)(nil); !errors.As(err, &e) || e.Number != 1094 {
			t.Errorf("a session that is not there: %v", err)
		}
	})
}

// KILL QUERY ends what runs, and the session goes on.
func TestRealKillQuery(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		db := f.app(t, nil)
		f.exec(t, "CREATE TABLE shop.t (v INT); INSERT INTO shop.t VALUES (1)"+strings.Repeat(",(1)", 499))
		for _, how := range []string{"KILL QUERY %", "KILL QUERY @", "KILL QUERY ?"} {
			if f.mysql != nil && strings.Contains(how, "?") {
				continue
			}
			victim, id := f.raw(t, f.Addr(), rawCaps)
			victim.response(wire.ComQuery, "SET @a=1")
			_ = victim.own.Send(wire.Query("SELECT COUNT(*) FROM shop.t a, shop.t b, shop.t c, shop.t d WHERE a.v*b.v*c.v*d.v=1.5"))
			waitFor(t, "it works", func() bool {
				return f.query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT COUNT(*) FROM shop.t a%'") == "1"
			})
			own := strconv.FormatUint(uint64(f.session(id).at().thread), 10)
			if text := strings.NewReplacer("%", strconv.FormatUint(uint64(id), 10), "@", own).Replace(how); strings.Contains(text, "?") {
				run(t, db, text, id)
			} else {
				run(t, db, text)
			}
			victim.own.Restart(1, 1<<16)
			for {
				payload, err := victim.own.Read()
				if err != nil {
					t.Fatal(err)
				}
				if payload[0] == 0xFF || payload[0] == 0xFE {
					if n := errorOf(append(make([]byte, 4), payload...)); n != 1317 && n != 1969 {
						t.Errorf("%s: %q", how, payload)
					}
					break
				}
			}
			if got := victim.text("SELECT @a"); got[0][0] != "1" {
				t.Errorf("%s: then %q", how, got)
			}
		}
		for _, text := range []string{"KILL QUERY @x", "KILL QUERY USER app", "KILL QUERY ID 7"} {
			_, err := db.ExecContext(t.Context(), text)
			if e := (*mysql.MySQLError)(nil); !errors.As(err, &e) || e.Number != 1235 {
				t.Errorf("%s: %v", text, err)
			}
		}
	})
}

// A KILL QUERY never reaches a session that commits. What was done when one had come
// for it is not acknowledged: it may have ended the wait for the replica.
func TestKillQueryTakesNoCommitBack(t *testing.T) {
	release := make(chan struct{})
	f := startFaked(t, Config{}, func(c *fakeConn, command []byte) {
		switch text := string(command[1:]); {
		case text == "BEGIN":
			c.status(wire.StatusAutocommit|wire.StatusInTransaction, nil)
		case text == "COMMIT", text == "INSERT waits":
			<-release
			c.status(wire.StatusAutocommit|wire.StatusSessionChanged, variable("last_gtid", "1-1-7"))
		case strings.HasPrefix(text, "KILL QUERY"):
			c.ok()
			release <- struct{}{}
		default:
			c.ok()
		}
	})
	f.fake.ownThreads()
	killer := f.client(t)
	tests := []struct {
		name   string
		before string
		text   string
		killed bool // at the member
		number int
	}{
		{"a commit", "BEGIN", "COMMIT", false, 0},
		{"an autocommit write", "SELECT 1", "INSERT waits", true, 1105},
		{"a commit, later", "BEGIN", "COMMIT", false, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, id := f.greeted(t)
			c.query(tt.before)
			before := len(f.fake.commands())
			done := make(chan int, 1)
			go func() { n, _ := c.query(tt.text); done <- n }()
			waitFor(t, "it runs", func() bool { return len(f.fake.commands()) == before+1 })
			if n, _ := killer.query("KILL QUERY " + strconv.FormatUint(uint64(id), 10)); n != 0 {
				t.Errorf("the KILL got %d", n)
			}
			if got := len(f.fake.commands()) == before+2; got != tt.killed {
				t.Errorf("the member got %q", f.fake.commands()[before:])
			}
			if !tt.killed {
				release <- struct{}{}
			}
			if n := <-done; n != tt.number {
				t.Errorf("the client got %d", n)
			}
			if n, _ := c.query("COMMIT now"); n != 0 { // the strike is past
				t.Errorf("then %d", n)
			}
		})
	}
}

// greeted logs in, and returns the id that the client was greeted with.
func (f *faked) greeted(t *testing.T) (*raw, uint32) {
	t.Helper()
	c := dialRaw(t, f.Addr())
	payload, err := c.own.Read()
	if err != nil {
		t.Fatal(err)
	}
	greeting, err := wire.ParseGreeting(payload)
	if err != nil {
		t.Fatal(err)
	}
	c.loginAfter(t, payload, "app", appPassword)
	return c, greeting.ThreadID
}

// A COMMIT waits for a strike that is on its way, and is not struck itself.
func TestStrikesLandBeforeACommit(t *testing.T) {
	var k strikes
	landed, ok := k.strike(t.Context())
	if !ok {
		t.Fatal("nobody commits")
	}
	done := make(chan func())
	go func() { done <- k.commit() }()
	waitFor(t, "it commits", k.committing.Load)
	second := make(chan bool)
	go func() { _, ok := k.strike(t.Context()); second <- ok }()
	select {
	case <-done:
		t.Error("the commit does not wait for the strike")
	case <-time.After(20 * time.Millisecond):
	}
	landed(true)
	end := <-done
	if <-second {
		t.Error("a commit can be struck")
	}
	if k.hit() {
		t.Error("a strike that landed before the COMMIT was sent counts against it")
	}
	end()
	if landed, ok = k.strike(t.Context()); !ok {
		t.Error("nobody commits any more")
	}
	landed(false)
}

func TestStrikesThatCount(t *testing.T) {
	var k strikes
	landed, _ := k.strike(t.Context())
	k.begin() // of a command that it may still hit
	go func() {
		time.Sleep(20 * time.Millisecond)
		landed(true)
	}()
	if !k.hit() {
		t.Error("a strike on its way was taken for past")
	}
	if k.begin(); k.hit() {
		t.Error("a strike at the command before counts")
	}
	landed, _ = k.strike(t.Context())
	landed(false)
	if k.hit() {
		t.Error("what the member has refused counts")
	}
	_, _ = k.strike(t.Context()) // never answered
	if start := time.Now(); !k.hit() || time.Since(start) > 2*strikePatience {
		t.Errorf("waited for %v", time.Since(start))
	}
}

// A strike is over for the next command as soon as who waited for it has its turn.
func TestAStrikeIsOverWhenItsTurnIs(t *testing.T) {
	for range 10000 {
		var k strikes
		landed, _ := k.strike(t.Context())
		k.begin()
		go landed(true)
		if k.hit(); k.struck.Load() != 1 { // it was over before it was looked at, else
			t.Fatal("it has landed, and does not count")
		}
		if k.begin(); k.hit() {
			t.Fatal("a strike at the command before counts")
		}
		landed, _ = k.strike(t.Context())
		go landed(true)
		if done := k.commit(); k.hit() {
			t.Fatal("a strike that landed before the COMMIT was sent counts against it")
		} else {
			done()
		}
	}
}

// Who has lost his link knows whether he was killed, once the KILL was answered.
func TestStrikesThatEnd(t *testing.T) {
	var k strikes
	if k.over() {
		t.Error("nobody has killed it")
	}
	landed, ok := k.end(t.Context())
	if !ok {
		t.Fatal("not announced")
	}
	landed(false)
	if k.over() {
		t.Error("what the member has refused counts")
	}
	done := k.commit()
	landed, ok = k.end(t.Context())
	if !ok {
		t.Fatal("a connection that commits can be killed")
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		landed(true)
	}()
	for range 2 { // asked again it says the same
		if !k.over() {
			t.Error("a KILL on its way was not waited for")
		}
	}
	if k.hit() {
		t.Error("it is no KILL of what runs")
	}
	done()
	var slow strikes
	_, _ = slow.end(t.Context()) // never answered
	if start := time.Now(); !slow.over() || time.Since(start) > 2*strikePatience {
		t.Errorf("waited for %v", time.Since(start))
	}
}

// Nobody can spoil what another account does by KILLs that he is not entitled to.
func TestRealKillOfAnotherAccount(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT); CREATE USER eve@'%' IDENTIFIED BY 'eve''s'")
		<-f.world.Refresh()
		c, id := f.raw(t, f.Addr(), rawCaps)
		c.response(wire.ComInitDB, "shop")
		eve := f.through(t, person{user: "eve", password: "eve's"})
		for range 20 {
			for _, text := range []string{"KILL QUERY ", "KILL "} {
				_, err := eve.ExecContext(t.Context(), text+strconv.FormatUint(uint64(id), 10))
				if e := (*mysql.MySQLError)(nil); !errors.As(err, &e) || e.Number != 1095 {
					t.Fatalf("%s: %v", text, err)
				}
			}
			if got := c.response(wire.ComQuery, "INSERT INTO t VALUES ()"); got[4] != 0 {
				t.Fatalf("got %q", got)
			}
		}
	})
}
