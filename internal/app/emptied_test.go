package app_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// emptyBinlog types at a server what it should not.
func emptyBinlog(t *testing.T, s *mysqltest.Server) {
	t.Helper()
	typed := "RESET MASTER"
	if mysqltest.Flavour(t) == topology.FlavourMySQL {
		typed = "RESET BINARY LOGS AND GTIDS"
	}
	s.Exec(t, typed)
}

// TestBinlogIsEmptiedByHand types RESET MASTER at a member that owns nothing, and at the
// owner, under load. The member is out within seconds, by name and with the way back, before
// anything is acknowledged that it alone has; once it was copied anew the ring is whole.
func TestBinlogIsEmptiedByHand(t *testing.T) {
	r := startRig(t, 3)
	w := r.startWorkload(t)
	for _, from := range []int{1, 0} {
		time.Sleep(time.Second)
		victim := (r.owner(t) + from) % 3
		at := time.Now()
		out, told := r.emptied(t, w, victim)
		r.reclones(t, victim)
		r.untilHealthy(t, 60*time.Second)
		t.Logf("FIGURE slip     the binlog of a member %d behind the owner is emptied: it is out after %d ms, longest pause of a write %d ms; told: %s", from, out.Milliseconds(), w.longest(at).Milliseconds(), told)
	}
	r.emptiedAccount(t, w)
}

// TestBinlogIsEmptiedByHandAtOnce types it again as soon as the member is in the ring under a
// new identity, of which it has given out a handful of numbers: as many again are there before
// it is asked the next time.
func TestBinlogIsEmptiedByHandAtOnce(t *testing.T) {
	r := startRig(t, 3)
	w := r.startWorkload(t)
	victim := (r.owner(t) + 1) % 3
	time.Sleep(2 * time.Second) // a ring that is younger than that has nothing that would be missing
	for round := range 3 {
		out, told := r.emptied(t, w, victim)
		t.Logf("FIGURE slip     the binlog of a member is emptied, round %d, a moment after it was let in: it is out after %d ms; told: %s", round, out.Milliseconds(), told)
		r.reclones(t, victim)
		r.untilIn(t, r.servers[victim].Name, 60*time.Second)
	}
	r.untilHealthy(t, 60*time.Second)
	r.emptiedAccount(t, w)
}

// emptied empties a member's binlog, and waits until it is out and writes go on.
func (r *rig) emptied(t *testing.T, w *workload, victim int) (out time.Duration, told string) {
	t.Helper()
	name, owner := r.servers[victim].Name, r.owner(t) == victim
	at := time.Now()
	emptyBinlog(t, r.servers[victim])
	if owner { // RESET MASTER turns semi-sync off and on: what waits for the acker then is answered
		const answered = 20 * time.Millisecond
		w.mu.Lock()
		w.letGo = append(w.letGo, [2]time.Time{at, time.Now().Add(answered)})
		w.mu.Unlock()
	}
	eventually(t, 15*time.Second, name+" is out, and the way back is told", func() error {
		status := r.status(t)
		told = strings.Join(status.Reasons, "; ") + "; " + r.why(t)
		m := memberOf(status, name)
		quarantined := m.State == topology.MemberQuarantined.String()
		if !quarantined && (m.State != topology.MemberDown.String() || mysqltest.Flavour(t) != topology.FlavourMySQL) || !strings.Contains(told, "sqlring master reclone "+name) {
			return fmt.Errorf("it is %s; %s", m.State, told)
		}
		return nil
	})
	out = time.Since(at)
	if m := memberOf(r.status(t), name); m.State == topology.MemberDown.String() { // what is told to be typed
		r.servers[victim].Exec(t, "STOP REPLICA; RESET BINARY LOGS AND GTIDS")
		eventually(t, 15*time.Second, name+" is in quarantine", func() error {
			if m := memberOf(r.status(t), name); m.State != topology.MemberQuarantined.String() {
				return fmt.Errorf("it is %s; %s", m.State, r.why(t))
			}
			return nil
		})
	}
	eventually(t, 15*time.Second, "writes go on", func() error {
		if w.outage(at.Add(50*time.Millisecond)) < 0 {
			return errors.New("not every client has been served: " + r.why(t))
		}
		return nil
	})
	return out, told
}

func (r *rig) reclones(t *testing.T, victim int) {
	t.Helper()
	eventually(t, 10*time.Second, "it is copied anew", func() error {
		_, err := r.client.Reclone(t.Context(), r.servers[victim].Name, api.RecloneRequest{Why: "its binlog was emptied"}, false)
		return err
	})
}

func (r *rig) emptiedAccount(t *testing.T, w *workload) {
	t.Helper()
	w.end()
	r.untilEqual(t, "faults.w", "faults.account", "faults.move")
	for _, s := range r.servers {
		w.account(t, s)
	}
	okN, failedN, unknownN, broken := w.counts()
	t.Logf("FIGURE slip     binlogs emptied by hand: %d writes acknowledged, %d failed, %d unknown, %d connections broken", okN, failedN, unknownN, broken)
}

// TestAnAckerThatDoesNotAcknowledge has somebody switch off that the acker acknowledges. It
// goes on receiving, so it has what the owner's commits wait for, and what a MySQL does not
// count as its own meanwhile. It is put right, and nobody is taken out.
func TestAnAckerThatDoesNotAcknowledge(t *testing.T) {
	r := startRig(t, 2)
	w := r.startWorkload(t)
	time.Sleep(500 * time.Millisecond)
	owner := r.owner(t)
	acker := r.servers[(owner+1)%2]
	variable := map[topology.Flavour]string{topology.FlavourMariaDB: "rpl_semi_sync_slave_enabled", topology.FlavourMySQL: "rpl_semi_sync_replica_enabled"}[mysqltest.Flavour(t)]
	for range 3 {
		at := time.Now()
		acker.Exec(t, mysqltest.Words(t, "SET GLOBAL "+variable+"=0; STOP SLAVE IO_THREAD; START SLAVE IO_THREAD"))
		eventually(t, 15*time.Second, "it is put right, and writes go on", func() error {
			if got := acker.Query(t, "SELECT @@global."+variable); got != "1" {
				return fmt.Errorf("%s is %s: %s", variable, got, r.why(t))
			}
			if w.outage(at.Add(50*time.Millisecond)) < 0 {
				return errors.New("not every client has been served: " + r.why(t))
			}
			return nil
		})
		r.untilHealthy(t, 20*time.Second)
		t.Logf("FIGURE slip     the acker does not acknowledge: put right, longest pause of a write %d ms", w.longest(at).Milliseconds())
	}
	for _, op := range r.operations(t) {
		if op.Kind != "init" {
			t.Errorf("%s of %s: %+v", op.Kind, op.Member, op)
		}
	}
	if now := r.owner(t); now != owner {
		t.Errorf("the owner is member %d, and was %d", now, owner)
	}
	r.emptiedAccount(t, w)
}
