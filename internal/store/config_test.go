package store

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

func TestConfigValidate(t *testing.T) {
	tests := []struct {
		name string
		edit func(*Config)
		want string // part of the error; empty: none
	}{
		{"defaults", func(c *Config) { c.Bind = "" }, ""},
		{"loopback", func(c *Config) { c.Bind, c.Advertise = "127.0.0.9:1", "[::1]:7406" }, ""},
		{"localhost", func(c *Config) { c.Bind = "localhost:7406" }, ""},
		{"no node id", func(c *Config) { c.NodeID = "" }, "node id: a name is missing"},
		{"bad node id", func(c *Config) { c.NodeID = "N1" }, `name "N1"`},
		{"no directory", func(c *Config) { c.Dir = "" }, "directory is missing"},
		{"no logger", func(c *Config) { c.Logger = nil }, "logger is missing"},
		{"all interfaces", func(c *Config) { c.Bind = ":7406" }, "not on loopback"},
		{"another host", func(c *Config) { c.Bind = "192.0.2.1:7406" }, "mTLS"},
		{"another host advertised", func(c *Config) { c.Advertise = "db.example.org:7406" }, "not on loopback"},
		{"no port", func(c *Config) { c.Bind = "127.0.0.1" }, "missing port"},
		{"unknown profile", func(c *Config) { c.Profile = 9 }, "profile 9"},
		{"a transport of its own", func(c *Config) { c.Bind, c.Transport = "n1", noTransport{} }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := soleConfig("dir")
			tt.edit(&c)
			err := c.Validate()
			if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

type noTransport struct{ raft.Transport }

func TestProfiles(t *testing.T) {
	const ms = time.Millisecond
	for text, want := range map[string][3]time.Duration{
		"": {500 * ms, 500 * ms, 250 * ms}, "lan": {500 * ms, 500 * ms, 250 * ms},
		"fast": {200 * ms, 200 * ms, 100 * ms}, "wan": {1000 * ms, 1000 * ms, 500 * ms},
	} {
		p, err := ParseProfile(text)
		if err != nil {
			t.Fatal(err)
		}
		if text != "" && p.String() != text {
			t.Errorf("%q reads back as %q", text, p)
		}
		c := soleConfig("dir")
		c.Profile = p
		rc := c.raft()
		if got := [3]time.Duration{rc.HeartbeatTimeout, rc.ElectionTimeout, rc.LeaderLeaseTimeout}; got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
		if err := raft.ValidateConfig(rc); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ParseProfile("slow"); err == nil {
		t.Error("profile slow was accepted")
	}
}
