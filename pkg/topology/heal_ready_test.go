package topology

import (
	"testing"
	"time"
)

// TestHealPreparesBeforeItLinks: a survivor that does not carry its identity is refused every
// link (S99). The heir is closed, detached if it runs, and prepared before it follows; who was
// restarted and inherits nothing is left to its own heal, which holds its disk against the others'.
func TestHealPreparesBeforeItLinks(t *testing.T) {
	now := time.Unix(1000, 0)
	has := position(t, "101-101-7")
	for name, tt := range map[string]struct {
		server, domain uint32
		boot           uint64
		heir           MemberID
		thread         ThreadState
		open           bool
		want           ActionKind // ActNone: the next cursor
	}{
		"prepared":             {102, 102, 2, "m2", ThreadStopped, false, ActFollow},
		"restarted":            {1, 0, 0, "m2", ThreadStopped, false, ActPrepare},
		"restarted, equal ids": {12, 12, 0, "m2", ThreadStopped, false, ActPrepare},
		"restarted, open":      {1, 0, 0, "m2", ThreadStopped, true, ActClose},
		"restarted, threads":   {1, 0, 0, "m2", ThreadRunning, false, ActStopReceiver},
		"prepared, crash":      {102, 102, 0, "m2", ThreadStopped, false, ActFollow},
		"identity changed":     {12, 12, 2, "m3", ThreadStopped, false, ActPrepare},
		"restarted, no heir":   {1, 0, 0, "m3", ThreadStopped, false, ActNone},
	} {
		t.Run(name, func(t *testing.T) {
			m2 := Member{ID: "m2", Addr: "m2:3306", State: MemberActive, Identity: 102, Boot: 2}
			m3 := Member{ID: "m3", Addr: "m3:3306", State: MemberActive, Identity: 103, Boot: 3}
			lost := Member{ID: "m1", Addr: "m1:3306", State: MemberDown, Identity: 101}
			s := &Snapshot{Ring: &Ring{Stride: 16}, Members: []Member{lost, m2, m3}}
			o := Observations{Members: []Observation{
				{
					Member: "m2", Reach: ReachAnswers, Asked: now, At: now, ServerID: tt.server, Domain: tt.domain, Boot: tt.boot, ReadOnly: !tt.open, Applied: has,
					Binlog: has, Link: Link{Upstream: lost.Addr, Receiver: tt.thread, Applier: tt.thread, Received: has},
				},
				{Member: "m3", Reach: ReachAnswers, Asked: now, At: now, ServerID: 103, Domain: 103, Boot: 3, ReadOnly: true, Applied: has, Binlog: has},
			}}
			h := heal{s: s, op: Operation{ID: "op", Cursor: HealWire, Heir: tt.heir, AcceptLoss: true}, lost: lost, alive: []Member{m2, m3}, o: o, now: now}
			step := h.wire()
			if step.Action.Kind != tt.want || tt.want == ActNone && step.Kind != StepCommit {
				t.Errorf("%s, want %s", step, tt.want)
			}
		})
	}
}
