package proxy

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/balancer"
	"github.com/sqlring/sqlring/pkg/topology"
)

// asksForFile sends a LOAD DATA LOCAL and reads what is asked for.
func (c *raw) asksForFile(table string) {
	c.t.Helper()
	payload, err := c.do(wire.ComQuery, "LOAD DATA LOCAL INFILE 'cards.tsv' INTO TABLE shop."+table)
	if err != nil || string(payload) != "\xfbcards.tsv" {
		c.t.Fatalf("%q, %v", payload, err)
	}
}

// sends sends pieces of the file.
func (c *raw) sends(pieces ...string) error {
	for _, piece := range pieces {
		if err := c.own.Write([]byte(piece)); err != nil {
			return err
		}
	}
	return nil
}

// ends ends the file and returns the number of the error that is answered, 0 for none.
func (c *raw) ends() int {
	c.t.Helper()
	if err := c.own.Write(nil); err != nil {
		c.t.Fatal(err)
	}
	payload, err := c.own.Read() // in sequence, or it is an error
	if err != nil {
		c.t.Fatal(err)
	}
	return errorOf(append(make([]byte, 4), payload...))
}

func startLoading(t *testing.T, f *fronted, caps wire.Capability) *raw {
	t.Helper()
	f.exec(t, "CREATE TABLE IF NOT EXISTS shop.t (id INT PRIMARY KEY, v TEXT); TRUNCATE shop.t")
	c, _ := f.raw(t, f.Addr(), caps)
	return c
}

func (f *fronted) rows(t *testing.T) string { return f.query(t, "SELECT COUNT(*) FROM shop.t") }

func TestRealLoadDataLocalEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		f.exec(t, "SET GLOBAL local_infile=1")
		for _, caps := range []wire.Capability{rawCaps, rawCaps &^ wire.DeprecateEOF} {
			c := startLoading(t, f, caps)
			for _, tt := range []struct {
				name   string
				pieces []string
				number int
				rows   string
			}{
				{"empty", nil, 0, "0"},
				{"lines cut anywhere", []string{"1\ta\n2", "\tb\n", "3\tc"}, 0, "3"},
				{"an error in the middle", []string{"4\ta\n5", "\tb\n", strings.Repeat("6\tc\n", 3) + "x"}, 0, "6"}, // IGNORE is implied by LOCAL
			} {
				c.asksForFile("t")
				if err := c.sends(tt.pieces...); err != nil {
					t.Fatal(err)
				}
				if n := c.ends(); n != tt.number {
					t.Errorf("%s: %d", tt.name, n)
				}
				if got := f.rows(t); got != tt.rows && tt.name != "an error in the middle" {
					t.Errorf("%s: %s rows", tt.name, got)
				}
			}
			if payload, err := c.do(wire.ComQuery, "LOAD DATA LOCAL INFILE 'x' INTO TABLE shop.nowhere"); err != nil || payload[0] != 0xFF && payload[0] != 0xFB {
				t.Errorf("%q, %v", payload, err)
			} else if payload[0] == 0xFB {
				if n := c.ends(); n != 1146 {
					t.Errorf("no such table: %d", n)
				}
			}
			if n, _ := c.query("SELECT 1"); n != 0 {
				t.Errorf("then %d", n)
			}
		}
		c := startLoading(t, f, rawCaps&^wire.LocalFiles)
		if n, _ := c.query("LOAD DATA LOCAL INFILE 'x' INTO TABLE shop.t"); n == 0 {
			t.Error("a client that offers no files was asked for one")
		}
	}, "local_infile=1")
}

// A client that aborts in the midst of its file has loaded nothing.
func TestRealLoadDataLocalAborted(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		c := startLoading(t, f, rawCaps)
		c.asksForFile("t")
		var lines strings.Builder
		for i := range 50000 {
			fmt.Fprintf(&lines, "%d\tvalue\n", i)
		}
		if err := c.sends(lines.String()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		_ = c.conn.Close()
		waitFor(t, "the statement is gone", func() bool {
			return f.query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'LOAD DATA%'") == "0"
		})
		waitFor(t, "nothing is left", func() bool { return f.rows(t) == "0" })
	}, "local_infile=1")
}

// A link that is lost in the midst of the file is told when the file has ended; and
// nothing of it was done.
func TestRealLoadDataLocalLosesItsMember(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fronted) {
		for before, want := range map[string]int{"SELECT 1": 1158, "BEGIN": 1213} {
			c := startLoading(t, f, rawCaps)
			c.query(before)
			c.asksForFile("t")
			if err := c.sends("1\ta\n"); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "it loads", func() bool {
				return f.query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'LOAD DATA%'") == "1"
			})
			f.exec(t, "KILL "+f.query(t, "SELECT id FROM information_schema.processlist WHERE info LIKE 'LOAD DATA%'"))
			time.Sleep(50 * time.Millisecond)
			for range 100 {
				if err := c.sends(strings.Repeat("2\tb\n", 10000)); err != nil {
					t.Fatal(err)
				}
			}
			if n := c.ends(); n != want {
				t.Errorf("after %s: %d", before, n)
			}
			if n, _ := c.query("SELECT 1"); n != 0 {
				t.Errorf("then %d", n)
			}
			if got := f.rows(t); got != "0" {
				t.Errorf("%s rows", got)
			}
		}
	}, "local_infile=1")
}

// The last packet of a file is not sent on a lease that is over; the member has all
// but that, and does nothing.
func TestRealLoadDataLocalOutlivesItsLease(t *testing.T) {
	f := inFrontOf(t, topology.FlavourMariaDB, Config{WatchInterval: time.Hour}, "local_infile=1")
	f.exec(t, "GRANT ALL ON *.* TO app@'%'")
	c := startLoading(t, f, rawCaps)
	c.asksForFile("t")
	if err := c.sends("1\ta\n"); err != nil {
		t.Fatal(err)
	}
	view := *f.world.View()
	view.Units = []balancer.Unit{{ID: topology.UnitRest, Epoch: 2}} // nobody owns it
	// Not by way of the watch, which would cut the link: it may come late.
	s := f.all()[0]
	waitFor(t, "the piece has passed", func() bool { return s.phase.Load()&1 == 1 })
	f.view.Store(&view)
	if n := c.ends(); n != 1158 {
		t.Errorf("got %d", n)
	}
	if got := f.rows(t); got != "0" {
		t.Errorf("%s rows", got)
	}
}

// A file of any size passes through one buffer, at the pace of the member.
func TestLoadDataLocalInLittleMemory(t *testing.T) {
	stop := make(chan struct{})
	f := startFaked(t, Config{}, func(c *fakeConn, command []byte) {
		if !bytes.HasPrefix(command[1:], []byte("LOAD")) {
			c.ok()
			return
		}
		_ = c.own.Write([]byte("\xfbcards.tsv"))
		<-stop // it does not read at first
		for {
			payload, err := c.own.Read()
			if err != nil || len(payload) == 0 {
				break
			}
		}
		c.ok()
	})
	c := f.client(t)
	c.asksForFile("t")
	before := heapAndStacks()
	piece := strings.Repeat("x", 1<<20)
	sent := make(chan int, 1)
	go func() {
		n := 0
		_ = c.conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		for ; n < 256 && c.sends(piece) == nil; n++ {
		}
		sent <- n
	}()
	if n := <-sent; n > 64 { // what the kernel's buffers take
		t.Errorf("%d MiB were taken of a client whose member does not read", n)
	}
	if grown := heapAndStacks() - before; grown > 4<<20 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	_ = c.conn.Close()
	close(stop)
	waitFor(t, "the session ends", func() bool { return f.Stats().Sessions == 0 })
}
