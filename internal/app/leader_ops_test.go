package app_test

import (
	"fmt"
	"os"
	"path/filepath"
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
	d.settle(t, 60*time.Second)
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
	d.settle(t, 60*time.Second)
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
