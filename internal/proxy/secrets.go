package proxy

import (
	"sync"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// secrets is what is remembered of passwords that were shown by a full login of
// caching_sha2_password, so that the next login of the account needs none: in this
// process's memory and nowhere else (docs/adr/0008). It is safe for concurrent use.
type secrets struct {
	mu    sync.Mutex
	known map[string]known // by Account.Name
}

// known is good as long as the account's hash stays.
type known struct {
	hash   string
	fast   wire.Fast
	secret wire.Secret
}

// find returns what logs in as the account, if token answers salt for a password
// that is remembered.
func (s *secrets) find(a topology.Account, salt wire.Salt, token []byte) (wire.Secret, bool) {
	s.mu.Lock()
	k, ok := s.known[a.Name()]
	if ok && k.hash != a.Hash {
		delete(s.known, a.Name())
		ok = false
	}
	s.mu.Unlock()
	// Verified in any case: what takes no time would tell that nobody is remembered.
	right := k.fast.Verify(salt, token)
	return k.secret, ok && right
}

// keep remembers the password of an account, and forgets those of accounts that are
// no longer among all, or have another hash.
func (s *secrets) keep(a topology.Account, password []byte, secret wire.Secret, all []topology.Account) {
	k := known{hash: a.Hash, fast: wire.NewFast(string(password)), secret: secret}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = make(map[string]known)
	}
	if len(s.known) > 0 {
		hashes := make(map[string]string, len(all))
		for _, one := range all {
			hashes[one.Name()] = one.Hash
		}
		for name, one := range s.known {
			if hash, ok := hashes[name]; !ok || hash != one.hash {
				delete(s.known, name)
			}
		}
	}
	s.known[a.Name()] = k
}
