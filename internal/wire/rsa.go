package wire

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the protocol's OAEP is defined on SHA-1
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// keyBits is the size of the key pairs that MySQL servers generate.
const keyBits = 2048

// KeyPair is an RSA key by which clients without TLS send their passwords. It is
// safe for concurrent use.
type KeyPair struct {
	private *rsa.PrivateKey
	public  []byte // PEM
}

// NewKeyPair generates a key pair, which takes some tenths of a second.
func NewKeyPair() (*KeyPair, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, fmt.Errorf("generate the key for passwords: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("generate the key for passwords: %w", err)
	}
	return &KeyPair{private, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})}, nil
}

// Public returns the public key as a server sends it.
func (k *KeyPair) Public() []byte { return k.public }

// Decrypt returns the password that a client has encrypted under salt. ok is false
// for anything else.
func (k *KeyPair) Decrypt(salt Salt, sealed []byte) (password []byte, ok bool) {
	if len(sealed) != k.private.Size() {
		return nil, false
	}
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, k.private, sealed, nil) //nolint:gosec // see the import
	if err != nil {
		return nil, false
	}
	return trimNUL(mix(plain, salt))
}

var errPublicKey = errors.New("the server's public key can not be used")

// seal encrypts a password for the server whose public key is key (PEM).
func seal(password string, salt Salt, key []byte) ([]byte, error) {
	block, _ := pem.Decode(key)
	if block == nil {
		return nil, errPublicKey
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	public, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok {
		return nil, errPublicKey
	}
	sealed, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, mix(append([]byte(password), 0), salt), nil) //nolint:gosec // see the import
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPublicKey, err)
	}
	return sealed, nil
}

// mix returns text XOR salt, repeated.
func mix(text []byte, salt Salt) []byte {
	out := make([]byte, len(text))
	for i := range text {
		out[i] = text[i] ^ salt[i%len(salt)]
	}
	return out
}

// trimNUL takes the NUL off the end of a password as it goes over the wire.
func trimNUL(sent []byte) (password []byte, ok bool) {
	if len(sent) == 0 || sent[len(sent)-1] != 0 {
		return nil, false
	}
	return sent[:len(sent)-1], true
}
