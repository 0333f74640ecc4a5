package app_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/api"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestNodeDiesOnceItHasFoundAnEmptiedBinlog empties the binlog of a member, gives out as many
// numbers of its own again, and kills the only node -9 that has seen both once it has noted
// that, or has taken the member out. The node that is started then has seen nothing. The member
// is restarted besides. It stays out, by name and with the way back, until it was copied anew.
func TestNodeDiesOnceItHasFoundAnEmptiedBinlog(t *testing.T) {
	beside(t)
	for _, step := range []int{1, 2} {
		t.Run(fmt.Sprintf("after step %d", step), func(t *testing.T) {
			beside(t)
			r := &rig{servers: mysqltest.StartRing(t, 3), cfg: nodeConfig(t), trap: filepath.Join(t.TempDir(), "trap")}
			node := r.startProcess(t, 0)
			r.initRing(t)
			w := r.startWorkload(t)
			time.Sleep(2 * time.Second)
			r.emptiedAndNoted(t, node, step, step == 2)
			r.untilHealthy(t, 60*time.Second)
			r.emptiedAccount(t, w)
		})
	}
}

// emptiedAndNoted is one round of it.
func (r *rig) emptiedAndNoted(t *testing.T, node *nodeProcess, step int, restarts bool) {
	t.Helper()
	victim := (r.owner(t) + 1) % 3
	s := r.servers[victim]
	setTrap(t, r.trap, 1, step, fmt.Sprintf("%T", topology.NoteEmptied{}))
	at := time.Now()
	emptyAndGiveOut(t, s)
	eventually(t, 15*time.Second, "the node dies", func() error {
		if node.deaths() == 0 {
			return fmt.Errorf("it has died %d times", node.deaths())
		}
		return nil
	})
	if restarts {
		s.Kill()
		s.RestartNow(t)
	}
	var told string
	eventually(t, 30*time.Second, s.Name+" is out, and the way back is told", func() error {
		status, err := r.client.Status(t.Context())
		if err != nil {
			return err
		}
		told = strings.Join(status.Reasons, "; ") + "; " + r.why(t)
		m := memberOf(status, s.Name)
		if m.State == topology.MemberQuarantined.String() && strings.Contains(told, "its data anew: sqlring master reclone "+s.Name) {
			return nil
		}
		if m.State == topology.MemberDown.String() && strings.Contains(told, "RESET BINARY LOGS AND GTIDS there") {
			s.Exec(t, "STOP REPLICA; RESET BINARY LOGS AND GTIDS") // what is told to be typed at a MySQL
		}
		return fmt.Errorf("it is %s; %s", m.State, told)
	})
	if node.deaths() != 1 {
		t.Errorf("the node died %d times", node.deaths())
	}
	t.Logf("FIGURE slip     the binlog of a member is emptied, and the only node that has seen it dies after step %d: it is in quarantine after %d ms, restarted %t; told: %s", step, time.Since(at).Milliseconds(), restarts, told)
	for _, word := range []api.RejoinRequest{{LetFlow: true}, {Discard: true}} {
		if _, err := r.client.Rejoin(t.Context(), s.Name, word); err == nil || !strings.Contains(err.Error(), "emptied by hand") {
			t.Errorf("rejoin %+v: %v", word, err)
		}
	}
	r.reclones(t, victim)
}

// emptyAndGiveOut types at a server what it should not. At a MariaDB it gives out as many of
// its own numbers again, and one more; a MySQL that replicates has a gap by then.
func emptyAndGiveOut(t *testing.T, s *mysqltest.Server) {
	t.Helper()
	if mysqltest.Flavour(t) == topology.FlavourMySQL {
		emptyBinlog(t, s)
		return
	}
	domain, had := s.Query(t, "SELECT @@global.gtid_domain_id"), 0
	for gtid := range strings.SplitSeq(s.Query(t, "SELECT @@global.gtid_binlog_pos"), ",") {
		if parts := strings.Split(gtid, "-"); len(parts) == 3 && parts[0] == domain {
			had, _ = strconv.Atoi(parts[2])
		}
	}
	if had == 0 {
		t.Fatal("it has written nothing of its own yet")
	}
	emptyBinlog(t, s)
	for range had + 1 {
		s.Exec(t, "FLUSH STATUS") // stands in the binlog, and changes nothing anywhere
	}
}
