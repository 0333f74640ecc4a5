package topology

import "testing"

// TestSuperReadOnlyThatNobodyOrderedIsNamed: a MySQL boots so, and preparing it lifts that; on
// a prepared member somebody has set it.
func TestSuperReadOnlyThatNobodyOrderedIsNamed(t *testing.T) {
	const uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	m := Member{ID: "m2", Identity: 102, Source: uuid, State: MemberActive}
	for name, tt := range map[string]struct {
		super    bool
		serverID uint32 // 0: not prepared since its start
		owner    MemberID
		names    bool
	}{
		"off":          {serverID: 102, owner: "m1"},
		"by hand":      {super: true, serverID: 102, owner: "m1", names: true},
		"not prepared": {super: true, owner: "m1"},
		"the owner":    {super: true, serverID: 102, owner: "m2"},
	} {
		s := &Snapshot{Ring: &Ring{}, Members: []Member{m}, Units: []Unit{{ID: UnitRest, Owner: tt.owner}}}
		seen := Observation{Member: "m2", SuperReadOnly: tt.super, ServerID: tt.serverID, Domain: SourceDomain(uuid), Settings: Settings{ServerUUID: uuid}}
		found := checkSuperReadOnly(s, m, seen)
		if (len(found) == 1) != tt.names || tt.names && (found[0].Severity != SeverityWarning || found[0].Remedy == "") {
			t.Errorf("%s: %+v", name, found)
		}
	}
}
