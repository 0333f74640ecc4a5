package app_test

import (
	"context"
	"sync"
	"testing"
	"time"
)

// TestEveryMemberIsKilled takes the power from both servers under load: the ring comes
// up again by itself, with all that was acknowledged, nothing twice, and takes writes.
func TestEveryMemberIsKilled(t *testing.T) {
	beside(t)
	r := startRig(t, 2)
	db := r.takeoverPool(t)
	sessions := make([]*session, 6)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var writing sync.WaitGroup
	for i := range sessions {
		sessions[i] = openSession(t, db)
		writing.Go(func() { sessions[i].write(ctx, i) })
	}
	time.Sleep(700 * time.Millisecond)
	for _, s := range r.servers {
		s.Kill()
	}
	time.Sleep(300 * time.Millisecond)
	for _, s := range r.servers {
		s.RestartNow(t)
	}
	r.untilHealthy(t, 60*time.Second)
	time.Sleep(300 * time.Millisecond)
	stop()
	writing.Wait()
	eventually(t, 20*time.Second, "both have all", func() error { return sameRows(t, r, "cards.card") })
	acked := 0
	for client, s := range sessions {
		present := rows(t, r.servers[0], "SELECT client, seq FROM cards.card")
		for _, seq := range s.acked {
			if n := present[[2]int{client, seq}]; n != 1 {
				t.Errorf("write %d of client %d was acknowledged, and is there %d times", seq, client, n)
			}
		}
		acked += len(s.acked)
		if s.broke != nil {
			t.Errorf("the connection of client %d broke: %v", client, s.broke)
		}
	}
	if _, err := db.ExecContext(t.Context(), "INSERT INTO card (client, seq) VALUES (99, 1)"); err != nil {
		t.Errorf("a write afterwards: %v", err)
	}
	t.Logf("%d writes were acknowledged", acked)
}
