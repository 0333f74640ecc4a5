package proxy

import (
	"context"
	"net/netip"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// verdict is the outcome of checking who a client says it is.
type verdict struct {
	digest  wire.Digest
	account topology.Account
	why     Refusal // if not ok
	ok      bool
}

// credentials are what a client has shown.
type credentials struct {
	user  string
	from  netip.Addr // the zero Addr for a unix socket
	salt  wire.Salt
	token []byte
}

// verify checks credentials against the accounts as they are known, and if that
// fails, for whatever reason, once more against newer ones: the account or its
// password may be a moment old. So an unknown account costs the same time as a
// wrong password, and guessing is slow.
func (p *Proxy) verify(ctx context.Context, c credentials) verdict {
	v := check(p.accounts.Accounts(), c)
	if v.ok || v.why == RefusedLocked {
		return v
	}
	timeout := time.NewTimer(p.cfg.RefreshTimeout)
	defer timeout.Stop()
	select {
	case <-p.accounts.Refresh():
	case <-timeout.C:
	case <-ctx.Done():
		return v
	}
	return check(p.accounts.Accounts(), c)
}

// check compares the token with what the accounts say. All refusals but the one
// of a locked account, whose password was right, take the same work.
func check(accounts []topology.Account, c credentials) verdict {
	account, found := topology.MatchAccount(accounts, c.user, c.from)
	why := RefusedPassword
	stored, err := wire.ParseStored(account.Hash)
	switch {
	case !found:
		why, stored = RefusedUnknown, nobody()
	case account.Plugin != wire.PluginNative || err != nil:
		why, stored = RefusedPlugin, nobody()
	}
	digest, right := stored.Verify(c.salt, c.token)
	switch {
	case !right || why != RefusedPassword:
		return verdict{account: account, why: why}
	case account.Locked:
		return verdict{account: account, why: RefusedLocked}
	}
	return verdict{digest: digest, account: account, ok: true}
}

// nobody is a hash that no password has.
func nobody() wire.Stored {
	var s wire.Stored
	s[0] = 1
	return s
}
