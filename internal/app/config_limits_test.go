package app

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/sqlring/sqlring/internal/proxy"
)

func TestLimitsAndBalancersAreRead(t *testing.T) {
	cfg, _, err := load(t, least+`proxy:
  limits: {sessions: 9000, per_address: 50, pending: -1, failures_per_address: 3}
  proxy_protocol: {networks: [10.0.0.0/8, "2001:db8::7"], required: true}
`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.limits(), (proxy.Limits{PerAddress: 50, Pending: -1, FailuresPerAddress: 3}); got != want {
		t.Errorf("limits %+v", got)
	}
	if cfg.Proxy.Limits.Sessions != 9000 {
		t.Errorf("%d sessions", cfg.Proxy.Limits.Sessions)
	}
	p := cfg.proxyProtocol()
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::7/128")}
	if fmt.Sprint(p.Networks) != fmt.Sprint(want) || !p.Required {
		t.Errorf("balancers %+v", p)
	}
}

func TestLimitsAndBalancersThatAreWrong(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"limits: {pending: many}", "proxy.limits.pending: a number is expected here, this is text"},
		{"limits: {per_account: -2}", "proxy.limits.per_account: -2 is less than -1"},
		{"limits: {sessions: -1}", "proxy.limits.sessions: -1 is less than 0"},
		{"limits: {peraddress: 2}", `did you mean "per_address"?`},
		{"proxy_protocol: {networks: [10.0.0.300]}", `"10.0.0.300" is neither an address nor a network`},
		{"proxy_protocol: {required: perhaps}", "true or false is expected here, this is text"},
		{"proxy_protocol: {required: true}", "nobody could connect over TCP"},
	} {
		_, _, err := load(t, least+"proxy:\n  "+tt.text+"\n")
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestDecoyKeyHidesThePassword(t *testing.T) {
	if a, b := decoyKey("one"), decoyKey("two"); string(a) == string(b) || len(a) < 16 || string(a) != string(decoyKey("one")) {
		t.Errorf("%x, %x", a, b)
	}
}
