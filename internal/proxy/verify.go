package proxy

import (
	"context"
	"net/netip"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// candidate is the account that a client says it is, as far as it is known, and how
// a client proves to be it. A name that no account has gets a method too, always the
// same one, and nothing that it shows is right: see [Proxy.decoy].
type candidate struct {
	account topology.Account
	method  string // PluginNative or PluginSha2
	native  wire.Stored
	sha2    wire.StoredSha2
	why     Refusal // what a proof that is not right counts as; of a decoy, every proof
}

// real reports whether there is a proof that is right.
func (c candidate) real() bool { return c.why == RefusedPassword }

// candidate looks for the account of user from an address.
func (p *Proxy) candidate(accounts []topology.Account, user string, from netip.Addr) candidate {
	account, found := topology.MatchAccount(accounts, user, from)
	c := candidate{account: account, method: account.Plugin, why: RefusedPassword}
	err := error(nil)
	switch {
	case !found:
		c.why = RefusedUnknown
	case account.Plugin == wire.PluginNative:
		c.native, err = wire.ParseStored(account.Hash)
	case account.Plugin == wire.PluginSha2:
		c.sha2, err = wire.ParseStoredSha2(account.Hash)
	default:
		c.why = RefusedPlugin
	}
	if err != nil {
		c.why = RefusedPlugin
	}
	if !c.real() {
		c.method, c.native, c.sha2 = p.decoy(accounts, user)
	}
	return c
}

// proof is what a client has shown of its password.
type proof struct {
	method   string // by whose rules token answers salt
	salt     wire.Salt
	token    []byte
	password []byte // in clear, if whole
	whole    bool
}

// empty reports whether the client has given no password. Clients of
// caching_sha2_password say that with a NUL.
func (p proof) empty() bool {
	return !p.whole && (len(p.token) == 0 || p.method == wire.PluginSha2 && len(p.token) == 1 && p.token[0] == 0)
}

// verdict is the outcome of checking who a client says it is.
type verdict struct {
	secret  wire.Secret
	account topology.Account
	why     Refusal // if not ok
	ok      bool
}

// verify checks a proof. Whatever c is, the work is the same for proofs of the same
// form: that of a decoy ends in a refusal.
func (p *Proxy) verify(ctx context.Context, c candidate, by proof) verdict {
	v := verdict{account: c.account, why: c.why}
	switch {
	case by.empty():
		v.ok = c.method == wire.PluginNative && c.native == wire.Stored{} || c.method == wire.PluginSha2 && c.sha2.Open()
	case c.method == wire.PluginSha2 && by.whole:
		if !p.crypts.enter(ctx) {
			return v
		}
		stored := c.sha2
		if stored.Open() {
			stored = stored.Decoy() // to be asked for nothing, and given something, shows in no time
		}
		v.ok = stored.Verify(by.password)
		p.crypts.leave()
		v.secret = wire.SecretOfPassword(string(by.password))
	case c.method == wire.PluginSha2: // a token without the memory that it could be checked by
	case by.whole:
		_, v.ok = c.native.Verify(by.salt, wire.NewDigest(string(by.password)).Token(by.salt))
		v.secret = wire.SecretOfPassword(string(by.password))
	case by.method == wire.PluginNative:
		var digest wire.Digest
		digest, v.ok = c.native.Verify(by.salt, by.token)
		v.secret = wire.SecretOfDigest(digest)
	}
	if v.ok = v.ok && c.real(); !v.ok {
		v.secret = wire.Secret{}
	}
	return v
}

// newer returns the candidate of newer accounts, for a client that was not right by
// those at hand: its account or its password may be a moment old. All of them wait
// alike. changed is false if nothing is different.
func (p *Proxy) newer(ctx context.Context, c candidate, user string, from netip.Addr) (again candidate, changed bool) {
	p.refreshed(ctx)
	again = p.candidate(p.accounts.Accounts(), user, from)
	return again, again.account != c.account || again.why != c.why
}

// refreshed waits until the accounts were read anew, at most for
// Config.RefreshTimeout.
func (p *Proxy) refreshed(ctx context.Context) {
	timeout := time.NewTimer(p.cfg.RefreshTimeout)
	defer timeout.Stop()
	select {
	case <-p.accounts.Refresh():
	case <-timeout.C:
	case <-ctx.Done():
	}
}

// turns bounds how many do something at once.
type turns chan struct{}

func (t turns) enter(ctx context.Context) bool {
	select {
	case t <- struct{}{}:
		return true
	default:
	}
	select {
	case t <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (t turns) leave() { <-t }

// awaitAccounts waits until the members' accounts were read once: just after a
// start nobody is known, and nobody is to be refused, or counted, for that.
func (p *Proxy) awaitAccounts(ctx context.Context) *wire.Error {
	const pause = 20 * time.Millisecond
	for p.accounts.Accounts() == nil {
		p.refreshed(ctx)
		select {
		case <-ctx.Done():
			return wire.NewError(wire.NoOwner, "sqlring: no member's accounts could be read yet; waited %v", p.cfg.LoginTimeout)
		case <-time.After(pause):
		}
	}
	return nil
}
