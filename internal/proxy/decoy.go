package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"math"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// decoy is how a name that nobody can log in by is asked for its password: by a
// method that depends on the name and on a key that strangers do not have, is the
// same at every try and at every node, and is as frequent among such names as among
// the accounts that there are. No password has its hashes, and finding that out
// takes as long as for an account.
func (p *Proxy) decoy(accounts []topology.Account, name string) (method string, native wire.Stored, sha2 wire.StoredSha2) {
	natives, sha2s := 0, 0
	for _, a := range accounts {
		switch a.Plugin {
		case wire.PluginNative:
			natives++
		case wire.PluginSha2:
			stored, err := wire.ParseStoredSha2(a.Hash)
			if err == nil && stored.Rounds() > sha2.Rounds() {
				sha2 = stored
			}
			sha2s++
		}
	}
	sha2 = sha2.Decoy()
	native[0] = 1 // nobody finds what hashes to that
	if natives+sha2s == 0 {
		return p.defaultMethod(), native, sha2
	}
	mac := hmac.New(sha256.New, p.cfg.DecoyKey)
	mac.Write([]byte(name))
	share := float64(binary.BigEndian.Uint64(mac.Sum(nil))) / math.MaxUint64
	if share*float64(natives+sha2s) < float64(sha2s) {
		return wire.PluginSha2, native, sha2
	}
	return wire.PluginNative, native, sha2
}

// defaultMethod is what clients are greeted with: that of the ring's flavour.
func (p *Proxy) defaultMethod() string {
	if p.flavour() == topology.FlavourMySQL {
		return wire.PluginSha2
	}
	return wire.PluginNative
}

// flavour is that of the ring: MariaDB's, as long as nothing is known.
func (p *Proxy) flavour() topology.Flavour {
	route, _ := p.views.View().OwnerOf(sessionUnit)
	if version, err := topology.ParseVersion(route.Member.Version); err == nil {
		return version.Flavour
	}
	return topology.FlavourMariaDB
}

// brand is how servers of the flavour call themselves in messages.
func (p *Proxy) brand() string {
	if p.flavour() == topology.FlavourMySQL {
		return "MySQL"
	}
	return "MariaDB"
}
