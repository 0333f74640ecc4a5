package topology

import (
	"net/netip"
	"testing"
)

func TestMatchAccount(t *testing.T) {
	accounts := []Account{
		{User: "app", Host: "%"},
		{User: "app", Host: "192.0.2.7"},
		{User: "app", Host: "192.0.2.%"},
		{User: "app", Host: "198.51.100.0/255.255.255.0"},
		{User: "app", Host: "2001:db8::/32"},
		{User: "", Host: "localhost"},
		{User: "shop", Host: "10.0._.1"},
		{User: "shop", Host: "db.example.org"},
		{User: "root", Host: "localhost"},
		{User: "root", Host: "127.0.0.1"},
	}
	for _, tt := range []struct {
		name, user, addr, want string
	}{
		{"an address before a pattern", "app", "192.0.2.7", "'app'@'192.0.2.7'"},
		{"a pattern before any", "app", "192.0.2.8", "'app'@'192.0.2.%'"},
		{"a netmask", "app", "198.51.100.200", "'app'@'198.51.100.0/255.255.255.0'"},
		{"a prefix", "app", "2001:db8::5", "'app'@'2001:db8::/32'"},
		{"any", "app", "203.0.113.1", "'app'@'%'"},
		{"mapped into version 6", "app", "::ffff:192.0.2.7", "'app'@'192.0.2.7'"},
		// The server's famous trap: the anonymous account of a more specific host
		// comes first.
		{"anonymous at localhost", "app", "127.0.0.1", "''@'localhost'"},
		{"one character", "shop", "10.0.3.1", "'shop'@'10.0._.1'"},
		{"two characters for one", "shop", "10.0.33.1", ""},
		{"names are not resolved", "shop", "192.0.2.1", ""},
		{"no such user", "nobody", "192.0.2.1", ""},
		{"localhost over the socket", "root", "", "'root'@'localhost'"},
		{"root from elsewhere", "root", "192.0.2.1", ""},
		{"an address before localhost", "root", "127.0.0.1", "'root'@'127.0.0.1'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var addr netip.Addr
			if tt.addr != "" {
				addr = netip.MustParseAddr(tt.addr)
			}
			a, ok := MatchAccount(accounts, tt.user, addr)
			if got := a.Name(); ok != (tt.want != "") || (ok && got != tt.want) {
				t.Fatalf("MatchAccount(%s, %s) = %s, %v; want %q", tt.user, tt.addr, got, ok, tt.want)
			}
		})
	}
}

// The other end of a server's unix socket is called localhost, and nothing else.
func TestMatchAccountByPatternOfLocalhost(t *testing.T) {
	accounts := []Account{{User: "cron", Host: "Local%"}}
	if _, ok := MatchAccount(accounts, "cron", netip.Addr{}); !ok {
		t.Error("not over the socket")
	}
	if _, ok := MatchAccount(accounts, "cron", netip.MustParseAddr("127.0.0.1")); ok {
		t.Error("over TCP, where names are not resolved")
	}
}

func FuzzHostMatches(f *testing.F) {
	f.Add("10.0._.%", "10.0.0.1")
	f.Add("198.51.100.0/255.255.255.0", "198.51.100.1")
	f.Add("%", "::1")
	f.Fuzz(func(t *testing.T, host, addr string) {
		a, err := netip.ParseAddr(addr)
		if err != nil || len(host) > 255 {
			return
		}
		_ = hostMatches(host, a)
		if !hostMatches("%", a) {
			t.Fatal("% does not match everything")
		}
	})
}
