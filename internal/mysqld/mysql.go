package mysqld

import (
	"context"
	"fmt"

	"github.com/sqlring/sqlring/pkg/topology"
)

// mySQL is the dialect of MySQL, as far as a proxy in front of such a server needs
// it: what the server is, and who may log in. The operations of a ring are refused
// by name (ErrFlavour), and no connection is made ready for any.
type mySQL struct{}

func (mySQL) session(ctx context.Context, c *conn, why purpose) error {
	if why != forProbe {
		return flavourError{c.version, c.text}
	}
	return c.execute(ctx, fmt.Sprintf("SET SESSION lock_wait_timeout=%d, sql_mode='', max_execution_time=3000", lockWait))
}

// observe says what the server is, and that it can not be a member of a ring yet.
func (mySQL) observe(_ context.Context, c *conn, _ *topology.Observation) error {
	return flavourError{c.version, c.text}
}

// accounts reads mysql.user. Roles are locked accounts without a password there.
func (mySQL) accounts(ctx context.Context, c *conn) ([]topology.Account, error) {
	t, err := c.query(ctx, `SELECT User, Host, plugin, authentication_string, account_locked, ssl_type, ssl_cipher, x509_issuer, x509_subject
		FROM mysql.user ORDER BY User, Host`)
	if err != nil {
		return nil, err
	}
	list := make([]topology.Account, 0, len(t.rows))
	for _, row := range t.rows {
		list = append(list, topology.Account{
			User: row[0], Host: row[1], Plugin: row[2], Hash: row[3], Locked: row[4] == "Y",
			Require: topology.Require{Kind: requireOf(row[5]), Cipher: row[6], Issuer: row[7], Subject: row[8]},
		})
	}
	return list, nil
}

// requireOf reads mysql.user.ssl_type. A word that is not known asks for all.
func requireOf(word string) topology.RequireKind {
	switch word {
	case "":
		return topology.RequireNothing
	case "ANY":
		return topology.RequireTLS
	case "X509":
		return topology.RequireX509
	}
	return topology.RequireSpecified
}

func (mySQL) beat(_ context.Context, c *conn, _ topology.Beat) (bool, error) {
	return false, flavourError{c.version, c.text}
}

func (mySQL) beatWaits(_ context.Context, c *conn, _ uint64) (bool, error) {
	return false, flavourError{c.version, c.text}
}

func (mySQL) seize(_ context.Context, c *conn, _ uint64) error {
	return flavourError{c.version, c.text}
}

func (mySQL) act(_ context.Context, w work, _ topology.Action) error {
	return flavourError{w.version, w.text}
}

func (mySQL) disarm(_ context.Context, c *conn) error { return flavourError{c.version, c.text} }
