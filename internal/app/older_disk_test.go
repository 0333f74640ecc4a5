package app_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// TestOlderDiskComesBack lets the owner come back on a copy of its disk that lacks
// transactions of its own, which were acknowledged and which the other has: it gets all
// of them back, under a new identity, and gives no number out twice.
func TestOlderDiskComesBack(t *testing.T) {
	beside(t)
	r := startRig(t, 2)
	db := r.takeoverPool(t)
	write := func(from, to int) {
		for seq := from; seq < to; seq++ {
			if _, err := db.ExecContext(t.Context(), "INSERT INTO card (client, seq) VALUES (1, ?)", seq); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(0, 20)
	owner := r.servers[0]
	before := identityOf(t, r, owner.Name)
	// The copy is of its disk after a crash.
	owner.Kill()
	r.untilOwner(t, 1)
	data, old := filepath.Join(owner.Dir, "data"), filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(old, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	owner.RestartNow(t)
	r.untilHealthy(t, 60*time.Second)
	r.move(t, "*", owner.Name)
	r.untilHealthy(t, 20*time.Second)
	write(20, 60)

	owner.Kill()
	r.untilOwner(t, 1)
	write(60, 80)
	if err := errors.Join(os.RemoveAll(data), os.CopyFS(data, os.DirFS(old))); err != nil {
		t.Fatal(err)
	}
	owner.RestartNow(t)
	eventually(t, 30*time.Second, "m1 is let back in", func() error {
		if identityOf(t, r, owner.Name) == before {
			return fmt.Errorf("its identity is %d still: %s", before, r.why(t))
		}
		return nil
	})
	r.untilHealthy(t, 60*time.Second)
	write(80, 100)
	eventually(t, 20*time.Second, "both have all", func() error { return sameRows(t, r, "cards.card") })
	for _, s := range r.servers {
		if got := s.Query(t, "SELECT CONCAT(COUNT(*), '/', COUNT(DISTINCT seq)) FROM cards.card"); got != "100/100" {
			t.Errorf("%s has rows and distinct rows %s, want all 100", s.Name, got)
		}
		if mysqltest.Flavour(t) == topology.FlavourMySQL {
			if gap, err := topology.FirstGap(s.Query(t, "SELECT @@global.gtid_executed")); err != nil || gap != "" {
				t.Errorf("%s lacks %s of its GTIDs, %v", s.Name, gap, err)
			}
		}
	}
}

// untilOwner waits until that member owns everything.
func (r *rig) untilOwner(t *testing.T, i int) {
	t.Helper()
	eventually(t, 30*time.Second, r.servers[i].Name+" owns", func() error {
		status, err := r.client.Status(t.Context())
		if err == nil && (len(status.Members) <= i || len(status.Members[i].Owns) == 0) {
			err = errors.New(r.why(t))
		}
		return err
	})
}

func identityOf(t *testing.T, r *rig, name string) uint32 {
	t.Helper()
	for _, m := range r.status(t).Members {
		if m.Name == name {
			return m.Identity
		}
	}
	t.Fatalf("no member %s", name)
	return 0
}
