package proxy

import (
	"context"
	"log/slog"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// authenticate finds out whether the client is who login says. by is what it has
// shown with it; the rest is asked for over own. It returns what a link is opened
// by, or the error that the client gets.
func (s *session) authenticate(own *wire.Conn, login wire.Login, by proof) (caller, error) {
	ctx := &lateContext{Context: &s.ctx, until: time.Now().Add(s.p.cfg.LoginTimeout)}
	defer ctx.end()
	if s.p.guard.blocked(s.from, time.Now()) {
		s.p.count.refuse(RefusedRate)
		return caller{}, wire.NewError(wire.HostBlocked, "Host '%s' is blocked because of many failed logins; try again in a moment", s.host())
	}
	if pause := s.p.guard.pause(s.from, login.User, time.Now()); pause > 0 {
		s.p.count.slowed.Add(1)
		sleep(ctx, pause)
	}
	if told := s.p.awaitAccounts(ctx); told != nil {
		return caller{}, told
	}
	c := s.p.candidate(s.p.accounts.Accounts(), login.User, s.from)
	v, by, err := s.examine(ctx, own, c, by)
	if err != nil {
		return caller{}, err
	}
	if !v.ok || v.account.Locked || !s.transport().meets(v.account.Require) {
		again, changed := s.p.newer(ctx, c, login.User, s.from)
		if v.account, v.why = again.account, again.why; changed {
			v = s.p.verify(ctx, again, by)
		}
	}
	if !v.ok {
		s.p.guard.failed(s.from, login.User, time.Now())
		return caller{}, s.refuseLogin(login, v, by)
	}
	s.p.guard.succeeded(s.from, login.User)
	if by.whole && v.account.Plugin == wire.PluginSha2 {
		s.p.secrets.keep(v.account, by.password, v.secret, s.p.accounts.Accounts())
	}
	if told := s.entitled(v); told != nil {
		return caller{}, told
	}
	login.Token, login.Plugin = nil, "" // a link answers its member's greeting
	return caller{login: login, secret: v.secret}, nil
}

// examine asks the client for the proof that the candidate needs, unless it has
// given it already, and checks it.
func (s *session) examine(ctx context.Context, own *wire.Conn, c candidate, by proof) (verdict, proof, error) {
	secure := s.transport().secure
	if by.method == wire.PluginClear && secure {
		by.password, by.whole = wire.ClearPassword(by.token)
		if by.whole && len(by.password) == 0 {
			by = proof{method: c.method} // none
		}
	}
	if !by.whole && by.method != c.method {
		var err error
		if by, err = s.switchMethod(own, c.method); err != nil {
			return verdict{}, by, err
		}
	}
	if c.method != wire.PluginSha2 || by.whole || by.empty() {
		return s.p.verify(ctx, c, by), by, nil
	}
	if secret, ok := s.p.secrets.find(c.account, by.salt, by.token); ok && c.real() {
		return verdict{secret: secret, account: c.account, ok: true}, by, own.AcceptFast()
	}
	var err error
	if by.password, by.whole, err = own.FullPassword(by.salt, secure, s.p.keys); err != nil {
		return verdict{}, by, err
	}
	if !by.whole { // nonsense: as much work as for a wrong password
		return s.p.verify(ctx, candidate{account: c.account, method: c.method, sha2: c.sha2.Decoy(), why: c.why}, proof{method: by.method, whole: true}), by, nil
	}
	return s.p.verify(ctx, c, by), by, nil
}

// switchMethod asks the client to answer a salt by another method. The salt is a new
// one, but to a change of user in front of MariaDB: its servers have one for the life of
// a connection, and its C client relies on that (seen on 10.11, answers the salt of its
// login whatever it is asked).
func (s *session) switchMethod(own *wire.Conn, method string) (proof, error) {
	if !s.plugins {
		s.p.count.refuse(RefusedHandshake)
		return proof{}, oldClient()
	}
	by := proof{method: method, salt: wire.NewSalt()}
	if changes := s.caps != 0; changes && s.p.flavour() == topology.FlavourMariaDB {
		by.salt = s.salt
	}
	s.salt = by.salt
	if err := own.Write(wire.AppendAuthSwitch(nil, method, by.salt)); err != nil {
		return by, err
	}
	payload, err := own.Read()
	by.token = append([]byte(nil), payload...)
	return by, err
}

// entitled returns what is told to a client whose password was right, and that may
// not come in all the same, in the order in which servers look: the connection, then
// the lock. Expired passwords and the limits of the account are for the member to
// judge, at the link's login.
func (s *session) entitled(v verdict) *wire.Error {
	a := v.account
	switch {
	case !s.transport().meets(a.Require):
		s.p.count.refuse(RefusedTransport)
		s.p.log.Info("login refused", "reason", RefusedTransport.String(), "account", a.Name(), "from", s.host(), "requires", a.Require.Kind.String())
		return denied(a.User, s.host(), true)
	case a.Locked:
		s.p.count.refuse(RefusedLocked)
		s.p.log.Info("login refused", "reason", RefusedLocked.String(), "account", a.Name(), "from", s.host())
		return s.lockedError(a)
	case !s.p.enlist(s, a.Name()):
		s.p.count.refuse(RefusedAccount)
		return wire.NewError(wire.TooManyUserConnections, "User %s already has more than 'max_user_connections' active connections", shorten(a.User))
	}
	return nil
}

// refuseLogin logs why a login is refused, and returns what the client gets, which
// does not tell.
func (s *session) refuseLogin(login wire.Login, v verdict, by proof) *wire.Error {
	s.p.count.refuse(v.why)
	level := slog.LevelDebug // anybody can cause any number of these
	if v.why == RefusedPlugin {
		level = slog.LevelInfo
	}
	s.p.log.Log(&s.ctx, level, "login refused", "reason", v.why.String(), "user", shorten(login.User), "from", s.host(), "plugin", v.account.Plugin)
	if v.why == RefusedUnknown && !topology.HostAllowed(s.p.accounts.Accounts(), s.from) {
		return wire.NewError(wire.HostNotAllowed, "Host '%s' is not allowed to connect to this %s server", s.host(), s.p.brand())
	}
	return denied(login.User, s.host(), !by.empty())
}

func denied(user, host string, password bool) *wire.Error {
	using := "NO"
	if password {
		using = "YES"
	}
	return wire.NewError(wire.AccessDenied, "Access denied for user '%s'@'%s' (using password: %s)", shorten(user), host, using)
}

func oldClient() *wire.Error {
	return wire.NewError(wire.OldClient, "Client does not support authentication protocol requested by server; consider upgrading MariaDB client")
}

func (s *session) lockedError(a topology.Account) *wire.Error {
	if s.p.flavour() == topology.FlavourMySQL {
		return wire.NewError(wire.AccountLockedMySQL, "Access denied for user '%s'@'%s'. Account is locked.", a.User, s.host())
	}
	return wire.NewError(wire.AccountLockedMariaDB, "Access denied, this account is locked")
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
