package wire

import "fmt"

// Secret is what logs in at a member in a client's name: what could be had from
// the client's own login. It is kept in memory only, and prints as "secret". The
// zero value stands for the empty password.
type Secret struct {
	digest  Digest
	clear   string
	unclear bool // clear is not known
}

// SecretOfDigest is what a login by mysql_native_password shows. It logs in by that
// method alone.
func SecretOfDigest(d Digest) Secret { return Secret{digest: d, unclear: d != (Digest{})} }

// SecretOfPassword is what a full login by caching_sha2_password shows. It logs in by
// each method that this package knows.
func SecretOfPassword(password string) Secret {
	return Secret{digest: NewDigest(password), clear: password}
}

// String hides the secret from logs.
func (Secret) String() string { return "secret" }

// Format hides the secret from every verb of package fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// token answers salt by plugin's rules.
func (s Secret) token(plugin string, salt Salt) ([]byte, error) {
	switch {
	case plugin == PluginNative:
		return s.digest.Token(salt), nil
	case plugin != PluginSha2:
		return nil, fmt.Errorf("%w by %q: only %s and %s are supported", ErrMethod, plugin, PluginNative, PluginSha2)
	case s.unclear:
		return nil, fmt.Errorf("%w by %s, and the client has logged in by %s: the accounts of the members differ", ErrMethod, PluginSha2, PluginNative)
	}
	return Sha2Token(salt, s.clear), nil
}
