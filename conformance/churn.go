package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// With -churn, no session of the proxy comes back to a connection that it has given back,
// unless that is kept for it: what a session is given again elsewhere is compared at every
// statement, and not only where a connection was closed in between.

// envChurn is what a node looks for (internal/app); seeChurn sees that it has found it.
const envChurn = "SQLRING_TEST_CHURN"

// environment is what the node is started with.
func (o options) environment() []string {
	if !o.Churn {
		return os.Environ()
	}
	return append(os.Environ(), envChurn+"=1")
}

// proxy returns what results are of: one whose connections churn is another one.
func (b *bench) proxy() string {
	if b.o.Churn {
		return b.build + " -churn"
	}
	return b.build
}

// errSettled is returned for a node that gives sessions their own connections back.
var errSettled = errors.New("the proxy gives a session its own connection back: nothing is shared")

// seeChurn returns an error if a session finds itself on the same connection twice. The
// member's own number of a connection shows in a derived table.
func (w *world) seeChurn(ctx context.Context) error {
	if !w.o.Churn {
		return nil
	}
	db, err := w.Proxy.open("")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var was int64
	for range 4 {
		var now int64
		if err := conn.QueryRowContext(ctx, "SELECT id FROM (SELECT CONNECTION_ID() AS id) AS own").Scan(&now); err != nil {
			return err
		}
		if now == was {
			return fmt.Errorf("%w: connection %d", errSettled, now)
		}
		was = now
	}
	return nil
}
