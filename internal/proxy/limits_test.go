package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/wire"
)

func TestGuard(t *testing.T) {
	now := time.Unix(1000, 0)
	g := newGuard(Limits{FailuresPerAddress: 2, FailuresPerAccount: 1})
	bad, good := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range 20 {
		if g.blocked(bad, now) {
			t.Fatalf("blocked after %d of 20 failures", i)
		}
		g.failed(bad, fmt.Sprint("user", i), now)
	}
	if !g.blocked(bad, now) || g.blocked(good, now) || g.blocked(netip.Addr{}, now) {
		t.Error("the wrong one is blocked")
	}
	if !g.blocked(netip.MustParseAddr("::ffff:192.0.2.1"), now) {
		t.Error("it comes in by another notation")
	}
	if g.blocked(bad, now.Add(600*time.Millisecond)) {
		t.Error("it is blocked for longer than its rate asks for")
	}
	for range 1000 { // they were under way together
		g.failed(bad, "x", now)
	}
	if !g.blocked(bad, now.Add(9*time.Second)) || g.blocked(bad, now.Add(11*time.Second)) {
		t.Error("the debt is none, or has no end")
	}

	g.succeeded(good, "victim")
	for i := range 30 {
		g.failed(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), "victim", now)
	}
	if g.pause(bad, "victim", now) == 0 || g.pause(good, "victim", now) != 0 || g.pause(good, "other", now) != 0 {
		t.Error("who guesses is not slowed down, or who is known there is")
	}
	none := newGuard(Limits{FailuresPerAddress: -1, FailuresPerAccount: -1})
	for range 1000 {
		none.failed(bad, "x", now)
	}
	if none.blocked(bad, now) || none.pause(bad, "x", now) != 0 {
		t.Error("limits that are off")
	}
}

func TestGuardIsBounded(t *testing.T) {
	now := time.Unix(1000, 0)
	g := newGuard(Limits{FailuresPerAddress: 1, FailuresPerAccount: 1})
	for i := range 3 * trackedFailures {
		addr := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		g.failed(addr, fmt.Sprint(i), now.Add(time.Duration(i)*time.Microsecond))
		g.succeeded(addr, "x")
	}
	if a, u, f := len(g.addresses.left), len(g.users.left), len(g.friends); a > trackedFailures || u > trackedFailures || f > trackedFailures {
		t.Errorf("%d addresses, %d users, %d friends", a, u, f)
	}
	one, other := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::ffff:1")
	for range 11 {
		g.failed(one, "y", now)
	}
	if !g.blocked(other, now) {
		t.Error("another address of the same network of IPv6 is somebody else")
	}
}

// A thousand guesses from one address: the first hundred or so are looked at, the
// rest is refused unseen, and no member hears of any.
func TestBruteForce(t *testing.T) {
	f := startFaked(t, Config{RefreshTimeout: time.Millisecond, Limits: Limits{FailuresPerAddress: 1, FailuresPerAccount: -1}}, nil)
	f.world.setAccounts(native("app", "%", appPassword))
	good := f.client(t)
	links := f.Stats().LinksTotal
	numbers := map[uint16]int{}
	for i := range 1000 {
		c := dialRaw(t, f.Addr())
		var e *wire.Error
		if err := c.login("app", fmt.Sprint("guess", i), rawCaps); !errors.As(err, &e) {
			t.Fatal(err)
		}
		numbers[e.Number]++
		_ = c.conn.Close()
	}
	if numbers[1045] < 10 || numbers[1045] > 40 || numbers[1129] != 1000-numbers[1045] {
		t.Errorf("answers: %v", numbers)
	}
	if s := f.Stats(); s.LinksTotal != links || s.Refused["failed_logins"] != uint64(numbers[1129]) || s.Refused["password"] != uint64(numbers[1045]) {
		t.Errorf("%+v", s)
	}
	if n, _ := good.query("SELECT 1"); n != 0 {
		t.Errorf("who is in got %d", n)
	}
	var e *wire.Error
	if err := dialRaw(t, f.Addr()).login("app", appPassword, rawCaps); !errors.As(err, &e) || e.Number != 1129 || !strings.Contains(e.Message, "127.0.0.1") {
		t.Errorf("the right one among the guesses: %v", err)
	}
}

// Guesses at one account from many addresses slow down those who have never logged
// in to it from where they are, and nobody else.
func TestGuessesAtOneAccount(t *testing.T) {
	balancers := ProxyProtocol{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	f := startFaked(t, Config{RefreshTimeout: time.Millisecond, ProxyProtocol: balancers, Limits: Limits{FailuresPerAccount: 1}}, nil)
	from := func(last int, password string) (time.Duration, error) {
		start := time.Now()
		c := speakFirst(t, f.Addr(), fmt.Appendf(nil, "PROXY TCP4 203.0.113.%d 10.0.0.1 1 2\r\n", last))
		defer func() { _ = c.conn.Close() }()
		err := c.login("app", password, rawCaps)
		return time.Since(start), err
	}
	if _, err := from(1, appPassword); err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		_, _ = from(10+i, "guess")
	}
	if took, err := from(1, appPassword); err != nil || took > slowdown/2 {
		t.Errorf("from where it has been before: %v, %v", took, err)
	}
	if took, err := from(2, appPassword); err != nil || took < slowdown {
		t.Errorf("from elsewhere: %v, %v", took, err)
	}
	if n := f.Stats().Slowed; n < 1 || n > 3 { // the last guesses, and the last login
		t.Errorf("%d slowed down", n)
	}
}

func TestSessionsPerAddress(t *testing.T) {
	f := startFaked(t, Config{Limits: Limits{PerAddress: 2}}, nil)
	first := f.client(t)
	f.client(t)
	var e *wire.Error
	if err := dialRaw(t, f.Addr()).login("app", appPassword, rawCaps); !errors.As(err, &e) || e.Number != 1040 {
		t.Errorf("%v", err)
	}
	_ = first.conn.Close()
	waitFor(t, "there is room", func() bool { return f.Stats().Sessions == 1 })
	f.client(t)
	if n := f.Stats().Refused["per_address"]; n != 1 {
		t.Errorf("refused %v", f.Stats().Refused)
	}
}

func TestSessionsPerAccount(t *testing.T) {
	f := startFaked(t, Config{Limits: Limits{PerAccount: 2}}, nil)
	f.world.setAccounts(native("app", "%", appPassword), native("other", "%", appPassword))
	first, second := f.client(t), f.client(t)
	refused := func(user string, want uint16) {
		t.Helper()
		c := dialRaw(t, f.Addr())
		var e *wire.Error
		if err := c.login(user, appPassword, rawCaps); (want == 0 && err != nil) || (want != 0 && (!errors.As(err, &e) || e.Number != want)) {
			t.Errorf("%s: %v, want %d", user, err, want)
		}
		_ = c.conn.Close()
	}
	refused("app", 1203)
	refused("other", 0)
	// Who changes the user leaves a place, and takes one.
	change := append([]byte{byte(wire.ComChangeUser)}, "other\x00\x00\x00\x2d\x00mysql_native_password\x00"...)
	if err := first.own.Send(change); err != nil {
		t.Fatal(err)
	}
	first.own.Restart(1, 1<<20)
	if err := first.own.Finish("", wire.Salt{}, wire.Credentials{Secret: wire.SecretOfPassword(appPassword)}); err != nil {
		t.Fatal(err)
	}
	third := f.client(t)
	refused("app", 1203)
	for _, c := range []*raw{first, second, third} {
		_ = c.conn.Close()
	}
	waitFor(t, "all are gone", func() bool { return f.Stats().Sessions == 0 })
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.census.accounts)+len(f.census.addresses)+f.census.pending.Len() != 0 {
		t.Errorf("somebody is still counted: %+v", f.census)
	}
}

// Five thousand half handshakes do not keep anybody from logging in.
func TestStrangersPushOutEachOther(t *testing.T) {
	const strangers = 1500
	f := startFaked(t, Config{LoginTimeout: 5 * time.Second, Limits: Limits{Pending: 100}}, nil)
	good := f.client(t)
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	slowest := time.Duration(0)
	for i := range strangers {
		conn, err := net.Dial("tcp", f.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte{200})
		conns = append(conns, conn)
		if i%100 == 99 {
			start := time.Now()
			c := f.client(t)
			slowest = max(slowest, time.Since(start))
			_ = c.conn.Close()
		}
	}
	t.Logf("FIGURE the slowest of %d logins among %d half handshakes took %v", strangers/100, strangers, slowest)
	if slowest > 500*time.Millisecond {
		t.Errorf("a good client waited %v", slowest)
	}
	waitFor(t, "the oldest are out", func() bool { return f.Stats().Refused["max_pending"] >= strangers-100 })
	if n := f.Stats().Sessions; n > 110 {
		t.Errorf("%d sessions", n)
	}
	if n, _ := good.query("SELECT 1"); n != 0 {
		t.Errorf("who is in got %d", n)
	}
	if number, closed := lastWords(conns[0]); !closed || (number != 1040 && number != 0) {
		t.Errorf("the first one: %d, closed %v", number, closed)
	}
}

// Nobody at all may log in from there: servers say so, whoever it is.
func TestHostThatNobodyMayComeFrom(t *testing.T) {
	f := startFaked(t, Config{RefreshTimeout: time.Millisecond}, nil)
	f.world.setAccounts(native("app", "10.%", appPassword))
	for _, user := range []string{"app", "nobody"} {
		var e *wire.Error
		err := dialRaw(t, f.Addr()).login(user, appPassword, rawCaps)
		if !errors.As(err, &e) || e.Number != 1130 || e.Message != "Host '127.0.0.1' is not allowed to connect to this MariaDB server" {
			t.Errorf("%s: %v", user, err)
		}
	}
}
