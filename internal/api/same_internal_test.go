package api

import (
	"strings"
	"testing"

	"github.com/sqlring/sqlring/pkg/topology"
)

// One server under two names is named, before it gets two identities by turns.
func TestOneServerUnderTwoNames(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"127.0.0.1:3306", "localhost:3306", true},
		{"localhost:3306", "127.0.0.1:3307", false},
		{"127.0.0.1:3306", "127.0.0.2:3306", false},
		{"[::1]:3306", "[0:0:0:0:0:0:0:1]:3306", true},
	} {
		p := sameServer(t.Context(), "init ring demo", []topology.NewMember{{ID: "m1", Addr: tt.a}, {ID: "m2", Addr: tt.b}})
		if got := p != nil; got != tt.same || got && !strings.Contains(p.Detail, "m1 at "+tt.a+" and m2 at "+tt.b+" are one server") {
			t.Errorf("%s, %s: %v, want the same: %t", tt.a, tt.b, p, tt.same)
		}
	}
}
