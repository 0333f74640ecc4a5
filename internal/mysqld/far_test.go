package mysqld_test

import (
	"errors"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqld"
	"github.com/sqlring/sqlring/internal/mysqltest"
	"github.com/sqlring/sqlring/pkg/topology"
)

// Connecting and asking take seven round trips, which is more than the second that a
// probe has when each takes 160 ms. The connection is kept, so a member that is far
// away answers the next probe, and is beaten on.
func TestAFarMemberIsAskedOverTheConnectionOfTheProbeBefore(t *testing.T) {
	n := world(t, 1)[0]
	n.do(t, n.prepare())
	cfg := config()
	cfg.Probe = time.Second
	far := mysqld.New(cfg, topology.MemberID(n.Name), mysqltest.SlowLink(t, n.Addr, 80*time.Millisecond))
	t.Cleanup(far.Close)
	began := time.Now()
	first := far.Observe(t.Context())
	if first.Reach == topology.ReachAnswers && time.Since(began) < time.Second {
		t.Fatal("the link is not slow: the test proves nothing")
	}
	mysqltest.Eventually(t, "it answers a probe", func() error {
		if o := far.Observe(t.Context()); o.Reach != topology.ReachAnswers || o.ServerID == 0 {
			return errors.New(o.Reach.String() + ": " + o.Error)
		}
		return nil
	})
	mysqltest.Eventually(t, "a heartbeat is written", func() error { return far.Beat(t.Context(), n.identity, 7) })
	if accounts, err := far.Accounts(t.Context()); err != nil || len(accounts) == 0 {
		t.Errorf("accounts: %v %v", accounts, err)
	}
}
