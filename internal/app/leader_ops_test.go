package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/app"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// maintained takes the member behind the owner out for a while.
func maintained(t *testing.T, d *dies) {
	_, i := d.ownerIs(t)
	out := d.servers[(i+1)%len(d.servers)].Name
	d.ordered(t, "maintenance", func(c *api.Client) error {
		_, err := c.Leave(t.Context(), out, "maintenance", api.LeaveRequest{Why: "test", TTLMS: 3_600_000}, false)
		return err
	})
	eventually(t, 40*time.Second, out+" is maintained", func() error { return d.memberIs(t, out, "maintenance") })
	d.settle(t, wellWithin)
}

// endMaintenance lets whoever is maintained back in.
func endMaintenance(t *testing.T, d *dies) func() {
	for _, s := range d.servers {
		if d.memberIs(t, s.Name, "maintenance") != nil {
			continue
		}
		d.ordered(t, "the end of the maintenance", func(c *api.Client) error {
			_, err := c.Leave(t.Context(), s.Name, "maintenance", api.LeaveRequest{End: true}, false)
			return err
		})
		eventually(t, 60*time.Second, s.Name+" is in the ring", func() error { return d.memberIs(t, s.Name, "active") })
		return nil
	}
	t.Error("nobody is maintained")
	return nil
}

// shrunk removes the member behind the owner.
func shrunk(t *testing.T, d *dies) {
	_, i := d.ownerIs(t)
	gone := d.servers[(i+1)%len(d.servers)].Name
	d.ordered(t, "a removal", func(c *api.Client) error {
		_, err := c.Leave(t.Context(), gone, "remove", api.LeaveRequest{Why: "test"}, false)
		return err
	})
	eventually(t, 40*time.Second, gone+" has left", func() error { return d.memberIs(t, gone, "") })
	d.settle(t, wellWithin)
}

// growBack adds whoever was removed.
func growBack(t *testing.T, d *dies) func() {
	for _, s := range d.servers {
		if d.memberIs(t, s.Name, "") == nil {
			d.adds(t, s)
			return nil
		}
	}
	t.Error("nobody was removed")
	return nil
}

func (d *dies) adds(t *testing.T, s *mysqltest.Server) {
	t.Helper()
	d.ordered(t, "growth", func(c *api.Client) error {
		_, err := c.AddMember(t.Context(), api.AddRequest{InitMember: api.InitMember{ID: s.Name, Addr: s.Addr}, DiscardData: true, Why: "test"}, false)
		return err
	})
	eventually(t, 60*time.Second, s.Name+" is in the ring", func() error { return d.memberIs(t, s.Name, "active") })
}

// emptied has the member behind the owner in quarantine, by a slip.
func emptied(t *testing.T, d *dies) {
	_, i := d.ownerIs(t)
	victim := d.servers[(i+1)%len(d.servers)]
	emptyBinlog(t, victim)
	at, typed := time.Now(), false
	eventually(t, 30*time.Second, victim.Name+" is in quarantine", func() error {
		err := d.memberIs(t, victim.Name, "quarantined")
		if err != nil && !typed && strings.Contains(err.Error(), typedThere) { // of a MySQL that was at work meanwhile
			victim.Exec(t, typedThere)
			typed = true
		}
		d.saysTheWord(t, victim.Name, at)
		return err
	})
}

// typedThere is what has to be typed at a MySQL whose binlog was emptied while it was at work.
const typedThere = "STOP REPLICA; RESET BINARY LOGS AND GTIDS"

// saysTheWord has a member let in that has been out for a while: who was lost often is let in
// late (flapping), or by a word. It is refused while it is under way.
func (d *dies) saysTheWord(t *testing.T, name string, since time.Time) {
	if time.Since(since) > 3*time.Second {
		_, _ = d.nodes[d.leader(t)].client.Rejoin(t.Context(), name, api.RejoinRequest{Why: "test"})
	}
}

// recloneOne has whoever is in quarantine copied anew.
func recloneOne(t *testing.T, d *dies) func() {
	for _, s := range d.servers {
		if d.memberIs(t, s.Name, "quarantined") != nil {
			continue
		}
		d.ordered(t, "a copy", func(c *api.Client) error {
			_, err := c.Reclone(t.Context(), s.Name, api.RecloneRequest{Why: "test"}, false)
			return err
		})
		eventually(t, 60*time.Second, s.Name+" is in the ring", func() error { return d.memberIs(t, s.Name, "active") })
		return nil
	}
	t.Error("nobody is in quarantine")
	return nil
}

// TestLeaderDiesBetweenTwoStepsOfAResize: the same of a change of the stride. No stride comes
// back: from 3 on it is doubled fourteen times, and then there is another ring.
func TestLeaderDiesBetweenTwoStepsOfAResize(t *testing.T) {
	const each = 14
	died, through := 0, false
	for steps := dyingSteps(t, []int{6}); len(steps) > 0 && !through && !t.Failed(); {
		some := steps[:min(each, len(steps))]
		steps = steps[len(some):]
		t.Run(fmt.Sprintf("from step %d on", some[0]), func(t *testing.T) { // its servers end with it
			d, more := startDies(t, 3), 0
			d.underLoad(t, "leader killed between two steps of a resize", func() {
				more, through = d.play(t, dying{name: "resize", begin: resizeOnce}, some)
			})
			died += more
		})
	}
	if died == 0 {
		t.Error("the leader never died")
	}
	t.Logf("FIGURE leader killed in a resize after each of %d steps", died)
}

// resizeOnce doubles the ring's stride.
func resizeOnce(t *testing.T, d *dies) func() {
	report, err := d.nodes[d.leader(t)].client.Autoinc(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.stride = 2 * report.Stride
	d.ordered(t, "a resize", func(c *api.Client) error {
		_, err := c.Resize(t.Context(), api.ResizeRequest{Stride: d.stride, GraceMS: 500, Why: "test"})
		return err
	})
	d.counts(t, d.stride)
	return nil
}

// counts waits until the ring is of a stride, and every server counts by it and by a slot
// that no other one has.
func (d *dies) counts(t *testing.T, stride int) {
	t.Helper()
	eventually(t, wellWithin, fmt.Sprintf("the stride is %d", stride), func() error {
		r := d.nodes[d.leader(t)]
		report, err := r.client.Autoinc(t.Context())
		if err != nil {
			return err
		}
		if report.Stride != stride || report.Resize != nil {
			return fmt.Errorf("stride %d, resize %+v: %s", report.Stride, report.Resize, r.why(t))
		}
		v, err := r.client.VerifyAutoinc(t.Context())
		if err == nil && (v.OK == nil || !*v.OK || v.Tables == nil || !*v.Tables) {
			err = fmt.Errorf("%+v", v)
		}
		return err
	})
	slots := map[string]string{}
	for _, s := range d.servers {
		slot := s.Query(t, "SELECT @@global.auto_increment_offset")
		if other, taken := slots[slot]; taken {
			t.Errorf("%s and %s count by slot %s", s.Name, other, slot)
		}
		slots[slot] = s.Name
		if got := s.Query(t, "SELECT @@global.auto_increment_increment"); got != fmt.Sprint(stride) {
			t.Errorf("%s counts by stride %s, the ring has %d", s.Name, got, stride)
		}
	}
}

// written has the member behind the owner in quarantine, since somebody has written there
// while it was maintained. Each transaction adds one, so one that is replayed twice, or half,
// is seen.
func written(t *testing.T, d *dies) {
	const each = 60
	if d.replayed == 0 {
		d.nodes[0].exec(t, "CREATE DATABASE faults", "GRANT ALL ON faults.* TO "+mysqltest.Manager+"@'127.0.0.1'",
			"CREATE TABLE faults.counts (id INT PRIMARY KEY, n INT)", "CREATE TABLE faults.log (id INT PRIMARY KEY)", "INSERT INTO faults.counts VALUES (1, 0)")
	}
	owner, i := d.ownerIs(t)
	victim := d.servers[(i+1)%len(d.servers)]
	eventually(t, 20*time.Second, "the rows are there", func() error {
		for _, table := range []string{"faults.counts", "faults.log"} {
			var sums [2]string
			for k, s := range []*mysqltest.Server{owner, victim} {
				var name string
				if err := s.DB().QueryRowContext(t.Context(), "CHECKSUM TABLE "+table).Scan(&name, &sums[k]); err != nil {
					return err
				}
			}
			if sums[0] != sums[1] {
				return fmt.Errorf("%s differs", table)
			}
		}
		return nil
	})
	d.nodes[d.leader(t)].away(t, victim, func(write func(string)) {
		var all strings.Builder
		for range each {
			fmt.Fprintf(&all, "BEGIN; UPDATE faults.counts SET n=n+1 WHERE id=1; INSERT INTO faults.log VALUES (%d); COMMIT;", d.replayed)
			d.replayed++
		}
		write(all.String())
	})
}

// replayOne has what only the member in quarantine holds written anew, and waits until all
// of it is on every member, once.
func replayOne(t *testing.T, d *dies) func() {
	i := slices.IndexFunc(d.servers, func(s *mysqltest.Server) bool { return d.memberIs(t, s.Name, "quarantined") == nil })
	if i < 0 {
		t.Error("nobody is in quarantine")
		return nil
	}
	d.ordered(t, "a replay", func(c *api.Client) error {
		_, err := c.Rejoin(t.Context(), d.servers[i].Name, api.RejoinRequest{Replay: true, Why: "test"})
		return err
	})
	eventually(t, wellWithin, d.servers[i].Name+" is in the ring", func() error { return d.memberIs(t, d.servers[i].Name, "active") })
	for _, s := range d.servers {
		for _, query := range []string{"SELECT n FROM faults.counts", "SELECT COUNT(*) FROM faults.log", "SELECT COUNT(*) FROM sqlring.replayed"} {
			eventually(t, 20*time.Second, "DATA: each transaction is there, once", func() error {
				if got := s.Query(t, query); got != fmt.Sprint(d.replayed) {
					return fmt.Errorf("%s: %s gives %s, not %d", s.Name, query, got, d.replayed)
				}
				return nil
			})
		}
	}
	return nil
}

// TestLeaderDiesWhileACircleIsAdopted: the same of an adoption, each time of other servers,
// which applications write to directly all the while.
func TestLeaderDiesWhileACircleIsAdopted(t *testing.T) {
	died := 0
	for _, step := range dyingSteps(t, []int{5}) {
		dead := false
		t.Run(fmt.Sprintf("after step %d", step), func(t *testing.T) { dead = adoptAndDie(t, step) }) // its servers end with it
		if t.Failed() || !dead {
			break
		}
		died++
	}
	t.Logf("FIGURE leader killed in an adoption after each of %d steps", died)
	if died == 0 {
		t.Error("the leader never died")
	}
}

func adoptAndDie(t *testing.T, step int) (died bool) {
	like := &rig{servers: mysqltest.StartRing(t, 2), trap: filepath.Join(t.TempDir(), "trap")}
	direct := like.startCircle(t, 2)
	n := startNodesAlone(t, like, func(*app.Config) {}, "voter", "voter", "voter")
	n.leader(t)
	n.answer(t)
	setTrap(t, like.trap, 1, step)
	began, tries := time.Now(), 0
	eventually(t, 20*time.Second, "the adoption is ordered", func() error {
		r := n.nodes[tries%len(n.nodes)]
		tries++
		if st, err := r.client.Status(t.Context()); err == nil && st.Ring != "" {
			return nil // by a try before
		}
		_, err := r.client.Adopt(t.Context(), like.adoptRequest(), false)
		return err
	})
	for _, r := range n.nodes {
		r.untilHealthy(t, 60*time.Second)
	}
	took := time.Since(began)
	died = os.Remove(like.trap) != nil // it was sprung
	deaths := 0
	for _, p := range n.procs {
		deaths += p.deaths()
	}
	if deaths > 1 || died != (deaths == 1) {
		t.Errorf("after step %d, %d nodes died", step, deaths)
	}
	direct.end()
	if len(direct.failed) > 0 {
		t.Errorf("after step %d, %d direct writes were refused", step, len(direct.failed))
	}
	if _, err := n.nodes[n.leader(t)].client.CloseDirect(t.Context(), api.CloseDirectRequest{Why: "test"}, false); err != nil {
		t.Error(err)
	}
	n.nodes[n.leader(t)].untilHealthy(t, 30*time.Second)
	like.untilEqual(t, "faults.w")
	for _, s := range n.servers {
		direct.account(t, s)
	}
	t.Logf("adopted after %d ms, with the leader killed after step %d: %t; %d direct writes told", took.Milliseconds(), step, died, len(direct.told))
	return died
}
