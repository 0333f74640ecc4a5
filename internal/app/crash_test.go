package app_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
)

// healSteps is how many steps the takeover of a ring of two has; dying after a
// later one is dying after the takeover.
const healSteps = 9

// TestNodeDiesBetweenTwoStepsOfATakeover kills the owner, and kills the node -9
// after each step that it takes because of that. The node that comes back
// finishes what was begun; clients meet a refused connection, and nothing else.
func TestNodeDiesBetweenTwoStepsOfATakeover(t *testing.T) {
	beside(t)
	steps := []int{1, 5}
	if os.Getenv("SQLRING_FAULT_ROUNDS") != "" {
		steps = nil
		for n := 1; n <= healSteps; n++ {
			steps = append(steps, n)
		}
	}
	for _, n := range steps {
		t.Run(fmt.Sprintf("after step %d", n), func(t *testing.T) {
			beside(t)
			r := &rig{servers: mysqltest.StartRing(t, 2), cfg: nodeConfig(t)}
			node := r.startProcess(t, n)
			r.initRing(t)
			w := r.startWorkload(t)
			time.Sleep(time.Second)
			r.servers[0].Kill()
			at := time.Now().Add(20 * time.Millisecond) // an answer may still be on its way
			eventually(t, 30*time.Second, "writes go on", func() error {
				if w.outage(at) < 0 {
					return fmt.Errorf("not every client has been served; who connects was told last: %w", w.lastRefusal())
				}
				return nil
			})
			if node.deaths() != 1 {
				t.Fatalf("the node died %d times", node.deaths())
			}
			outage := w.outage(at)
			r.servers[0].RestartNow(t)
			quarantined := r.untilWhole(t, 60*time.Second)
			w.end()
			r.untilEqual(t, "faults.w", "faults.account", "faults.move")
			for _, s := range r.servers {
				w.account(t, s)
			}
			okN, failedN, unknownN, broken := w.counts()
			t.Logf("FIGURE node killed after step %d: write outage %d ms; %d acknowledged, %d failed, %d unknown, %d connections broken, %d quarantines",
				n, outage.Milliseconds(), okN, failedN, unknownN, broken, quarantined)
		})
	}
}
