package wire

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The hash is the one that SELECT PASSWORD('secret') returns on MariaDB 10.11.
const secretHash = "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"

func TestStoredIsWhatServersStore(t *testing.T) {
	s, err := ParseStored(secretHash)
	if err != nil || s != NewDigest("secret").Stored() {
		t.Errorf("%x, %v", s, err)
	}
	if s, err := ParseStored(strings.ToLower(secretHash)); err != nil || s != NewDigest("secret").Stored() {
		t.Errorf("lower case: %x, %v", s, err)
	}
	for _, bad := range []string{"*", "secret", secretHash[1:], secretHash + "0", "*" + strings.Repeat("x", 40), "$A$005$xyz"} {
		if _, err := ParseStored(bad); !errors.Is(err, ErrHash) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestVerify(t *testing.T) {
	salt := NewSalt()
	secret, empty := NewDigest("secret"), NewDigest("")
	flipped := secret.Token(salt)
	flipped[7] ^= 1
	tests := []struct {
		name   string
		stored Stored
		token  []byte
		ok     bool
		digest Digest
	}{
		{"right", secret.Stored(), secret.Token(salt), true, secret},
		{"wrong", secret.Stored(), NewDigest("wrong").Token(salt), false, Digest{}},
		{"one bit", secret.Stored(), flipped, false, Digest{}},
		{"other salt", secret.Stored(), secret.Token(NewSalt()), false, Digest{}},
		{"none given", secret.Stored(), nil, false, Digest{}},
		{"short", secret.Stored(), secret.Token(salt)[:19], false, Digest{}},
		{"long", secret.Stored(), append(secret.Token(salt), 0), false, Digest{}},
		{"none needed", empty.Stored(), nil, true, Digest{}},
		{"none needed, one given", empty.Stored(), secret.Token(salt), false, Digest{}},
		{"the hash of nothing is not the empty password", empty.Stored(), make([]byte, 20), false, Digest{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			digest, ok := tt.stored.Verify(salt, tt.token)
			if ok != tt.ok || digest != tt.digest {
				t.Errorf("%v, %x", ok, digest[:])
			}
		})
	}
}

// What a login shows is enough to log in elsewhere.
func TestVerifyRecoversTheDigest(t *testing.T) {
	here, there := NewSalt(), NewSalt()
	stored := NewDigest("secret").Stored()
	digest, ok := stored.Verify(here, NewDigest("secret").Token(here))
	if !ok {
		t.Fatal("refused")
	}
	if _, ok := stored.Verify(there, digest.Token(there)); !ok {
		t.Error("refused elsewhere")
	}
}

func TestDigestIsNotPrinted(t *testing.T) {
	d := NewDigest("secret")
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d", "%q"} {
		if got := fmt.Sprintf(verb, struct{ D Digest }{d}); !strings.Contains(got, "secret") || strings.Contains(got, fmt.Sprintf("%x", d[:4])) {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func TestSaltHasNoEnd(t *testing.T) {
	for range 2000 {
		for _, b := range NewSalt() {
			if b == 0 || b == '$' || b > 0x7F {
				t.Fatalf("byte %#x", b)
			}
		}
	}
}
