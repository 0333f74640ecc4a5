package app_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// aborting is an operation that is aborted, and that the leader dies on the way back of.
type aborting struct {
	name string
	kind string // of the operation
	// A short run: after which step it is aborted, and after which one from there on the leader
	// dies; nil: it is not in it, for it takes long.
	hold, die []int
	// begin orders it, and waits for nothing.
	begin func(t *testing.T, d *dies)
	// ended looks at what became of it, and makes that it can be ordered again.
	ended func(t *testing.T, d *dies, aborted bool)
	// end leaves a ring of three; nil: it is one.
	end func(t *testing.T, d *dies)
}

// wellWithin is how long the ring may take to be well again, on a machine that is slow.
const wellWithin = 2 * time.Minute

// turned is what became of one round.
type turned struct {
	cursor  string // where it was aborted; "": it was through before that
	aborted bool   // else it was past its point of no return
	died    bool
}

// TestLeaderDiesBetweenTwoStepsOfAnAbort: an operation is aborted after its first step, after
// its second, and so on, and the node that leads three is killed -9 between the steps of the
// way back. What was acknowledged as aborted is, whoever leads: the ring is as it was before
// it, and no operation is left.
func TestLeaderDiesBetweenTwoStepsOfAnAbort(t *testing.T) {
	d := startDies(t, 0)
	for _, some := range [][]aborting{ // those that copy come last, after a look at what was there
		{
			{"move", "move", []int{4}, []int{1}, beginMove, endedMove, nil},
			{"resize", "resize", []int{5}, []int{2}, beginResize, endedResize, nil},
			{"removal", "remove", []int{6}, []int{1}, beginRemoval, endedRemoval, nil},
		},
		{
			{"growth", "add", nil, nil, beginGrowth, endedGrowth, endGrowth},
			{"reclone", "reclone", nil, nil, beginReclone, endedReclone, endReclone},
		},
	} {
		some = slices.DeleteFunc(some, func(op aborting) bool { return len(dyingSteps(t, op.hold)) == 0 })
		if len(some) == 0 {
			continue
		}
		d.underLoad(t, "leader killed on the way back", func() {
			for _, op := range some {
				t.Run(op.name, func(t *testing.T) { d.playBack(t, op) })
			}
		})
	}
}

// playBack aborts op after each of its steps, or after some. At the first of each cursor the
// leader dies after each step of the way back, at the others after one of them by turns.
func (d *dies) playBack(t *testing.T, op aborting) {
	if op.end != nil {
		defer op.end(t, d)
	}
	const ways = 2 // op is not as long each time: it is through if it was so twice in a row
	died, longest, through := 0, 0, 0
	at, whole := map[string]int{}, map[string]bool{}
	play := func(hold, n int) turned {
		got := d.turnsBack(t, op, hold, n)
		if at[got.cursor]++; got.died {
			died++
			longest = max(longest, n)
		}
		return got
	}
	steps := dyingSteps(t, op.die)
	for _, hold := range dyingSteps(t, op.hold) {
		got := play(hold, steps[hold%min(3, len(steps))])
		if through++; got.cursor != "" {
			through = 0
		}
		if through == ways || t.Failed() {
			break
		}
		if !got.aborted || whole[got.cursor] || len(steps) == 1 {
			continue
		}
		whole[got.cursor] = true
		for _, n := range steps {
			if again := play(hold, n); !again.died || !again.aborted || t.Failed() {
				break
			}
		}
	}
	delete(at, "") // those that were through before
	if died == 0 {
		t.Error("the leader never died")
	}
	t.Logf("FIGURE leader killed on the way back of a %s: aborted at %v; the leader died %d times, after %d steps at most", op.name, at, died, longest)
}

// turnsBack has the controller stand still after hold steps of op, aborts that, and has the
// leader die after n more steps.
func (d *dies) turnsBack(t *testing.T, op aborting, hold, n int) (got turned) {
	t.Helper()
	d.rounds++
	deaths := d.deaths()
	before := map[string]bool{}
	for _, past := range d.operations(t) {
		before[past.ID] = true
	}
	setTrap(t, holdOf(d.trap), d.rounds, hold)
	op.begin(t, d)
	var now api.Operation
	eventually(t, wellWithin, "it is held, or through", func() error {
		now = api.Operation{}
		_, err := os.Stat(heldOf(d.trap)) // before they are listed: who is held has begun
		for _, one := range d.operations(t) {
			if one.Kind == op.kind && !before[one.ID] {
				now = one
			}
		}
		if now.ID != "" && (err == nil || now.State != "running") {
			return nil
		}
		return fmt.Errorf("%+v: %s", now, d.nodes[d.leader(t)].why(t))
	})
	began := time.Now()
	if now.State == "running" {
		got.cursor = now.Cursor
		setTrap(t, d.trap, d.rounds, n)
		got.aborted = d.aborts(t, now.ID)
		if _, err := os.Stat(heldOf(d.trap)); err != nil {
			t.Errorf("it was let go before it was aborted: %v", err)
		}
	}
	_ = os.Remove(holdOf(d.trap)) // it was not stepped into
	_ = os.Remove(heldOf(d.trap))
	eventually(t, wellWithin, "the operation is over", func() error {
		is, err := d.nodes[d.leader(t)].client.Operation(t.Context(), now.ID)
		if err == nil && (is.State == "running" || got.aborted != (is.State == "aborted")) {
			err = fmt.Errorf("aborted: %t, and %s is %s at %q: %s", got.aborted, is.ID, is.State, is.Cursor, d.nodes[d.leader(t)].why(t))
		}
		return err
	})
	op.ended(t, d, got.aborted)
	_ = os.Remove(d.trap)
	deaths = d.deaths() - deaths
	if got.died = deaths > 0; deaths > 1 {
		t.Errorf("%d nodes died", deaths)
	}
	t.Logf("%s held after step %d, at %q: aborted %t; killed %d steps later: %t; well after %d ms", now.ID, hold, got.cursor, got.aborted, n, got.died, time.Since(began).Milliseconds())
	return got
}

// aborts reports whether an operation is aborted; if not, it is past its point of no return.
func (d *dies) aborts(t *testing.T, id string) bool {
	t.Helper()
	_, err := d.nodes[d.leader(t)].client.AbortOperation(t.Context(), id, "test")
	var problem *api.Problem
	if err != nil && (!errors.As(err, &problem) || problem.Status != 409 || !strings.Contains(err.Error(), "point of no return")) {
		t.Errorf("abort %s: %v", id, err)
	}
	return err == nil
}

func (d *dies) deaths() (n int) {
	for _, p := range d.procs {
		n += p.deaths()
	}
	return n
}

// operations asks the leader, who may change meanwhile.
func (d *dies) operations(t *testing.T) (ops []api.Operation) {
	t.Helper()
	eventually(t, 20*time.Second, "the operations", func() (err error) {
		ops, err = d.nodes[d.leader(t)].client.Operations(t.Context())
		return err
	})
	return ops
}

// whole is a ring of all servers in which all is well: one is open, and all count by slots
// of their own.
func (d *dies) whole(t *testing.T) {
	t.Helper()
	d.settle(t, wellWithin)
	owner, _ := d.ownerIs(t)
	for _, s := range d.servers {
		if err := d.memberIs(t, s.Name, "active"); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		if open := s.Query(t, "SELECT @@global.read_only") == "0"; open != (s == owner) {
			t.Errorf("%s is open: %t, and %s owns the unit", s.Name, open, owner.Name)
		}
	}
	report, err := d.nodes[d.leader(t)].client.Autoinc(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.counts(t, report.Stride)
}

func beginMove(t *testing.T, d *dies) {
	owner, _ := d.ownerIs(t)
	d.former = owner.Name
	moveAway(t, d)
}

func endedMove(t *testing.T, d *dies, aborted bool) {
	d.whole(t)
	if owner, _ := d.ownerIs(t); aborted != (owner.Name == d.former) {
		t.Errorf("%s had the unit before, and %s has it after a move; aborted: %t", d.former, owner.Name, aborted)
	}
}

func beginResize(t *testing.T, d *dies) {
	report, err := d.nodes[d.leader(t)].client.Autoinc(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d.stride = report.Stride
	d.ordered(t, "a resize", func(c *api.Client) error {
		_, err := c.Resize(t.Context(), api.ResizeRequest{Stride: 2 * d.stride, GraceMS: 500, Why: "test"})
		return err
	})
}

func endedResize(t *testing.T, d *dies, aborted bool) {
	if !aborted {
		d.stride *= 2
	}
	d.counts(t, d.stride)
	d.whole(t)
}

func beginRemoval(t *testing.T, d *dies) {
	_, i := d.ownerIs(t)
	d.gone = d.servers[(i+1)%len(d.servers)]
	d.ordered(t, "a removal", func(c *api.Client) error {
		_, err := c.Leave(t.Context(), d.gone.Name, "remove", api.LeaveRequest{Why: "test"}, false)
		return err
	})
}

// endedRemoval: it stays, as it was before; else it is added again.
func endedRemoval(t *testing.T, d *dies, aborted bool) {
	if !aborted {
		eventually(t, wellWithin, d.gone.Name+" has left", func() error { return d.memberIs(t, d.gone.Name, "") })
		d.settle(t, wellWithin)
		d.adds(t, d.gone)
	}
	at := time.Now()
	eventually(t, wellWithin, d.gone.Name+" is in the ring", func() error {
		d.saysTheWord(t, d.gone.Name, at)
		return d.memberIs(t, d.gone.Name, "active")
	})
	d.whole(t)
	if m := memberOf(d.nodes[d.leader(t)].status(t), d.gone.Name); m.Leaving != "" || m.Drained {
		t.Errorf("%s stays, and is to leave: %q, drained: %t", m.Name, m.Leaving, m.Drained)
	}
}

func beginGrowth(t *testing.T, d *dies) {
	if !slices.ContainsFunc(d.servers, func(s *mysqltest.Server) bool { return d.memberIs(t, s.Name, "") == nil }) {
		shrunk(t, d)
	}
	for _, s := range d.servers {
		if d.memberIs(t, s.Name, "") == nil {
			d.gone = s
		}
	}
	d.ordered(t, "growth", func(c *api.Client) error {
		_, err := c.AddMember(t.Context(), api.AddRequest{InitMember: api.InitMember{ID: d.gone.Name, Addr: d.gone.Addr}, DiscardData: true, Why: "test"}, false)
		return err
	})
}

// endedGrowth: the server is as before, closed, and follows nobody; else it is a member.
func endedGrowth(t *testing.T, d *dies, aborted bool) {
	if !aborted {
		eventually(t, wellWithin, d.gone.Name+" is in the ring", func() error { return d.memberIs(t, d.gone.Name, "active") })
		d.whole(t)
		return
	}
	d.settle(t, wellWithin)
	if err := d.memberIs(t, d.gone.Name, ""); err != nil {
		t.Errorf("it was aborted, and %s: %v", d.gone.Name, err)
	}
	d.standsAlone(t)
}

// standsAlone: it is closed, and receives nothing from anybody.
func (d *dies) standsAlone(t *testing.T) {
	t.Helper()
	if d.gone.Query(t, "SELECT @@global.read_only") != "1" {
		t.Errorf("%s is open", d.gone.Name)
	}
	query := "SELECT COUNT(*) FROM information_schema.processlist WHERE command='Slave_IO'"
	if mysqltest.Flavour(t) == topology.FlavourMySQL {
		query = "SELECT COUNT(*) FROM performance_schema.replication_connection_status WHERE service_state='ON'"
	}
	if n := d.gone.Query(t, query); n != "0" {
		t.Errorf("%s stands alone, and receives: %s threads", d.gone.Name, n)
	}
}

func endGrowth(t *testing.T, d *dies) {
	if d.memberIs(t, d.gone.Name, "") == nil {
		d.adds(t, d.gone)
	}
	d.whole(t)
}

func beginReclone(t *testing.T, d *dies) {
	out := func(s *mysqltest.Server) bool { return d.memberIs(t, s.Name, "active") != nil }
	if !slices.ContainsFunc(d.servers, out) {
		emptied(t, d)
	}
	d.gone = d.servers[slices.IndexFunc(d.servers, out)]
	d.reclones(t)
}

func (d *dies) reclones(t *testing.T) {
	t.Helper()
	d.ordered(t, "a copy", func(c *api.Client) error {
		_, err := c.Reclone(t.Context(), d.gone.Name, api.RecloneRequest{Why: "test"}, false)
		return err
	})
}

// endedReclone: the member waits to be copied, and the ring is whole without it.
func endedReclone(t *testing.T, d *dies, aborted bool) {
	if !aborted {
		endReclone(t, d)
		return
	}
	eventually(t, wellWithin, "the ring is whole without "+d.gone.Name, func() error {
		st, err := d.nodes[d.leader(t)].client.Status(t.Context())
		if err != nil {
			return err
		}
		for _, why := range st.Reasons {
			if !strings.Contains(why, d.gone.Name) {
				err = fmt.Errorf("%q", st.Reasons)
			}
		}
		if st.Operation != nil {
			err = fmt.Errorf("%+v", st.Operation)
		}
		return err
	})
	if err := d.memberIs(t, d.gone.Name, "copying"); err != nil {
		t.Errorf("its copy was aborted, and %s: %v", d.gone.Name, err)
	}
	d.standsAlone(t)
}

func endReclone(t *testing.T, d *dies) {
	if d.memberIs(t, d.gone.Name, "copying") == nil {
		d.reclones(t)
	}
	eventually(t, wellWithin, d.gone.Name+" is in the ring", func() error { return d.memberIs(t, d.gone.Name, "active") })
	d.whole(t)
}
