package app_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestCycles has a ring of two grow to four and shrink to two again under writes and
// reads through the proxy, by members that come and members that go: after each cycle
// none of the two is there that it began with, so the owner leaves in each. No client
// gets an error, nothing is lost or given out twice, no two open members ever have a
// slot in common, no write waits longer than a second, and all members are equal.
//
// `make cycles` plays three of them under 300 writes/s, with SQLRING_CYCLES.
func TestCycles(t *testing.T) {
	cycles, clients := 1, 4 // 100 writes/s
	if n, err := strconv.Atoi(os.Getenv("SQLRING_CYCLES")); err == nil {
		cycles, clients = n, 14 // 280 inserts and 20 transfers a second
	}
	servers := mysqltest.StartRing(t, 4)
	r := openRig(t, &rig{servers: servers[:2]})
	r.ballast(t, growMB(2))
	w := r.startWorkloadOf(t, clients)
	reads := r.startReaders(t, 4)
	slots := watchSlots(t, servers)
	time.Sleep(500 * time.Millisecond)
	began := time.Now()
	for cycle := range cycles {
		staying, coming := servers[:2], servers[2:]
		if cycle%2 == 1 {
			staying, coming = coming, staying
		}
		r.playCycle(t, w, cycle, staying, coming)
	}
	took := time.Since(began)
	w.end()
	reads.end()
	w.slots = slots.end(t)
	r.servers = servers
	r.servers = r.staying(t)
	r.equalEverywhere(t, w)
	okN, failedN, unknownN, broken := w.counts()
	t.Logf("FIGURE cycles   2-3-4-3-2 %d times in %.1f s: %d writes acknowledged (%.0f/s), %d failed, %d unknown, %d connections broken, longest pause of a write %d ms (goal 1000 ms); %d reads, %d failed, the longest %d ms; slots seen on open members %v, disjoint in %d looks",
		cycles, took.Seconds(), okN, float64(okN)/took.Seconds(), failedN, unknownN, broken, w.longest(began).Milliseconds(), reads.n, len(reads.errs), reads.longest.Milliseconds(), w.slots, slots.looks)
	if failedN+unknownN+broken > 0 {
		t.Errorf("%d writes failed, of %d the outcome is not known, %d connections broke: first %v", failedN, unknownN, broken, w.firstError())
	}
	if len(reads.errs) > 0 {
		t.Errorf("%d reads failed: first %v", len(reads.errs), reads.errs[0])
	}
	if pause := max(w.longest(began), reads.longest); pause > time.Second {
		t.Errorf("a client waited %s", pause)
	}
}

// playCycle adds the two that come, and removes the two that were there.
func (r *rig) playCycle(t *testing.T, w *workload, cycle int, leaving, coming []*mysqltest.Server) {
	t.Helper()
	var told []string
	note := func(what string, began time.Time) {
		told = append(told, fmt.Sprintf("%s %d ms (pause %d ms)", what, time.Since(began).Milliseconds(), w.longest(began).Milliseconds()))
	}
	for _, s := range coming {
		began := time.Now()
		// It was a member in the cycle before the last: it holds data of the ring.
		request := api.AddRequest{InitMember: api.InitMember{ID: s.Name, Addr: s.Addr}, DiscardData: cycle > 0, Why: "test"}
		if _, err := r.client.AddMember(t.Context(), request, false); err != nil {
			t.Fatalf("add %s: %v", s.Name, err)
		}
		r.untilIn(t, s.Name, 2*time.Minute)
		r.untilHealthy(t, 30*time.Second)
		note("+"+s.Name, began)
	}
	for _, s := range leaving {
		began := time.Now()
		r.leave(t, s.Name, "remove", api.LeaveRequest{Why: "test"})
		r.untilHealthy(t, 30*time.Second)
		note("-"+s.Name, began)
		hasLeft(t, s, false)
	}
	t.Logf("FIGURE cycle %d: %s", cycle+1, strings.Join(told, ", "))
}

// slotWatch looks at the layout of every server that takes writes, all the while.
type slotWatch struct {
	stop  chan struct{}
	wait  sync.WaitGroup
	looks int
	seen  map[int]bool
	bad   []string
}

func watchSlots(t *testing.T, servers []*mysqltest.Server) *slotWatch {
	t.Helper()
	x := &slotWatch{stop: make(chan struct{}), seen: map[int]bool{}}
	x.wait.Go(func() {
		for {
			select {
			case <-x.stop:
				return
			case <-time.After(50 * time.Millisecond):
				x.look(servers)
			}
		}
	})
	return x
}

// look compares the open servers. One that was opened or closed while others were
// asked is looked at again: it counts only if it was open before and after.
func (x *slotWatch) look(servers []*mysqltest.Server) {
	x.looks++
	open := map[string]int{}
	for _, s := range servers {
		var slot, stride, closed int
		if err := s.DB().QueryRow("SELECT @@global.auto_increment_offset, @@global.auto_increment_increment, @@global.read_only").Scan(&slot, &stride, &closed); err != nil { //nolint:noctx // it is local
			if !errors.Is(err, mysql.ErrInvalidConn) { // else it was ended, as those of applications are
				x.bad = append(x.bad, fmt.Sprintf("%s does not answer: %v", s.Name, err))
			}
			continue
		}
		if closed != 0 {
			continue
		}
		if x.seen[slot] = true; stride != 16 || slot > stride {
			x.bad = append(x.bad, fmt.Sprintf("%s is open with slot %d of %d", s.Name, slot, stride))
		}
		for other, theirs := range open {
			if theirs == slot {
				x.bad = append(x.bad, fmt.Sprintf("%s and %s are open with slot %d", other, s.Name, slot))
			}
		}
		open[s.Name] = slot
	}
}

// end returns the slots that were seen on open servers.
func (x *slotWatch) end(t *testing.T) []int {
	t.Helper()
	close(x.stop)
	x.wait.Wait()
	if len(x.bad) > 0 {
		t.Errorf("slots are not disjoint, %d times of %d: first %s", len(x.bad), x.looks, x.bad[0])
	}
	var slots []int
	for slot := range x.seen {
		slots = append(slots, slot)
	}
	slices.Sort(slots)
	return slots
}
