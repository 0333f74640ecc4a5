package lagguard

import "github.com/sqlring/sqlring/pkg/topology"

// Cell is the lag of one member with respect to one origin. The cells of all
// pairs are the matrix that a ring's lag is read from: origins x members.
type Cell struct {
	Origin topology.MemberID
	Member topology.MemberID
	Lag    Lag
}
