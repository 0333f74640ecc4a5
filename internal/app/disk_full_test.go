package app_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/mysqltest"
)

// TestDiskFull fills the disk of a member under load: the owner's; by make disk also that of a member
// that owns nothing and acknowledges. It is named, writes go on without it, and nothing
// that was acknowledged is missing. With SQLRING_DISK_HEALS=1 the disk is freed then, and
// the ring is whole again without a hand: the server itself looks again once a minute.
func TestDiskFull(t *testing.T) {
	for _, c := range []struct {
		name  string
		from  int // whose disk it is: so many behind the owner
		start func(testing.TB, int) ([]*mysqltest.Server, []*mysqltest.Disk)
	}{
		{"of the owner", 0, mysqltest.StartOnSmallDisks},
		{"of its acker", 1, mysqltest.StartOnSmallDisks},
		{"of another one", 2, mysqltest.StartOnSmallDisks},
		{"of the owner, that of its binlogs alone", 0, mysqltest.StartWithBinlogsApart},
		{"of the owner, that of its relay logs alone", 0, mysqltest.StartWithRelayLogsApart},
		{"of its acker, that of its relay logs alone", 1, mysqltest.StartWithRelayLogsApart},
	} {
		if c.from < 1 || strings.Contains(c.name, "relay") || os.Getenv(envDiskHeals) != "" { // make disk plays all
			t.Run(c.name, func(t *testing.T) {
				servers, disks := c.start(t, 3)
				playDiskFull(t, servers, disks, c.from)
			})
		}
	}
}

// envDiskHeals has TestDiskFull wait until the ring is whole again, a minute each.
const envDiskHeals = "SQLRING_DISK_HEALS"

func playDiskFull(t *testing.T, servers []*mysqltest.Server, disks []*mysqltest.Disk, from int) {
	r := openRig(t, &rig{servers: servers})
	w := r.startWorkload(t)
	time.Sleep(time.Second)
	victim := (r.owner(t) + from) % len(servers)
	name := servers[victim].Name
	t.Cleanup(func() { disks[victim].Free(t) }) // or who writes would wait for ever
	disks[victim].Fill(t)
	at := time.Now()
	var named time.Duration
	eventually(t, 20*time.Second, "it is named", func() error {
		status := r.status(t)
		for _, reason := range status.Reasons {
			if strings.Contains(reason, name) && strings.Contains(reason, "disk is full") {
				named = time.Since(at)
				return nil
			}
		}
		return fmt.Errorf("%v; %s", status.Reasons, r.why(t))
	})
	eventually(t, 20*time.Second, "writes go on", func() error {
		if w.outage(at.Add(50*time.Millisecond)) < 0 || time.Since(at) < 4*time.Second {
			return errors.New("not every client has been served: " + r.why(t))
		}
		return nil
	})
	time.Sleep(2 * time.Second)
	late := time.Now() // who was served before the server took notice may wait for ever after that
	eventually(t, 20*time.Second, "everybody is still served", func() error {
		if w.outage(late) < 0 {
			return errors.New("not every client has been served again: " + r.why(t))
		}
		return nil
	})
	outage, told := w.longest(at), ""
	eventually(t, 10*time.Second, "the controller says so", func() error { // an acker is armed meanwhile, step by step
		if told = r.why(t); strings.Contains(told, name) && strings.Contains(told, "disk is full") {
			return nil
		}
		return errors.New(told)
	})
	if outage > 8*time.Second {
		t.Errorf("the longest pause of a write is %s", outage)
	}
	back, quarantined := time.Duration(0), 0
	if os.Getenv(envDiskHeals) != "" {
		disks[victim].Free(t)
		freed := time.Now()
		quarantined = r.untilWhole(t, 3*time.Minute)
		back = time.Since(freed)
		time.Sleep(300 * time.Millisecond)
	} else {
		servers[victim].Kill()
		servers = append(servers[:victim:victim], servers[victim+1:]...)
		r.servers = servers
	}
	w.end()
	r.untilEqual(t, "faults.w", "faults.account", "faults.move")
	for _, s := range servers {
		w.account(t, s)
	}
	okN, failedN, unknownN, broken := w.counts()
	t.Logf("FIGURE disk full: %s: %d behind the owner: named after %d ms, longest pause of a write %d ms, %d acknowledged, %d failed (first: %s), %d unknown, %d connections broken; whole %d ms after it was freed, %d quarantines; told: %s",
		t.Name(), from, named.Milliseconds(), outage.Milliseconds(), okN, failedN, w.firstError(), unknownN, broken, back.Milliseconds(), quarantined, told)
}
