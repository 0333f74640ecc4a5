package mysqltest

import (
	"net"
	"testing"
	"time"
)

func TestIsolatedServerCanBeCutOffAndMended(t *testing.T) {
	servers, network := StartIsolatedRing(t, 2)
	dial := func() error {
		conn, err := net.DialTimeout("tcp", servers[0].Addr, 300*time.Millisecond)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	if err := dial(); err != nil {
		t.Fatalf("before the cut: %v", err)
	}
	network.Cut(t, 0)
	if err := dial(); err == nil {
		t.Fatal("a server that is cut off was reached")
	} else if e, ok := err.(net.Error); !ok || !e.Timeout() {
		t.Fatalf("cut off is silence, not %v", err)
	}
	if got := servers[0].Query(t, "SELECT 1"); got != "1" {
		t.Fatalf("it does not run: %s", got)
	}
	network.Mend(t, 0)
	Eventually(t, "it is reached again", dial)
}
