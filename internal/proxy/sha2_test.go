package proxy

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
	"github.com/sqlring/sqlring/pkg/topology"
)

// modern is an account of caching_sha2_password as a member keeps it.
func modern(user, password string) topology.Account {
	a := topology.Account{User: user, Host: "%", Plugin: wire.PluginSha2}
	if password != "" {
		a.Hash = wire.NewStoredSha2(password, "salt of "+user, 5000)
	}
	return a
}

// greet begins a login by hand: what the proxy says to the first packet comes back.
func (c *raw) greet(user, plugin string, token func(wire.Salt) []byte) (answer []byte, salt wire.Salt) {
	c.t.Helper()
	payload, err := c.own.Read()
	if err != nil {
		c.t.Fatal(err)
	}
	g, err := wire.ParseGreeting(payload)
	if err != nil {
		c.t.Fatal(err)
	}
	l := wire.Login{Capabilities: rawCaps, User: user, Plugin: plugin, Token: token(g.Salt)}
	if err := c.own.Write(l.Append(nil)); err != nil {
		c.t.Fatal(err)
	}
	return c.read(), g.Salt
}

func (c *raw) read() []byte {
	c.t.Helper()
	payload, err := c.own.Read()
	if err != nil {
		c.t.Fatal(err)
	}
	return bytes.Clone(payload)
}

// numberOf is the number of an error packet; 0: it is none.
func numberOf(payload []byte) uint16 {
	var e *wire.Error
	if len(payload) > 0 && payload[0] == 0xFF && errors.As(wire.ParseError(payload), &e) {
		return e.Number
	}
	return 0
}

func sha2Of(password string) func(wire.Salt) []byte {
	return func(s wire.Salt) []byte { return wire.Sha2Token(s, password) }
}

func TestSha2IsFullOnceAndThenFast(t *testing.T) {
	f := startFaked(t, Config{}, nil)
	f.world.setAccounts(modern("m", "secret"))
	first, _ := dialRaw(t, f.Addr()).greet("m", wire.PluginSha2, sha2Of("secret"))
	if !bytes.Equal(first, []byte{1, 4}) {
		t.Fatalf("before anybody has logged in: %q", first)
	}
	if err := dialRaw(t, f.Addr()).login("m", "secret", rawCaps); err != nil { // by a switch, and RSA
		t.Fatal(err)
	}
	c := dialRaw(t, f.Addr())
	if second, _ := c.greet("m", wire.PluginSha2, sha2Of("secret")); !bytes.Equal(second, []byte{1, 3}) || c.read()[0] != 0 {
		t.Errorf("after a full login: %q", second)
	}
	if wrong, _ := dialRaw(t, f.Addr()).greet("m", wire.PluginSha2, sha2Of("wrong")); !bytes.Equal(wrong, []byte{1, 4}) {
		t.Errorf("a wrong token: %q", wrong)
	}
	f.world.setAccounts(modern("m", "changed"))
	if stale, _ := dialRaw(t, f.Addr()).greet("m", wire.PluginSha2, sha2Of("secret")); !bytes.Equal(stale, []byte{1, 4}) {
		t.Errorf("after the hash has changed: %q", stale)
	}
	if _, known := f.secrets.known["'m'@'%'"]; known {
		t.Error("the old password is remembered")
	}
	if err := dialRaw(t, f.Addr()).login("m", "changed", rawCaps); err != nil {
		t.Error(err)
	}
	f.world.setAccounts(modern("other", "pw"))
	if err := dialRaw(t, f.Addr()).login("other", "pw", rawCaps); err != nil || len(f.secrets.known) != 1 {
		t.Errorf("%v; %d remembered, although one is there", err, len(f.secrets.known))
	}
}

// A password is taken only in a way that nobody could have listened to.
func TestSha2PasswordsInTheClearAreNotTaken(t *testing.T) {
	f := startFaked(t, Config{RefreshTimeout: time.Millisecond}, nil)
	f.world.setAccounts(modern("m", "secret"))
	for name, sent := range map[string][]byte{
		"clear": []byte("secret\x00"), "nothing": nil, "as long as a key": bytes.Repeat([]byte{7}, 256), "long": make([]byte, 60000),
	} {
		c := dialRaw(t, f.Addr())
		if first, _ := c.greet("m", wire.PluginSha2, sha2Of("secret")); !bytes.Equal(first, []byte{1, 4}) {
			t.Fatalf("%q", first)
		}
		_ = c.own.Write(sent)
		if got := c.read(); numberOf(got) != 1045 {
			t.Errorf("%s: %q", name, got)
		}
	}
	if f.Stats().LinksTotal != 0 {
		t.Error("a member was asked")
	}
	c := dialRaw(t, f.Addr())
	clear, _ := c.greet("m", wire.PluginClear, func(wire.Salt) []byte { return []byte("secret\x00") })
	if clear[0] != 0xFE || !bytes.HasPrefix(clear[1:], []byte(wire.PluginSha2)) {
		t.Errorf("a client of %s over TCP: %q", wire.PluginClear, clear)
	}
}

// Over the unix socket nobody listens.
func TestClearPasswordsOverTheSocket(t *testing.T) {
	path := t.TempDir() + "/s"
	f := startFaked(t, Config{Socket: path, RefreshTimeout: time.Millisecond}, nil)
	f.world.setAccounts(modern("m", "secret"), native("n", "%", "secret"), modern("open", ""))
	for _, user := range []string{"m", "n", "open", "nobody"} {
		for _, password := range []string{"secret", "wrong", ""} {
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			c := &raw{t: t, conn: conn, own: wire.NewConn(conn, 1<<20)}
			got, _ := c.greet(user, wire.PluginClear, func(wire.Salt) []byte { return append([]byte(password), 0) })
			if in := password == "secret" && (user == "m" || user == "n") || password == "" && user == "open"; (got[0] == 0) != in || (!in && numberOf(got) != 1045) {
				t.Errorf("%s by %q: %q", user, password, got)
			}
		}
	}
}

// Clients from before there were plugins can not be asked for anything but a native
// token: whoever they say they are, they are told so.
func TestOldClientsOfModernAccounts(t *testing.T) {
	f := startFaked(t, Config{RefreshTimeout: time.Millisecond}, nil)
	f.world.setAccounts(modern("m", "secret"))
	for _, user := range []string{"m", "nobody"} {
		err := dialRaw(t, f.Addr()).login(user, "secret", rawCaps&^wire.PluginAuth)
		var e *wire.Error
		if !errors.As(err, &e) || e.Number != 1251 {
			t.Errorf("%s: %v", user, err)
		}
	}
}

func TestChangeUserToModernAccounts(t *testing.T) {
	f := startFaked(t, Config{RefreshTimeout: time.Millisecond}, nil)
	f.world.setAccounts(native("app", "%", appPassword), modern("m", "secret"))
	for _, tt := range []struct {
		user, password string
		in             bool
	}{{"m", "secret", true}, {"m", "secret", true}, {"m", "wrong", false}, {"app", appPassword, true}, {"nobody", "secret", false}} {
		c := f.client(t)
		change := append(append([]byte{byte(wire.ComChangeUser)}, tt.user...), 0, 0, 0, 45, 0)
		change = append(append(change, wire.PluginSha2...), 0)
		if err := c.own.Send(change); err != nil {
			t.Fatal(err)
		}
		c.own.Restart(1, 1<<20)
		err := c.own.Finish("", wire.Salt{}, wire.Credentials{Secret: wire.SecretOfPassword(tt.password)})
		if (err == nil) != tt.in || (err != nil && !strings.Contains(err.Error(), "1045")) {
			t.Errorf("%s by %s: %v", tt.user, tt.password, err)
		}
		if tt.in {
			if n, _ := c.query("SELECT 1"); n != 0 {
				t.Errorf("%s: then %d", tt.user, n)
			}
		}
	}
}

// A name that nobody has is asked by the same method at each try, at each node, and
// by each method about as often as there are accounts of it.
func TestDecoysAreStable(t *testing.T) {
	accounts := []topology.Account{native("a", "%", "x"), modern("b", "x"), modern("c", "x"), {User: "d", Host: "%", Plugin: "ed25519"}}
	node := func(key string) *Proxy {
		p, err := New(Config{Addr: "x:0", DecoyKey: []byte(key)}, newWorld(), newWorld())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	one, two, stranger := node("key"), node("key"), node("another")
	sha2s, differs := 0, false
	for i := range 300 {
		name := strings.Repeat("x", i)
		method, native, sha2 := one.decoy(accounts, name)
		if again, _, _ := two.decoy(accounts, name); again != method {
			t.Fatalf("%s: two nodes differ", name)
		}
		if other, _, _ := stranger.decoy(accounts, name); other != method {
			differs = true
		}
		if method == wire.PluginSha2 {
			sha2s++
		}
		if _, ok := native.Verify(wire.Salt{}, nil); ok || sha2.Rounds() != 5000 {
			t.Errorf("%s: %v, %d rounds", name, ok, sha2.Rounds())
		}
	}
	if sha2s < 160 || sha2s > 240 {
		t.Errorf("%d of 300 are asked by %s, which two of three accounts have", sha2s, wire.PluginSha2)
	}
	if !differs {
		t.Error("the key does not matter")
	}
	if method, _, _ := one.decoy(nil, "x"); method != wire.PluginNative {
		t.Errorf("without accounts: %s", method)
	}
}

// Neither text nor time tells which names exist: an unknown name, a wrong password
// and an account that can not log in here come to the same.
func TestNobodyLearnsWhoExists(t *testing.T) {
	const tries = 200
	for _, kind := range []string{wire.PluginNative, wire.PluginSha2} {
		t.Run(kind, func(t *testing.T) {
			f := startFaked(t, Config{RefreshTimeout: time.Millisecond, Limits: Limits{FailuresPerAddress: -1, FailuresPerAccount: -1}}, nil)
			known := native("known", "%", "secret")
			if kind == wire.PluginSha2 {
				known = modern("known", "secret")
			}
			f.world.setAccounts(known, topology.Account{User: "other", Host: "%", Plugin: "ed25519", Hash: "x"}, topology.Account{User: "socket", Host: "%", Plugin: "unix_socket"})
			if err := loginOnce(t, f, "known", "secret"); err != nil { // the proxy may remember it, but must not show that
				t.Fatal(err)
			}
			took, texts := map[string][]time.Duration{}, map[string]bool{}
			for range tries {
				for _, user := range []string{"known", "nobody", "other"} {
					start := time.Now()
					err := loginOnce(t, f, user, "wrong")
					took[user] = append(took[user], time.Since(start))
					if err == nil {
						t.Fatal("let in")
					}
					texts[strings.ReplaceAll(err.Error(), user, "…")] = true
				}
			}
			if len(texts) != 1 {
				t.Errorf("they are told apart by %v", texts)
			}
			least, most, noise := time.Hour, time.Duration(0), time.Duration(0)
			for user, all := range took {
				slices.Sort(all)
				median := all[tries/2]
				least, most = min(least, median), max(most, median)
				noise = max(noise, all[tries*3/4]-all[tries/4])
				t.Logf("FIGURE %s, %s: median %v, quartiles %v to %v", kind, user, median, all[tries/4], all[tries*3/4])
			}
			if most-least > 3*noise {
				t.Errorf("medians from %v to %v; noise %v", least, most, noise)
			}
		})
	}
}

func loginOnce(t *testing.T, f *faked, user, password string) error {
	t.Helper()
	c := dialRaw(t, f.Addr())
	defer func() { _ = c.conn.Close() }()
	return c.login(user, password, rawCaps)
}
