package monitor

import (
	"testing"
	"time"
)

// TestHeartbeatsNameTheIdentityThatIsIssuedNow: the loop of a member outlives a renewal of its
// identity, and the server refuses a heartbeat that names another one than it carries (S99).
func TestHeartbeatsNameTheIdentityThatIsIssuedNow(t *testing.T) {
	run(t, func(t *testing.T, _ *Monitor, s *servers, state *fixed) {
		as := func() (id uint32, beats int) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.beatAs["m2"], len(s.beats["m2"])
		}
		if id, beats := as(); id != 102 || beats == 0 {
			t.Fatalf("%d heartbeats, the last under %d, not 102", beats, id)
		}
		renewed := ring()
		renewed.Index = 2
		renewed.Members[1].Identity, renewed.Members[1].Retired = 103, []uint32{102}
		state.set(renewed)
		time.Sleep(3 * time.Second)
		_, before := as()
		time.Sleep(3 * time.Second)
		if _, after := as(); after != before {
			t.Errorf("%d heartbeats were ordered while the server carried the identity of before", after-before)
		}
		s.set(func() { s.carries["m2"] = 103 })
		time.Sleep(3 * time.Second)
		if id, after := as(); id != 103 || after == before {
			t.Errorf("%d heartbeats since, the last under %d, not 103", after-before, id)
		}
	})
}
