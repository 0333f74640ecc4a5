package topology

import (
	"fmt"
	"slices"
	"time"
)

// MaxTokens bounds the tokens of a ring.
const MaxTokens = 64

// Token lets its bearer call the API over the network. The secret itself is nowhere:
// Hash is its SHA-256, in hexadecimal. The secret is random and long, so that the hash
// tells nothing.
type Token struct {
	Name string    `json:"name"`
	Role string    `json:"role"` // viewer, operator or admin
	Hash string    `json:"hash"`
	At   time.Time `json:"at"` // when it was made
	By   string    `json:"by"`
}

// AddToken lets a new bearer in.
type AddToken struct {
	Name string `json:"name"`
	Role string `json:"role"`
	Hash string `json:"hash"`
}

func (a AddToken) String() string {
	return fmt.Sprintf("let in the bearer of token %s as %s", a.Name, a.Role)
}

func (a AddToken) apply(s *Snapshot, c Command) error {
	const hashed = 64 // characters
	if err := ValidName(a.Name); err != nil {
		return fmt.Errorf("%w: token: %w", ErrLaw, err)
	}
	switch {
	case a.Role != "viewer" && a.Role != "operator" && a.Role != "admin":
		return fmt.Errorf("%w: role %q: use viewer, operator or admin", ErrLaw, a.Role)
	case len(a.Hash) != hashed:
		return fmt.Errorf("%w: the hash of token %s has %d characters, not %d", ErrLaw, a.Name, len(a.Hash), hashed)
	case len(s.Tokens) >= MaxTokens:
		return fmt.Errorf("%w: there are %d tokens already: sqlring token revoke", ErrLaw, len(s.Tokens))
	case slices.ContainsFunc(s.Tokens, func(t Token) bool { return t.Name == a.Name }):
		return fmt.Errorf("%w: token %s is there already: sqlring token revoke %s, or another name", ErrLaw, a.Name, a.Name)
	}
	s.Tokens = append(slices.Clone(s.Tokens), Token{Name: a.Name, Role: a.Role, Hash: a.Hash, At: c.At.UTC(), By: c.By})
	s.record(c, "token", "", fmt.Sprintf("token %s: %s", a.Name, a.Role))
	return nil
}

// RevokeToken lets the bearer in no longer.
type RevokeToken struct {
	Name string `json:"name"`
}

func (r RevokeToken) String() string { return "revoke token " + r.Name }

func (r RevokeToken) apply(s *Snapshot, c Command) error {
	i := slices.IndexFunc(s.Tokens, func(t Token) bool { return t.Name == r.Name })
	if i < 0 {
		return fmt.Errorf("%w: there is no token %s", ErrStale, r.Name)
	}
	s.Tokens = slices.Delete(slices.Clone(s.Tokens), i, i+1)
	s.record(c, "token", "", fmt.Sprintf("token %s revoked", r.Name))
	return nil
}
