package wire

import (
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the protocol's mysql_native_password is defined on SHA-1
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
)

// PluginNative is the authentication method of MariaDB, and of MySQL up to 5.7.
const PluginNative = "mysql_native_password"

// SaltSize is the size of a native salt in bytes.
const SaltSize = 20

// Salt is the random challenge of one login.
type Salt [SaltSize]byte

// Digest is SHA1(password): what a client's scramble shows to who holds the
// stored hash, and all that it takes to log in elsewhere. A secret: it prints as
// "secret". The zero value stands for the empty password.
type Digest [sha1.Size]byte

// Stored is SHA1(SHA1(password)), as a server keeps it ("*" and 40 hex digits).
// The zero value stands for an account without a password.
type Stored [sha1.Size]byte

// ErrHash is returned for a stored hash that is not one of mysql_native_password.
var ErrHash = errors.New("not a mysql_native_password hash")

// String hides the digest from logs.
func (Digest) String() string { return "secret" }

// Format hides the digest from every verb of package fmt.
func (d Digest) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(d.String())) }

// NewSalt draws a salt: no NUL, which would end it early, and 7 bits a byte, as
// servers draw theirs.
func NewSalt() Salt {
	var s Salt
	_, _ = rand.Read(s[:]) // never fails (crypto/rand, since Go 1.24)
	for i := range s {
		if s[i] &= 0x7F; s[i] == 0 || s[i] == '$' {
			s[i]++
		}
	}
	return s
}

// NewDigest returns the digest of a password in clear.
func NewDigest(password string) Digest {
	if password == "" {
		return Digest{}
	}
	return sha1.Sum([]byte(password)) //nolint:gosec // see the import
}

// Stored returns what a server would keep.
func (d Digest) Stored() Stored {
	if d == (Digest{}) {
		return Stored{}
	}
	return sha1.Sum(d[:]) //nolint:gosec // see the import
}

// ParseStored reads a hash as mysql.user shows it. The empty text is an account
// without a password.
func ParseStored(hash string) (Stored, error) {
	var s Stored
	if hash == "" {
		return s, nil
	}
	if len(hash) != 1+2*len(s) || hash[0] != '*' {
		return s, ErrHash
	}
	if _, err := hex.Decode(s[:], []byte(hash[1:])); err != nil {
		return Stored{}, ErrHash
	}
	return s, nil
}

// Token returns what a client answers to salt: SHA1(password) XOR
// SHA1(salt, SHA1(SHA1(password))), or nothing for the empty password.
func (d Digest) Token(salt Salt) []byte {
	if d == (Digest{}) {
		return nil
	}
	mask := mask(salt, d.Stored())
	subtle.XORBytes(mask[:], mask[:], d[:])
	return mask[:]
}

// Verify reports whether token answers salt for the password behind s, in a time
// that does not depend on how wrong it is, and returns the digest that token
// showed. An account without a password takes an empty token only.
func (s Stored) Verify(salt Salt, token []byte) (Digest, bool) {
	open, empty := s == (Stored{}), len(token) == 0
	full := make([]byte, sha1.Size)
	sized := copy(full, token) == sha1.Size && len(token) == sha1.Size
	var d Digest
	m := mask(salt, s)
	subtle.XORBytes(d[:], full, m[:])
	sum := sha1.Sum(d[:]) //nolint:gosec // see the import
	equal := subtle.ConstantTimeCompare(sum[:], s[:]) == 1
	switch {
	case open && empty:
		return Digest{}, true
	case !open && sized && equal:
		return d, true
	}
	return Digest{}, false
}

func mask(salt Salt, s Stored) Digest {
	var in [SaltSize + sha1.Size]byte
	copy(in[:], salt[:])
	copy(in[SaltSize:], s[:])
	return sha1.Sum(in[:]) //nolint:gosec // see the import
}
