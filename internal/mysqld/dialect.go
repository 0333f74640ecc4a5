package mysqld

import (
	"context"

	"github.com/sqlring/sqlring/pkg/topology"
)

// dialect is what differs between flavours: the verbs of this package in the
// server's words. Implementations hold no state.
type dialect interface {
	// session makes a new connection's session ready for its purpose.
	session(ctx context.Context, c *conn, why purpose) error
	// observe fills in what the server says.
	observe(ctx context.Context, c *conn, o *topology.Observation) error
	// accounts lists the accounts that may log in.
	accounts(ctx context.Context, c *conn) ([]topology.Account, error)

	// beat writes one heartbeat row; false: the session's identity is not the
	// server's, or the server has none, and nothing was written.
	beat(ctx context.Context, c *conn, issued uint32, row topology.Beat) (bool, error)
	// beatWaits reports whether a heartbeat of that connection is still being
	// committed.
	beatWaits(ctx context.Context, c *conn, connection uint64) (bool, error)

	// seize gets the lock of the hands for c in the name of term.
	seize(ctx context.Context, c *conn, term uint64) error
	// act does one action on the connection that holds the hands.
	act(ctx context.Context, w work, a topology.Action) error
	// copying returns how data is read and written.
	copying(v topology.ServerVersion) copyWords
	// disarm switches semi-sync off, from any connection.
	disarm(ctx context.Context, c *conn) error
}

// work is what an action may use.
type work struct {
	*conn

	member *Member
}

func dialectOf(f topology.Flavour) dialect {
	if f == topology.FlavourMariaDB {
		return mariaDB{}
	}
	return mySQL{}
}
