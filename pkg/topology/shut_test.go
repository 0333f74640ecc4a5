package topology

import "testing"

// TestShutStartsNobodyWhoWasRestarted: whoever has to be shut and has received what it has not
// applied is started only under its own identity; a process with its config file's ids is
// refused that (S99), and its receiver is stopped as it stands.
func TestShutStartsNobodyWhoWasRestarted(t *testing.T) {
	m := Member{ID: "m2", Addr: "m2:3306", State: MemberDown, Identity: 102, Boot: 2}
	for _, tt := range []struct {
		server, domain uint32
		want           ActionKind
	}{{102, 102, ActFollow}, {1, 0, ActStopReceiver}, {12, 22, ActStopReceiver}, {12, 12, ActStopReceiver}} {
		seen := Observation{
			Member: "m2", Reach: ReachAnswers, ServerID: tt.server, Domain: tt.domain, ReadOnly: true, Applied: position(t, "101-101-1"),
			Link: Link{Upstream: "m1:3306", Receiver: ThreadRunning, Applier: ThreadStopped, Received: position(t, "101-101-2")},
		}
		step, ok := shut(m, seen)
		if ok || step.Action.Kind != tt.want || tt.want == ActFollow && step.Action.Identity != m.Identity {
			t.Errorf("server_id %d, gtid_domain_id %d: %s, want %s", tt.server, tt.domain, step, tt.want)
		}
	}
}
