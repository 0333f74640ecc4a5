package wire

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// PluginSha2 is the authentication method of MySQL 8 and later (MySQL manual,
// "Caching SHA-2 Pluggable Authentication").
const PluginSha2 = "caching_sha2_password"

// PluginClear is the method by which a client sends its password as it is.
const PluginClear = "mysql_clear_password"

// MaxPassword is the longest password that caching_sha2_password takes, in bytes.
// What is longer is wrong before it is looked at.
const MaxPassword = 256

// ErrHashSha2 is returned for a stored hash that is not one of
// caching_sha2_password.
var ErrHashSha2 = errors.New("not a caching_sha2_password hash")

// StoredSha2 is what a server keeps of a password for caching_sha2_password: a
// salted digest of many rounds, of which nothing can be had that logs in anywhere.
// The zero value stands for an account without a password.
type StoredSha2 struct {
	salt   string
	digest string
	rounds int
}

// Sizes of "$A$005$", the salt and the digest behind it.
const (
	sha2Prefix   = 7
	sha2SaltSize = 20
	sha2Digest   = 43
	sha2Unit     = 1000 // the three digits count thousands of rounds
)

// ParseStoredSha2 reads a hash as mysql.user shows it ("$A$005$…", the digits are
// hexadecimal). The empty text is an account without a password.
func ParseStoredSha2(hash string) (StoredSha2, error) {
	if hash == "" {
		return StoredSha2{}, nil
	}
	if len(hash) != sha2Prefix+sha2SaltSize+sha2Digest || hash[:3] != "$A$" || hash[6] != '$' {
		return StoredSha2{}, ErrHashSha2
	}
	thousands, err := strconv.ParseUint(hash[3:6], 16, 12)
	if err != nil || thousands == 0 {
		return StoredSha2{}, ErrHashSha2
	}
	return StoredSha2{
		rounds: int(thousands) * sha2Unit,
		salt:   hash[sha2Prefix : sha2Prefix+sha2SaltSize],
		digest: hash[sha2Prefix+sha2SaltSize:],
	}, nil
}

// NewStoredSha2 returns a hash of password as a server would keep it. rounds is a
// number of thousands, at most 4095 of them.
func NewStoredSha2(password, salt string, rounds int) string {
	thousands := "00" + strconv.FormatInt(int64(rounds/sha2Unit), 16)
	salt = (salt + "xxxxxxxxxxxxxxxxxxxx")[:sha2SaltSize]
	return "$A$" + thousands[len(thousands)-3:] + "$" + salt + sha256Crypt([]byte(password), []byte(salt), rounds)
}

// Decoy returns a hash that no password has, and that takes as long to be found
// wrong as s does. That of an account without a password has the usual rounds.
func (s StoredSha2) Decoy() StoredSha2 {
	const usual = 5000
	if s.rounds == 0 {
		s.rounds = usual
	}
	return StoredSha2{salt: "no account has this!", digest: strings.Repeat("-", sha2Digest), rounds: s.rounds}
}

// Rounds returns the rounds of the digest, which are what verifying costs; 0 for
// an account without a password.
func (s StoredSha2) Rounds() int { return s.rounds }

// Open reports whether the account has no password.
func (s StoredSha2) Open() bool { return s.rounds == 0 }

// Verify reports whether password is the one behind s, in a time that does not
// depend on how wrong it is: about a millisecond per 5 000 rounds. An account
// without a password takes the empty one only.
func (s StoredSha2) Verify(password []byte) bool {
	if s.Open() {
		return len(password) == 0
	}
	short := password[:min(len(password), MaxPassword)]
	got := sha256Crypt(short, []byte(s.salt), s.rounds)
	equal := subtle.ConstantTimeCompare([]byte(got), []byte(s.digest)) == 1
	return equal && len(password) == len(short) && len(password) > 0
}

// Fast is SHA256(SHA256(password)): what a server keeps in memory of a password
// that it has seen, to verify the next login without many rounds. A secret: it
// prints as "secret".
type Fast [sha256.Size]byte

// NewFast returns what is kept of a password.
func NewFast(password string) Fast {
	once := sha256.Sum256([]byte(password))
	return sha256.Sum256(once[:])
}

// String hides it from logs.
func (Fast) String() string { return "secret" }

// Format hides it from every verb of package fmt.
func (f Fast) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(f.String())) }

// Verify reports whether token answers salt for the password behind f, in a time
// that does not depend on how wrong it is.
func (f Fast) Verify(salt Salt, token []byte) bool {
	full := make([]byte, sha256.Size)
	sized := copy(full, token) == sha256.Size && len(token) == sha256.Size
	mask := sha2Mask(f, salt)
	subtle.XORBytes(full, full, mask[:])
	twice := sha256.Sum256(full)
	return subtle.ConstantTimeCompare(twice[:], f[:]) == 1 && sized
}

// Sha2Token returns what a client answers to salt: SHA256(password) XOR
// SHA256(SHA256(SHA256(password)), salt), or nothing for the empty password.
func Sha2Token(salt Salt, password string) []byte {
	if password == "" {
		return nil
	}
	once := sha256.Sum256([]byte(password))
	mask := sha2Mask(sha256.Sum256(once[:]), salt)
	subtle.XORBytes(mask[:], mask[:], once[:])
	return mask[:]
}

func sha2Mask(f Fast, salt Salt) [sha256.Size]byte {
	var in [sha256.Size + SaltSize]byte
	copy(in[:], f[:])
	copy(in[sha256.Size:], salt[:])
	return sha256.Sum256(in[:])
}
