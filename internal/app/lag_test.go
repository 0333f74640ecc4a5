package app_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/balancer"
)

// farRig is a ring of three whose clocks are wrong by minutes, and whose m3 stands
// behind a link of 100 ms there and back.
func farRig(t *testing.T) *rig {
	t.Helper()
	servers := mysqltest.StartRingWithClocks(t, 0, 7*time.Minute, -11*time.Minute)
	servers[2].Addr = mysqltest.SlowLink(t, servers[2].Addr, 50*time.Millisecond)
	return openRig(t, &rig{servers: servers, patience: 2 * time.Minute})
}

func (r *rig) lags(t *testing.T) api.LagReport {
	t.Helper()
	report, err := r.client.Lag(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// cell returns what is known of a pair.
func cell(t *testing.T, r api.LagReport, origin, member string) api.LagCell {
	t.Helper()
	for _, c := range r.Cells {
		if c.Origin == origin && c.Member == member {
			return c
		}
	}
	t.Fatalf("%s -> %s is not in %+v", origin, member, r)
	return api.LagCell{}
}

func level(r api.LagReport, member string) api.MemberLevel {
	for _, m := range r.Members {
		if m.Name == member {
			return m
		}
	}
	return api.MemberLevel{}
}

func (r *rig) untilLevel(t *testing.T, limit time.Duration, member, want string) (after time.Duration) {
	t.Helper()
	began := time.Now()
	eventually(t, limit, member+" is "+want, func() error {
		if got := level(r.lags(t), member); got.Level != want {
			return fmt.Errorf("it is %s: %s", got.Level, got.Why)
		}
		return nil
	})
	return time.Since(began)
}

// holdApplier holds the applier of a server by a row lock until the returned
// function is called. The truth lies between the two moments.
func holdApplier(t *testing.T, s *mysqltest.Server) (before, after time.Time, release func()) {
	t.Helper()
	conn, err := s.DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	before = time.Now()
	mustExec(t, conn, "BEGIN", "SELECT * FROM sqlring.heartbeat WHERE member='m1' FOR UPDATE")
	return before, time.Now(), func() { mustExec(t, conn, "ROLLBACK") }
}

// withinTruth reads the lag of m2 behind m1 ten times, and returns the widest bounds. The
// applier of m2 has stood still since a moment between before and after.
func (r *rig) withinTruth(t *testing.T, before, after time.Time) (widest time.Duration) {
	t.Helper()
	for range 10 {
		time.Sleep(300 * time.Millisecond)
		asked := time.Now()
		c := cell(t, r.lags(t), "m1", "m2")
		if c.LowMS == nil || c.AgeMS == nil {
			t.Fatalf("%+v", c)
		}
		low, high := time.Duration(*c.LowMS)*time.Millisecond, time.Duration(*c.HighMS)*time.Millisecond
		const hop = 100 * time.Millisecond // the last beat before it may have been on its way
		age := time.Duration(*c.AgeMS)*time.Millisecond + 300*time.Millisecond
		if low > time.Since(before) || high+hop < asked.Sub(after)-age {
			t.Errorf("still for %s to %s, read %s to %s, %s ago", asked.Sub(after), time.Since(before), low, high, age)
		}
		widest = max(widest, high-low)
	}
	return widest
}

func mustExec(t *testing.T, conn *sql.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := conn.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// The servers' clocks are wrong by minutes and one is far away: lag is read back within
// its bounds nevertheless, m2 is not read from once it is throttle, and the hop into
// m2 is to blame, for m3 behind it too.
func TestLagWithWrongClocksBehindASlowLink(t *testing.T) {
	r := farRig(t)
	if now := r.servers[1].Query(t, "SELECT TIMESTAMPDIFF(SECOND, '"+time.Now().UTC().Format(time.DateTime)+"', UTC_TIMESTAMP()) BETWEEN 400 AND 440"); now != "1" {
		t.Fatal("the clock of m2 is not wrong: the test proves nothing")
	}
	for _, m := range []string{"m1", "m2", "m3"} {
		r.untilLevel(t, 20*time.Second, m, "fresh")
	}
	for _, c := range r.lags(t).Cells {
		if c.LowMS == nil || *c.LowMS > 900 || *c.HighMS > 3000 {
			t.Errorf("nobody lags, and %s -> %s: %v to %v ms", c.Origin, c.Member, orNil(c.LowMS), orNil(c.HighMS))
		}
	}
	before, after, release := holdApplier(t, r.servers[1])
	widest := r.withinTruth(t, before, after)
	t.Logf("FIGURE lag is known to %s on a machine with other work", widest.Round(time.Millisecond))
	took := r.untilLevel(t, 30*time.Second, "m2", "throttle")
	t.Logf("FIGURE throttle %s after the lock (3 s for 1 s are asked for)", (took + 3*time.Second).Round(100*time.Millisecond))
	report := r.lags(t)
	if m := level(report, "m2"); m.Read || m.Behind == "" || !strings.Contains(m.Why, "at least") {
		t.Errorf("%+v", m)
	}
	if h := report.Hop; h == nil || h.From != "m1" || h.To != "m2" || !strings.Contains(h.What, "wait for its applier") {
		t.Errorf("the hop to blame: %+v", h)
	}
	if c := cell(t, report, "m1", "m2"); c.Behind == nil || *c.Behind < 8 || *c.Queued < 4 || *c.CatchesUp {
		t.Errorf("behind %v, received %v, catches up %v", orNil(c.Behind), orNil(c.Queued), orNil(c.CatchesUp))
	}
	r.neverReadsFrom(t, "m2")
	// A probe that is late, on a machine with other work, makes it unknown for a moment.
	r.checks(t, http.StatusTooManyRequests, http.StatusInternalServerError)
	release()
	if after := r.untilLevel(t, 60*time.Second, "m2", "fresh"); after < 9*time.Second {
		t.Errorf("fresh %s after the lock was released, 10 s are asked for", after)
	}
	r.untilLevel(t, 60*time.Second, "m3", "fresh") // it lagged behind m2
	eventually(t, 2*time.Second, "the levels of m2 are events", func() error {
		return r.seesTransitions(t, "m2", "warn", "throttle", "fresh")
	})
	r.checks(t, http.StatusOK, http.StatusInternalServerError)
}

// An applier that has stopped with an error: the member is broken, by the ring's own
// thresholds, which are set meanwhile, and is back in its time once that is mended.
func TestAFailedApplierIsBroken(t *testing.T) {
	r := startRig(t, 2)
	owner, err := r.servers[0].DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = owner.Close() }()
	other, err := r.servers[1].DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	mustExec(t, owner, "CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
	eventually(t, 10*time.Second, "m2 has the table", func() error {
		_, err := other.ExecContext(t.Context(), "SELECT * FROM shop.t")
		return err
	})
	ms := func(d time.Duration) *int64 { n := d.Milliseconds(); return &n }
	if _, err := r.client.SetLagThresholds(t.Context(), api.LagSetRequest{
		Broken: &api.LagSetBroken{HoldMS: ms(time.Second), ReleaseMS: ms(2 * time.Second)}, Why: "a test",
	}); err != nil {
		t.Fatal(err)
	}
	r.untilLevel(t, 20*time.Second, "m2", "fresh")
	mustExec(t, other, "SET SESSION sql_log_bin=0", "DROP TABLE shop.t")
	before := time.Now()
	mustExec(t, owner, "INSERT INTO shop.t VALUES (1)")
	eventually(t, 10*time.Second, "the applier of m2 has stopped", func() error {
		for _, m := range r.status(t).Members {
			if m.Name == "m2" && m.Link != nil && m.Link.Applier == "stopped" {
				return nil
			}
		}
		return errors.New("it runs")
	})
	after := time.Now()
	t.Logf("FIGURE broken %s after the applier failed (1 s is asked for)", r.untilLevel(t, 20*time.Second, "m2", "broken").Round(10*time.Millisecond))
	t.Logf("FIGURE lag of a stopped applier: bounds %s wide at most", r.withinTruth(t, before, after).Round(time.Millisecond))
	if m := level(r.lags(t), "m2"); m.Read || m.Behind != "" || !strings.Contains(m.Why, "its applier stopped with error 1146") {
		t.Errorf("%+v", m)
	}
	if st := r.status(t); st.Health != api.HealthDegraded || !slices.ContainsFunc(st.Reasons, func(s string) bool {
		return strings.HasPrefix(s, "member m2: its lag level is broken, reads go elsewhere: ")
	}) {
		t.Errorf("%s %q", st.Health, st.Reasons)
	}
	mustExec(t, other, "CREATE TABLE shop.t (id INT PRIMARY KEY)", mysqltest.Words(t, "START SLAVE SQL_THREAD"))
	r.untilLevel(t, 60*time.Second, "m2", "fresh")
	r.untilHealthy(t, 30*time.Second)
}

// A lag that swings about the threshold of warn, ten times: the level is entered once, and
// nobody is told more.
func TestASwingingLagIsToldOnce(t *testing.T) {
	r := startRig(t, 2)
	r.untilLevel(t, 20*time.Second, "m2", "fresh")
	r.untilOpen(t)
	changes := func() (found []string) {
		events, err := r.client.AllEvents(t.Context(), 512)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if e.Kind == "lag" && e.Member == "m2" {
				found = append(found, e.From+" -> "+e.To)
			}
		}
		return found
	}
	before, swings := len(changes()), 0
	for range 10 {
		_, _, release := holdApplier(t, r.servers[1])
		time.Sleep(2500 * time.Millisecond)
		if low := cell(t, r.lags(t), "m1", "m2").LowMS; low != nil && *low > 1000 {
			swings++
		}
		release()
		eventually(t, 5*time.Second, "the lag is over", func() error {
			if high := cell(t, r.lags(t), "m1", "m2").HighMS; high == nil || *high >= 900 {
				return fmt.Errorf("it is %v ms at most", orNil(high))
			}
			return nil
		})
	}
	told := changes()[before:]
	t.Logf("FIGURE lag that swung about a second %d times: %d changes of level: %v", swings, len(told), told)
	if swings < 8 {
		t.Errorf("it was above a second %d times of 10: this proves nothing", swings)
	}
	if len(told) != 1 || !strings.HasSuffix(told[0], "-> warn") {
		t.Errorf("told of %v", told)
	}
}

// A member's level says where reads go from now on; a read that is at work there, and one
// that waits there, goes on and gets its rows.
func TestAReadThatIsAtWorkIsNotEndedByItsMembersLevel(t *testing.T) {
	r := startRig(t, 2)
	db := r.takeoverPool(t)
	for _, statement := range []string{"CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	r.untilLevel(t, 20*time.Second, "m2", "fresh")
	conn, err := r.servers[1].DB().Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	eventually(t, 10*time.Second, "m2 has the row", func() error {
		var id int
		return conn.QueryRowContext(t.Context(), "SELECT id FROM cards.t").Scan(&id)
	})
	mustExec(t, conn, "LOCK TABLES cards.t WRITE")                                                                     // readers wait, and so does the applier
	const readers = 12                                                                                                 // of which some go to m2
	readersDB := r.pool(t, func(c *mysql.Config) { c.User, c.Passwd, c.DBName = "writer", takeoverPassword, "cards" }) // as patient as need be
	read := make(chan error, readers)
	for range readers {
		go func() {
			var id int
			err := readersDB.QueryRowContext(t.Context(), "SELECT /* sqlring consistency=eventual */ id FROM t").Scan(&id)
			if err == nil && id != 1 {
				err = fmt.Errorf("read %d", id)
			}
			read <- err
		}()
	}
	waiting := func() string {
		return r.servers[1].Query(t, "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT % id FROM t' AND state LIKE 'Waiting for table%'")
	}
	eventually(t, 10*time.Second, "a read is at work at m2", func() error {
		if waiting() == "0" {
			return fmt.Errorf("none is, and %d have ended", len(read))
		}
		return nil
	})
	if _, err := db.ExecContext(t.Context(), "INSERT INTO t VALUES (2)"); err != nil {
		t.Fatal(err)
	}
	r.untilLevel(t, 30*time.Second, "m2", "throttle")
	r.neverReadsFrom(t, "m2")
	before := waiting()
	if before == "0" {
		t.Error("the reads at m2 were ended when it became throttle")
	}
	mustExec(t, conn, "UNLOCK TABLES")
	for range readers {
		if err := <-read; err != nil {
			t.Errorf("a read that was begun before: %v", err)
		}
	}
	t.Logf("%s of %d reads were at work at m2 when it became throttle", before, readers)
}

func orNil[T any](v *T) any {
	if v == nil {
		return nil
	}
	return *v
}

// neverReadsFrom asks where reads go, and how soon after a probe the answer is there.
func (r *rig) neverReadsFrom(t *testing.T, member string) {
	t.Helper()
	eyes := r.app.Eyes()
	worst, last := time.Duration(0), time.Now()
	for samples := 0; samples < 100; {
		<-eyes.ReadsChanged()
		now, newest := time.Now(), time.Time{}
		for _, m := range eyes.Picture().Members {
			if m.Seen.After(newest) {
				newest = m.Seen
			}
		}
		if newest.After(last) { // else it is because of something else: a change of the state
			worst, last = max(worst, now.Sub(newest)), newest
			samples++
		}
		ask := balancer.Ask{Owner: "m1", Now: now, Draws: [2]uint64{uint64(now.UnixNano()), 1}, Consistency: balancer.ConsistencyEventual}
		if to, why, ok := eyes.Reads().Choose(ask); string(to.ID) == member || !ok {
			t.Fatalf("a read goes to %s: %s\n%+v", to.ID, why, eyes.Reads().Explain(ask))
		}
	}
	t.Logf("FIGURE the end of a probe to its picture, worst of 100: %s", worst.Round(10*time.Microsecond))
	if worst > 100*time.Millisecond {
		t.Errorf("%s from the end of a probe to its picture", worst)
	}
}

// seesTransitions looks for changes of level in the list of events, in their order.
func (r *rig) seesTransitions(t *testing.T, member string, want ...string) error {
	t.Helper()
	events, err := r.client.AllEvents(t.Context(), 512)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range events {
		if e.Kind != "lag" || e.Member != member {
			continue
		}
		all = append(all, e.From+" -> "+e.To)
		if len(want) > 0 && e.To == want[0] {
			want = want[1:]
			if e.Why == "" || len(e.Evidence) == 0 || e.Index == 0 || e.Seq == 0 {
				t.Errorf("%+v", e)
			}
		}
	}
	if len(want) > 0 {
		return fmt.Errorf("%v is missing in %v", want, all)
	}
	return nil
}

// checks asks 2 000 times, from four clients on their own connections, whether an
// application may write.
func (r *rig) checks(t *testing.T, want ...int) {
	t.Helper()
	const clients, each = 4, 500
	var mu sync.Mutex
	var took []time.Duration
	told := map[int]int{}
	var asking sync.WaitGroup
	for range clients {
		asking.Go(func() {
			transport := &http.Transport{MaxIdleConnsPerHost: 1}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
			for range each {
				began := time.Now()
				status, err := askCheck(t.Context(), client, http.MethodHead, "http://"+r.app.APIAddr()+"/freno/check/gh-ost/mysql/test")
				if err != nil || !slices.Contains(want, status) {
					t.Errorf("check: %d %v, want %d", status, err, want)
					return
				}
				mu.Lock()
				took = append(took, time.Since(began))
				told[status]++
				mu.Unlock()
			}
		})
	}
	asking.Wait()
	slices.Sort(took)
	if len(took) != clients*each {
		return
	}
	if told[want[0]] == 0 {
		t.Errorf("told %v, want %d", told, want[0])
	}
	p50, p99 := took[len(took)/2], took[len(took)*99/100]
	t.Logf("FIGURE check over HTTP, 4 clients: p50 %s, p99 %s", p50.Round(time.Microsecond), p99.Round(time.Microsecond))
}
