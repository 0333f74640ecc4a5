package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// What mysql.user of MySQL 9.7 held for these two passwords, whose digests have
// 10 000 rounds.
const (
	longPassword = "a password of more than sixty-four bytes, so that all branches of the digest are taken"
	secretSha2   = "244124303041240108345212191D6161502C042D62075A503C641148746E4F75706B75417A796E6531644B504730343677726B2F4F67676F65774D2F452F6636635852426939"
	longSha2     = "24412430304124423D716D1A27083602195508310B2576203E4F517948325546367073537A4879724F2F637246506B3569564C4B687575676C545A616C5265766F7276743243"
)

func storedSha2(t testing.TB, text string) StoredSha2 {
	t.Helper()
	hash, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseStoredSha2(string(hash))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoredSha2VerifiesWhatAServerStored(t *testing.T) {
	secret, long := storedSha2(t, secretSha2), storedSha2(t, longSha2)
	open, err := ParseStoredSha2("")
	if err != nil || !open.Open() || secret.Open() || secret.Rounds() != 10000 {
		t.Errorf("open %v, %v; %d rounds", open.Open(), err, secret.Rounds())
	}
	tests := []struct {
		name     string
		stored   StoredSha2
		password string
		want     bool
	}{
		{"right", secret, "secret", true},
		{"right and long", long, longPassword, true},
		{"wrong", secret, "Secret", false},
		{"longer", secret, "secret\x00", false},
		{"none", secret, "", false},
		{"beyond the limit", long, strings.Repeat("x", MaxPassword+1), false},
		{"open, none", open, "", true},
		{"open, one", open, "secret", false},
		{"decoy", secret.Decoy(), "secret", false},
		{"decoy of an open one", open.Decoy(), "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.stored.Verify([]byte(tt.password)); got != tt.want {
				t.Errorf("%v", got)
			}
		})
	}
	if secret.Decoy().Rounds() != secret.Rounds() || open.Decoy().Rounds() == 0 {
		t.Error("a decoy costs something else")
	}
}

func TestParseStoredSha2(t *testing.T) {
	good, _ := hex.DecodeString(secretSha2)
	for _, bad := range []string{"$", "$A$005$x", secretHash, string(good[1:]), string(good) + "x", "$B" + string(good[2:]), "$A$000" + string(good[6:]), "$A$0x5" + string(good[6:])} {
		if _, err := ParseStoredSha2(bad); !errors.Is(err, ErrHashSha2) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	made, err := ParseStoredSha2(NewStoredSha2("pw", "salt", 5000))
	if err != nil || !made.Verify([]byte("pw")) || made.Rounds() != 5000 {
		t.Errorf("our own: %v, %d", err, made.Rounds())
	}
}

func TestFast(t *testing.T) {
	salt := NewSalt()
	fast, token := NewFast("secret"), Sha2Token(salt, "secret")
	flipped := bytes.Clone(token)
	flipped[31] ^= 1
	for _, tt := range []struct {
		name  string
		token []byte
		want  bool
	}{
		{"right", token, true},
		{"one bit", flipped, false},
		{"none", nil, false},
		{"short", token[:31], false},
		{"long", append(bytes.Clone(token), 0), false},
		{"other salt", Sha2Token(NewSalt(), "secret"), false},
		{"native", NewDigest("secret").Token(salt), false},
	} {
		if got := fast.Verify(salt, tt.token); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if Sha2Token(salt, "") != nil {
		t.Error("the empty password has a token")
	}
	once := sha256.Sum256([]byte("secret"))
	if bytes.Contains(token, once[:8]) {
		t.Error("the token shows the digest")
	}
}

func TestKeyPair(t *testing.T) {
	k, err := NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	salt := NewSalt()
	for _, password := range []string{"secret", "", strings.Repeat("x", 200)} {
		sealed, err := seal(password, salt, k.Public())
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := k.Decrypt(salt, sealed); !ok || string(got) != password {
			t.Errorf("%q, %v", got, ok)
		}
		if got, ok := k.Decrypt(NewSalt(), sealed); ok && string(got) == password {
			t.Error("any salt will do")
		}
		sealed[9] ^= 1
		if _, ok := k.Decrypt(salt, sealed); ok {
			t.Error("a changed text was taken")
		}
	}
	for _, junk := range [][]byte{nil, {2}, make([]byte, 255), make([]byte, 256), make([]byte, 257)} {
		if _, ok := k.Decrypt(salt, junk); ok {
			t.Errorf("%d bytes of junk were taken", len(junk))
		}
	}
	for _, junk := range []string{"", "key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		if _, err := seal("secret", salt, []byte(junk)); !errors.Is(err, errPublicKey) {
			t.Errorf("%q: %v", junk, err)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	const password = "my very secret"
	for _, s := range []any{SecretOfPassword(password), SecretOfDigest(NewDigest(password)), NewFast(password)} {
		digest := NewDigest(password)
		for _, verb := range []string{"%v", "%+v", "%s", "%#v", "%x", "%q", "%d"} {
			text := fmt.Sprintf(verb, s)
			if strings.Contains(text, "very") || strings.Contains(text, hex.EncodeToString(digest[:4])) || !strings.Contains(text, "secret") {
				t.Errorf("%T by %s prints %s", s, verb, text)
			}
		}
	}
}

// A login at a server with caching_sha2_password, in all its ways.
func TestLoginBySha2(t *testing.T) {
	const password = "secret"
	k, err := NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	fast := NewFast(password)
	greeting := Greeting{Version: "9.7.4", Salt: NewSalt(), Capabilities: ^Capability(0), Plugin: PluginSha2}
	var e *Error
	good := func(err error) bool { return err == nil }
	refused := func(err error) bool { return errors.As(err, &e) && e.Number == 1045 }
	tests := []struct {
		name   string
		secret Secret
		secure bool
		server func(c *Conn, l Login) // up to its verdict
		check  func(error) bool
	}{
		{"warm", SecretOfPassword(password), false, func(c *Conn, l Login) {
			if l.Plugin == PluginSha2 && fast.Verify(greeting.Salt, l.Token) {
				_ = c.Write([]byte{1, 3})
				_ = c.Write((&OK{}).Append(nil, 0))
			}
		}, good},
		{"cold, over TLS or a socket", SecretOfPassword(password), true, func(c *Conn, _ Login) {
			_ = c.Write([]byte{1, 4})
			if sent, _ := c.Read(); string(sent) == password+"\x00" {
				_ = c.Write((&OK{}).Append(nil, 0))
			}
		}, good},
		{"cold, over TCP", SecretOfPassword(password), false, func(c *Conn, _ Login) {
			_ = c.Write([]byte{1, 4})
			if asked, _ := c.Read(); !bytes.Equal(asked, []byte{2}) {
				return
			}
			_ = c.Write(append([]byte{1}, k.Public()...))
			sealed, _ := c.Read()
			if sent, ok := k.Decrypt(greeting.Salt, sealed); ok && string(sent) == password {
				_ = c.Write((&OK{}).Append(nil, 0))
			}
		}, good},
		{"no password", Secret{}, false, func(c *Conn, l Login) {
			if len(l.Token) == 0 {
				_ = c.Write((&OK{}).Append(nil, 0))
			}
		}, good},
		{"the key is refused", SecretOfPassword(password), false, func(c *Conn, _ Login) {
			_ = c.Write([]byte{1, 4})
			_, _ = c.Read()
			_ = c.Write(NewError(AccessDenied, "no").Append(nil))
		}, refused},
		{"a native client, a server that wants more", SecretOfDigest(NewDigest(password)), false, func(c *Conn, l Login) {
			if l.Plugin == PluginNative {
				_ = c.Write(AppendAuthSwitch(nil, PluginSha2, NewSalt()))
			}
		}, func(err error) bool { return errors.Is(err, ErrMethod) }},
		{"a key that is none", SecretOfPassword(password), false, func(c *Conn, _ Login) { _ = c.Write([]byte{1, 'x'}) }, func(err error) bool { return errors.Is(err, errPublicKey) }},
		{"a key over TLS", SecretOfPassword(password), true, func(c *Conn, _ Login) { _ = c.Write([]byte{1, 'x'}) }, func(err error) bool { return errors.Is(err, ErrMalformed) }},
		{"more of nothing", SecretOfPassword(password), true, func(c *Conn, _ Login) { _ = c.Write([]byte{1}) }, func(err error) bool { return errors.Is(err, ErrMalformed) }},
		{"more to a native login", SecretOfDigest(NewDigest(password)), true, func(c *Conn, _ Login) { _ = c.Write([]byte{1, 4}) }, func(err error) bool { return errors.Is(err, ErrMalformed) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := loginAs(t, tt.secret, tt.secure, func(c *Conn) {
				_ = c.Write(greeting.Append(nil))
				payload, err := c.Read()
				if err != nil {
					t.Error(err)
					return
				}
				l, err := ParseLogin(payload)
				if err != nil {
					t.Error(err)
				}
				tt.server(c, l)
			})
			if !tt.check(err) {
				t.Errorf("%v", err)
			}
		})
	}
}

// scripted is a server that says what it says, whatever it is answered.
type scripted struct{ io.Reader }

func (scripted) Write(p []byte) (int, error) { return len(p), nil }

func FuzzLoginAsClient(f *testing.F) {
	greeting := Greeting{Version: "9.7.4", Salt: NewSalt(), Capabilities: ^Capability(0), Plugin: PluginSha2}
	says := func(packets ...[]byte) {
		var b []byte
		for i, p := range packets {
			b, _ = AppendPacket(b, byte(2*i), p)
		}
		f.Add(b, true)
		f.Add(b, false)
	}
	ok := (&OK{}).Append(nil, 0)
	says(greeting.Append(nil), ok)
	says(greeting.Append(nil), []byte{1, 4}, ok)
	says(greeting.Append(nil), AppendAuthSwitch(nil, PluginNative, NewSalt()), ok)
	says(greeting.Append(nil), AppendAuthSwitch(nil, PluginSha2, NewSalt()), []byte{1, 4}, []byte("\x01-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n"), ok)
	f.Fuzz(func(_ *testing.T, b []byte, secure bool) {
		c := NewConn(scripted{bytes.NewReader(b)}, 1<<16)
		_, _ = c.Login(Login{Capabilities: Offered, User: "app"}, SecretOfPassword("secret"), secure)
	})
}

func FuzzParseStoredSha2(f *testing.F) {
	for _, text := range []string{secretSha2, longSha2, "", "24412430303524"} {
		hash, _ := hex.DecodeString(text)
		f.Add(string(hash))
	}
	f.Fuzz(func(t *testing.T, hash string) {
		s, err := ParseStoredSha2(hash)
		if err == nil && s.Rounds() <= 10000 && s.Verify([]byte("another password")) {
			t.Errorf("%q takes any password", hash)
		}
	})
}
