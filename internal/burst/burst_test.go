package burst

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

func TestMain(m *testing.M) { mysqltest.Main(m) }

func TestShapes(t *testing.T) {
	s, err := ParseShape(strings.NewReader("# night\n10s 100\n\n 20s x1 x10 # rise\n5s 7\n"), 50)
	if err != nil || s.Lasts() != 35*time.Second {
		t.Fatalf("%v %v", s, err)
	}
	for at, want := range map[time.Duration]float64{0: 100, 9 * time.Second: 100, 10 * time.Second: 50, 20 * time.Second: 275, 31 * time.Second: 7, 36 * time.Second: 0} {
		if got := s.Rate(at); got != want {
			t.Errorf("after %s: %g, want %g", at, got, want)
		}
	}
	for text, says := range map[string]string{"": "no phase", "10s": "line 1", "soon 5": `"soon" is no duration`, "1s 2\n1s much": `line 2: "much" is no rate`, "1s 1 2 3": "line 1", "0s 1": "no duration", "1s -1": "no rate"} {
		if _, err := ParseShape(strings.NewReader(text), 1); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
	for _, name := range []string{"ramp", "step", "midnight"} {
		if s, ok := Named(name, 10); !ok || s.Lasts() < time.Minute || s.Scaled(0.5).Lasts() != s.Lasts()/2 {
			t.Errorf("%s: %v", name, s)
		}
	}
}

func TestTheLongestWaitIsThatOfWhoComesLast(t *testing.T) {
	for _, c := range []struct {
		name     string
		shape    Shape
		capacity float64
		want     time.Duration
	}{
		{"less than there is room for", Shape{{time.Minute, 90, 100}}, 100, 0},
		{"twice as much for ten seconds", Shape{{10 * time.Second, 200, 200}, {time.Minute, 0, 0}}, 100, 10 * time.Second},
		{"two waves, the second on top of what is left", Shape{{10 * time.Second, 200, 200}, {5 * time.Second, 0, 0}, {10 * time.Second, 200, 200}}, 100, 15 * time.Second},
		{"a rise", Shape{{20 * time.Second, 0, 200}}, 100, 5 * time.Second},
	} {
		if got := c.shape.LongestWait(c.capacity); (got - c.want).Abs() > 100*time.Millisecond {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestErrorsAreToldApartByTheirText(t *testing.T) {
	c := newCounts(time.Second, time.Second)
	for n := range 200 {
		c.failed(&mysql.MySQLError{Number: 1041, Message: fmt.Sprintf("sqlring: member m1 is saturated (it waited; %d wait, this waited %ds)", n, n)})
		c.failed(&mysql.MySQLError{Number: uint16(2000 + n), Message: "odd"})
	}
	c.failed(io.EOF)
	if n := c.byError["Error 1041: sqlring: member mN is saturated (it waited; N wait, this waited Ns)"]; n != 200 || len(c.byError) > kinds+1 || c.byError["connection"]+c.byError["other errors"] != 200+1-(kinds-1) {
		t.Errorf("%d kinds: %v", len(c.byError), c.byError)
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	if p := h.quantile(0.5); p < 480 || p > 530 {
		t.Errorf("p50 %g", p)
	}
	if n := h.within(100 * time.Millisecond); n < 95 || n > 106 {
		t.Errorf("%d within 100 ms", n)
	}
}

// The longest wait is exact, of whoever waited, served or not; not of what was lost.
func TestTheLongestWaitIsTold(t *testing.T) {
	c := newCounts(3*time.Second, time.Second)
	for _, o := range []outcome{
		{action: "read", took: 1234567 * time.Microsecond},
		{action: "read", took: time.Second},
		{action: "send", took: 2 * time.Second, err: io.EOF},
		{took: time.Hour, lost: true},
	} {
		c.offered(0)
		c.ended(0, o)
	}
	c.offered(1100 * time.Millisecond)
	c.ended(1100*time.Millisecond, outcome{action: "send", took: 5 * time.Second, err: io.EOF, gaveUp: true})
	r := c.result(Options{})
	for what, s := range map[string]struct{ got, want float64 }{
		"in all": {r.Total.MaxMS, 5000}, "of the first second": {r.Seconds[0].MaxMS, 2000}, "of reads": {r.ByAction["read"].MaxMS, 1234.567},
	} {
		if s.got != s.want {
			t.Errorf("%s: %g ms, want %g", what, s.got, s.want)
		}
	}
	var b bytes.Buffer
	if err := r.WriteCSV(&b); err != nil || !strings.Contains(b.String(), ",max_ms\n") || !strings.Contains(b.String(), ",2000.00\n") {
		t.Errorf("%v: %s", err, b.String())
	}
}

// With Reconnect each request has a connection of its own; else those that there are serve all.
func TestAConnectionForEachRequest(t *testing.T) {
	server := mysqltest.Start(t)
	server.Exec(t, "SET GLOBAL read_only=0; CREATE USER crowd@'%' IDENTIFIED BY 'happy'; GRANT ALL ON *.* TO crowd@'%'")
	o := Options{Addr: server.Addr, User: "crowd", Password: "happy", Clients: 5, Good: 5 * time.Second, Patience: 10 * time.Second, Shape: Shape{{time.Second, 60, 60}}}
	db, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := Prepare(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for _, o.Reconnect = range []bool{false, true} {
		made := func() (n int) {
			if _, err := fmt.Sscan(server.Query(t, "SELECT variable_value FROM information_schema.global_status WHERE variable_name='Connections'"), &n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		before := made()
		r, err := Run(t.Context(), o, nil)
		if err != nil || r.Total.Good != r.Total.Offered || r.Total.MaxMS < r.Total.P50MS/2 || r.Total.MaxMS <= 0 {
			t.Errorf("%+v, %v", r.Total, err)
		}
		if n := made() - before; (n >= r.Total.Offered) != o.Reconnect {
			t.Errorf("reconnect %t: %d connections for %d requests", o.Reconnect, n, r.Total.Offered)
		}
	}
}

// TestRunOnARealServer: a second of load, all of it good; a server that is not there, none.
func TestRunOnARealServer(t *testing.T) {
	server := mysqltest.Start(t)
	server.Exec(t, "SET GLOBAL read_only=0; CREATE USER crowd@'%' IDENTIFIED BY 'happy'; GRANT ALL ON *.* TO crowd@'%'")
	o := Options{Addr: server.Addr, User: "crowd", Password: "happy", Clients: 20, Good: 5 * time.Second, Patience: 10 * time.Second, Shape: Shape{{2 * time.Second, 100, 100}}}
	whole := o.Shape
	db, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := Prepare(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), o, nil)
	if err != nil || r.Total.Offered < 120 || r.Total.Offered > 290 || r.Total.Good != r.Total.Offered || r.Total.P99MS <= 0 || len(r.ByError) > 0 {
		t.Errorf("%+v, %v", r.Total, err)
	}
	var sent, cards, views int
	if err := db.QueryRow("SELECT (SELECT sent FROM "+Schema+".total), (SELECT COUNT(*)-10000 FROM "+Schema+".card), (SELECT SUM(views) FROM "+Schema+".card)").Scan(&sent, &cards, &views); err != nil || sent != cards || sent == 0 || views == 0 {
		t.Errorf("%d cards sent, %d there, %d views: %v", sent, cards, views, err)
	}
	sum := 0
	for name, s := range r.ByAction {
		if sum += s.Offered; s.Good != s.Offered || s.P99MS <= 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if len(r.ByAction) != len(actions()) || sum != r.Total.Offered {
		t.Errorf("%d requests by action, %d in all: %+v", sum, r.Total.Offered, r.ByAction)
	}
	shown(t, r)
	brief, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	o.Shape = Shape{{time.Minute, 100, 100}}
	if broken, err := Run(brief, o, nil); err == nil || broken.Total.Good == 0 || len(broken.Seconds) == 0 {
		t.Errorf("one that was broken off tells nothing: %+v, %v", broken.Total, err)
	}
	o.Shape = whole
	if err := Clear(t.Context(), db); err != nil {
		t.Error(err)
	}
	o.Addr, o.Patience, o.Retries = "127.0.0.1:1", 300*time.Millisecond, 2
	lost, err := Run(context.Background(), o, nil)
	if err != nil || lost.Total.Good != 0 || lost.Total.Errors+lost.Total.GaveUp != lost.Total.Offered || lost.Amplified <= 1 {
		t.Errorf("%+v, %v", lost, err)
	}
}

// shown looks whether what is written can be read.
func shown(t *testing.T, r Result) {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteCSV(&b); err != nil {
		t.Error(err)
	}
	if rows, err := csv.NewReader(&b).ReadAll(); err != nil || len(rows) != len(r.Seconds)+1 {
		t.Errorf("%d rows: %v", len(rows), err)
	}
	b.Reset()
	var back Result
	if err := r.WriteJSON(&b); err != nil || json.Unmarshal(b.Bytes(), &back) != nil || back.Total != r.Total {
		t.Errorf("%+v %v", back.Total, err)
	}
	b.Reset()
	if err := r.WriteSVG(&b); err != nil || strings.Count(b.String(), "<polyline") != 6 {
		t.Errorf("%v", err)
	}
	for d := xml.NewDecoder(&b); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
	}
}
