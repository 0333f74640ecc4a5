package proxy

import (
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

// What nobody has named is behind what is named later at the same member, if that was begun
// later; not behind what was under way meanwhile, nor behind what is named elsewhere.
func TestVagueWrites(t *testing.T) {
	seven, _ := topology.ParsePosition("1-1-7")
	known := func(k *token) bool { _, ok := k.position(); return ok }
	var k token
	underWay := k.vague.Load()
	k.add(nil, "m1", underWay)
	if known(&k) {
		t.Error("known, although the write has no name")
	}
	k.add(seven, "m1", underWay)
	if known(&k) {
		t.Error("known by a write that was begun before")
	}
	k.add(seven, "m2", k.vague.Load())
	if known(&k) {
		t.Error("known by a write at another member")
	}
	before := k.vague.Load()
	k.add(nil, "m2", before)
	k.add(seven, "m1", before)
	if known(&k) {
		t.Error("known, although another one has come meanwhile")
	}
	k.add(seven, "m1", k.vague.Load())
	if known(&k) {
		t.Error("known, although that at m2 has no name")
	}
	k.add(seven, "m2", k.vague.Load())
	if p, ok := k.position(); !ok || p.String() != "1-1-7" {
		t.Errorf("position %s, known %v", p, ok)
	}
}
