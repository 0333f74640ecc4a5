package app_test

import (
	"errors"
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

// dies is three nodes before a ring of three, of which the one that leads is killed between
// two steps of an operation, again and again.
type dies struct {
	*nodesRig

	trap   string // its file
	rounds int
	loads  int // so far

	stride   int               // of the last resize; 0: none yet
	former   string            // who owned the unit before the last move
	gone     *mysqltest.Server // whom an aborted operation is about
	replayed int               // transactions of all replays
}

// dying is an operation that the leader dies in. begin orders it of a node, and returns
// what undoes it, which is ordered without a death; nil: nothing.
type dying struct {
	name  string
	every []int // the steps that a short run dies after
	begin func(t *testing.T, d *dies) (undo func())
	// before is what has to be so before it, without a death; nil: nothing.
	before func(t *testing.T, d *dies)
}

// TestLeaderDiesBetweenTwoSteps: an operation is ordered, and the node that leads three
// is killed -9 after its first step, after its second, and so on, until it is through
// before that. Another one leads, and finishes what was begun or aborts it cleanly: no
// operation is left, the ring is whole, no acknowledged write is missing, and no two
// members wrote in one epoch.
func TestLeaderDiesBetweenTwoSteps(t *testing.T) {
	d := startDies(t, 0)
	d.nodes[0].exec(t, "CREATE DATABASE shop", "CREATE TABLE shop.card (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, n INT)")
	d.playAll(t, []dying{
		{"move", []int{3}, moveAway, nil},
		{"takeover and return", []int{4}, killOwner, nil},
		{"maintenance", []int{6}, maintain, nil},
		{"end of maintenance", []int{3}, endMaintenance, maintained},
		{"unit and its end", []int{2, 9}, divide, nil},
		{"removal and growth", []int{9}, removeAndAdd, nil},
		{"growth", []int{7}, growBack, shrunk},
		{"reclone", []int{5}, recloneOne, emptied},
		{"replay", []int{2}, replayOne, written},
	})
}

// startDies starts three nodes before a ring of three of a stride; 0: the default.
func startDies(t *testing.T, stride int) *dies {
	t.Helper()
	d := &dies{trap: filepath.Join(t.TempDir(), "trap")}
	d.nodesRig = startNodesAt(t, &rig{servers: mysqltest.StartRing(t, 3), trap: d.trap, stride: stride, patience: wellWithin}, func(*app.Config) {}, "voter", "voter", "voter")
	d.load(t)
	return d
}

// playAll plays operations under one load.
func (d *dies) playAll(t *testing.T, ops []dying) {
	t.Helper()
	d.underLoad(t, "leader killed between two steps", func() {
		for _, op := range ops {
			if steps := dyingSteps(t, op.every); len(steps) > 0 {
				t.Run(op.name, func(t *testing.T) {
					if died, _ := d.play(t, op, steps); died == 0 {
						t.Error("the leader never died")
					}
				})
			}
		}
	})
}

// underLoad writes through each node while play runs, and looks for each write afterwards.
func (d *dies) underLoad(t *testing.T, what string, play func()) {
	t.Helper()
	h, before := newHistory(), d.rounds
	h.first = 1000 * d.loads // no two loads have the same clients
	d.loads++
	var loads []*epochLoad
	for i := range d.nodes {
		loads = append(loads, d.startEpochLoad(t, h, i, 2))
	}
	play()
	for _, l := range loads {
		l.end()
	}
	d.same(t)
	acked, failedN, unknownN := h.account(t, d.servers)
	h.oneOwner(t)
	h.linearizable(t)
	t.Logf("FIGURE %s: %d rounds, %d epochs with a write; %d writes acknowledged, %d failed, %d unknown, none missing", what, d.rounds-before, h.epochs(), acked, failedN, unknownN)
}

// dyingSteps returns after which steps the leader dies: few, or those from the first to the
// last one that the environment names.
func dyingSteps(t *testing.T, few []int) []int {
	t.Helper()
	const env = "SQLRING_LEADER_STEPS" // "1-60"
	text := os.Getenv(env)
	if text == "" {
		return few
	}
	var first, last int
	if _, err := fmt.Sscanf(text, "%d-%d", &first, &last); err != nil {
		t.Fatalf("%s=%q: want first-last: %v", env, text, err)
	}
	var steps []int
	for n := first; n <= last; n++ {
		steps = append(steps, n)
	}
	return steps
}

// play has the leader die after each of some steps of op, and says how often it did; through
// is set if op has no more.
func (d *dies) play(t *testing.T, op dying, steps []int) (died int, through bool) {
	t.Helper()
	var slowest time.Duration
	for _, n := range steps {
		undo, took, dead := d.round(t, op, n)
		slowest = max(slowest, took)
		t.Logf("after step %d: killed %t, through after %d ms", n, dead, took.Milliseconds())
		if dead {
			died++
		}
		if undo != nil {
			undo()
			d.settle(t, wellWithin)
		}
		if through = !dead; through || t.Failed() {
			break
		}
	}
	t.Logf("FIGURE leader killed in %s: after %d steps, from step %d on; the slowest was through %d ms after it was ordered", op.name, died, steps[0], slowest.Milliseconds())
	return died, through
}

// round orders op, has the leader die after n steps, and waits until all is well.
func (d *dies) round(t *testing.T, op dying, n int) (undo func(), took time.Duration, died bool) {
	t.Helper()
	if op.before != nil {
		op.before(t, d)
	}
	d.rounds++
	deaths := 0
	for _, p := range d.procs {
		deaths -= p.deaths()
	}
	setTrap(t, d.trap, d.rounds, n)
	at := time.Now()
	undo = op.begin(t, d)
	d.settle(t, wellWithin)
	_ = os.Remove(d.trap) // it was not stepped into
	for _, p := range d.procs {
		deaths += p.deaths()
	}
	if deaths > 1 {
		t.Errorf("after step %d of %s, %d nodes died", n, op.name, deaths)
	}
	return undo, time.Since(at), deaths > 0
}

// setTrap has whoever leads die after n steps from now on, or from a change of that kind on.
func setTrap(t *testing.T, file string, round, n int, kind ...string) {
	t.Helper()
	spare := file + ".new"
	if err := errors.Join(os.WriteFile(spare, fmt.Appendf(nil, "%d %d %s\n", round, n, strings.Join(kind, "")), 0o600), os.Rename(spare, file)); err != nil {
		t.Fatal(err)
	}
}

// TestLeaderDiesWhileARingIsMadeAndDissolved: the same of the operations that a ring has
// once, each time with new servers.
func TestLeaderDiesWhileARingIsMadeAndDissolved(t *testing.T) {
	beside(t)
	steps := dyingSteps(t, []int{5})
	made, dissolved := 0, 0
	for _, n := range steps {
		var inMaking, inDissolving bool
		t.Run(fmt.Sprintf("after step %d", n), func(t *testing.T) { inMaking, inDissolving = makeAndDissolve(t, n) }) // its servers end with it
		if inMaking {
			made++
		}
		if inDissolving {
			dissolved++
		}
		if t.Failed() || !inMaking && !inDissolving {
			break
		}
	}
	t.Logf("FIGURE leader killed in the making of a ring after each of %d steps, in a dissolution after each of %d", made, dissolved)
	if made == 0 || dissolved == 0 {
		t.Error("the leader never died")
	}
}

func makeAndDissolve(t *testing.T, step int) (inMaking, inDissolving bool) {
	trap := filepath.Join(t.TempDir(), "trap")
	setTrap(t, trap, 1, step)
	n := startNodesAt(t, &rig{servers: mysqltest.StartRing(t, 2), trap: trap}, func(*app.Config) {}, "voter", "voter", "voter")
	inMaking = os.Remove(trap) != nil // it was sprung
	n.answer(t)                       // who died is there again, and is asked next
	n.load(t)
	owner := n.owner(t, n.nodes[n.leader(t)])
	var loads []*steady
	for _, r := range n.nodes {
		loads = append(loads, r.startSteady(t, 2))
	}
	time.Sleep(300 * time.Millisecond)
	setTrap(t, trap, 2, step)
	if _, err := n.nodes[n.leader(t)].client.Dissolve(t.Context(), api.DissolveRequest{Why: "test"}); err != nil {
		t.Logf("the dissolution was ordered: %v", err)
	}
	eventually(t, 40*time.Second, "there is no ring", func() error {
		st, err := n.nodes[n.leader(t)].client.Status(t.Context())
		if err == nil && st.Ring != "" {
			err = fmt.Errorf("health %s: %v", st.Health, st.Reasons)
		}
		return err
	})
	inDissolving = os.Remove(trap) != nil
	acked := 0
	for _, l := range loads {
		l.end()
		l.account(t, n.servers)
		acked += len(l.acks)
	}
	for _, s := range n.servers {
		if s == owner {
			if s.Query(t, "SELECT @@global.read_only") != "0" {
				t.Errorf("after step %d, %s, which was to take writes, is closed", step, s.Name)
			}
			s.Exec(t, "SET GLOBAL read_only=1")
		}
		hasLeft(t, s, false)
	}
	n.same(t)
	for i, p := range n.procs {
		if n := p.deaths(); n > 2 {
			t.Errorf("after step %d, node %d died %d times", step, i+1, n)
		}
	}
	t.Logf("the leader was killed in the making: %t, in the dissolution: %t; %d writes acknowledged until then, none missing", inMaking, inDissolving, acked)
	return inMaking, inDissolving
}

// settle waits until no operation runs, and each node says that all is well, twice.
func (d *dies) settle(t *testing.T, limit time.Duration) {
	t.Helper()
	for range 2 {
		for _, r := range d.nodes {
			r.untilHealthy(t, limit)
		}
		time.Sleep(100 * time.Millisecond)
	}
	ops, err := d.nodes[d.leader(t)].client.Operations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range ops {
		if op.State == "running" {
			t.Errorf("%s (%s) stands at %q", op.ID, op.Kind, op.Cursor)
		}
	}
}

// ordered has a node order something, another one if the first dies meanwhile: what was
// ordered may be so though its answer was lost.
func (d *dies) ordered(t *testing.T, what string, order func(c *api.Client) error) {
	t.Helper()
	tries := 0
	eventually(t, 20*time.Second, what+" is ordered", func() error {
		err := order(d.nodes[tries%len(d.nodes)].client)
		tries++
		var problem *api.Problem
		if tries > 1 && errors.As(err, &problem) && problem.Status == 409 {
			return nil // by the first try
		}
		return err
	})
}

func (d *dies) ownerIs(t *testing.T) (server *mysqltest.Server, i int) {
	t.Helper()
	owner := d.owner(t, d.nodes[d.leader(t)])
	for i, s := range d.servers {
		if s == owner {
			return s, i
		}
	}
	t.Fatal("nobody owns anything")
	return nil, 0
}

func moveAway(t *testing.T, d *dies) func() {
	_, i := d.ownerIs(t)
	to := d.servers[(i+1)%len(d.servers)].Name
	d.ordered(t, "a move", func(c *api.Client) error {
		_, err := c.Move(t.Context(), "*", api.MoveRequest{To: to, Why: "test"})
		return err
	})
	return nil
}

func killOwner(t *testing.T, d *dies) func() {
	owner, _ := d.ownerIs(t)
	owner.Kill()
	time.Sleep(500 * time.Millisecond)
	owner.RestartNow(t)
	back := time.Now()
	eventually(t, 60*time.Second, owner.Name+" is in the ring", func() error {
		d.saysTheWord(t, owner.Name, back)
		return d.memberIs(t, owner.Name, "active")
	})
	return nil
}

func maintain(t *testing.T, d *dies) func() {
	owner, _ := d.ownerIs(t)
	d.ordered(t, "maintenance", func(c *api.Client) error {
		_, err := c.Leave(t.Context(), owner.Name, "maintenance", api.LeaveRequest{Why: "test", TTLMS: 3_600_000}, false)
		return err
	})
	eventually(t, 40*time.Second, owner.Name+" is maintained", func() error { return d.memberIs(t, owner.Name, "maintenance") })
	return func() {
		d.ordered(t, "its end", func(c *api.Client) error {
			_, err := c.Leave(t.Context(), owner.Name, "maintenance", api.LeaveRequest{End: true}, false)
			return err
		})
	}
}

// divide makes a unit, and joins it again; what was given up is ordered again.
func divide(t *testing.T, d *dies) func() {
	for _, there := range []bool{true, false} {
		eventually(t, 40*time.Second, fmt.Sprintf("the unit is there: %t", there), func() error {
			client := d.nodes[d.leader(t)].client
			units, err := client.Units(t.Context())
			if err != nil || slices.ContainsFunc(units, func(u unitStatus) bool { return u.Name == "shop" }) == there {
				return err
			}
			if there {
				_, err = client.CreateUnit(t.Context(), api.CreateUnitRequest{Name: "shop", Why: "test"})
			} else {
				_, err = client.JoinUnit(t.Context(), "shop", api.JoinUnitRequest{Why: "test"})
			}
			return fmt.Errorf("it was ordered: %w", err)
		})
	}
	return nil
}

func removeAndAdd(t *testing.T, d *dies) func() {
	_, i := d.ownerIs(t)
	gone := d.servers[(i+1)%len(d.servers)]
	d.ordered(t, "a removal", func(c *api.Client) error {
		_, err := c.Leave(t.Context(), gone.Name, "remove", api.LeaveRequest{Why: "test"}, false)
		return err
	})
	eventually(t, 40*time.Second, gone.Name+" has left", func() error { return d.memberIs(t, gone.Name, "") })
	d.ordered(t, "growth", func(c *api.Client) error {
		_, err := c.AddMember(t.Context(), api.AddRequest{InitMember: api.InitMember{ID: gone.Name, Addr: gone.Addr}, DiscardData: true, Why: "test"}, false)
		return err
	})
	eventually(t, 60*time.Second, gone.Name+" is in the ring", func() error { return d.memberIs(t, gone.Name, "active") })
	return nil
}

// memberIs asks any node that answers whether a member is in a state; "": not on the list.
func (d *dies) memberIs(t *testing.T, name, state string) error {
	t.Helper()
	var last error
	for _, r := range d.nodes {
		members, err := r.client.Members(t.Context())
		if err != nil {
			last = err
			continue
		}
		is := ""
		for _, m := range members {
			if m.Name == name {
				is = m.State
			}
		}
		if is == state {
			return nil
		}
		last = fmt.Errorf("it is %q: %s", is, r.why(t))
	}
	return last
}

// exec runs statements through the node's proxy.
func (r *rig) exec(t *testing.T, statements ...string) {
	t.Helper()
	db := r.pool(t, nil)
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}
