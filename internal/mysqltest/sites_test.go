package mysqltest_test

import (
	"context"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestSitesArePartedSilently: what is sent between two parted sites vanishes, other ways
// stay open, and all is well once they are joined again.
func TestSitesArePartedSilently(t *testing.T) {
	servers, sites := mysqltest.StartSites(t, 3, 1)
	dial := func(site int) error {
		t.Helper()
		host, port, err := net.SplitHostPort(servers[0].Addr)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		cmd := exec.CommandContext(ctx, "bash", "-c", "exec 3<>/dev/tcp/"+host+"/"+port)
		if err := sites.Enter(cmd, site); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Run(); ctx.Err() == nil {
			return err
		}
		return ctx.Err()
	}
	for _, site := range []int{0, 2} {
		if err := dial(site); err != nil {
			t.Errorf("from site %d at first: %v", site, err)
		}
	}
	sites.Part(t, 0, 1)
	if err := dial(0); err != context.DeadlineExceeded { //nolint:errorlint // a refusal is not it
		t.Errorf("from a site that is parted: %v, want silence", err)
	}
	if err := dial(2); err != nil {
		t.Errorf("from the third site: %v", err)
	}
	sites.Rejoin(t, 0, 1)
	if err := dial(0); err != nil {
		t.Errorf("joined again: %v", err)
	}
}
