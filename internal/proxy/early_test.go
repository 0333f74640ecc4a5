package proxy

import (
	"errors"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

// A node that has just started knows no accounts. Clients that come before it has read
// them wait; nobody is refused, or counted as somebody who guesses, for what the node
// does not know. (Once they were, and after a restart of node and clients together
// their address was blocked for half a minute.)
func TestLoginsBeforeAccountsAreRead(t *testing.T) {
	f := startFaked(t, Config{
		RefreshTimeout: 10 * time.Millisecond, LoginTimeout: 3 * time.Second,
		Limits: Limits{FailuresPerAddress: 1, FailuresPerAccount: 1},
	}, nil)
	known := f.world.Accounts()
	f.world.setAccounts()
	const clients = 40 // more than the address could fail
	outcomes := make(chan error, clients)
	for range clients {
		c := dialRaw(t, f.Addr())
		go func() { outcomes <- c.login("app", appPassword, rawCaps) }()
	}
	time.Sleep(300 * time.Millisecond)
	select {
	case err := <-outcomes:
		t.Fatalf("somebody was answered before the accounts were known: %v", err)
	default:
	}
	f.world.setAccounts(known...)
	for range clients {
		if err := <-outcomes; err != nil {
			t.Error(err)
		}
	}
	if refused := f.Stats().Refused; len(refused) > 0 {
		for why, n := range refused {
			if n > 0 {
				t.Errorf("%d refused as %s", n, why)
			}
		}
	}
	if f.guard.blocked(addressOf(dialRaw(t, f.Addr()).conn), time.Now()) {
		t.Error("the address is blocked")
	}
}

// If they can not be read in time, the client is told so, and that counts against
// nobody either.
func TestLoginsWithoutAccountsHaveAnEnd(t *testing.T) {
	f := startFaked(t, Config{
		RefreshTimeout: 10 * time.Millisecond, LoginTimeout: 400 * time.Millisecond,
		Limits: Limits{FailuresPerAddress: 1, FailuresPerAccount: 1},
	}, nil)
	known := f.world.Accounts()
	f.world.setAccounts()
	const clients = 20
	outcomes := make(chan error, clients)
	for range clients {
		c := dialRaw(t, f.Addr())
		go func() { outcomes <- c.login("app", appPassword, rawCaps) }()
	}
	for range clients {
		var told *wire.Error
		if err := <-outcomes; !errors.As(err, &told) || told.Number != 1290 {
			t.Errorf("told %v", err)
		}
	}
	f.world.setAccounts(known...)
	if err := dialRaw(t, f.Addr()).login("app", appPassword, rawCaps); err != nil {
		t.Error(err)
	}
}
